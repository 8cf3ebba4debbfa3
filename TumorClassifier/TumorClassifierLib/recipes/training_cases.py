"""Where a model's training cases lie in what its network sees, kept with it so that a new case can join them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from FeatureExtractorLib.errors import BundleRejected, InputError

from ..explain.embedding import place_among, tsne
from ..findings import Embedding

FEATURES = "features"


@dataclass(frozen=True)
class TrainingCases:
    """features: (n, width) float16, pooled; points: (n, 2) of their t-SNE; labels, names: (n,)."""

    features: np.ndarray
    points: np.ndarray
    labels: tuple[str, ...]
    names: tuple[str, ...]

    def with_case(self, features: np.ndarray) -> Embedding:
        """The embedding with the point of a case of these (width,) features."""
        case = place_among(self.features, self.points, np.asarray(features, dtype=np.float64))
        points = tuple((float(x), float(y)) for x, y in self.points)
        return Embedding(points, self.labels, self.names, case)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values without the features."""
        return {"points": self.points.tolist(), "labels": list(self.labels), "names": list(self.names)}

    def packed(self) -> bytes:
        """The features as safetensors."""
        from safetensors.numpy import save

        return save({FEATURES: np.ascontiguousarray(self.features)})


def embed_cases(
    features: np.ndarray, labels: Sequence[str], names: Sequence[str] | None, perplexity: float, seed: int
) -> TrainingCases | None:
    """t-SNE of (n, width) pooled features; None of too few cases, or of cases that are all alike.

    names: of the cases; None names them by class and number, in an order that tells nobody which is whose.
    """
    with np.errstate(over="ignore"):
        stored = np.asarray(features).astype(np.float16)
    try:
        points = np.round(tsne(stored.astype(np.float64), perplexity, seed), 3)
    except InputError:
        return None
    given = list(names) if names is not None else [""] * len(labels)
    order = sorted(range(len(labels)), key=lambda i: (labels[i], *points[i].tolist(), given[i]))
    labels = [labels[i] for i in order]
    numbered = [f"{label} {labels[: i + 1].count(label)}" for i, label in enumerate(labels)]
    named = [given[i] for i in order] if names is not None else numbered
    return TrainingCases(stored[order], points[order], tuple(labels), tuple(named))


def unpack_cases(document: Mapping[str, Any], packed: bytes, width: int, name: str) -> TrainingCases:
    """What `to_json` and `packed` gave; raises BundleRejected where they do not belong together or to the network.

    width: of the network's features. name: the model's.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        features = load(packed)[FEATURES]
        points = np.array(document["points"], dtype=np.float64)
        found = TrainingCases(
            features, points, tuple(map(str, document["labels"])), tuple(map(str, document["names"]))
        )
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise BundleRejected(f"The model {name} has training cases that cannot be read ({error}).") from error
    n = len(found.labels)
    fits = features.shape == (n, width) and n > 0 and points.shape == (n, 2) and len(found.names) == n
    if not fits or features.dtype != np.float16 or not np.isfinite(features).all() or not np.isfinite(points).all():
        raise BundleRejected(f"The model {name} has training cases of another form; get the model file again.")
    return found
