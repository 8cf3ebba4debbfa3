"""A shown result as the scene keeps it: one text node that says what else belongs to it, by node references.

So a result survives saving and loading, renamed nodes and a second result; nothing is found again by its name.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite, nan
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
import vtk

from FeatureExtractorLib.files import json_text

from ..findings import Findings
from ..results import ClassificationResult
from ..scene.hierarchy import move_into
from ..scene.results import ShownResult
from ..scene.volumes import image_of

IS_RESULT = "TumorClassifier.Result"
CLASS, METHOD, FOCUS_WORDS = "TumorClassifier.Class", "TumorClassifier.Method", "TumorClassifier.Focus"
PREDICTION, VOLUME, IMAGE, SEGMENTATION = "prediction", "volume", "image", "segmentation"
MAP, SHOWN_MAP, FOCUS = "map", "shownMap", "focus"
FIGURE, CHART, TABLE = "figure", "chart", "table"
ROLES = (PREDICTION, VOLUME, IMAGE, SEGMENTATION, MAP, FIGURE, CHART, TABLE)


@dataclass(frozen=True)
class Inputs:
    """What was classified: enough to draw another map of it. volumes: by modality, in the model's order."""

    volumes: Mapping[str, Any]
    segmentation: Any | None = None
    segmentId: str = ""
    clinical: Mapping[str, Any] = field(default_factory=dict)


class KeptResult:
    """One result of the scene. node: the text node that holds it together."""

    def __init__(self, node: Any) -> None:
        self.node = node
        content = json.loads(node.GetText() or "{}")
        self._content: dict[str, Any] = content if isinstance(content, dict) else {}

    @property
    def prediction(self) -> dict[str, Any]:
        """As in `prediction.json`; empty where its node was removed."""
        node = self.node.GetNodeReference(PREDICTION)
        found = json.loads(node.GetText() or "{}") if node is not None else {}
        return found if isinstance(found, dict) else {}

    @property
    def features(self) -> dict[str, float]:
        """By "<MODALITY>.<PyRadiomics name>"."""
        return {name: nan if value is None else value for name, value in self._content.get("features", {}).items()}

    @property
    def volume(self) -> Any | None:
        """The volume that the result is laid over."""
        return self.node.GetNodeReference(VOLUME)

    @property
    def segmentation(self) -> Any | None:
        """The segmentation that outlines the tumour."""
        return self.node.GetNodeReference(SEGMENTATION)

    @property
    def figure(self) -> Any | None:
        """The nomogram's picture."""
        return self.node.GetNodeReference(FIGURE)

    @property
    def chart(self) -> Any | None:
        """The nomogram as a plot chart."""
        return self.node.GetNodeReference(CHART)

    @property
    def maps(self) -> list[Any]:
        """Its activation maps, in the order in which they were drawn."""
        return _references(self.node, MAP)

    @property
    def shownMap(self) -> Any | None:
        """The map that is looked at."""
        return self.node.GetNodeReference(SHOWN_MAP)

    @property
    def inputs(self) -> Inputs | None:
        """What was classified; None where that was not kept, or one of its nodes has gone."""
        modalities = self._content.get("modalities", [])
        volumes = _references(self.node, IMAGE)
        if not modalities or len(volumes) != len(modalities):
            return None
        segmentId = self._content.get("segment_id", "")
        if segmentId and self.segmentation is None:
            return None
        return Inputs(
            dict(zip(modalities, volumes, strict=True)),
            self.segmentation,
            segmentId,
            self._content.get("clinical", {}),
        )

    @property
    def parts(self) -> set[str]:
        """The ids of all nodes that it refers to."""
        return {node.GetID() for role in ROLES for node in _references(self.node, role)}

    def mapOf(self, label: str, method: str) -> Any | None:
        """The map of a class by a method, where it was drawn."""
        return next(
            (one for one in self.maps if one.GetAttribute(CLASS) == label and one.GetAttribute(METHOD) == method), None
        )

    def showMap(self, node: Any) -> None:
        """Take one of its maps for the one that is looked at."""
        self.node.SetNodeReferenceID(SHOWN_MAP, node.GetID())

    def addMap(self, node: Any, prediction: Mapping[str, Any], focus: Any | None) -> None:
        """Take a map into the result. prediction: its run's, which says what it is a map of; focus: its markups."""
        shown = prediction.get("map") or {}
        node.SetAttribute(CLASS, shown.get("class") or prediction["predicted"])
        node.SetAttribute(METHOD, shown.get("method") or "")
        node.SetAttribute(FOCUS_WORDS, quote(json.dumps(prediction.get("focus"))))
        if focus is not None:
            node.SetNodeReferenceID(FOCUS, focus.GetID())
        self.node.AddNodeReferenceID(MAP, node.GetID())
        self.showMap(node)

    def shownResult(self) -> ClassificationResult:
        """The result with its map, as `write_result` takes it."""
        shown = self.shownMap
        return ClassificationResult(
            self.prediction,
            image_of(shown) if shown is not None else None,
            self._content.get("nomograms", {}),
            self._content.get("nomogram_values", {}),
            self.features,
            Findings.from_json(self._content["findings"]) if self._content.get("findings") else Findings(),
        )


