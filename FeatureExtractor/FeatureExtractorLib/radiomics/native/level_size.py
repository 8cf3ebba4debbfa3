"""Features of a matrix P(i, j) that counts objects by grey level i and size j: runs, zones or dependences.

n is the sum of P, p = P / n, P(i) and P(j) the sums over the sizes and over the levels. Where there are several
directions, each has its own matrix and the feature is the mean of their values.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import entr


@dataclass(frozen=True)
class LevelSize:
    """counts: (d, g, s), empty directions left out; levels: (g,) grey levels; sizes: (s,) from 1."""

    counts: np.ndarray
    levels: np.ndarray
    sizes: np.ndarray

    @cached_property
    def n(self) -> np.ndarray:
        return self.counts.sum(axis=(1, 2))

    @cached_property
    def by_level(self) -> np.ndarray:
        return self.counts.sum(axis=2)

    @cached_property
    def by_size(self) -> np.ndarray:
        return self.counts.sum(axis=1)

    @cached_property
    def entropy(self) -> np.ndarray:
        return entr(self.counts / self.n[:, None, None]).sum(axis=(1, 2)) / np.log(2)

    def mean_of(self, level_power: int, size_power: int) -> np.ndarray:
        """sum p(i, j) i^level_power j^size_power, by direction."""
        weighted = self.counts @ self.sizes.astype(float) ** size_power
        return weighted @ self.levels.astype(float) ** level_power / self.n


def level_size(counts: np.ndarray, levels: np.ndarray, sizes: np.ndarray) -> LevelSize:
    """Drop the directions without any object, and the sizes that do not occur."""
    counts = counts[counts.any(axis=(1, 2))]
    occurs = counts.any(axis=(0, 1))
    return LevelSize(counts[:, :, occurs], levels, sizes[occurs])


def small_emphasis(m: LevelSize) -> np.ndarray:
    """sum p(i, j) / j^2."""
    return m.mean_of(0, -2)


def large_emphasis(m: LevelSize) -> np.ndarray:
    """sum p(i, j) j^2."""
    return m.mean_of(0, 2)


def low_level_emphasis(m: LevelSize) -> np.ndarray:
    """sum p(i, j) / i^2."""
    return m.mean_of(-2, 0)


def high_level_emphasis(m: LevelSize) -> np.ndarray:
    """sum p(i, j) i^2."""
    return m.mean_of(2, 0)


def small_low_emphasis(m: LevelSize) -> np.ndarray:
    """sum p(i, j) / (i^2 j^2)."""
    return m.mean_of(-2, -2)


def small_high_emphasis(m: LevelSize) -> np.ndarray:
    """sum p(i, j) i^2 / j^2."""
    return m.mean_of(2, -2)


def large_low_emphasis(m: LevelSize) -> np.ndarray:
    """sum p(i, j) j^2 / i^2."""
    return m.mean_of(-2, 2)


def large_high_emphasis(m: LevelSize) -> np.ndarray:
    """sum p(i, j) i^2 j^2."""
    return m.mean_of(2, 2)


def level_non_uniformity(m: LevelSize) -> np.ndarray:
    """sum over i of P(i)^2 / n."""
    return np.sum(m.by_level**2, axis=1) / m.n


def level_non_uniformity_normalised(m: LevelSize) -> np.ndarray:
    """sum over i of P(i)^2 / n^2."""
    return level_non_uniformity(m) / m.n


def size_non_uniformity(m: LevelSize) -> np.ndarray:
    """sum over j of P(j)^2 / n."""
    return np.sum(m.by_size**2, axis=1) / m.n


def size_non_uniformity_normalised(m: LevelSize) -> np.ndarray:
    """sum over j of P(j)^2 / n^2."""
    return size_non_uniformity(m) / m.n


def percentage(m: LevelSize) -> np.ndarray:
    """n / number of voxels, the latter being sum P(j) j."""
    return m.n / (m.by_size @ m.sizes)


def level_variance(m: LevelSize) -> np.ndarray:
    """sum p(i, j) (i - mean of i)^2."""
    return _variance(m.by_level / m.n[:, None], m.levels)


def size_variance(m: LevelSize) -> np.ndarray:
    """sum p(i, j) (j - mean of j)^2."""
    return _variance(m.by_size / m.n[:, None], m.sizes)


def entropy(m: LevelSize) -> np.ndarray:
    """- sum p(i, j) log2 p(i, j)."""
    return m.entropy


def _variance(p: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.sum(p * (values - (p @ values)[:, None]) ** 2, axis=1)
