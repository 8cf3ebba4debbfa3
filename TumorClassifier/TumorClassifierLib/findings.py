"""What explains a result beside its map: detected boxes, single slices, and where the case lies among others."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from FeatureExtractorLib.errors import InputError

Vector = tuple[float, float, float]
IDENTITY: tuple[Vector, ...] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


@dataclass(frozen=True)
class DetectedBox:
    """A box in space with what it was called.

    centre, size: mm, LPS. score: 0–1. axes: the directions of its sides as columns, LPS, at right angles; by default
    those of the patient. An image's `GetDirection()` as rows of three is of this form.
    """

    centre: Vector
    size: Vector
    label: str
    score: float
    axes: tuple[Vector, ...] = IDENTITY

    def __post_init__(self) -> None:
        if not np.isfinite([*self.centre, *self.size, self.score]).all() or min(self.size) <= 0:
            raise InputError(f"A box of {self.label} has the sides {self.size}; give finite lengths above 0 mm.")
        if not np.allclose(np.transpose(self.axes) @ np.array(self.axes), np.eye(3), atol=1e-4):
            raise InputError(f"The sides of a box of {self.label} are not at right angles; give axes that are.")


@dataclass(frozen=True)
class Slices:
    """positions_mm: (n,) of the slices; probabilities: by class (n,) of each slice alone."""

    positions_mm: tuple[float, ...]
    probabilities: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True)
class Embedding:
    """points: (n, 2) of the training cases; labels, names: (n,) their classes and names; case: this case's point."""

    points: tuple[tuple[float, float], ...]
    labels: tuple[str, ...]
    names: tuple[str, ...]
    case: tuple[float, float] | None = None


@dataclass(frozen=True)
class Findings:
    """Whatever of it a recipe gives."""

    boxes: tuple[DetectedBox, ...] = ()
    slices: Slices | None = None
    embedding: Embedding | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "boxes": [asdict(box) for box in self.boxes],
            "slices": None if self.slices is None else asdict(self.slices),
            "embedding": None if self.embedding is None else asdict(self.embedding),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Restore from `to_json`; raises InputError, KeyError, TypeError or ValueError when it is none."""
        slices, embedding = document["slices"], document["embedding"]
        return cls(
            tuple(_box(box) for box in document["boxes"]),
            None if slices is None else _slices(slices),
            None if embedding is None else _embedding(embedding),
        )


def _box(document: Mapping[str, Any]) -> DetectedBox:
    vectors = {name: tuple(map(float, document[name])) for name in ("centre", "size")}
    axes = tuple(tuple(map(float, row)) for row in document["axes"])
    return DetectedBox(**vectors, label=str(document["label"]), score=float(document["score"]), axes=axes)  # type: ignore[arg-type]


def _slices(document: Mapping[str, Any]) -> Slices:
    probabilities = {str(label): tuple(map(float, p)) for label, p in document["probabilities"].items()}
    return Slices(tuple(map(float, document["positions_mm"])), probabilities)


def _embedding(document: Mapping[str, Any]) -> Embedding:
    case = document["case"]
    return Embedding(
        tuple((float(x), float(y)) for x, y in document["points"]),
        tuple(map(str, document["labels"])),
        tuple(map(str, document["names"])),
        None if case is None else (float(case[0]), float(case[1])),
    )
