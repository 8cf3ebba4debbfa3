"""Size and shape of the region in its one slice, from its outline by marching squares and its pixel centres."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ...errors import InputError
from . import marching_cubes
from .feature import Feature, FeatureClass
from .shape import longest_distance, principal_variances

# Lines of each case, whose bit 2y + x says that the corner (y, x) of the square lies inside: pairs of the edges
# t(op), r(ight), b(ottom), l(eft). Where two opposite corners are inside, they stay two separate corners.
LINES = ["-", "lt", "tr", "lr", "bl", "bt", "trbl", "br", "rb", "rblt", "tb", "lb", "rl", "rt", "tl", "-"]
MIDDLES = {"t": (0.0, 0.5), "r": (0.5, 1.0), "b": (1.0, 0.5), "l": (0.5, 0.0)}


@dataclass(frozen=True)
class Outline:
    """mask: y, x bool with an empty rim one pixel wide; spacing: y, x in mm."""

    mask: np.ndarray
    spacing: np.ndarray

    @cached_property
    def mesh(self) -> tuple[float, float]:
        """Perimeter (mm) and area (mm2)."""
        return outline(self.mask, self.spacing)

    @cached_property
    def eigenvalues(self) -> np.ndarray:
        return principal_variances(self.mask, self.spacing)


def measure(region: tuple[np.ndarray, tuple[float, ...]], settings: Mapping[str, Any]) -> Outline:
    """Outline of a region: its mask (z, y, x bool, cropped to it) and spacing x, y, z in mm.

    Raises InputError where the region has more than one slice along the axis `force2Ddimension`, or `force2D` is off.
    """
    mask, spacing = region
    axis = settings.get("force2Ddimension", 0)
    if not settings.get("force2D", False):
        raise InputError("shape2D needs the setting force2D: true; set it, or ask for the class shape instead.")
    if mask.shape[axis] > 1:
        raise InputError(
            f"shape2D needs a region of one slice, this one has {mask.shape[axis]}: keep one slice, or ask for shape."
        )
    return Outline(np.pad(mask.squeeze(axis), 1), np.delete(np.array(spacing[::-1]), axis))


def outline(mask: np.ndarray, spacing: np.ndarray) -> tuple[float, float]:
    """Perimeter (mm) and area (mm2) of the mid-edge outline of a mask (y, x bool with an empty rim)."""
    inside = mask.astype(int)
    case = inside[:-1, :-1] + 2 * inside[:-1, 1:] + 4 * inside[1:, :-1] + 8 * inside[1:, 1:]
    perimeter = area = 0.0
    for number in range(1, 15):
        corner = np.argwhere(case == number)
        for start, end in zip(LINES[number][::2], LINES[number][1::2], strict=True):
            a, b = (corner + MIDDLES[start]) * spacing, (corner + MIDDLES[end]) * spacing
            perimeter += np.linalg.norm(a - b, axis=1).sum()
            area += (a[:, 0] * b[:, 1] - b[:, 0] * a[:, 1]).sum() / 2
    return float(perimeter), float(area)


def mesh_surface(s: Outline) -> float:
    """A = sum over lines of the signed area between the line and the origin."""
    return s.mesh[1]


def pixel_surface(s: Outline) -> float:
    """Number of pixels times the area of one."""
    return float(s.mask.sum() * s.spacing.prod())


def perimeter(s: Outline) -> float:
    """P = sum of the lengths of the outline's lines."""
    return s.mesh[0]


def perimeter_surface_ratio(s: Outline) -> float:
    """P / A."""
    return s.mesh[0] / s.mesh[1]


def sphericity(s: Outline) -> float:
    """2 sqrt(pi A) / P."""
    return float(2 * np.sqrt(np.pi * s.mesh[1]) / s.mesh[0])


def spherical_disproportion(s: Outline) -> float:
    """P / (2 sqrt(pi A))."""
    return 1 / sphericity(s)


def maximum_diameter(s: Outline) -> float:
    """Largest distance between two vertices of the outline."""
    return longest_distance(marching_cubes.vertices(s.mask, s.spacing))


def major_axis_length(s: Outline) -> float:
    """4 sqrt(larger principal variance)."""
    return float(4 * np.sqrt(s.eigenvalues[1]))


def minor_axis_length(s: Outline) -> float:
    """4 sqrt(smaller principal variance)."""
    return float(4 * np.sqrt(s.eigenvalues[0]))


def elongation(s: Outline) -> float:
    """sqrt(smaller / larger principal variance): 1 is round."""
    return float(np.sqrt(s.eigenvalues[0] / s.eigenvalues[1]))


FEATURES = {
    "Elongation": Feature(elongation),
    "MajorAxisLength": Feature(major_axis_length, unit="mm"),
    "MaximumDiameter": Feature(maximum_diameter, unit="mm"),
    "MeshSurface": Feature(mesh_surface, unit="mm2"),
    "MinorAxisLength": Feature(minor_axis_length, unit="mm"),
    "Perimeter": Feature(perimeter, unit="mm"),
    "PerimeterSurfaceRatio": Feature(perimeter_surface_ratio, unit="mm-1"),
    "PixelSurface": Feature(pixel_surface, unit="mm2"),
    "SphericalDisproportion": Feature(spherical_disproportion, by_name_only=True),
    "Sphericity": Feature(sphericity),
}
CLASS = FeatureClass(measure, FEATURES)
