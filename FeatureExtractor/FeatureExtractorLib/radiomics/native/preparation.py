"""From the image and mask that are given to those that are measured: normalise, resample, check, resegment."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from ...errors import InputError
from . import diagnostics
from .box import Box, bounding_box, cropped
from .definition import is_ibsi
from .resampling import corrected, resample, resample_centred


@dataclass(frozen=True)
class Prepared:
    """image: what is filtered. box: the region's place in its array. texture, shape: masks (z, y, x bool) in the box.

    diagnostics: the numeric ones, of the images as given and as resampled.
    """

    image: sitk.Image
    box: Box
    texture: np.ndarray
    shape: np.ndarray
    diagnostics: dict[str, float]


def prepare(image: sitk.Image, mask: sitk.Image, setting: Mapping[str, Any], want_diagnostics: bool) -> Prepared:
    """Normalise, resample and resegment as the settings say, then check that the region can be measured.

    image: 3D scalar; mask: uint8 0/1. Raises InputError where the region is empty, too small or of too few dimensions,
    GeometryError where it does not lie in the image.
    """
    numbers: dict[str, float] = {}

    if want_diagnostics:
        numbers |= diagnostics.of_image(image, "original") | diagnostics.of_mask(mask, "original")
    if setting.get("normalize"):
        image = normalise(image, setting.get("normalizeScale", 1), setting.get("removeOutliers"))
    if setting.get("resampledPixelSpacing") and setting.get("interpolator", "sitkBSpline"):
        image, mask = (resample_centred if is_ibsi(setting) else resample)(image, mask, setting)
        if want_diagnostics:
            numbers |= diagnostics.of_image(image, "interpolated") | diagnostics.of_mask(mask, "interpolated", image)
    else:
        if setting.get("correctMask") and not _same_grid(image, mask):
            mask = corrected(image, mask)
        if setting.get("preCrop"):
            image, mask = cropped(image, mask, setting.get("padDistance", 5))
    box = check_region(mask, setting)
    shape = mask
    for limits, mode in _resegmentations(setting):
        mask = resegment(image, mask, limits, mode)
        box = check_region(mask, setting)
        shape = mask if setting.get("resegmentShape") else shape
    texture, whole = (sitk.GetArrayViewFromImage(m)[box] > 0 for m in (mask, shape))
    return Prepared(image, box, texture, whole, numbers)


def _resegmentations(setting: Mapping[str, Any]) -> Iterator[tuple[list[float], str]]:
    """The limits to which the region is cut down, one after the other, and what they mean (see `resegment`)."""
    if setting.get("resegmentRange"):
        yield setting["resegmentRange"], setting.get("resegmentMode", "absolute")
    if setting.get("resegmentSigma"):
        yield [-setting["resegmentSigma"], setting["resegmentSigma"]], "sigma"


def normalise(image: sitk.Image, scale: float = 1, outliers: float | None = None) -> sitk.Image:
    """(x - mean) / standard deviation of the whole image, cut at `outliers` standard deviations, times `scale`."""
    image = sitk.Normalize(image)
    if outliers is not None:
        image = sitk.Clamp(image, image.GetPixelID(), -outliers, outliers)
    return image * scale


def check_region(mask: sitk.Image, setting: Mapping[str, Any]) -> Box:
    """Bounding box of the region.

    Raises InputError where it has one voxel, extends along fewer axes than `minimumROIDimensions` or has no more
    voxels than `minimumROISize`.
    """
    array = sitk.GetArrayViewFromImage(mask)
    box = bounding_box(array)
    dimensions = sum(s.stop - s.start > 1 for s in box)
    least = setting.get("minimumROIDimensions", 2)
    if dimensions == 0:
        raise InputError("The mask has a single voxel, from which nothing can be measured; outline the whole tumour.")
    if dimensions < least:
        raise InputError(
            f"The mask extends along {dimensions} of 3 axes and the settings ask for {least}; "
            "outline the tumour further or lower minimumROIDimensions."
        )
    size, voxels = setting.get("minimumROISize"), int(np.count_nonzero(array[box]))
    if size is not None and voxels <= size:
        raise InputError(
            f"The mask has {voxels} voxels and the settings ask for more than {size}; "
            "outline the tumour further or lower minimumROISize."
        )
    return box


def resegment(image: sitk.Image, mask: sitk.Image, limits: list[float], mode: str) -> sitk.Image:
    """The mask without the voxels below the first limit or above the second, if there is one.

    mode: "absolute" intensities, "relative" to the region's maximum, or "sigma": standard deviations from its mean.
    Raises InputError where fewer than two voxels remain.
    """
    inside = sitk.GetArrayFromImage(mask)
    region = inside > 0
    values = sitk.GetArrayViewFromImage(image)[region]
    limits = sorted(limits)
    if mode == "relative":
        limits = [values.max() * limit for limit in limits]
    elif mode == "sigma":
        limits = [values.mean() + values.std() * limit for limit in limits]
    kept = values >= limits[0]
    if len(limits) == 2:
        kept &= values <= limits[1]
    if np.count_nonzero(kept) < 2:
        raise InputError(
            f"The settings' resegmentRange leaves {np.count_nonzero(kept)} voxels of the tumour; widen the range."
        )
    inside[region] = kept
    result = sitk.GetImageFromArray(inside)
    result.CopyInformation(mask)
    return result


def _same_grid(image: sitk.Image, mask: sitk.Image) -> bool:
    return image.GetSize() == mask.GetSize() and all(
        np.allclose(a, b, atol=1e-6)
        for a, b in (
            (image.GetOrigin(), mask.GetOrigin()),
            (image.GetSpacing(), mask.GetSpacing()),
            (image.GetDirection(), mask.GetDirection()),
        )
    )
