"""Resample image and mask together to new voxel sizes, around the region only, on PyRadiomics' grid."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import SimpleITK as sitk

from ...errors import GeometryError, InputError
from .box import Box, bounding_box, crop, cropped

# Cubic B-spline coefficients are computed for the whole image before any value is asked for. They depend on their
# neighbours with a weight of 0.268^distance, which is below double precision here.
SPLINE_MARGIN = 28


def resample(image: sitk.Image, mask: sitk.Image, setting: Mapping[str, Any]) -> tuple[sitk.Image, sitk.Image]:
    """Image and mask (uint8 0/1) at `resampledPixelSpacing`, cropped `padDistance` voxels around the region.

    The new grid's corner is the old one's. The image keeps its pixel type: integers are rounded. An axis keeps its
    spacing where the setting is 0 or the region is one slice thick. Raises GeometryError where the region reaches out
    of the image.
    """
    pad = setting.get("padDistance", 5)
    box = region_inside(image, mask)
    old = np.array(mask.GetSpacing())
    start, stop = np.array([s.start for s in box[::-1]]), np.array([s.stop for s in box[::-1]])
    new = np.array(setting["resampledPixelSpacing"], float)
    new = np.where((new == 0) | (stop - start == 1), old, new)
    if np.allclose(image.GetSpacing(), new):
        mask = sitk.Resample(mask, image, sitk.Transform(), sitk.sitkNearestNeighbor)
        return cropped(image, mask, pad)

    ratio = old / new
    first = np.maximum(np.floor((start - 0.5) * ratio - pad), 0)
    last = np.minimum(np.ceil((stop - 0.5) * ratio + pad), np.ceil(np.array(mask.GetSize()) * ratio) - 1)
    corner = 0.5 * (new - old) / old + first / ratio

    grid = sitk.ResampleImageFilter()
    grid.SetOutputSpacing(new.tolist())
    grid.SetOutputDirection(mask.GetDirection())
    grid.SetOutputOrigin(mask.TransformContinuousIndexToPhysicalPoint(corner.tolist()))
    grid.SetSize((last - first + 1).astype(int).tolist())
    grid.SetInterpolator(sitk.sitkNearestNeighbor)
    new_mask = grid.Execute(mask)
    interpolator = _interpolator(setting.get("interpolator", "sitkBSpline"))
    if interpolator == sitk.sitkBSpline:
        image = crop(image, _covered(image, new_mask), SPLINE_MARGIN)
    grid.SetInterpolator(interpolator)
    return grid.Execute(image), new_mask


def resample_centred(image: sitk.Image, mask: sitk.Image, setting: Mapping[str, Any]) -> tuple[sitk.Image, sitk.Image]:
    """The whole image and mask (uint8 0/1) at `resampledPixelSpacing`, by IBSI's rules.

    Old and new grid share their centre, the new one having ceil(n old / new) voxels along an axis. The mask is
    interpolated linearly and holds what is at least half inside; the image is float64, rounded where all intensities
    were whole numbers, as in CT. An axis keeps its spacing where the setting is 0. Raises GeometryError where the
    region reaches out of the image.
    """
    region_inside(image, mask)
    old, size = np.array(image.GetSpacing()), np.array(image.GetSize())
    new = np.array(setting["resampledPixelSpacing"], float)
    new = np.where(new == 0, old, new)
    new_size = np.ceil(size * old / new - 1e-6).astype(int)
    corner = (size - 1) / 2 - (new_size - 1) / 2 * new / old

    grid = sitk.ResampleImageFilter()
    grid.SetOutputSpacing(new.tolist())
    grid.SetOutputDirection(image.GetDirection())
    grid.SetOutputOrigin(image.TransformContinuousIndexToPhysicalPoint(corner.tolist()))
    grid.SetSize(new_size.tolist())
    grid.SetOutputPixelType(sitk.sitkFloat64)
    grid.SetUseNearestNeighborExtrapolator(True)
    grid.SetInterpolator(_interpolator(setting.get("interpolator", "sitkBSpline")))
    values = grid.Execute(sitk.Cast(image, sitk.sitkFloat64))
    if _is_whole(image):
        values = sitk.Round(values)
    grid.SetInterpolator(sitk.sitkLinear)
    share = grid.Execute(sitk.Cast(mask, sitk.sitkFloat64))
    # Half is often met exactly, but for the rounding of positions.
    return values, sitk.Cast(share >= 0.5 - 1e-6, sitk.sitkUInt8)


def _is_whole(image: sitk.Image) -> bool:
    """Whether every intensity is a whole number, whatever the type that holds it."""
    values = sitk.GetArrayViewFromImage(image)
    return np.issubdtype(values.dtype, np.integer) or bool(np.all(values == np.rint(values)))


def corrected(image: sitk.Image, mask: sitk.Image) -> sitk.Image:
    """A mask of another grid moved to the image's by nearest neighbour; GeometryError where it reaches out."""
    region_inside(image, mask)
    return sitk.Resample(mask, image, sitk.Transform(), sitk.sitkNearestNeighbor)


def region_inside(image: sitk.Image, mask: sitk.Image) -> Box:
    """Bounding box of the region in the mask's array (z, y, x); GeometryError where it reaches out of the image."""
    box = bounding_box(sitk.GetArrayViewFromImage(mask))
    corners = [
        [s.start - 0.5 for s in box[::-1]],
        [s.stop - 0.5 for s in box[::-1]],
    ]
    points = [mask.TransformContinuousIndexToPhysicalPoint(corner) for corner in corners]
    inside = np.array([image.TransformPhysicalPointToContinuousIndex(point) for point in points])
    if np.any(inside.min(axis=0) < -0.501) or np.any(inside.max(axis=0) > np.array(image.GetSize()) - 0.499):
        raise GeometryError("The mask reaches out of the image; crop the mask to the image or choose the right pair.")
    return box


def _covered(image: sitk.Image, grid: sitk.Image) -> Box:
    """Box of the image's array (z, y, x) that holds all voxel centres of `grid`, as far as they lie in the image."""
    size = np.array(grid.GetSize()) - 1
    corners = [[int(c) for c in size * np.array(bits)] for bits in np.ndindex(2, 2, 2)]
    points = [image.TransformPhysicalPointToContinuousIndex(grid.TransformIndexToPhysicalPoint(c)) for c in corners]
    limit = np.array(image.GetSize()) - 1
    low = np.clip(np.floor(np.min(points, axis=0)), 0, limit).astype(int)
    high = np.clip(np.ceil(np.max(points, axis=0)), 0, limit).astype(int)
    return tuple(slice(int(a), int(b) + 1) for a, b in zip(low[::-1], high[::-1], strict=True))


def _interpolator(name: str | int) -> int:
    """SimpleITK's interpolator by its name or number."""
    if isinstance(name, int):
        return name
    if not hasattr(sitk, name):
        raise InputError(f"The interpolator {name!r} is unknown; choose one of SimpleITK's, such as sitkBSpline.")
    return int(getattr(sitk, name))
