"""A slice classifier: a convolutional network's trunk with dropout and one linear layer behind it."""

from collections import OrderedDict
from typing import TYPE_CHECKING

import numpy as np

from FeatureExtractorLib.deep.backbones import Weights, backbone_spec, build_backbone, seeded
from FeatureExtractorLib.deep.features import run_in_batches
from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.progress import Progress, silent

if TYPE_CHECKING:
    from torch import nn

HEAD_SEED = 0


def build_classifier(
    backbone: str, n_classes: int, dropout: float = 0.5, weights: Weights | None = None
) -> "nn.Sequential":
    """Sequential(normalise, trunk, pool, head): images (n, 3, rows, columns) in 0–1 to logits (n, n_classes).

    weights: of the trunk, by default random from seed 0; the head, Dropout then Linear, always starts from the
    same random numbers. Raises InputError for an unknown backbone, fewer than two classes or a dropout outside
    0–1, and as `build_backbone` does for weights.
    """
    head = build_head(backbone, n_classes, dropout)
    return with_head(build_backbone(backbone, weights or Weights("seed", "0")), head)


def build_head(backbone: str, n_classes: int, dropout: float = 0.0) -> "nn.Sequential":
    """Dropout and one linear layer for pooled features (n, width) of a backbone; raises as `build_classifier`."""
    from torch import nn

    if n_classes < 2:
        raise InputError(f"A classifier cannot have {n_classes} classes; give at least two.")
    if not 0 <= dropout < 1:
        raise InputError(f"The dropout cannot be {dropout}; choose a share from 0 to below 1.")
    with seeded(HEAD_SEED):
        return nn.Sequential(nn.Dropout(dropout), nn.Linear(backbone_spec(backbone).width, n_classes)).eval()


def with_head(backbone: "nn.Sequential", head: "nn.Sequential") -> "nn.Sequential":
    """The classifier of a backbone and a head on one device; it shares both, and copies neither."""
    from torch import nn

    return nn.Sequential(OrderedDict([*list(backbone.named_children())[:3], ("head", head)])).eval()


def split(model: "nn.Sequential") -> tuple["nn.Sequential", "nn.Sequential"]:
    """The classifier cut behind its last convolution block: images → maps (n, width, r, c), maps → logits."""
    return model[:2], model[2:]


def class_probabilities(
    model: "nn.Sequential", images: np.ndarray, batch_size: int = 32, progress: Progress = silent
) -> np.ndarray:
    """Softmax probabilities (n, n_classes), float64, of images (n, 3, rows, columns) float32 in 0–1."""
    return run_in_batches(lambda batch: model(batch).cpu().double().softmax(1), model, images, batch_size, progress)
