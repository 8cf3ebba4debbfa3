"""N4 bias field correction (Tustison et al. 2010, IEEE Trans Med Imaging 29(6):1310–1320) as Slicer's module does it.

Estimated on a subsampled image, evaluated on the whole one. With the default settings the result is that of the
module N4ITKBiasFieldCorrection; where that module would fail or mislead, this refuses or warns:
- each axis keeps at least two voxels when subsampled, however large the shrink factor;
- a single slice is corrected in its plane;
- an empty mask, and negative intensities inside it, are errors, as the field is found on the logarithm;
- a list of one number of iterations is honoured (the module ignores it).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
import SimpleITK as sitk

from ..case import check_image, check_same_geometry
from ..errors import InputError
from .whole_image import NOT_FINITE, counts_inside, divided_by_exp, field_image

METHODS = ("itk", "fast")

_OTSU_BINS = 200


@dataclass(frozen=True)
class N4Settings:
    """The parameters of Slicer's module N4ITKBiasFieldCorrection, with its defaults.

    shrink: subsampling along each axis. iterations: at most so many on each fitting level; spans double from level
    to level. mesh: B-spline spans of the first level, x, y, z. spline_distance: span in mm, which replaces the mesh
    unless 0. fwhm, wiener_noise, histogram_bins: of the sharpening; 0 for ITK's 0.15, 0.01 and 200.
    Raises InputError naming a setting that cannot be.
    """

    shrink: int = 4
    iterations: tuple[int, ...] = (50, 40, 30)
    convergence_threshold: float = 1e-4
    mesh: tuple[int, int, int] = (1, 1, 1)
    spline_distance: float = 0.0
    fwhm: float = 0.0
    wiener_noise: float = 0.0
    histogram_bins: int = 0
    order: int = 3

    def __post_init__(self) -> None:
        for name, is_right in (
            ("shrink", self.shrink >= 1),
            ("iterations", len(self.iterations) > 0 and min(self.iterations) > 0),
            ("convergence_threshold", self.convergence_threshold >= 0),
            ("mesh", len(self.mesh) == 3 and min(self.mesh) >= 1),
            ("spline_distance", self.spline_distance >= 0),
            ("fwhm", self.fwhm >= 0),
            ("wiener_noise", self.wiener_noise >= 0),
            ("histogram_bins", self.histogram_bins >= 0),
            ("order", 1 <= self.order <= 3),
        ):
            if not is_right:
                raise InputError(f"The N4 setting {name} cannot be {getattr(self, name)}; see Slicer's N4 module.")


@dataclass(frozen=True)
class BiasCorrection:
    """A corrected image and how it was corrected.

    corrected: float32, the image divided by exp(log_field). warnings: sentences for the user. field: makes the field.
    """

    corrected: sitk.Image
    settings: N4Settings
    warnings: tuple[str, ...]
    method: str
    field: Callable[[], sitk.Image]

    @cached_property
    def log_field(self) -> sitk.Image:
        """The log of the bias field, float32, on the image's own grid; the fast N4 makes it when it is asked for."""
        return self.field()


def correct_bias_field(
    image: sitk.Image,
    mask: sitk.Image | None = None,
    settings: N4Settings | None = None,
    method: str = "itk",
    weights: sitk.Image | None = None,
) -> BiasCorrection:
    """Divide a volume, or a single slice, by its smooth bias field.

    mask: non-zero where the field is estimated, usually head or brain, on the image's grid; what is brighter than
    Otsu's threshold when none is given. The whole image is corrected; zeros stay zeros. method: "itk", or "fast" for
    the same algorithm in a fraction of the time. weights: confidence in each voxel, 0 or more, on the image's grid.
    Raises InputError when the image is constant or not finite, the mask is empty, too small or holds negative or
    constant intensities, GeometryError when the grids differ.
    """
    if method not in METHODS:
        raise InputError(f"The N4 method {method!r} is unknown; choose one of {', '.join(METHODS)}.")
    settings = settings or N4Settings()
    if weights is not None:
        if method != "fast":
            raise InputError("SimpleITK's N4 takes no confidence weights; choose the fast N4, or leave them out.")
        check_same_geometry(image, weights, "image", "confidence weights", "in hand")
    check_image(image, "image to correct")
    if mask is None:
        mask = sitk.OtsuThreshold(image, 0, 1, _OTSU_BINS)
    else:
        check_same_geometry(image, mask, "image", "mask", "in hand")
    zeros = _zeros_inside(image, mask)
    warnings: tuple[str, ...] = ()
    if zeros:
        warnings = (f"{zeros} voxels inside the mask are zero and were left out of N4's estimate.",)
    factors = shrink_factors(image.GetSize(), settings.shrink)
    thin = [
        f"{axis} by {factor}"
        for axis, voxels, factor in zip("xyz", image.GetSize(), factors, strict=True)
        if voxels > 1 and factor < settings.shrink
    ]
    if thin:
        warnings += (f"The image is thin, so that N4 subsampled {', '.join(thin)} instead of {settings.shrink}.",)
    if method == "itk":
        corrected, log_field = _itk_correction(image, mask, settings)
        return BiasCorrection(corrected, settings, warnings, method, lambda: log_field)
    from .fast_n4 import estimate_field

    field = estimate_field(image, mask, settings, weights)
    return BiasCorrection(
        divided_by_exp(image, field), settings, warnings, method, partial(field_image, field, like=image)
    )


