"""Voxel grids: other spacing, another image's grid, standard axes.

A new grid covers the old one and shares its centre (IBSI: align by the centre of the grids), so that mirrored
images give mirrored results. Where a new voxel's centre lies just outside the old grid it takes the nearest value.
"""

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

from ..errors import InputError

INTERPOLATORS = {"nearest": sitk.sitkNearestNeighbor, "linear": sitk.sitkLinear, "bspline": sitk.sitkBSpline}

# A cubic B-spline is fitted along every axis, kept ones too, and wants at least this many voxels.
_SPLINE_VOXELS = 4

# A grid that differs from a whole number of voxels by less than this share of one is that number.
_GRID_TOLERANCE = 1e-6

# Four gigabytes of float32, more than any image of a patient.
_MOST_VOXELS = 2**30


def resample(image: sitk.Image, spacing_xyz_mm: Sequence[float], interpolator: str = "bspline") -> sitk.Image:
    """The image on a grid of the given spacing (x, y, z in mm; 0 keeps an axis) and the same centre.

    interpolator: "nearest", "linear" or "bspline" (cubic). Returns float32, or float64 when given float64.
    Raises InputError on an unknown interpolator or a spacing that is not three numbers of zero or more.
    """
    values = sitk.Cast(image, _real_type(image))
    return _to_grid(values, _grid(image, spacing_xyz_mm), _known(interpolator), 0.0, extend=True)


def resample_mask(mask: sitk.Image, spacing_xyz_mm: Sequence[float]) -> sitk.Image:
    """The mask on the grid that `resample` makes, by nearest neighbour; keeps the pixel type.

    Raises InputError as `resample`.
    """
    return _to_grid(mask, _grid(mask, spacing_xyz_mm), sitk.sitkNearestNeighbor, 0.0, extend=True)


def to_geometry_of(
    image: sitk.Image,
    reference: sitk.Image,
    interpolator: str = "linear",
    outside: float = 0.0,
    transform: sitk.Transform | None = None,
) -> sitk.Image:
    """The image on the reference's voxel grid, `outside` where the image does not reach.

    transform: from the reference's points to the image's (LPS, mm), as registration finds it; none by default.
    interpolator: as `resample`; "nearest" keeps the pixel type, the others return float32 (float64 when given it).
    Raises InputError on an unknown interpolator.
    """
    chosen = _known(interpolator)
    values = image if interpolator == "nearest" else sitk.Cast(image, _real_type(image))
    grid = (reference.GetSize(), reference.GetSpacing(), reference.GetOrigin(), reference.GetDirection())
    return _to_grid(values, grid, chosen, outside, extend=False, transform=transform)


def orient(image: sitk.Image, axes: str = "LPS") -> sitk.Image:
    """The same voxels in the order whose x, y, z run towards the named sides of the patient.

    axes: three letters of R/L, A/P, S/I. Oblique images keep their angle; no value is changed.
    Raises InputError when the letters do not name three axes.
    """
    if len(axes) != 3 or any(len(set(pair) & set(axes)) != 1 for pair in ("RL", "AP", "SI")):
        raise InputError(f"The axes {axes!r} are not three of R/L, A/P and S/I; write for example LPS.")
    return sitk.DICOMOrient(image, axes)


Grid = tuple[Sequence[int], Sequence[float], Sequence[float], Sequence[float]]
"""Size, spacing, origin and direction, x, y, z."""


def _grid(image: sitk.Image, spacing_xyz_mm: Sequence[float]) -> Grid:
    wanted = np.asarray(spacing_xyz_mm, float)
    old_size, old = np.array(image.GetSize()), np.array(image.GetSpacing())
    if wanted.shape != old.shape or not np.isfinite(wanted).all() or (wanted < 0).any():
        raise InputError(
            f"The spacing {tuple(spacing_xyz_mm)} is not {old.size} lengths in mm; give one an axis, 0 to keep it."
        )
    new = np.where(wanted == 0, old, wanted)
    voxels = np.maximum(1, np.ceil(old_size * old / new - _GRID_TOLERANCE))
    if voxels.prod() > _MOST_VOXELS:
        raise InputError(
            f"The image would have {voxels.prod() / 1e9:.3g} billion voxels at the spacing {tuple(new.tolist())} mm; "
            f"check its own spacing, {image.GetSpacing()} mm, or choose a coarser one."
        )
    size = voxels.astype(int)
    first_voxel = (old_size - 1) / 2 - (size - 1) / 2 * new / old
    origin = image.TransformContinuousIndexToPhysicalPoint(first_voxel.tolist())
    return size.tolist(), new.tolist(), origin, image.GetDirection()


def _to_grid(
    image: sitk.Image,
    grid: Grid,
    interpolator: int,
    outside: float,
    extend: bool,
    transform: sitk.Transform | None = None,
) -> sitk.Image:
    if interpolator == sitk.sitkBSpline:
        image = _thick_enough(image)
    size, spacing, origin, direction = grid
    resampler = sitk.ResampleImageFilter()
    resampler.SetSize([int(n) for n in size])
    resampler.SetOutputSpacing(spacing)
    resampler.SetOutputOrigin(origin)
    resampler.SetOutputDirection(direction)
    resampler.SetInterpolator(interpolator)
    resampler.SetDefaultPixelValue(outside)
    resampler.SetUseNearestNeighborExtrapolator(extend)
    if transform is not None:
        resampler.SetTransform(transform)
    return resampler.Execute(image)


def _thick_enough(image: sitk.Image) -> sitk.Image:
    """The image, its end slices repeated along axes that are too short for a cubic spline."""
    missing = [max(0, _SPLINE_VOXELS - n) for n in image.GetSize()]
    if not any(missing):
        return image
    each_end = [-(-n // 2) for n in missing]  # alike at both, so that mirrored images give mirrored results
    return sitk.ZeroFluxNeumannPad(image, each_end, each_end)


def _known(interpolator: str) -> int:
    if interpolator not in INTERPOLATORS:
        raise InputError(f"The interpolator {interpolator!r} is unknown; choose one of {', '.join(INTERPOLATORS)}.")
    return INTERPOLATORS[interpolator]


def _real_type(image: sitk.Image) -> int:
    return sitk.sitkFloat64 if image.GetPixelID() == sitk.sitkFloat64 else sitk.sitkFloat32
