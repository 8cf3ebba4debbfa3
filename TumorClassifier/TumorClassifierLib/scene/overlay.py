"""A class activation map as a coloured, half-transparent volume over the image."""

from typing import Any

import numpy as np
import SimpleITK as sitk

from .hierarchy import place_beside
from .volumes import add_volume

COLOUR_NODE_NAME = "Class activation"
# Dark violet over red and orange to pale yellow: lightness grows with the activation, so that the order survives
# a grey print and is seen with any colour vision. RGB, 0 to 1, evenly spaced.
COLOURS = (
    (0.05, 0.02, 0.20),
    (0.28, 0.05, 0.45),
    (0.52, 0.13, 0.45),
    (0.75, 0.22, 0.33),
    (0.91, 0.40, 0.17),
    (0.98, 0.64, 0.08),
    (0.98, 0.98, 0.65),
)
N_COLOURS = 256


def add_cam(
    scene: Any,
    cam: sitk.Image,
    input_volume_node: Any,
    name: str,
    threshold: float = 0.3,
    opacity: float = 0.5,
) -> Any:
    """A volume node of a CAM (0..1, on the input's grid), shown from `threshold` to 1 in its own colours.

    It stands beside the input in the subject hierarchy and under the same transform, with a colour legend.
    `opacity` is how much of it covers the image once it is a slice's foreground (`show_in_slices`).
    """
    node = add_volume(scene, sitk.Cast(cam, sitk.sitkFloat32), name)
    node.SetAndObserveTransformNodeID(input_volume_node.GetTransformNodeID())
    display = node.GetDisplayNode()
    display.SetAndObserveColorNodeID(activation_colours(scene).GetID())
    display.AutoWindowLevelOff()
    display.SetWindowLevelMinMax(0.0, 1.0)
    display.AutoThresholdOff()
    display.SetThreshold(threshold, 1.0)
    display.ApplyThresholdOn()
    display.SetOpacity(opacity)
    _add_legend(node)
    place_beside(scene, node, input_volume_node)
    return node


def activation_colours(scene: Any) -> Any:
    """The colour table of CAMs, made once a scene and saved with it: not every host has Slicer's own tables."""
    import slicer

    found = scene.GetNodesByClassByName("vtkMRMLColorTableNode", COLOUR_NODE_NAME)
    if found.GetNumberOfItems():
        return found.GetItemAsObject(0)
    colours = slicer.vtkMRMLColorTableNode()
    colours.SetName(COLOUR_NODE_NAME)
    colours.SetTypeToUser()
    colours.SetNumberOfColors(N_COLOURS)
    positions = np.linspace(0, len(COLOURS) - 1, N_COLOURS)
    for i, position in enumerate(positions):
        rgb = [float(np.interp(position, range(len(COLOURS)), channel)) for channel in zip(*COLOURS, strict=True)]
        colours.SetColor(i, f"{i / (N_COLOURS - 1):.2f}", *rgb, 1.0)
    return scene.AddNode(colours)


def show_in_slices(scene: Any, volume_node: Any, cam_node: Any | None) -> None:
    """Show the image, with the CAM over it, in every slice view of the scene."""
    for i in range(scene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode")):
        set_layers(scene.GetNthNodeByClass(i, "vtkMRMLSliceCompositeNode"), volume_node, cam_node)


def set_layers(composite_node: Any, volume_node: Any, cam_node: Any | None) -> None:
    """Background and foreground of one slice view."""
    composite_node.SetBackgroundVolumeID(volume_node.GetID())
    composite_node.SetForegroundVolumeID(cam_node.GetID() if cam_node is not None else None)
    if cam_node is not None:
        composite_node.SetForegroundOpacity(cam_node.GetDisplayNode().GetOpacity())


def _add_legend(node: Any) -> None:
    import slicer

    legend = slicer.vtkSlicerColorLogic.AddDefaultColorLegendDisplayNode(node)
    legend.SetTitleText("CAM")
    legend.SetNumberOfLabels(6)  # 0, 0.2, … 1
    legend.SetLabelFormat("%.1f")
    legend.SetSize(0.08, 0.3)  # shares of the view: small, in the lower right corner, mostly beside the head
    legend.SetPosition(0.96, 0.03)
    legend.SetVisibility(True)