def shrink_factors(size: tuple[int, ...], shrink: int) -> list[int]:
    """The subsampling of each axis: `shrink`, or less so that two voxels are left where there are two or more."""
    return [min(shrink, max(1, n // 2)) for n in size]


def _zeros_inside(image: sitk.Image, mask: sitk.Image) -> int:
    """How many voxels inside the mask are zero; raises InputError where N4 cannot do with the values inside it."""
    all_of_it, above_zero, lowest = counts_inside(image, mask)
    if all_of_it == 0:
        raise InputError("The mask for N4 is empty; outline the head, or leave the mask out to have one made.")
    if lowest < 0:
        raise InputError(
            f"The image has negative intensities inside the mask (down to {lowest:g}), which N4 cannot correct; "
            "switch N4 off, or shift the image so that the tissue is positive."
        )
    if above_zero == 0:
        raise InputError("The image is zero everywhere inside the mask for N4; choose a mask with tissue.")
    return all_of_it - above_zero


def _itk_correction(image: sitk.Image, mask: sitk.Image, settings: N4Settings) -> tuple[sitk.Image, sitk.Image]:
    """The corrected image and the log field by ITK; a spline distance becomes padding and a mesh, as in the module."""
    image = sitk.Cast(image, sitk.sitkFloat32)
    # Zero has no logarithm: ITK would take it for the intensity 1 and bend the field towards it.
    values, counted = (sitk.GetArrayViewFromImage(part) for part in (image, mask))
    inside = sitk.GetImageFromArray(((counted != 0) & (values > 0)).astype(np.uint8))
    inside.CopyInformation(image)
    wide, below = image, [0, 0, 0]
    if settings.spline_distance:
        spans, below, above = padding_for(image, settings.spline_distance)
        settings = replace(settings, mesh=spans, spline_distance=0.0)
        wide, inside = (sitk.ConstantPad(part, below, above, 0) for part in (wide, inside))
    seen, counted = (sitk.GetArrayFromImage(_shrunk(part, settings)) for part in (wide, inside))
    check_some_contrast(seen[counted > 0], settings)
    if wide.GetSize()[2] == 1:
        field = sitk.JoinSeries(_itk_log_field(wide[:, :, 0], inside[:, :, 0], settings))
        field.CopyInformation(wide)
    else:
        field = _itk_log_field(wide, inside, settings)
    log_field = sitk.Cast(sitk.RegionOfInterest(field, image.GetSize(), below), sitk.sitkFloat32)
    corrected = sitk.Cast(image / sitk.Exp(log_field), sitk.sitkFloat32)
    if not np.isfinite(sitk.GetArrayViewFromImage(corrected)).all():
        raise InputError(NOT_FINITE)
    return corrected, log_field


def check_some_contrast(values: np.ndarray, settings: N4Settings) -> None:
    """Raises InputError unless the intensities that count after subsampling, any number of them, differ."""
    if values.size == 0 or values.min() == values.max():
        raise InputError(
            f"N4 finds no two different intensities inside the mask after subsampling by {settings.shrink}; choose a "
            "smaller shrink factor or a larger mask."
        )


def padding_for(image: sitk.Image, distance: float) -> tuple[tuple[int, int, int], list[int], list[int]]:
    """Spans of `distance` mm along each axis, and the voxels to add below and above so that they fit."""
    spans, below, above = [], [], []
    for n, spacing in zip(image.GetSize(), image.GetSpacing(), strict=True):
        extent = (n - 1) * spacing
        count = max(1, int(np.ceil(extent / distance)))
        # A single slice is corrected in its plane: there is nothing to fit across it.
        missing = int((count * distance - extent) / spacing + 0.5) if n > 1 else 0
        spans.append(count)
        below.append(missing // 2)
        above.append(missing - missing // 2)
    return (spans[0], spans[1], spans[2]), below, above


def _itk_log_field(image: sitk.Image, inside: sitk.Image, settings: N4Settings) -> sitk.Image:
    """The field by ITK, 2D or 3D, evaluated on the whole image."""
    dimension = image.GetDimension()
    corrector = sitk.N4BiasFieldCorrectionImageFilter()
    corrector.SetMaximumNumberOfIterations(settings.iterations)
    corrector.SetConvergenceThreshold(settings.convergence_threshold)
    corrector.SetSplineOrder(settings.order)
    corrector.SetNumberOfControlPoints([spans + settings.order for spans in settings.mesh[:dimension]])
    if settings.fwhm:
        corrector.SetBiasFieldFullWidthAtHalfMaximum(settings.fwhm)
    if settings.wiener_noise:
        corrector.SetWienerFilterNoise(settings.wiener_noise)
    if settings.histogram_bins:
        corrector.SetNumberOfHistogramBins(settings.histogram_bins)
    corrector.Execute(_shrunk(image, settings), _shrunk(inside, settings))
    return corrector.GetLogBiasFieldAsImage(image)


def _shrunk(image: sitk.Image, settings: N4Settings) -> sitk.Image:
    return sitk.Shrink(image, shrink_factors(image.GetSize(), settings.shrink))
