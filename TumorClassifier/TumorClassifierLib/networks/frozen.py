"""A frozen trunk computed once: its pooled features are kept, and only the head behind it is trained.

What is pooled depends on the trunk and the image alone, not on the fold or the epoch, so one process pools an image
once, however many folds and epochs see it.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from FeatureExtractorLib.deep.features import pooled_features
from FeatureExtractorLib.files import sha256_of_bytes
from FeatureExtractorLib.progress import Progress, silent

from .mr_augmentation import MrAugmentation
from .resnet2d import with_head
from .training import TrainingResult, TrainingSettings, train_classifier

if TYPE_CHECKING:
    from torch import nn

MOST_BYTES = 1 << 28
BATCH = 32  # on a GPU; on a processor one image at a time, so that its bits depend on no neighbour


class PooledFeatures:
    """Features of images by one trunk after another, the oldest forgotten beyond `most` bytes."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self.most, self.bytes, self.computed = most, 0, 0
        self._kept: OrderedDict[str, np.ndarray] = OrderedDict()

    def of(
        self,
        trunk: "nn.Sequential",
        name: str,
        images: np.ndarray,
        augmentation: MrAugmentation | None = None,
        copies: int = 0,
        seed: int = 0,
        progress: Progress = silent,
    ) -> np.ndarray:
        """(1 + copies, n, width) float32: of the images as they are, then of augmented copies.

        trunk: from `build_backbone`, or a classifier; name: tells it, weights included, from every other. images:
        (n, 3, rows, columns) in 0–1. A copy depends on the image, the seed and its number, on nothing else.
        """
        kinds = 1 + (copies if augmentation is not None else 0)
        digests = [sha256_of_bytes(np.ascontiguousarray(image, dtype=np.float32).tobytes()) for image in images]
        keys = [
            [f"{name} {digest} {f'{augmentation} {seed} {k}' if k else ''}" for digest in digests]
            for k in range(kinds)
        ]
        found = {key: self._kept[key] for row in keys for key in row if key in self._kept}
        lacking = list(dict.fromkeys((key, k, i) for k, row in enumerate(keys) for i, key in enumerate(row)))
        lacking = [place for place in lacking if place[0] not in found]
        batch = 1 if next(trunk.parameters()).device.type == "cpu" else BATCH
        for start in range(0, len(lacking), batch):
            progress("features of the frozen network", start / len(lacking))
            places = lacking[start : start + batch]
            pictures = [
                images[i] if k == 0 or augmentation is None else augmentation.copy_of(images[i], digests[i], seed, k)
                for _, k, i in places
            ]
            pooled = pooled_features(trunk, np.stack(pictures), batch).astype(np.float32)
            for (key, _, _), features in zip(places, pooled, strict=True):
                found[key] = features
                self._keep(key, features)
        return np.stack([np.stack([found[key] for key in row]) for row in keys])

    def _keep(self, key: str, features: np.ndarray) -> None:
        self._kept[key] = features
        self.bytes += features.nbytes
        self.computed += 1
        while self.bytes > self.most and len(self._kept) > 1:
            self.bytes -= self._kept.popitem(last=False)[1].nbytes


POOLED = PooledFeatures()


def train_head(
    model: "nn.Sequential",
    features: Sequence[np.ndarray],
    labels: np.ndarray,
    settings: TrainingSettings,
    validation: tuple[np.ndarray, np.ndarray] | None = None,
    progress: Progress = silent,
    checkpoint: Path | None = None,
) -> "TrainingResult[nn.Sequential]":
    """Train a copy of a classifier's head on pooled features; as training it behind its frozen trunk, up to rounding.

    What is returned shares the trunk.
    features: (n, width) of each augmented copy, of which the epochs take turns, or of the images themselves.
    validation: features (m, width) and labels. The rest, and what is raised, as `train_classifier`.
    """
    head: nn.Sequential = model.get_submodule("head")  # type: ignore[assignment]
    own = replace(settings, frozen=(), rates=(), learning_rate=settings.rate_of("head"), augmentation=False)
    trained = train_classifier(head, list(features), labels, own, validation, progress, checkpoint=checkpoint)
    return TrainingResult(with_head(model, trained.model), trained.curves, trained.best_epoch)
