"""What VTK complains about, which otherwise goes to the terminal where no test sees it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def captured() -> Iterator[Any]:
    """Collects errors and warnings; `GetOutput()` of what it yields is their text."""
    import vtk

    before = vtk.vtkOutputWindow.GetInstance()
    window = vtk.vtkStringOutputWindow()
    vtk.vtkOutputWindow.SetInstance(window)
    try:
        yield window
    finally:
        vtk.vtkOutputWindow.SetInstance(before)
