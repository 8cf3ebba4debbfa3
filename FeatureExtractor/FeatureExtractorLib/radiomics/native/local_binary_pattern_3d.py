"""Rotation-invariant local binary patterns in 3D (Banerjee et al. 2013, LNCS 7728, 26-37), as PyRadiomics makes them.

Around each voxel, points on a sphere are set to 1 where the image is not darker than at the voxel, else to 0. With the
spherical harmonics Y_nm at the points, the share of degree n in these patterns b is the length of b K_n, where

    K_n[v, w] = sum over m of Y_nm(v) Y_nm(w)

which is real. As in PyRadiomics, the points' (x, y, z) are added to the voxel's (z, y, x), lengths are in voxels, and
the polar and the azimuthal angle stand in each other's place; features then agree with it.
"""

from math import factorial

import numpy as np
from scipy import ndimage

BLOCK = 2**20  # points interpolated at a time

_CORNERS = ((-1, 2, 0), (1, 2, 0), (-1, -2, 0), (1, -2, 0))
_FACES = (
    ((0, 11, 5), (0, 5, 1), (0, 1, 7), (0, 7, 10), (0, 10, 11), (1, 5, 9), (5, 11, 4), (11, 10, 2), (10, 7, 6))
    + ((7, 1, 8), (3, 9, 4), (3, 4, 2), (3, 2, 6), (3, 6, 8), (3, 8, 9), (4, 9, 5), (2, 4, 11), (6, 2, 10))
    + ((8, 6, 7), (9, 8, 1))
)


def patterns(
    image: np.ndarray, voxels: np.ndarray, levels: int, radius: float, subdivisions: int
) -> tuple[np.ndarray, np.ndarray]:
    """Of each voxel the shares of degrees 0 to levels - 1 (n, levels), and the kurtosis of the values around it (n,).

    image: (z, y, x); voxels: indices (n, 3). Between voxels, cubic splines are taken, rounded to the image's own
    number type; outside the image there is 0. The kurtosis is -3 where all values are equal.
    """
    points = sphere(radius, subdivisions)
    kernels = _kernels(points, levels, radius)
    splines = ndimage.spline_filter(image, 3, np.float64)
    shares, peakedness = np.empty((len(voxels), levels)), np.empty(len(voxels))
    step = max(1, BLOCK // len(points))
    for start in range(0, len(voxels), step):
        some = voxels[start : start + step]
        which = slice(start, start + len(some))
        places = (some[:, None, :] + points[None, :, :]).transpose(2, 0, 1)
        around = ndimage.map_coordinates(splines, places, image.dtype, order=3, prefilter=False)
        peakedness[which] = _kurtosis(around)
        bits = (around >= image[tuple(some.T)][:, None]).astype(np.float64)
        shares[which] = np.stack([np.linalg.norm(bits @ kernel, axis=1) for kernel in kernels], axis=1)
    return shares, peakedness


def _kurtosis(values: np.ndarray) -> np.ndarray:
    """Excess kurtosis of each row (n, k), -3 where its values are equal."""
    mean = values.mean(axis=1, keepdims=True)
    squares = (values - mean) ** 2
    variance, fourth = squares.mean(axis=1), (squares**2).mean(axis=1)
    varies = variance > (np.finfo(variance.dtype).resolution * mean[:, 0]) ** 2
    return np.where(varies, fourth / np.where(varies, variance, 1) ** 2, 0) - 3


def sphere(radius: float, subdivisions: int) -> np.ndarray:
    """Points (n, 3) on a sphere: corners of an icosahedron of which each edge was halved so many times."""
    golden = (1 + np.sqrt(5)) / 2
    corners = np.array(_CORNERS) * np.array([1, golden / 2, 1])
    corners = np.concatenate([corners, np.roll(corners, 1, axis=1), np.roll(corners, 2, axis=1)])
    corners /= np.linalg.norm(corners[0])
    faces = np.array(_FACES)
    for _ in range(subdivisions):
        # The middles in the order of each edge's larger and then smaller corner: sums come out as with trimesh.
        edges = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
        unique, which = np.unique(edges[:, ::-1], axis=0, return_inverse=True)
        (a, b, c), (ab, bc, ca) = faces.T, which.reshape(-1, 3).T + len(corners)
        corners = _onto(np.concatenate([corners, corners[unique[:, ::-1]].mean(axis=1)]), radius)
        faces = np.stack([a, ab, ca, ab, b, bc, ca, bc, c, ab, bc, ca], axis=1).reshape(-1, 3)
    return _onto(corners, radius) if subdivisions == 0 else corners


def _onto(points: np.ndarray, radius: float) -> np.ndarray:
    length = np.sqrt(np.dot(points**2, np.ones(3)))[:, None]
    return points + points / length * (radius - length)


def _kernels(points: np.ndarray, levels: int, radius: float) -> list[np.ndarray]:
    """K_n (points, points) of each degree."""
    azimuth = np.arccos(np.clip(points[:, 2] / radius, -1, 1))
    polar = np.arctan2(points[:, 1], points[:, 0])
    kernels = []
    for n in range(levels):
        harmonics = np.stack([_harmonic(n, m, azimuth, polar) for m in range(-n, n + 1)])
        kernels.append((harmonics.T @ harmonics).real)
    return kernels


def _harmonic(n: int, m: int, azimuth: np.ndarray, polar: np.ndarray) -> np.ndarray:
    """Y_nm with the Condon-Shortley phase."""
    from scipy.special import lpmv

    order = abs(m)
    scale = np.sqrt((2 * n + 1) / (4 * np.pi) * factorial(n - order) / factorial(n + order))
    value = scale * lpmv(order, n, np.cos(polar)) * np.exp(1j * order * azimuth)
    return value if m >= 0 else (-1) ** order * np.conj(value)
