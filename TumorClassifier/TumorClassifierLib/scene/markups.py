"""Points and boxes of an explanation as markups: where a map points, and what a detector found."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..findings import DetectedBox
from .volumes import LPS_TO_RAS

FOCUS_COLOUR = (0.0, 0.9, 1.0)  # cyan: seen on the dark and on the pale end of the map's colours
BOX_COLOURS = ((0.0, 0.45, 0.70), (0.84, 0.37, 0.0), (0.0, 0.62, 0.45), (0.80, 0.47, 0.65), (0.90, 0.62, 0.0))


def add_focus(scene: Any, focus: Mapping[str, Any], volume_node: Any, name: str = "Focal point") -> Any:
    """A fiducial node with the peak and the centroid of a map, as `focus_of` gives them, under the volume's transform.

    Each point's description says how far it is from the tumour's centre and edge.
    """
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", name)
    node.CreateDefaultDisplayNodes()
    node.SetAndObserveTransformNodeID(volume_node.GetTransformNodeID())
    for label in ("peak", "centroid"):
        point = focus[label]
        index = node.AddControlPoint(*_ras(point["position_mm"]), f"{name}, {label}")
        node.SetNthControlPointDescription(index, _in_words(point))
    node.SetNthControlPointVisibility(1, False)  # one cross in the view is enough; the list has both
    node.SetDescription(f"{100 * focus['mass_inside']:.0f} % of the map inside the tumour")
    node.SetLocked(True)
    display = node.GetDisplayNode()
    display.SetSelectedColor(*FOCUS_COLOUR)
    display.SetGlyphTypeFromString("Cross2D")
    display.SetPointLabelsVisibility(False)
    return node


def add_boxes(scene: Any, boxes: Sequence[DetectedBox], volume_node: Any) -> tuple[Any, ...]:
    """An ROI node a box, named by class and score and locked, a colour a class, under the volume's transform."""
    labels = list(dict.fromkeys(box.label for box in boxes))
    return tuple(_add_box(scene, box, volume_node, labels.index(box.label)) for box in boxes)


def _add_box(scene: Any, box: DetectedBox, volume_node: Any, kind: int) -> Any:
    import vtk

    node = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", f"{box.label} {box.score:.2f}")
    node.CreateDefaultDisplayNodes()
    node.SetAndObserveTransformNodeID(volume_node.GetTransformNodeID())
    axes = LPS_TO_RAS[:3, :3] @ np.array(box.axes)
    if np.linalg.det(axes) < 0:
        axes[:, 2] *= -1  # a box has no handedness, a markup's axes must be right-handed
    to_node = np.eye(4)
    to_node[:3, :3], to_node[:3, 3] = axes, _ras(box.centre)
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(to_node.ravel().tolist())
    node.SetAndObserveObjectToNodeMatrix(matrix)
    node.SetSize(*box.size)
    node.SetAttribute("TumorClassifier.Class", box.label)
    node.SetAttribute("TumorClassifier.Score", repr(float(box.score)))
    node.SetLocked(True)
    display = node.GetDisplayNode()
    display.SetSelectedColor(*BOX_COLOURS[kind % len(BOX_COLOURS)])
    display.SetFillOpacity(0.0)
    display.SetHandlesInteractive(False)
    return node


def _ras(position_lps: Sequence[float]) -> list[float]:
    return (LPS_TO_RAS[:3, :3] @ np.asarray(position_lps, dtype=np.float64)).tolist()


def _in_words(point: Mapping[str, Any]) -> str:
    side = "inside" if point["inside"] else "outside"
    centre, edge = point["to_centre_mm"], abs(point["to_edge_mm"])
    return f"{centre:.1f} mm from the tumour's centre, {edge:.1f} mm from its edge, {side}"
