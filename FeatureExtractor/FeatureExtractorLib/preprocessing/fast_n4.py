"""N4 bias field correction with ITK's result in a fiftieth of its time.

The algorithm is N4 (Tustison et al. 2010, IEEE TMI 29(6):1310–1320) as itk::N4BiasFieldCorrectionImageFilter computes
it. With v the log of the image, E the sharpening (see sharpening.py) and S the B-spline fit (see bspline_fit.py),

    v₀ = v,    φ ← φ + S[vₙ − E(vₙ)],    vₙ₊₁ = v − field(φ)

until the field no longer changes (see field_change.py) or the iterations of the level are used up; then the spans of
φ are halved and the next level begins. The speed comes from S: ITK visits 64 control points for each voxel, here S
is three small matrix products.

As in Slicer's module N4ITKBiasFieldCorrection, φ is estimated on a subsampled image and evaluated on the whole one.
"""

from dataclasses import replace

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from ..errors import InputError
from . import bspline_fit
from .field_change import has_converged
from .n4 import N4Settings, padding_for, shrink_factors
from .sharpening import sharpen

ITK_FWHM, ITK_WIENER_NOISE, ITK_HISTOGRAM_BINS = 0.15, 0.01, 200


def fast_n4_log_field(
    image: sitk.Image, mask: sitk.Image, settings: N4Settings, weights: sitk.Image | None = None
) -> sitk.Image:
    """The log of the bias field at each voxel of `image`, float32, in its geometry: corrected = image / exp(field).

    image: 2D or 3D; an axis of one voxel is left out of the fit. mask: 1 where the image counts. weights: confidence
    of each voxel, which counts where it is above 0. Values that are not above 0 are taken for logs, as ITK does.
    Raises InputError where fewer than two different values are left to estimate the field from.
    """
    if image.GetDimension() == 2:
        weights = sitk.JoinSeries(weights) if weights is not None else None
        field = fast_n4_log_field(sitk.JoinSeries(image), sitk.JoinSeries(mask), settings, weights)[:, :, 0]
        field.CopyInformation(image)
        return field
    if settings.spline_distance:
        spans, below, above = padding_for(image, settings.spline_distance)
        settings = replace(settings, mesh=spans, spline_distance=0.0)
        weights = sitk.ConstantPad(weights, below, above) if weights is not None else None
        wide, wide_mask = (sitk.ConstantPad(part, below, above) for part in (image, mask))
        field = sitk.RegionOfInterest(fast_n4_log_field(wide, wide_mask, settings, weights), image.GetSize(), below)
        field.CopyInformation(image)
        return field

    factors = shrink_factors(image.GetSize(), settings.shrink)
    values, counted = (sitk.GetArrayFromImage(sitk.Shrink(part, factors)) for part in (image, mask))
    confidence = (counted == 1).astype(np.float32)
    if weights is not None:
        confidence *= np.maximum(sitk.GetArrayFromImage(sitk.Shrink(weights, factors)), 0)
    counting = values[confidence > 0]
    if counting.size == 0 or counting.min() == counting.max():
        raise InputError(
            f"N4 finds no two different intensities inside the mask after subsampling by {settings.shrink}; choose a "
            "smaller shrink factor or a larger mask."
        )
    lattice = estimate_lattice(values, confidence, settings)
    z, y, x = (
        bspline_fit.basis(n, c, settings.order).astype(np.float32)
        for n, c in zip(reversed(image.GetSize()), lattice.shape, strict=True)
    )
    field = sitk.GetImageFromArray(bspline_fit.evaluate(lattice, (z, y, x)))
    field.CopyInformation(image)
    return field


def estimate_lattice(values: np.ndarray, confidence: np.ndarray, settings: N4Settings) -> np.ndarray:
    """The control points φ (c, b, a) of the log field, float32, from all voxels of an image.

    values: intensities (z, y, x); confidence: float32 (z, y, x), above 0 in the voxels that count. Of the settings,
    those of subsampling and spline distance are not looked at.
    """
    box = ndimage.find_objects((confidence > 0).view(np.uint8))[0]
    inside = np.flatnonzero(confidence[box] > 0)
    trust = confidence[box].ravel()[inside]
    log_values = _log(values[box].ravel()[inside].astype(np.float32))
    residual = np.zeros_like(confidence[box])

    mesh = reversed(settings.mesh)
    shape = [1 if n == 1 else spans + settings.order for n, spans in zip(values.shape, mesh, strict=True)]
    lattice = np.zeros(shape, dtype=np.float32)
    field = np.zeros_like(log_values)
    bins = settings.histogram_bins or ITK_HISTOGRAM_BINS
    fwhm, noise = settings.fwhm or ITK_FWHM, settings.wiener_noise or ITK_WIENER_NOISE
    for level, iterations in enumerate(settings.iterations):
        if level > 0:
            lattice = bspline_fit.refine(lattice, settings.order).astype(np.float32)
        bases = [
            bspline_fit.basis(n, c, settings.order)[rows]
            for n, c, rows in zip(values.shape, lattice.shape, box, strict=True)
        ]
        grid = bspline_fit.GridFit(bases, confidence[box])
        for _ in range(iterations):
            uncorrected = log_values - field
            residual.ravel()[inside] = (uncorrected - sharpen(uncorrected, bins, fwhm, noise)) * trust
            lattice = lattice + grid.fit(residual)
            previous, field = field, grid.evaluate(lattice).ravel()[inside]
            if has_converged(previous, field, settings.convergence_threshold):
                break
    return lattice


def _log(values: np.ndarray) -> np.ndarray:
    """The log of what is above 0; the rest as it is. Rounded once, from double precision."""
    positive = values > 0
    return np.where(positive, np.log(np.where(positive, values, 1.0), dtype=np.float64), values).astype(np.float32)