def keep_result(
    scene: Any, shown: ShownResult, result: ClassificationResult, volume: Any, inputs: Inputs | None
) -> KeptResult:
    """Tie a shown result together by a text node of its own, in its folder."""
    content = {
        "features": {name: value if isfinite(value) else None for name, value in result.features.items()},
        "nomograms": dict(result.nomograms),
        "nomogram_values": dict(result.nomogram_values),
        "findings": result.findings.to_json(),
        "modalities": list(inputs.volumes) if inputs else [],
        "segment_id": inputs.segmentId if inputs else "",
        "clinical": dict(inputs.clinical) if inputs else {},
    }
    import slicer

    node = slicer.vtkMRMLTextNode()
    node.SetName(scene.GenerateUniqueName(f"{volume.GetName()}: {result.prediction['predicted']}"))
    node.SetAttribute(IS_RESULT, "1")  # before the node is added, for then selectors look at it
    node.SetText(json_text(content))
    node = scene.AddNode(node)
    node.SetNodeReferenceID(VOLUME, volume.GetID())
    node.SetNodeReferenceID(PREDICTION, shown.texts[0].GetID())
    node.SetNodeReferenceID(TABLE, shown.table.GetID())
    if shown.figure is not None:
        node.SetNodeReferenceID(FIGURE, shown.figure.GetID())
    if shown.nomogram is not None:
        node.SetNodeReferenceID(CHART, shown.nomogram.chart.GetID())
    if inputs is not None:
        for one in inputs.volumes.values():
            node.AddNodeReferenceID(IMAGE, one.GetID())
        if inputs.segmentation is not None:
            node.SetNodeReferenceID(SEGMENTATION, inputs.segmentation.GetID())
    kept = KeptResult(node)
    if shown.cam is not None:
        focus = next((one for one in shown.evidence if one.IsA("vtkMRMLMarkupsFiducialNode")), None)
        kept.addMap(shown.cam, result.prediction, focus)
    move_into(scene, shown.folder, node)
    return kept


def results_in(scene: Any) -> list[Any]:
    """The text nodes of the scene's results, oldest first."""
    nodes = [
        scene.GetNthNodeByClass(i, "vtkMRMLTextNode") for i in range(scene.GetNumberOfNodesByClass("vtkMRMLTextNode"))
    ]
    return [node for node in nodes if node.GetAttribute(IS_RESULT)]


def focus_of_map(node: Any) -> dict[str, Any]:
    """Where a map points with respect to the tumour, as `focus_of` gives it; empty without an outline."""
    try:
        found = json.loads(unquote(node.GetAttribute(FOCUS_WORDS) or "null"))
    except ValueError:  # of a scene that was edited by hand
        return {}
    return found if isinstance(found, dict) else {}


def focal_point(node: Any) -> tuple[float, float, float] | None:
    """The voxel where a map is largest, in mm of the world (RAS), through any transform; None for an empty map."""
    import slicer
    from vtk.util.numpy_support import vtk_to_numpy

    data = node.GetImageData()
    if data is None or data.GetNumberOfPoints() == 0:
        return None
    values = vtk_to_numpy(data.GetPointData().GetScalars()).reshape(data.GetDimensions()[::-1])
    if not values.any():
        return None
    k, j, i = (int(index) for index in np.unravel_index(int(values.argmax()), values.shape))
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    point = matrix.MultiplyPoint((i, j, k, 1.0))[:3]
    transform = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(node.GetParentTransformNode(), None, transform)
    x, y, z = transform.TransformPoint(point)
    return x, y, z


def _references(node: Any, role: str) -> list[Any]:
    """The nodes of a role that are still there."""
    found = [node.GetNthNodeReference(role, i) for i in range(node.GetNumberOfNodeReferences(role))]
    return [one for one in found if one is not None]
