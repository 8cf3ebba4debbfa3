"""A headless Slicer scene for the tests of this folder; whatever VTK complains about fails the test."""

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

if importlib.util.find_spec("slicer") is None:
    collect_ignore_glob = ["test_*.py"]  # the scene is an extra: pip install tumorclassifier[scene]
else:
    os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkOSOpenGLRenderWindow")

STANDIN = Path(__file__).resolve().parents[2] / "Standin"


@pytest.fixture(scope="session")
def headless() -> Any:
    """The scene, its application logic, and Slicer's scripted-module base classes; started once."""
    from TumorClassifierLib.scene.headless import start

    sys.path.insert(0, str(STANDIN))
    import scripted_module
    from vtk_messages import captured

    with captured() as window:
        started = start()
    assert window.GetOutput() == "", f"VTK complained: {window.GetOutput()}"

    scripted_module.install()
    return started


@pytest.fixture
def vtk_is_content(headless: Any) -> Iterator[None]:
    """The test fails when VTK has reported an error or a warning."""
    from vtk_messages import captured

    with captured() as window:
        yield
    assert window.GetOutput() == "", f"VTK complained: {window.GetOutput()}"


@pytest.fixture
def scene(headless: Any, vtk_is_content: None) -> Iterator[Any]:
    """An empty scene."""
    headless.scene.Clear()
    yield headless.scene
    headless.scene.Clear()


@pytest.fixture(scope="session")
def slicer_module(headless: Any, repository: Path) -> Any:
    """Loads a module file of the extension by its name."""
    import scripted_module

    def load(name: str) -> ModuleType:
        return scripted_module.load_module(repository / name / f"{name}.py")

    return load
