"""A Slicer scene without Slicer: the slicer-core wheel wired by hand, for the command line, reports and tests."""

import atexit
import ctypes
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from FeatureExtractorLib.errors import InputError

# Name in `slicer.modules`, name by which other logics ask for it, class. Each registers the nodes it looks after.
# Terminologies is left out: its dictionaries come with Slicer, not with the wheel, and it complains without them.
MODULES = (
    ("units", "Units", "vtkSlicerUnitsLogic"),
    ("colors", "Colors", "vtkSlicerColorLogic"),
    ("subjecthierarchy", "SubjectHierarchy", "vtkSlicerSubjectHierarchyModuleLogic"),
    ("volumes", "Volumes", "vtkSlicerVolumesLogic"),
    ("models", "Models", "vtkSlicerModelsLogic"),
    ("transforms", "Transforms", "vtkSlicerTransformLogic"),
    ("markups", "Markups", "vtkSlicerMarkupsLogic"),
    ("tables", "Tables", "vtkSlicerTablesLogic"),
    ("plots", "Plots", "vtkSlicerPlotsLogic"),
    ("texts", "Texts", "vtkSlicerTextsLogic"),
    ("segmentations", "Segmentations", "vtkSlicerSegmentationsModuleLogic"),
)


MESA_LIBRARIES = ("libOSMesa.so.8", "libOSMesa.so.6", "libOSMesa.so")


@dataclass(frozen=True)
class HeadlessScene:
    """The scene, its application logic, and what must stay alive beside them."""

    scene: Any
    application_logic: Any
    keep_alive: tuple[Any, ...]


_started: HeadlessScene | None = None


def start() -> HeadlessScene:
    """The scene of this process, made on the first call and published as `slicer.mrmlScene`, as in Slicer.

    `slicer.modules.<name>.logic()` and the few methods of `slicer.app` that need no window are published too.
    Raises InputError where slicer-core is not installed, or inside Slicer, which has its own scene.
    """
    global _started
    if _started is None:
        _started = _start()
    return _started


def mesa_is_installed() -> bool:
    """Whether Mesa's library for drawing into memory can be loaded; VTK crashes where it needs it and it is absent."""
    for name in MESA_LIBRARIES:
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return True
    return False


def _start() -> HeadlessScene:
    if sys.platform == "linux" and not os.environ.get("DISPLAY") and mesa_is_installed():
        # Without a display VTK first tries one and complains, then the graphics card; memory is always there.
        os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkOSOpenGLRenderWindow")
    try:
        import slicer
    except ImportError as error:
        raise InputError("A scene needs the package slicer-core; install tumorclassifier[scene].") from error
    if getattr(slicer, "mrmlScene", None) is not None:
        raise InputError("This Python already has a Slicer scene; use slicer.mrmlScene instead of starting another.")

    home = Path(tempfile.mkdtemp(prefix="tumorclassifier-scene-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    scene = slicer.vtkMRMLScene()
    scene.SetRootDirectory(str(home))
    crosshair = slicer.vtkMRMLCrosshairNode()
    crosshair.SetCrosshairName("default")
    scene.AddNode(crosshair)

    application_logic = _application_logic(slicer, home)
    data_io = _data_io(slicer, scene, application_logic, home)
    application_logic.SetMRMLScene(scene)
    modules = SimpleNamespace()
    for attribute, name, class_name in MODULES:
        logic = getattr(slicer, class_name)()
        logic.SetMRMLApplicationLogic(application_logic)
        application_logic.SetModuleLogic(name, logic)
        logic.SetMRMLScene(scene)
        setattr(modules, attribute, SimpleNamespace(name=name, logic=lambda logic=logic: logic))
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene, True)

    slicer.mrmlScene, slicer.modules = scene, modules
    slicer.app = SimpleNamespace(
        mrmlScene=lambda: scene,
        applicationLogic=lambda: application_logic,
        layoutManager=lambda: None,
        processEvents=lambda: None,
        connect=lambda signal, slot: True,  # no signal is ever sent here
    )
    return HeadlessScene(scene, application_logic, data_io)


def _application_logic(slicer: Any, home: Path) -> Any:
    import vtk

    (home / "share" / "ColorFiles").mkdir(parents=True)
    logic = slicer.vtkSlicerApplicationLogic()
    logic.SetTemporaryPath(str(home))
    logic.SetHomeDirectory(str(home))  # the colour logic looks for colour files below both; here are none
    logic.SetShareDirectory("share")
    logic.SetSliceLogics(vtk.vtkCollection())
    logic.SetViewLogics(vtk.vtkCollection())
    return logic


def _data_io(slicer: Any, scene: Any, application_logic: Any, home: Path) -> tuple[Any, Any]:
    """Reading a scene bundle is refused without a cache folder."""
    (home / "cache").mkdir()
    remote, manager = slicer.vtkMRMLRemoteIOLogic(), slicer.vtkDataIOManagerLogic()
    remote.GetCacheManager().SetRemoteCacheDirectory(str(home / "cache"))
    manager.SetMRMLApplicationLogic(application_logic)
    application_logic.SetMRMLSceneDataIO(scene, remote, manager)
    return remote, manager
