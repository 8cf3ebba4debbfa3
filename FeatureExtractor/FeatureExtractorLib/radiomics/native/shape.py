"""Size and shape of the region in three dimensions, from its mesh and its voxel centres."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.spatial.distance import pdist

from . import marching_cubes
from .feature import Feature, FeatureClass


@dataclass(frozen=True)
class Shape:
    """mask: z, y, x bool with an empty rim one voxel wide; spacing: z, y, x in mm."""

    mask: np.ndarray
    spacing: np.ndarray

    @cached_property
    def mesh(self) -> tuple[float, float]:
        return marching_cubes.surface(self.mask, self.spacing)

    @cached_property
    def vertices(self) -> np.ndarray:
        return marching_cubes.vertices(self.mask, self.spacing)

    @cached_property
    def eigenvalues(self) -> np.ndarray:
        return principal_variances(self.mask, self.spacing)

    @cached_property
    def unbiased(self) -> float:
        """sqrt(n / (n - 1)), by which axis lengths grow when the covariance divides by n - 1."""
        n = int(np.count_nonzero(self.mask))
        return float(np.sqrt(n / max(n - 1, 1)))


def measure(region: tuple[np.ndarray, tuple[float, ...]], settings: Mapping[str, Any]) -> Shape:
    """Shape of a region: its mask (z, y, x bool, cropped to it) and spacing x, y, z in mm."""
    mask, spacing = region
    return Shape(np.pad(mask, 1), np.array(spacing[::-1]))


def principal_variances(mask: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Eigenvalues, smallest first, of the covariance of the voxel centres (mm2); spacing in the mask's axis order.

    The covariance divides by the number of voxels n, as PyRadiomics; IBSI's reference values divide by n - 1.
    What rounding leaves of a direction in which the region has no extent is 0.
    """
    points = np.argwhere(mask) * spacing
    points -= points.mean(axis=0)
    values = np.linalg.eigvalsh(points.T @ points / len(points))
    return np.where(values > 1e-14 * values[-1], values, 0.0)


def longest_distance(points: np.ndarray) -> float:
    """Largest distance between any two of `points` (n, d); 0 for fewer than two.

    Only points that are extreme along every axis among those sharing their other coordinates can be its ends.
    """
    keep = np.ones(len(points), bool)
    for axis in range(points.shape[1]):
        keep &= _extreme(points, axis)
    points = _hull(points[keep])
    return float(pdist(points).max()) if len(points) > 1 else 0.0


def _extreme(points: np.ndarray, axis: int) -> np.ndarray:
    """Whether each point has the smallest or largest coordinate of `axis` on its line along that axis."""
    others = np.delete(points, axis, axis=1)
    order = np.lexsort([points[:, axis], *others.T])
    changes = np.any(np.diff(others[order], axis=0) != 0, axis=1)
    ends = np.concatenate([[True], changes]) | np.concatenate([changes, [True]])
    extreme = np.empty(len(points), bool)
    extreme[order] = ends
    return extreme


def _hull(points: np.ndarray) -> np.ndarray:
    """The points of the convex hull, where there are enough points for that to pay."""
    if len(points) < 1500:
        return points
    from scipy.spatial import ConvexHull

    return points[ConvexHull(points).vertices]


def mesh_volume(s: Shape) -> float:
    """V = sum over triangles of a . (b x c) / 6."""
    return s.mesh[1]


def voxel_volume(s: Shape) -> float:
    """Number of voxels times the volume of one."""
    return float(s.mask.sum() * s.spacing.prod())


def surface_area(s: Shape) -> float:
    """A = sum over triangles of |ab x ac| / 2."""
    return s.mesh[0]


def surface_volume_ratio(s: Shape) -> float:
    """A / V."""
    return s.mesh[0] / s.mesh[1]


def sphericity(s: Shape) -> float:
    """(36 pi V^2)^(1/3) / A."""
    return float(np.cbrt(36 * np.pi * s.mesh[1] ** 2) / s.mesh[0])


def spherical_disproportion(s: Shape) -> float:
    """A / (36 pi V^2)^(1/3)."""
    return 1 / sphericity(s)


def compactness_1(s: Shape) -> float:
    """V / sqrt(pi A^3)."""
    return s.mesh[1] / float(np.sqrt(np.pi * s.mesh[0] ** 3))


