"""Slicer's slice and 3D views, drawn off screen by its own displayable managers; no Qt."""

from typing import Any

import slicer
import vtk

IN_SLICES = (
    "vtkMRMLVolumeGlyphSliceDisplayableManager",
    "vtkMRMLModelSliceDisplayableManager",
    "vtkMRMLCrosshairDisplayableManager",
    "vtkMRMLRulerDisplayableManager",
    "vtkMRMLOrientationMarkerDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager2D",
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLColorLegendDisplayableManager",
)
IN_3D = (
    "vtkMRMLCameraDisplayableManager",
    "vtkMRMLViewDisplayableManager",
    "vtkMRMLModelDisplayableManager",
    "vtkMRMLCrosshairDisplayableManager3D",
    "vtkMRMLOrientationMarkerDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager3D",
    "vtkMRMLMarkupsDisplayableManager",
)


class _View:
    """A window in memory, whose managers draw what the scene's nodes say."""

    def __init__(self, factory: str, managers: tuple[str, ...]) -> None:
        self.window, self.renderer = vtk.vtkRenderWindow(), vtk.vtkRenderer()
        self.window.SetOffScreenRendering(1)
        self.window.SetMultiSamples(0)
        self.window.AddRenderer(self.renderer)
        self.interactor = vtk.vtkGenericRenderWindowInteractor()
        self.interactor.SetRenderWindow(self.window)
        registered = getattr(slicer, factory).GetInstance()
        registered.SetMRMLApplicationLogic(slicer.app.applicationLogic())
        for manager in managers:
            if not registered.IsDisplayableManagerRegistered(manager):
                registered.RegisterDisplayableManager(manager)
        self.group = slicer.vtkMRMLDisplayableManagerGroup()
        self.group.Initialize(registered, self.renderer)

    def pixels(self) -> Any:
        """(rows, columns, 3) as drawn now, the first row at the top."""
        from vtk.util.numpy_support import vtk_to_numpy

        self.window.Render()
        width, height = self.window.GetSize()
        values = vtk.vtkUnsignedCharArray()
        self.window.GetPixelData(0, 0, width - 1, height - 1, 0, values, 0)
        return vtk_to_numpy(values).reshape(height, width, 3)[::-1].copy()


class SliceView(_View):
    """One slice through the scene."""

    def __init__(self, name: str, orientation: str) -> None:
        super().__init__("vtkMRMLSliceViewDisplayableManagerFactory", IN_SLICES)
        self.renderer.GetActiveCamera().ParallelProjectionOn()
        mapper = vtk.vtkImageMapper()
        mapper.SetColorWindow(255)
        mapper.SetColorLevel(127.5)
        self._image = vtk.vtkActor2D()
        self._image.SetMapper(mapper)
        self._image.GetProperty().SetDisplayLocationToBackground()  # in the foreground it hides outlines
        self.renderer.AddViewProp(self._image)
        application_logic = slicer.app.applicationLogic()
        self.logic = slicer.vtkMRMLSliceLogic()
        self.logic.SetMRMLApplicationLogic(application_logic)
        application_logic.GetSliceLogics().AddItem(self.logic)
        self.logic.SetMRMLScene(slicer.mrmlScene)
        self.node = self.logic.AddSliceNode(name)
        self.node.SetOrientation(orientation)
        self.group.SetMRMLDisplayableNode(self.node)
        self.logic.AddObserver(vtk.vtkCommand.ModifiedEvent, self._connect)
        self.resize(300, 300)
        self._connect()

    def _connect(self, *_event: Any) -> None:
        connection = self.logic.GetImageDataConnection()
        self._image.GetMapper().SetInputConnection(connection)
        self._image.SetVisibility(connection is not None)

    def resize(self, width: int, height: int) -> None:
        self.window.SetSize(width, height)
        self.logic.ResizeSliceNode(width, height)


class ThreeDView(_View):
    """The scene in 3D."""

    def __init__(self, name: str) -> None:
        super().__init__("vtkMRMLThreeDViewDisplayableManagerFactory", IN_3D)
        self.logic = slicer.vtkMRMLViewLogic()
        self.logic.SetMRMLApplicationLogic(slicer.app.applicationLogic())
        slicer.app.applicationLogic().GetViewLogics().AddItem(self.logic)
        self.logic.SetMRMLScene(slicer.mrmlScene)
        self.node = self.logic.AddViewNode(name)
        self.group.SetMRMLDisplayableNode(self.node)

    def resize(self, width: int, height: int) -> None:
        self.window.SetSize(width, height)
