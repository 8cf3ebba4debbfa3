"""Texture matrices of the region, from one table of neighbours that all filtered images share.

Voxels are the region's n voxels in raster order; levels are indices of the grey levels that occur, 0 to g - 1.
A direction stands for itself and its opposite.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components


@dataclass(frozen=True)
class Line:
    """The region's voxels, line after line along one direction.

    order: (n,) voxel numbers, each line from its start.
    linked: (n - 1,) whether the next in `order` is the next voxel of the same line, without a gap.
    several: whether any line holds more than one voxel.
    """

    order: np.ndarray
    linked: np.ndarray
    several: bool


@dataclass(frozen=True)
class Neighbourhood:
    """Neighbours within the region along each of the directions.

    voxels: n. directions: (d, 3) steps z, y, x; lines: one for each. size: longest side of the region in voxels.
    """

    voxels: int
    directions: np.ndarray
    lines: tuple[Line, ...]
    size: int

    @cached_property
    def pairs(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """For each direction, the voxel numbers (m,) of the first and the second of all neighbouring pairs."""
        return [(line.order[:-1][line.linked], line.order[1:][line.linked]) for line in self.lines]

    @cached_property
    def links(self) -> csr_array:
        """(n, n) with 1 where the voxel of the column is a neighbour of the row's and comes after it."""
        first, second = zip(*self.pairs, strict=True) if self.pairs else ((), ())
        empty = [np.empty(0, np.int32)]
        ends = np.concatenate(empty + list(first)), np.concatenate(empty + list(second))
        links = csr_array((np.ones(len(ends[0])), ends), shape=(self.voxels, self.voxels))
        links.sort_indices()
        return links

    @cached_property
    def rows(self) -> np.ndarray:
        """The row (m,) of each entry of `links`."""
        return np.repeat(np.arange(self.voxels, dtype=np.int32), np.diff(self.links.indptr))

    def sum_over_neighbours(self, values: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        """Sum (n,) of the neighbours' values (n,), each times the weight (m,) of the link where weights are given."""
        links = self.links
        if weights is not None:
            links = csr_array((weights, links.indices, links.indptr), shape=links.shape)
        return links @ values + links.T @ values


def neighbourhood(mask: np.ndarray, distances: Sequence[int] = (1,), flat_axis: int | None = None) -> Neighbourhood:
    """Neighbours of a mask (z, y, x bool, cropped) at the given distances in the maximum norm, in voxels.

    flat_axis: axis that no direction leaves (analysis by slices), or None for three dimensions.
    """
    reach = max(distances)
    steps = product(range(-reach, reach + 1), repeat=3)
    directions = [
        step
        for step in steps
        if step > (0, 0, 0)
        and max(map(abs, step)) in distances
        and all(abs(s) < n for s, n in zip(step, mask.shape, strict=True))
        and (flat_axis is None or step[flat_axis] == 0)
    ]
    voxels = np.argwhere(mask)
    lines = tuple(_line(voxels, direction) for direction in directions)
    return Neighbourhood(len(voxels), np.array(directions, int).reshape(-1, 3), lines, max(mask.shape))


def _line(voxels: np.ndarray, direction: tuple[int, ...]) -> Line:
    """Sort voxels (n, 3) into lines along a direction whose first non-zero step is positive."""
    axis = next(k for k, step in enumerate(direction) if step)
    position = voxels[:, axis] // direction[axis]
    start = voxels - position[:, None] * np.array(direction)
    start -= start.min(axis=0)
    key = np.ravel_multi_index(tuple(start.T), tuple(start.max(axis=0) + 1))
    length = position.max() + 2
    key = key * length + position
    order = np.argsort(key)
    key = key[order]
    return Line(order.astype(np.int32), np.diff(key) == 1, bool(np.any(np.diff(key // length) == 0)))


def cooccurrence(levels: np.ndarray, n_levels: int, hood: Neighbourhood) -> np.ndarray:
    """Pairs of levels of neighbouring voxels, first to second: (directions, g, g) counts."""
    shape = (n_levels, n_levels)
    codes = (levels[a] * n_levels + levels[b] for a, b in hood.pairs)
    counts = [np.bincount(code, minlength=n_levels**2).reshape(shape) for code in codes]
    return np.array(counts, float).reshape(-1, *shape)


def run_lengths(levels: np.ndarray, n_levels: int, hood: Neighbourhood) -> np.ndarray:
    """Runs of equal level by level and length 1, 2, ...: (directions, g, longest) counts.

    A direction in which no line holds two voxels says nothing of runs and is left at zero.
    """
    counts = np.zeros((len(hood.lines), n_levels, hood.size))
    for count, line in zip(counts, hood.lines, strict=True):
        if line.several:
            level = levels[line.order]
            start = np.flatnonzero(np.concatenate([[True], (level[1:] != level[:-1]) | ~line.linked]))
            length = np.diff(start, append=len(level))
            code = level[start] * hood.size + length - 1
            count += np.bincount(code, minlength=count.size).reshape(count.shape)
    return counts


def zones(levels: np.ndarray, n_levels: int, hood: Neighbourhood) -> tuple[np.ndarray, np.ndarray]:
    """Connected zones of equal level by level and size: (g, s) counts and the sizes (s,) that occur, in voxels."""
    links = hood.links
    equal = levels[hood.rows] == levels[links.indices]
    ends = np.concatenate([[0], np.cumsum(equal)])[links.indptr]
    alike = csr_array((np.ones(ends[-1]), links.indices[equal], ends), shape=links.shape)
    _, zone = connected_components(alike, directed=False)
    level = np.empty(zone.max() + 1, levels.dtype)
    level[zone] = levels
    sizes, column = np.unique(np.bincount(zone), return_inverse=True)
    counts = np.bincount(level * len(sizes) + column, minlength=n_levels * len(sizes))
    return counts.reshape(n_levels, -1).astype(float), sizes


def dependence(levels: np.ndarray, grey_levels: np.ndarray, hood: Neighbourhood, alpha: float = 0) -> np.ndarray:
    """Voxels by level and 1 + number of neighbours whose grey level is within `alpha`: (g, 2d + 1) counts."""
    grey = grey_levels.astype(np.int32)[levels]
    alike = np.abs(grey[hood.rows] - grey[hood.links.indices]) <= alpha
    dependent = hood.sum_over_neighbours(np.ones(len(levels)), alike.astype(float)).astype(int)
    columns = 2 * len(hood.directions) + 1
    code = levels * columns + dependent
    return np.bincount(code, minlength=len(grey_levels) * columns).reshape(-1, columns).astype(float)


def tone_difference(
    levels: np.ndarray, grey_levels: np.ndarray, hood: Neighbourhood, skip_isolated: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """By level: number of voxels (g,) and sum of |grey level - mean of its neighbours'| (g,).

    A voxel without neighbours adds nothing to the second; it counts in the first unless `skip_isolated`.
    """
    grey = grey_levels[levels].astype(float)
    neighbours = hood.sum_over_neighbours(np.ones_like(grey))
    mean = hood.sum_over_neighbours(grey) / np.maximum(neighbours, 1)
    difference = np.where(neighbours > 0, np.abs(grey - mean), 0.0)
    counted = (neighbours > 0).astype(float) if skip_isolated else None
    g = len(grey_levels)
    return np.bincount(levels, counted, g).astype(float), np.bincount(levels, difference, g)


def norms(hood: Neighbourhood, spacing: np.ndarray, norm: str) -> np.ndarray:
    """Length (d,) in mm of a step along each direction: euclidean, manhattan or infinity; spacing z, y, x in mm."""
    order = {"euclidean": 2, "manhattan": 1, "infinity": np.inf}[norm]
    return np.linalg.norm(hood.directions * spacing, ord=order, axis=1)