def compactness_2(s: Shape) -> float:
    """36 pi V^2 / A^3."""
    return 36 * np.pi * s.mesh[1] ** 2 / s.mesh[0] ** 3


def maximum_3d_diameter(s: Shape) -> float:
    """Largest distance between two mesh vertices."""
    return longest_distance(s.vertices)


def _maximum_2d_diameter(s: Shape, axis: int) -> float:
    planes = s.vertices[:, axis]
    rest = np.delete(s.vertices, axis, axis=1)
    return max(longest_distance(rest[planes == plane]) for plane in np.unique(planes))


def maximum_2d_diameter_slice(s: Shape) -> float:
    """Largest distance between two mesh vertices of equal z."""
    return _maximum_2d_diameter(s, 0)


def maximum_2d_diameter_column(s: Shape) -> float:
    """Largest distance between two mesh vertices of equal y."""
    return _maximum_2d_diameter(s, 1)


def maximum_2d_diameter_row(s: Shape) -> float:
    """Largest distance between two mesh vertices of equal x."""
    return _maximum_2d_diameter(s, 2)


def major_axis_length(s: Shape) -> float:
    """4 sqrt(largest principal variance)."""
    return float(4 * np.sqrt(s.eigenvalues[2]))


def minor_axis_length(s: Shape) -> float:
    """4 sqrt(second principal variance)."""
    return float(4 * np.sqrt(s.eigenvalues[1]))


def least_axis_length(s: Shape) -> float:
    """4 sqrt(smallest principal variance)."""
    return float(4 * np.sqrt(s.eigenvalues[0]))


def elongation(s: Shape) -> float:
    """sqrt(second / largest principal variance): 1 is round."""
    return float(np.sqrt(s.eigenvalues[1] / s.eigenvalues[2]))


def flatness(s: Shape) -> float:
    """sqrt(smallest / largest principal variance): 0 is flat."""
    return float(np.sqrt(s.eigenvalues[0] / s.eigenvalues[2]))


def standard_major_axis_length(s: Shape) -> float:
    """4 sqrt(largest principal variance), the variance divided by n - 1."""
    return s.unbiased * major_axis_length(s)


def standard_minor_axis_length(s: Shape) -> float:
    """4 sqrt(second principal variance), the variance divided by n - 1."""
    return s.unbiased * minor_axis_length(s)


def standard_least_axis_length(s: Shape) -> float:
    """4 sqrt(smallest principal variance), the variance divided by n - 1."""
    return s.unbiased * least_axis_length(s)


FEATURES = {
    "Compactness1": Feature(compactness_1, "SKGS", by_name_only=True),
    "Compactness2": Feature(compactness_2, "BQWJ", by_name_only=True),
    "Elongation": Feature(elongation, "Q3CK"),
    "Flatness": Feature(flatness, "N17B"),
    "LeastAxisLength": Feature(least_axis_length, "7J51", "mm", standard=standard_least_axis_length),
    "MajorAxisLength": Feature(major_axis_length, "TDIC", "mm", standard=standard_major_axis_length),
    "Maximum2DDiameterColumn": Feature(maximum_2d_diameter_column, unit="mm"),
    "Maximum2DDiameterRow": Feature(maximum_2d_diameter_row, unit="mm"),
    "Maximum2DDiameterSlice": Feature(maximum_2d_diameter_slice, unit="mm"),
    "Maximum3DDiameter": Feature(maximum_3d_diameter, "L0JK", "mm"),
    "MeshVolume": Feature(mesh_volume, "RNU0", "mm3"),
    "MinorAxisLength": Feature(minor_axis_length, "P9VJ", "mm", standard=standard_minor_axis_length),
    "SphericalDisproportion": Feature(spherical_disproportion, "KRCK", by_name_only=True),
    "Sphericity": Feature(sphericity, "QCFX"),
    "SurfaceArea": Feature(surface_area, "C0JK", "mm2"),
    "SurfaceVolumeRatio": Feature(surface_volume_ratio, "2PR5", "mm-1"),
    "VoxelVolume": Feature(voxel_volume, "YEKZ", "mm3"),
}
CLASS = FeatureClass(measure, FEATURES)
