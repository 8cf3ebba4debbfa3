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
from threadpoolctl import threadpool_limits

from . import bspline_fit
from .field_change import has_converged
from .n4 import N4Settings, check_some_contrast, padding_for, shrink_factors
from .sharpening import sharpen
from .whole_image import field_image

ITK_FWHM, ITK_WIENER_NOISE, ITK_HISTOGRAM_BINS = 0.15, 0.01, 200


def fast_n4_log_field(
    image: sitk.Image, mask: sitk.Image, settings: N4Settings, weights: sitk.Image | None = None
) -> sitk.Image:
    """The log of the bias field at each voxel of `image`, float32, in its geometry: corrected = image / exp(field).

    image: 2D or 3D. Otherwise as `estimate_field`.
    """
    if image.GetDimension() == 2:
        weights = sitk.JoinSeries(weights) if weights is not None else None
        field = fast_n4_log_field(sitk.JoinSeries(image), sitk.JoinSeries(mask), settings, weights)[:, :, 0]
        field.CopyInformation(image)
        return field
    return field_image(estimate_field(image, mask, settings, weights), image)


def estimate_field(
    image: sitk.Image, mask: sitk.Image, settings: N4Settings, weights: sitk.Image | None = None
) -> bspline_fit.SplineField:
    """The log of the bias field on the voxels of a 3D image; an axis of one voxel is left out of the fit.

    mask: not 0 where the image counts, if it is above 0 there. weights: confidence of each voxel, which counts where
    it is above 0. Raises InputError where fewer than two different values are left to estimate the field from.
    """
    size, below = image.GetSize(), [0, 0, 0]
    if settings.spline_distance:
        spans, below, above = padding_for(image, settings.spline_distance)
        settings = replace(settings, mesh=spans, spline_distance=0.0)
        image, mask = (sitk.ConstantPad(part, below, above) for part in (image, mask))
        weights = sitk.ConstantPad(weights, below, above) if weights is not None else None

    factors = shrink_factors(image.GetSize(), settings.shrink)
    values, counted = (sitk.GetArrayFromImage(sitk.Shrink(part, factors)) for part in (image, mask))
    confidence = ((counted != 0) & (values > 0)).astype(np.float32)
    if weights is not None:
        confidence *= np.maximum(sitk.GetArrayFromImage(sitk.Shrink(weights, factors)), 0)
    check_some_contrast(values[confidence > 0], settings)
    # One thread for BLAS, whose threads wait for each other at each of many small products.
    with threadpool_limits(limits=1, user_api="blas"):
        lattice = estimate_lattice(values, confidence, settings)
    z, y, x = (
        bspline_fit.basis(whole, points, settings.order)[start : start + n].astype(np.float32)
        for whole, points, start, n in zip(image.GetSize()[::-1], lattice.shape, below[::-1], size[::-1], strict=True)
    )
    return bspline_fit.SplineField(lattice, (z, y, x))


def estimate_lattice(values: np.ndarray, confidence: np.ndarray, settings: N4Settings) -> np.ndarray:
    """The control points φ (c, b, a) of the log field, float32, from all voxels of an image.

    values: intensities (z, y, x); confidence: float32 (z, y, x), above 0 in the voxels that count, and the values
    with it. Of the settings,
    those of subsampling and spline distance are not looked at.
    """
    box = ndimage.find_objects((confidence > 0).view(np.uint8))[0]
    inside = np.flatnonzero(confidence[box] > 0)
    trust = confidence[box].ravel()[inside]
    # Rounded once, from double precision.
    log_values = np.log(values[box].ravel()[inside].astype(np.float32), dtype=np.float64).astype(np.float32)
    even = bool((trust == 1).all())
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
            change = uncorrected - sharpen(uncorrected, bins, fwhm, noise)
            residual.reshape(-1)[inside] = change if even else change * trust
            lattice = lattice + grid.fit(residual)
            previous, field = field, grid.evaluate(lattice).take(inside)
            if has_converged(previous, field, settings.convergence_threshold):
                break
    return lattice
