"""Closed planar contours to voxels."""

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

from .errors import GeometryError

# How far, in slices, the points of one contour may lie from a common slice, and two contours that share a plane.
_FLAT, _SAME_PLANE = 0.25, 0.1


def indices_of(points: np.ndarray, image: sitk.Image) -> np.ndarray:
    """Points (n, 3), x, y, z in mm, as continuous voxel indices x, y, z of an image."""
    axes = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    return np.linalg.solve(axes, (np.asarray(points, float) - image.GetOrigin()).T).T


def rasterise(contours: Sequence[np.ndarray], reference: sitk.Image, name: str) -> np.ndarray:
    """The voxels (z, y, x) of the reference whose centres lie inside closed contours, each (n, 3) points in mm.

    Contours of one plane combine by the even-odd rule, so that an inner one is a hole. A plane stands for the slab
    half-way to its neighbours (as far as the closest two planes are apart): slices between sparse contours take the
    nearest one. Raises GeometryError unless every contour lies in a slice of the reference.
    """
    columns, rows, slices = reference.GetSize()
    planes: list[tuple[float, list[np.ndarray]]] = []
    flat = [indices_of(contour, reference) for contour in contours]
    for contour in sorted(flat, key=lambda points: float(points[:, 2].mean())):
        k = float(contour[:, 2].mean())
        if np.abs(contour[:, 2] - k).max() > _FLAT:
            raise GeometryError(f"{name} is not drawn in the image's slices; export it as voxels (DICOM SEG or NRRD).")
        if not planes or k - planes[-1][0] > _SAME_PLANE:
            planes.append((k, []))
        planes[-1][1].append(contour[:, :2])
    heights = np.array([k for k, _ in planes])
    half = max(1.0, np.diff(heights).min(initial=np.inf) if len(planes) > 1 else 1.0) / 2
    inside = np.zeros((slices, rows, columns), dtype=bool)
    for k in range(slices):
        # Half-open, with a little slack for rounding, so that a slice midway between two planes belongs to one.
        away = k - heights + _SAME_PLANE / 2
        near = np.flatnonzero((away >= -half) & (away < half))
        if near.size:
            nearest = near[np.abs(away[near]).argmin()]
            inside[k] = fill(planes[nearest][1], rows, columns)
    return inside


def fill(polygons: Sequence[np.ndarray], rows: int, columns: int) -> np.ndarray:
    """The pixels (rows, columns) whose centres an odd number of polygons enclose; each (n, 2), x, y in pixels.

    A pixel is inside when an odd number of edges cross its row at or before its centre.
    """
    crossings = np.zeros((rows, columns + 1), dtype=np.int64)
    for polygon in polygons:
        x, y = polygon.T
        next_x, next_y = np.roll(x, -1), np.roll(y, -1)
        first = np.ceil(np.minimum(y, next_y)).astype(np.int64)
        count = np.ceil(np.maximum(y, next_y)).astype(np.int64) - first
        edge = np.repeat(np.arange(len(x)), count)
        row = first[edge] + np.arange(edge.size) - np.repeat(np.cumsum(count) - count, count)
        at = x[edge] + (row - y[edge]) * (next_x - x)[edge] / (next_y - y)[edge]
        column = np.clip(np.ceil(at), 0, columns).astype(np.int64)
        kept = (row >= 0) & (row < rows)
        np.add.at(crossings, (row[kept], column[kept]), 1)
    return np.cumsum(crossings, axis=1)[:, :columns] % 2 == 1
