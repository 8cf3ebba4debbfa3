"""Where a map points, in millimetres: its focal point's distances to the tumour, and its share inside (Chen 2022).

All distances are in the image's own space: a map and mask that are moved or turned together keep them, and spacings
that grow let them grow.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from FeatureExtractorLib.case import same_geometry
from FeatureExtractorLib.errors import GeometryError, InputError


@dataclass(frozen=True)
class FocalPoint:
    """A point that stands for a map.

    position_mm: in LPS. to_centre_mm: to the tumour's centre. to_edge_mm: to the nearest point of its outline, below
    0 inside it. inside: whether it is.
    """

    position_mm: tuple[float, ...]
    to_centre_mm: float
    to_edge_mm: float
    inside: bool


@dataclass(frozen=True)
class Focus:
    """peak: the voxel where the map is largest; centroid: the mean position, weighted by the map; mass_inside: the
    share of the map's sum that lies in the tumour; centre_mm: of the tumour, in LPS.
    """

    peak: FocalPoint
    centroid: FocalPoint
    mass_inside: float
    centre_mm: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "peak": _listed(self.peak),
            "centroid": _listed(self.centroid),
            "mass_inside": self.mass_inside,
            "centre_mm": list(self.centre_mm),
        }


def focus_of(cam: sitk.Image, mask: sitk.Image) -> dict[str, Any] | None:
    """`measure_focus` as plain JSON values; None where the map is 0 everywhere, so that it points nowhere."""
    if not sitk.GetArrayViewFromImage(cam).any():
        return None
    return measure_focus(cam, mask).to_json()


def measure_focus(cam: sitk.Image, mask: sitk.Image) -> Focus:
    """The focus of a map, 0 or more, with respect to the tumour that `mask` outlines (not 0), both on one grid.

    Images of two or three dimensions: of a slice all distances are in its plane. The outline is that of the voxels'
    boxes, so that a distance is exact wherever the point lies. Of equal largest values the first voxel counts.
    Raises GeometryError when the grids differ, InputError when the mask is empty or the map is 0 everywhere, below 0
    or not finite.
    """
    if cam.GetDimension() != mask.GetDimension() or not same_geometry(cam, mask):
        raise GeometryError("The map and the mask are on different grids; resample one to the other.")
    values = sitk.GetArrayFromImage(cam).astype(np.float64)
    inside = sitk.GetArrayViewFromImage(mask) != 0
    if not inside.any():
        raise InputError("The mask is empty, so there is nothing to measure distances to; outline the tumour first.")
    if not np.isfinite(values).all() or values.min() < 0:
        raise InputError("The map has values below 0 or that are not finite; give a map of 0 or more.")
    total = values.sum()
    if total <= 0:
        raise InputError("The map is 0 everywhere, so that it points nowhere; choose another class.")
    where = np.argwhere(values > 0)
    weights = values[values > 0] / total
    centre = np.argwhere(inside).mean(axis=0)
    tumour = _Tumour(inside, np.array(mask.GetSpacing()[::-1]), centre, mask)
    peak = np.array(np.unravel_index(int(values.argmax()), values.shape), dtype=np.float64)
    return Focus(
        peak=tumour.point(peak),
        centroid=tumour.point(weights @ where),
        mass_inside=float(values[inside].sum() / total),
        centre_mm=tumour.position(centre),
    )


@dataclass(frozen=True)
class _Tumour:
    """inside: voxels; spacing: mm, centre: index, both in the order of the array's axes; image: for positions."""

    inside: np.ndarray
    spacing: np.ndarray
    centre: np.ndarray
    image: sitk.Image

    def point(self, index: np.ndarray) -> FocalPoint:
        nearest = tuple(np.floor(index + 0.5).astype(int))
        within = bool(self.inside[nearest])
        to_edge = distance_to_outline(self.inside, self.spacing, index)
        return FocalPoint(
            position_mm=self.position(index),
            to_centre_mm=float(np.linalg.norm((index - self.centre) * self.spacing)),
            to_edge_mm=-to_edge if within else to_edge,
            inside=within,
        )

    def position(self, index: np.ndarray) -> tuple[float, ...]:
        return tuple(map(float, self.image.TransformContinuousIndexToPhysicalPoint(index[::-1].tolist())))


def distance_to_outline(inside: np.ndarray, spacing: np.ndarray, index: np.ndarray) -> float:
    """From a point to the nearest face between a voxel that is inside and one that is not, 0 or more.

    inside: (*positions) of the array's axes; spacing: their lengths; index: the point, voxel centres being whole.
    What lies beyond the array is outside.
    """
    padded = np.pad(inside, 1)
    nearest = np.inf
    for axis in range(inside.ndim):
        faces = np.argwhere(np.diff(padded.astype(np.int8), axis=axis) != 0).astype(np.float64) - 1
        faces[:, axis] += 0.5
        half = np.full(inside.ndim, 0.5)
        half[axis] = 0.0
        gaps = np.maximum(np.abs(faces - index) - half, 0.0) * spacing
        nearest = min(nearest, float((gaps**2).sum(axis=1).min()))
    return float(np.sqrt(nearest))


def _listed(point: FocalPoint) -> dict[str, Any]:
    return {**asdict(point), "position_mm": list(point.position_mm)}
