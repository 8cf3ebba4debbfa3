"""A picture of the tumour's axial slice, drawn off screen by Slicer's own slice view."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import vtk

from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.files import atomic_path

from .headless import mesa_is_installed
from .overlay import set_layers
from .volumes import image_of, segment_mask

VIEW_NAME = "TumorClassifierPicture"
OUTLINE_PIXELS = 2
DISPLAYABLE_MANAGERS = ("vtkMRMLSegmentationsDisplayableManager2D", "vtkMRMLColorLegendDisplayableManager")


def draw_slice(
    scene: Any,
    volume_node: Any,
    segmentation_node: Any | None,
    cam_node: Any | None,
    path_png: Path,
    size: tuple[int, int] = (600, 600),
) -> Path:
    """Draw the axial slice of the strongest activation, or else of the largest tumour area, to a PNG.

    size: width and height in pixels. The segmentation is drawn as an outline, the CAM as it is displayed; other
    segmentations are left out. The scene is left as it was.
    Raises InputError where nothing can be drawn off screen.
    """
    window = _off_screen_window(size)
    point = _point_of_interest(volume_node, segmentation_node, cam_node)
    with _only_outline(scene, segmentation_node), _axial_view(scene, window, size) as logic:
        composite = logic.GetSliceCompositeNode()
        # Legends older than the view are taken up only when a user is seen to choose the layers.
        composite.SetInteractionFlags(composite.ForegroundVolumeFlag)
        set_layers(composite, volume_node, cam_node)
        node = logic.GetSliceNode()
        node.RotateToVolumePlane(volume_node)
        logic.FitSliceToBackground(*size)
        if point is not None:
            _move_plane_to(node, point)
        logic.SnapSliceOffsetToIJK()
        window.GetRenderers().GetFirstRenderer().AddViewProp(_image_actor(logic))  # the layers are known only now
        with atomic_path(Path(path_png)) as temporary:
            temporary.write_bytes(_png(window))
    return Path(path_png)


def _off_screen_window(size: tuple[int, int]) -> Any:
    window = vtk.vtkRenderWindow()
    window.SetOffScreenRendering(1)
    in_memory = window.GetClassName() == "vtkOSOpenGLRenderWindow"
    if (in_memory and not mesa_is_installed()) or not window.SupportsOpenGL():
        raise InputError(
            "No picture can be drawn here, where there is neither a display nor Mesa's off-screen library; install it "
            "(libosmesa6 on Debian)."
        )
    window.SetMultiSamples(0)
    window.SetSize(*size)
    return window


@contextmanager
def _axial_view(scene: Any, window: Any, size: tuple[int, int]) -> Iterator[Any]:
    """A slice logic with its slice and composite node, drawing to the window; all removed at the end."""
    import slicer

    application_logic = slicer.app.applicationLogic()
    before = {scene.GetNthNode(i).GetID() for i in range(scene.GetNumberOfNodes())}
    renderer = vtk.vtkRenderer()
    window.AddRenderer(renderer)
    renderer.GetActiveCamera().ParallelProjectionOn()
    interactor = vtk.vtkGenericRenderWindowInteractor()
    interactor.SetRenderWindow(window)

    logic = slicer.vtkMRMLSliceLogic()
    logic.SetMRMLApplicationLogic(application_logic)
    logic.SetMRMLScene(scene)
    application_logic.GetSliceLogics().AddItem(logic)
    group = slicer.vtkMRMLDisplayableManagerGroup()
    group.SetRenderer(renderer)
    try:
        node = logic.AddSliceNode(VIEW_NAME)
        node.SetOrientationToAxial()
        for name in DISPLAYABLE_MANAGERS:
            manager = getattr(slicer, name)()
            manager.SetMRMLApplicationLogic(application_logic)
            group.AddDisplayableManager(manager)
        group.SetMRMLDisplayableNode(node)
        logic.ResizeSliceNode(*size)
        yield logic
    finally:
        group.SetMRMLDisplayableNode(None)
        application_logic.GetSliceLogics().RemoveItem(logic)
        logic.SetMRMLScene(None)
        window.Finalize()
        for i in reversed(range(scene.GetNumberOfNodes())):
            node = scene.GetNthNode(i)
            if node.GetID() not in before:
                scene.RemoveNode(node)


def _image_actor(logic: Any) -> Any:
    mapper = vtk.vtkImageMapper()
    mapper.SetColorWindow(255)
    mapper.SetColorLevel(127.5)
    mapper.SetInputConnection(logic.GetImageDataConnection())
    actor = vtk.vtkActor2D()
    actor.SetMapper(mapper)
    actor.GetProperty().SetDisplayLocationToBackground()  # in the foreground it hides the outline
    return actor


@contextmanager
def _only_outline(scene: Any, segmentation_node: Any | None) -> Iterator[None]:
    """Show this segmentation as an outline and hide the others, for the time of the drawing."""
    changed = []
    for i in range(scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")):
        node = scene.GetNthNodeByClass(i, "vtkMRMLSegmentationNode")
        display = node.GetDisplayNode()
        if display is not None:
            state = display.GetVisibility(), display.GetVisibility2DFill(), display.GetSliceIntersectionThickness()
            changed.append((display, state))
            _set_outline(display, node is segmentation_node, False, OUTLINE_PIXELS)
    try:
        yield
    finally:
        for display, state in changed:
            _set_outline(display, *state)


def _set_outline(display: Any, visible: bool, filled: bool, pixels: int) -> None:
    display.SetVisibility(visible)
    display.SetVisibility2DFill(filled)
    display.SetSliceIntersectionThickness(pixels)


def _point_of_interest(volume_node: Any, segmentation_node: Any | None, cam_node: Any | None) -> list[float] | None:
    """A point (RAS, mm, in the volume's own space) through which the slice is laid."""
    if cam_node is not None:
        image = image_of(cam_node)
        array = sitk.GetArrayViewFromImage(image)
        k, j, i = (int(index) for index in np.unravel_index(int(array.argmax()), array.shape))
        point = image.TransformIndexToPhysicalPoint((i, j, k))
    elif segmentation_node is not None and segmentation_node.GetSegmentation().GetNumberOfSegments():
        mask = segment_mask(segmentation_node, segmentation_node.GetSegmentation().GetNthSegmentID(0), volume_node)
        array = sitk.GetArrayViewFromImage(mask)
        k = int(array.sum(axis=(1, 2), dtype=np.int64).argmax())
        j, i = (int(round(c.mean())) for c in np.nonzero(array[k]))
        point = mask.TransformIndexToPhysicalPoint((i, j, k))
    else:
        return None
    return [-point[0], -point[1], point[2]]


def _move_plane_to(node: Any, point: list[float]) -> None:
    """Shift the slice along its normal only, so that the image stays centred."""
    matrix = node.GetSliceToRAS()
    normal = [matrix.GetElement(row, 2) for row in range(3)]
    node.SetSliceOffset(float(np.dot(normal, point)))


def _png(window: Any) -> bytes:
    window.Render()
    grab = vtk.vtkWindowToImageFilter()
    grab.SetInput(window)
    grab.ReadFrontBufferOff()
    writer = vtk.vtkPNGWriter()
    writer.WriteToMemoryOn()  # to a file it would not say that the disk is full
    writer.SetInputConnection(grab.GetOutputPort())
    writer.Write()
    return bytes(memoryview(writer.GetResult()))
