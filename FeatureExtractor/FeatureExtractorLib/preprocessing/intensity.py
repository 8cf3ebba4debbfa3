"""Intensity scales: MR numbers have no unit, so images are made comparable before a network sees them."""

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from ..errors import InputError

_HISTOGRAM_BINS = 200
_PEAK_BINS = 500


def foreground(image: sitk.Image) -> sitk.Image:
    """The mask (uint8 0/1) of what is brighter than Otsu's threshold, dark holes of each axial slice filled.

    On a head: skin to skin with its ventricles and skull, without the air around it.
    """
    bright = sitk.GetArrayFromImage(sitk.OtsuThreshold(image, 0, 1, _HISTOGRAM_BINS)) > 0
    filled = np.stack([ndimage.binary_fill_holes(axial) for axial in bright])
    return _like(filled.astype(np.uint8), image)


def rescale_percentiles(
    image: sitk.Image,
    low: float = 0.5,
    high: float = 99.5,
    out_max: float = 1000.0,
    mask: sitk.Image | None = None,
) -> sitk.Image:
    """Intensities clipped to two percentiles and scaled to 0 to `out_max`.

    The percentiles (0 to 100) are those inside `mask`, or of the `foreground` when none is given.
    Returns float32, or float64 when given float64. Raises InputError when the mask is empty, the percentiles are out
    of order, or both have the same intensity.
    """
    if not 0 <= low < high <= 100:
        raise InputError(f"The percentiles {low:g} and {high:g} are not in order between 0 and 100; change them.")
    values, inside = _values(image, foreground(image) if mask is None else mask)
    darkest, brightest = np.percentile(inside, [low, high])
    if darkest == brightest:
        raise InputError(f"The image has the same value ({darkest:g}) nearly everywhere; load the real image.")
    scaled = (np.clip(values, darkest, brightest) - darkest) * (out_max / (brightest - darkest))
    return _like(scaled.astype(_real_type(image)), image)


def z_score(image: sitk.Image, mask: sitk.Image) -> sitk.Image:
    """Intensities with mean 0 and population standard deviation 1 inside the mask.

    Returns float32, or float64 when given float64. Raises InputError when the mask is empty or the image is constant
    inside it.
    """
    values, inside = _values(image, mask)
    deviation = inside.std()
    if deviation == 0:
        raise InputError(f"The image is constant ({inside[0]:g}) inside the mask; choose a mask with some contrast.")
    return _like(((values - inside.mean()) / deviation).astype(_real_type(image)), image)


def peak_scale(image: sitk.Image, peak: float = 500.0, mask: sitk.Image | None = None) -> sitk.Image:
    """Intensities multiplied so that those of the commonest tissue become `peak`.

    The commonest is where the histogram of the `mask` (by default of the `foreground`), smoothed by a Gaussian of a
    fiftieth of its range, is highest: for a T1 head mostly white matter, without outlining it. Zero stays zero.
    Returns float32, or float64 when given float64. Raises InputError when the mask is empty, the image is constant
    inside it, or the commonest intensity is not positive.
    """
    values, inside = _values(image, foreground(image) if mask is None else mask)
    # The tails decide nothing: a bright vessel must not make the bins wider.
    low, high = np.percentile(inside, [0.5, 99.5])
    if low == high:
        raise InputError(f"The image has the same value ({low:g}) nearly everywhere; load the real image.")
    counts, edges = np.histogram(inside, _PEAK_BINS, range=(low, high))
    commonest = int(np.argmax(ndimage.gaussian_filter1d(counts.astype(np.float64), _PEAK_BINS / 50, mode="constant")))
    found = (edges[commonest] + edges[commonest + 1]) / 2
    if found <= 0:
        raise InputError(
            f"The commonest intensity is {found:g}, which no factor makes {peak:g}; choose another normalisation."
        )
    return _like((values * (peak / found)).astype(_real_type(image)), image)


def _values(image: sitk.Image, mask: sitk.Image) -> tuple[np.ndarray, np.ndarray]:
    """All values (z, y, x) as float64, and those inside the mask."""
    values = sitk.GetArrayFromImage(image).astype(np.float64)
    inside = values[sitk.GetArrayViewFromImage(mask) != 0]
    if inside.size == 0:
        raise InputError("The mask of the intensities to compare is empty; outline the head or leave the mask out.")
    return values, inside


def _real_type(image: sitk.Image) -> type[np.floating]:
    return np.float64 if image.GetPixelID() == sitk.sitkFloat64 else np.float32


def _like(array: np.ndarray, image: sitk.Image) -> sitk.Image:
    made = sitk.GetImageFromArray(array)
    made.CopyInformation(image)
    return made
