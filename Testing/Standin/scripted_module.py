"""What Slicer gives a scripted module and the slicer-core wheel lacks: base classes and translation, without Qt.

Only what our module files use. A module that runs here may still fail in Slicer.
"""

import importlib.util
import sys
import types
import unittest
from pathlib import Path
from types import ModuleType
from typing import Any

import slicer


class ScriptedLoadableModule:
    """Base of a module's description; its constructor fills in the parent that Slicer hands over."""

    def __init__(self, parent: Any) -> None:
        self.parent = parent
        self.moduleName = type(self).__name__
        parent.title = ""
        parent.categories = []
        parent.dependencies = []
        parent.contributors = []
        parent.helpText = ""
        parent.acknowledgementText = ""


class ScriptedLoadableModuleWidget:
    """Base of a module's panel."""

    def __init__(self, parent: Any = None) -> None:
        self.parent = parent
        self.moduleName = type(self).__name__.removesuffix("Widget")

    def setup(self) -> None:
        """Called once, before the panel is shown."""


class ScriptedLoadableModuleLogic:
    """Base of a module's logic."""

    def __init__(self, parent: Any = None) -> None:
        self.moduleName = type(self).__name__.removesuffix("Logic")
        self.isSingletonParameterNode = True


class ScriptedLoadableModuleTest(unittest.TestCase):
    """Base of a module's self-test."""


def install() -> None:
    """Publish the base classes as `slicer.ScriptedLoadableModule` and translation as `slicer.i18n`; once is enough."""
    base = types.ModuleType("slicer.ScriptedLoadableModule")
    for cls in (
        ScriptedLoadableModule,
        ScriptedLoadableModuleWidget,
        ScriptedLoadableModuleLogic,
        ScriptedLoadableModuleTest,
    ):
        setattr(base, cls.__name__, cls)
    translation = types.ModuleType("slicer.i18n")
    translation.tr = lambda text: text  # type: ignore[attr-defined]
    translation.translate = lambda context, text: text  # type: ignore[attr-defined]
    for module in (base, translation):
        name = module.__name__.rpartition(".")[2]
        sys.modules[module.__name__] = module
        setattr(slicer, name, module)


def load_module(path: Path) -> ModuleType:
    """A module file as Slicer loads it: by path, under its own name."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module
