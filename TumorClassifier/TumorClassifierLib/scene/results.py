"""A classified case in the scene: map, table, charts, nomogram and the whole prediction as text."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import SimpleITK as sitk

from FeatureExtractorLib.files import json_text

from .charts import Chart, points_chart, probability_chart
from .explanation import Evidence, add_evidence
from .hierarchy import add_folder_beside, move_into
from .nomogram_view import nomogram_chart, nomogram_figure
from .overlay import add_cam, show_in_slices
from .tables import prediction_table


@dataclass(frozen=True)
class ShownResult:
    """The nodes of one result. folder: its subject hierarchy item, beside the image; to remove it removes them."""

    folder: int
    table: Any
    probabilities: Chart
    texts: tuple[Any, ...]
    cam: Any | None = None
    points: Chart | None = None
    nomogram: Chart | None = None
    figure: Any | None = None
    evidence: tuple[Any, ...] = ()

    @property
    def nodes(self) -> tuple[Any, ...]:
        """Every node of the result."""
        charts = [chart for chart in (self.probabilities, self.points, self.nomogram) if chart is not None]
        images = [node for node in (self.cam, self.figure) if node is not None]
        drawn = [node for chart in charts for node in chart.nodes]
        return (*images, *self.evidence, self.table, *drawn, *self.texts)


def show_result(
    scene: Any,
    volume_node: Any,
    segmentation_node: Any | None,
    prediction: Mapping[str, Any],
    cam: sitk.Image | None,
    nomogram: Mapping[str, Any] | None,
    evidence: Evidence | None = None,
) -> ShownResult:
    """Put a result into the scene, in a folder beside the image, and its map over the image in the slice views.

    The segmentation is left where it is and shown as an outline.
    prediction: as in `prediction.json`. cam: 0..1 on the volume's grid. nomogram: its JSON form. evidence: what else
    explains the result.
    """
    folder = add_folder_beside(scene, f"{volume_node.GetName()}: {prediction['predicted']}", volume_node)
    if segmentation_node is not None and segmentation_node.GetDisplayNode() is not None:
        segmentation_node.GetDisplayNode().SetVisibility2DFill(False)  # a filled tumour would hide the map
    cam_node = None
    if cam is not None:
        shown_class = (prediction.get("map") or {}).get("class", prediction["predicted"])
        cam_node = add_cam(scene, cam, volume_node, f"{volume_node.GetName()} CAM of {shown_class}")
        show_in_slices(scene, volume_node, cam_node)
    texts = [_add_text(scene, "Prediction (JSON)", prediction)]
    points = prediction.get("nomogram_points")
    if nomogram is not None:
        texts.append(_add_text(scene, "Nomogram (JSON)", nomogram))
    shown = ShownResult(
        folder=folder,
        table=prediction_table(scene, prediction),
        probabilities=probability_chart(scene, prediction),
        texts=tuple(texts),
        cam=cam_node,
        points=points_chart(scene, prediction) if points else None,
        nomogram=nomogram_chart(scene, nomogram, points) if nomogram is not None else None,
        figure=nomogram_figure(scene, nomogram, prediction["scores"]) if nomogram is not None else None,
        evidence=add_evidence(scene, evidence, volume_node) if evidence is not None else (),
    )
    for node in shown.nodes:
        move_into(scene, folder, node)
    return shown


def _add_text(scene: Any, name: str, value: Mapping[str, Any]) -> Any:
    """A text node; it keeps every digit, which table files do not."""
    node = scene.AddNewNodeByClass("vtkMRMLTextNode", name)
    node.SetText(json_text(dict(value)))
    return node
