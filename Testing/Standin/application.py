"""`slicer.app`, `slicer.modules` and the widgets that Slicer itself makes around a scripted module."""

import importlib.util
import os
import sys
import traceback
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import problems
import pythonqt
import slicer
from mrml_selectors import qMRMLWidget
from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Property, Signal
from widget_parts import known, stored


class Application(QtWidgets.QApplication):
    """The application; its settings and temporary files lie in a folder of their own."""

    SIGNALS = {"startupCompleted()": "startupCompleted", "mrmlSceneChanged(vtkMRMLScene*)": "mrmlSceneChanged"}
    startupCompleted = Signal()
    mrmlSceneChanged = Signal(object)

    def __init__(self, folder: Path, application_logic: Any) -> None:
        super().__init__(["Slicer"])
        QtCore.QSettings.setDefaultFormat(QtCore.QSettings.Format.IniFormat)
        for scope in (QtCore.QSettings.Scope.UserScope, QtCore.QSettings.Scope.SystemScope):
            QtCore.QSettings.setPath(QtCore.QSettings.Format.IniFormat, scope, str(folder / "settings"))
        self.setOrganizationName("NA-MIC")
        self.setApplicationName("Slicer")
        self.setApplicationVersion("5.12.4")
        self._folder, self._logic = folder, application_logic
        self._settings = QtCore.QSettings()
        self._modules = ModuleManager()
        self._layout_manager: Any = None
        self._testing = True

    def mrmlScene(self) -> Any:
        return slicer.mrmlScene

    def applicationLogic(self) -> Any:
        return self._logic

    def layoutManager(self) -> Any:
        return self._layout_manager

    def moduleManager(self) -> Any:
        return self._modules

    def settings(self) -> QtCore.QSettings:
        return self._settings

    def userSettings(self) -> QtCore.QSettings:
        return self._settings

    def revisionUserSettings(self) -> QtCore.QSettings:
        return self._settings

    def testingEnabled(self) -> bool:
        return self._testing

    def commandOptions(self) -> Any:
        return SimpleNamespace(testingEnabled=self._testing, noMainWindow=True, disableCliModules=False)

    def extensionsManagerModel(self) -> Any:
        return None

    def translate(self, _context: str, text: str) -> str:
        return text

    def pauseRender(self) -> None:
        """Views draw nothing until `resumeRender`."""

    def resumeRender(self) -> None:
        """Views draw again."""

    def restart(self) -> None:
        problems.record("error", "Slicer was asked to restart")

    def moduleDocumentationUrl(self, name: str) -> str:
        return f"https://slicer.readthedocs.io/en/latest/user_guide/modules/{name.lower()}.html"

    temporaryPath = Property(str, lambda self: str(self._folder))
    cachePath = Property(str, lambda self: str(self._folder / "cache"))
    slicerHome = Property(str, lambda self: str(self._folder))
    defaultScenePath = Property(str, lambda self: str(self._folder))
    extensionsInstallPath = Property(str, lambda self: str(self._folder / "extensions"))
    documentationBaseUrl = Property(str, lambda self: "https://slicer.readthedocs.io/en/latest/")
    mainApplicationName = Property(str, lambda self: "Slicer")
    majorVersion = Property(int, lambda self: 5)
    minorVersion = Property(int, lambda self: 12)
    revision = Property(str, lambda self: "stand-in")
    os = Property(str, lambda self: "linux")
    arch = Property(str, lambda self: "amd64")


class ModuleManager(QtCore.QObject):
    """All modules by name."""

    SIGNALS = {"moduleLoaded(QString)": "moduleLoaded", "moduleAboutToBeUnloaded(QString)": "moduleAboutToBeUnloaded"}
    moduleLoaded = Signal(str)
    moduleAboutToBeUnloaded = Signal(str)

    def module(self, name: str) -> Any:
        return getattr(slicer.modules, name.lower(), None)

    def modulesNames(self) -> list[str]:
        return [module.name for module in vars(slicer.modules).values() if hasattr(module, "logic")]

    def factoryManager(self) -> Any:
        return SimpleNamespace(
            loadedModuleNames=self.modulesNames,
            isRegistered=lambda name: self.module(name) is not None,
            isLoaded=lambda name: self.module(name) is not None,
        )


class qSlicerScriptedLoadableModule(QtCore.QObject):
    """What a module's class fills in, and `slicer.modules.<name>`."""

    title = stored(str, "")
    categories = stored("QStringList", [])
    contributors = stored("QStringList", [])
    dependencies = stored("QStringList", [])
    associatedNodeTypes = stored("QStringList", [])
    helpText = stored(str, "")
    acknowledgementText = stored(str, "")
    icon = stored(QtGui.QIcon, QtGui.QIcon())
    hidden = stored(bool, False)
    index = stored(int, 0)

    def __init__(self, name: str, path: Path) -> None:
        super().__init__()
        self._name, self._path = name, str(path)
        self._representation: Any = None

    name = Property(str, lambda self: self._name)
    path = Property(str, lambda self: self._path)

    def logic(self) -> Any:
        return None

    def mrmlScene(self) -> Any:
        return slicer.mrmlScene

    def widgetRepresentation(self) -> Any:
        if self._representation is None:
            self._representation = qSlicerScriptedLoadableModuleWidget(self._name)
            self._representation.reload()
        return self._representation

    def createNewWidgetRepresentation(self) -> Any:
        representation = qSlicerScriptedLoadableModuleWidget(self._name)
        representation.reload()
        return representation


@known
class qSlicerScriptedLoadableModuleWidget(qMRMLWidget):
    """The place that a module's panel is put into."""

    isEntered = stored(bool, False)

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name, self._panel = name, None
        QtWidgets.QVBoxLayout(self)
        self.setMRMLScene(slicer.mrmlScene)

    moduleName = Property(str, lambda self: self._name)

    def self(self) -> Any:  # the name that Slicer gave it
        return self._panel

    def reload(self) -> None:
        """Make the panel from the module's file as it is loaded now."""
        panel_class = getattr(sys.modules[self._name], f"{self._name}Widget")
        self._panel = panel_class(pythonqt.wrap(self))
        setattr(slicer.modules, f"{self._name}Widget", self._panel)
        self._call("setup")

    def enter(self) -> None:
        """Slicer shows the module."""
        self.setProperty("isEntered", True)
        self._call("enter")

    def exit(self) -> None:
        """Slicer shows another module."""
        self.setProperty("isEntered", False)
        self._call("exit")

    def _call(self, name: str) -> None:
        """An exception in one of these is printed by Slicer, and the panel stays as it is."""
        try:
            getattr(self._panel, name, lambda: None)()
        except Exception:  # noqa: BLE001  (whatever a panel raises)
            problems.record(f"exception in {name}()", traceback.format_exc())


def load_scripted_module(path: Path) -> Any:
    """Register a module file as Slicer does at its start; its panel is made when it is first asked for."""
    name = path.stem
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[name] = loaded
    spec.loader.exec_module(loaded)
    module = pythonqt.wrap(qSlicerScriptedLoadableModule(name, path))
    setattr(slicer.modules, name.lower(), module)
    setattr(slicer.moduleNames, name, name)
    setattr(slicer.modules, f"{name}Instance", getattr(loaded, name)(module))
    slicer.app.moduleManager().moduleLoaded.emit(name)
    return module


def launcher(folder: Path) -> None:
    """Slicer's own Python by the name under which it is found there."""
    (folder / "bin").mkdir(exist_ok=True)
    python = folder / "bin" / "PythonSlicer"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    os.environ["PATH"] = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
