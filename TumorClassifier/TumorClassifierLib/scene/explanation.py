"""What explains a result beside its map: where the map points, boxes, slices, and the case among others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..findings import DetectedBox, Embedding, Slices
from ..results import ClassificationResult
from .case_charts import embedding_chart, slice_chart
from .markups import add_boxes, add_focus


@dataclass(frozen=True)
class Evidence:
    """Whatever of it there is. focus: as `focus_of` gives it."""

    focus: Mapping[str, Any] | None = None
    boxes: Sequence[DetectedBox] = ()
    slices: Slices | None = None
    embedding: Embedding | None = None


def evidence_of(result: ClassificationResult) -> Evidence:
    """All that explains a result beside its map: what the prediction says of the map, and the recipe's findings."""
    found = result.findings
    return Evidence(result.prediction.get("focus"), found.boxes, found.slices, found.embedding)


def add_evidence(scene: Any, evidence: Evidence, volume_node: Any) -> tuple[Any, ...]:
    """The nodes of all that there is; raises InputError as the functions that make them."""
    nodes: list[Any] = []
    if evidence.focus is not None:
        nodes.append(add_focus(scene, evidence.focus, volume_node))
    nodes += add_boxes(scene, evidence.boxes, volume_node)
    if evidence.slices is not None:
        nodes += slice_chart(scene, evidence.slices.positions_mm, evidence.slices.probabilities).nodes
    if evidence.embedding is not None:
        e = evidence.embedding
        nodes += embedding_chart(scene, np.asarray(e.points), e.labels, e.names, e.case).nodes
    return tuple(nodes)
