"""What explains a result beside its map: where the map points, boxes, slices, and the case among others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..explain.focus import focus_of
from .case_charts import embedding_chart, slice_chart
from .markups import DetectedBox, add_boxes, add_focus


@dataclass(frozen=True)
class Slices:
    """positions_mm: (n,) of the slices; probabilities: by class (n,) of each slice alone."""

    positions_mm: Sequence[float]
    probabilities: Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Embedding:
    """points: (n, 2) of the training cases; labels, names: (n,) their classes and names; case: this case's point."""

    points: np.ndarray
    labels: Sequence[str]
    names: Sequence[str]
    case: tuple[float, float] | None = None


@dataclass(frozen=True)
class Evidence:
    """Whatever of it there is. focus: as `focus_of` gives it."""

    focus: Mapping[str, Any] | None = None
    boxes: Sequence[DetectedBox] = ()
    slices: Slices | None = None
    embedding: Embedding | None = None


def evidence_of(cam: sitk.Image | None, mask: sitk.Image | None) -> Evidence:
    """Where a map points, of a case that has a map and an outline; raises as `measure_focus` where they do not fit."""
    return Evidence(focus_of(cam, mask) if cam is not None and mask is not None else None)


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
        nodes += embedding_chart(scene, e.points, e.labels, e.names, e.case).nodes
    return tuple(nodes)
