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

    started = start()
    sys.path.insert(0, str(STANDIN))
    import scripted_module

    scripted_module.install()
    return started


@pytest.fixture
def vtk_messages(headless: Any) -> Iterator[Any]:
    """Catches VTK's errors and warnings; the test fails when there are any left at its end."""
    import vtk

    before = vtk.vtkOutputWindow.GetInstance()
    window = vtk.vtkStringOutputWindow()
    vtk.vtkOutputWindow.SetInstance(window)
    yield window
    vtk.vtkOutputWindow.SetInstance(before)
    assert window.GetOutput() == "", f"VTK complained: {window.GetOutput()}"


@pytest.fixture
def scene(headless: Any, vtk_messages: Any) -> Iterator[Any]:
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
