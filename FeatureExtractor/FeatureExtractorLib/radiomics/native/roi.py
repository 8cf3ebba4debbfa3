"""The region of one filtered image: its voxels' values, their grey levels and who neighbours whom."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .matrices import Neighbourhood


@dataclass(frozen=True)
class Roi:
    """n voxels in raster order of z, y, x.

    values: (n,) float64 intensities.
    levels: (n,) index of each voxel's grey level in `grey_levels`.
    grey_levels: (g,) the levels that occur, ascending from 1.
    near, far: neighbours at distance 1 (runs and zones), and at the distances of the settings (the other textures).
    spacing: z, y, x in mm.
    """

    values: np.ndarray
    levels: np.ndarray
    grey_levels: np.ndarray
    near: Neighbourhood
    far: Neighbourhood
    spacing: np.ndarray


def make_roi(
    values: np.ndarray,
    near: Neighbourhood,
    far: Neighbourhood,
    spacing: np.ndarray,
    settings: Mapping[str, Any],
    start: float | None = None,
) -> Roi:
    """Discretise the region's values (n,), in the filtered image's own number type, and hold them for all classes.

    start: as in `discretise`.
    """
    level = discretise(values, settings.get("binWidth", 25), settings.get("binCount"), start)
    present = np.bincount(level) > 0
    rank = (np.cumsum(present) - 1).astype(np.int32)
    return Roi(values.astype(np.float64), rank[level], np.flatnonzero(present), near, far, spacing)


def discretise(
    values: np.ndarray, bin_width: float, bin_count: int | None = None, start: float | None = None
) -> np.ndarray:
    """Grey level (n,), from 1, of each value.

    With `bin_count`: bins of equal width from the minimum to the maximum, which is in the last (IBSI FBN, K15C).
    Otherwise floor(value / width) - floor(minimum / width) + 1, that is with edges at multiples of the width, or
    floor((value - start) / width) + 1 where the lower edge of the first bin is given (IBSI FBS, Q3RU).
    """
    edges = _count_edges(values, bin_count) if bin_count else _width_edges(values, bin_width, start)
    if len(edges) == 1:
        return np.ones(len(values), np.intp)
    step = (edges[-1] - edges[0]) / (len(edges) - 1)
    guess = np.clip(((values - edges[0]) / step).astype(np.intp), 0, len(edges) - 2)
    guess -= values < edges[guess]
    guess += values >= edges[guess + 1]
    return guess + 1


def _width_edges(values: np.ndarray, width: float, start: float | None) -> np.ndarray:
    """Bin edges from `start`, or the multiple of `width` below the minimum, to above the maximum.

    Integers leave their narrow type first; floats keep theirs, since a float32 edge decides about float32 values.
    """
    low, high = values.min(), values.max()
    if np.issubdtype(values.dtype, np.integer):
        low, high = int(low), int(high)
    first = low - low % width if start is None else start
    return np.arange(first, high + 2 * width, width)


def _count_edges(values: np.ndarray, count: int) -> np.ndarray:
    """Edges of `count` equal bins; the last is moved up so that the maximum falls inside."""
    edges = np.histogram_bin_edges(values, count)
    edges[-1] += 1
    return edges
