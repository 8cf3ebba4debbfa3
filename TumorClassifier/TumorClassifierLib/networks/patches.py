"""Networks of volumes over whole volumes or over overlapping patches whose answers are averaged."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from FeatureExtractorLib.progress import Progress, silent

from ..explain.cam import GRAD_CAM, activation_maps
from .inputs import batch_outputs
from .volume3d import split_volume_network

if TYPE_CHECKING:
    from torch import nn

Patch = tuple[int, int, int]


def patch_starts(n: int, length: int) -> list[int]:
    """First voxels of patches that cover an axis of n voxels, each overlapping the next by at least half."""
    if length >= n:
        return [0]
    count = -(-(n - length) // max(1, length // 2)) + 1
    return [int(start) for start in np.round(np.linspace(0, n - length, count))]


def patches_of(shape: Sequence[int], patch: Patch | None) -> Iterator[tuple[slice, slice, slice]]:
    """Where patches (x, y, z) lie in a volume of `shape` (z, y, x); the whole one for None."""
    lengths = tuple(shape) if patch is None else patch[::-1]
    z, y, x = ([slice(s, s + m) for s in patch_starts(n, m)] for n, m in zip(shape, lengths, strict=True))
    return ((a, b, c) for a in z for b in y for c in x)


def volume_probabilities(
    model: "nn.Sequential", volumes: np.ndarray, patch: Patch | None = None, batch_size: int = 4
) -> np.ndarray:
    """Softmax probabilities (n, K), float64, of volumes (n, channels, z, y, x): the mean over a volume's patches."""

    def softmax(volume_part: np.ndarray) -> np.ndarray:
        return batch_outputs(lambda batch: model(batch).double().softmax(1), model, volume_part, batch_size)

    return np.mean([softmax(volumes[(..., *where)]) for where in patches_of(volumes.shape[2:], patch)], axis=0)


def volume_maps(
    model: "nn.Sequential",
    volumes: np.ndarray,
    class_index: int,
    patch: Patch | None = None,
    progress: Progress = silent,
    method: str = GRAD_CAM,
) -> np.ndarray:
    """Maps (n, z, y, x) float32, 0 or more, of volumes (n, channels, z, y, x): the mean of the patches that see a
    voxel. method: and errors as `activation_maps`.
    """
    trunk, head = split_volume_network(model)
    total = np.zeros((len(volumes), *volumes.shape[2:]), dtype=np.float32)
    seen = np.zeros(volumes.shape[2:], dtype=np.float32)
    for where in patches_of(volumes.shape[2:], patch):
        part = volumes[(..., *where)]
        total[(..., *where)] += activation_maps(trunk, head, part, class_index, method, progress=progress)
        seen[where] += 1
    return np.asarray(total / seen)
