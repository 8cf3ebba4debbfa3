"""Starts the stand-in for Slicer's application: a real scene and its logics, with a Qt that behaves as Slicer's does.

`start()` publishes `slicer.app`, `slicer.modules`, `slicer.qMRML...`, `qt`, `ctk` and the Python parts of Slicer that
our modules import. Passing here does not prove that a module runs in Slicer.
"""

import atexit
import os
import shutil
import sys
import tempfile
import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SOURCES = "TUMORCLASSIFIER_SLICER_SOURCES"  # a folder of Slicer's own Base/Python, to be used in the place of ours


@dataclass
class Standin:
    """The running stand-in."""

    scene: Any
    application: Any
    application_logic: Any
    packaging: Any
    questions: Any
    folder: Path
    _window: Any = None  # made once: its views stay in the scene

    def load(self, path: Path) -> Any:
        """Register a module's file; returns the module."""
        from application import load_scripted_module

        return load_scripted_module(path)

    def open(self, name: str) -> Any:
        """Show a module that is registered; returns its panel's Python object."""
        import slicer

        representation = getattr(slicer.modules, name.lower()).widgetRepresentation()
        representation.enter()
        return representation.self()

    def close(self, name: str) -> None:
        """End a module: its panel is cleaned up and destroyed."""
        import slicer

        if self._window is not None:
            self._window[0].moduleSelector().selectModule("")
        module = getattr(slicer.modules, name.lower())
        module.widgetRepresentation().exit()
        slicer.app.moduleManager().moduleAboutToBeUnloaded.emit(name)
        module.widgetRepresentation().delete()
        for attribute in (name.lower(), f"{name}Widget", f"{name}Instance"):
            delattr(slicer.modules, attribute)

    def open_window(self, width: int = 1300, height: int = 800) -> Any:
        """Slicer's main window with four views that are drawn; without it there is neither."""
        import pythonqt
        import slicer
        from layout_manager import qSlicerLayoutManager, qSlicerMainWindow

        application = slicer.app._object
        if self._window is None:
            layout_manager = qSlicerLayoutManager()
            self._window = qSlicerMainWindow(layout_manager), layout_manager
        window, application._layout_manager = self._window
        window.setObjectName("qSlicerMainWindow")
        window.resize(width, height)
        window.show()
        return pythonqt.wrap(window)

    def close_window(self) -> None:
        """Slicer without a main window and without views again."""
        import slicer

        if self._window is not None:
            self._window[0].close()
            self._window[0].setObjectName("")
            slicer.app._object._layout_manager = None

    def testing(self, enabled: bool) -> None:
        """Whether Slicer runs its tests: then no message is shown and no package installed, as at the start."""
        import slicer

        slicer.app._object._testing = enabled

    def process(self, seconds: float = 0.0) -> None:
        """Let Qt do what waits, for some time."""
        import time

        from PySide6.QtCore import QCoreApplication, QEvent

        end = time.monotonic() + seconds
        while True:
            self.application.processEvents()
            QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)  # what was told deleteLater()
            if time.monotonic() >= end:
                return
            time.sleep(0.005)

    def wait(self, until: Any, seconds: float = 30.0) -> None:
        """Let Qt work until `until()` is true; TimeoutError when it never is."""
        import time

        end = time.monotonic() + seconds
        while not until():
            if time.monotonic() > end:
                raise TimeoutError(f"waited {seconds:g} s")
            self.process(0.01)


_started: Standin | None = None


def start() -> Standin:
    """The stand-in of this process, started on the first call."""
    global _started
    if _started is None:
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
        _started = _start()
    return _started


def _start() -> Standin:
    from TumorClassifierLib.scene.headless import start as start_scene

    headless = start_scene()
    import problems
    import pythonqt
    import slicer

    problems.install()
    pythonqt.install()
    import application
    import cli_modules
    import mrml_widgets  # noqa: F401
    import ui_loader
    from questions import Questions
    from scripted_module import publish
    from slicer_parts import Packaging, pytorch_utils, sample_data

    folder = Path(tempfile.mkdtemp(prefix="tumorclassifier-standin-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    application.launcher(folder)
    app = pythonqt.wrap(application.Application(folder, headless.application_logic))
    slicer.app, slicer.moduleNames = app, types.SimpleNamespace()
    slicer.mrmlScene.RegisterNodeClass(slicer.vtkMRMLCommandLineModuleNode())
    slicer.modules.n4itkbiasfieldcorrection = cli_modules.n4_module()

    pythonqt.LIBRARIES.insert(0, types.SimpleNamespace(QUiLoader=ui_loader.QUiLoader))
    publish(_widgets("ctk", "ctk"))
    for name, widget in vars(_widgets("slicer", "q")).items():
        if name.startswith("q"):
            setattr(slicer, name, widget)
    slicer.qSlicerScriptedLoadableModule = pythonqt.wrapper_class(application.qSlicerScriptedLoadableModule)
    for module in (Packaging(), cli_modules.command_line(), sample_data(slicer.modules)):
        publish(module)
    publish(pytorch_utils())
    _python_parts(os.environ.get(SOURCES))
    questions = Questions()
    questions.install()
    return Standin(slicer.mrmlScene, app, headless.application_logic, slicer.packaging, questions, folder)


def _widgets(name: str, prefix: str) -> types.ModuleType:
    """A module of the stand-in's own widgets whose names begin so."""
    import pythonqt
    from widget_parts import TYPES

    module = types.ModuleType(name)
    for class_name, widget in TYPES.items():
        if class_name.startswith(prefix):
            setattr(module, class_name, pythonqt.wrapper_class(widget))
    return module


def _python_parts(sources: str | None) -> None:
    """Base classes, parameter nodes and translation: ours, or Slicer's own where a copy is at hand."""
    import scripted_module
    import slicer
    from slicer_parts import recording, translation

    if sources:
        slicer.__path__.append(str(Path(sources) / "slicer"))
        sys.modules.pop("slicer.packaging")
        for name in ("i18n", "ScriptedLoadableModule", "parameterNodeWrapper", "packaging"):
            setattr(slicer, name, __import__(f"slicer.{name}", fromlist=[name]))
        recording(slicer.packaging)
        return
    scripted_module.install()
    scripted_module.publish(translation())
    import parameter_checks
    import parameter_node

    wrapper = types.ModuleType("slicer.parameterNodeWrapper")
    for part in (parameter_node.parameterNodeWrapper, parameter_node.isParameterNodeWrapper):
        setattr(wrapper, part.__name__, part)
    for name, thing in vars(parameter_checks).items():
        if isinstance(thing, type):
            setattr(wrapper, name, thing)
    wrapper.SlicerParameterNamePropertyName = (  # type: ignore[attr-defined]
        parameter_node.SlicerParameterNamePropertyName
    )
    scripted_module.publish(wrapper)
