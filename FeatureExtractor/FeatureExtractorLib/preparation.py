"""From the image as it was taken to the images that are measured: one order for training and for classifying.

1. reorient to axial slices (LPS), so that "maximum-area axial slice" means the same for every acquisition;
2. correct the bias field (N4);
3. handle intensities and resample to the working grid, for the network;
4. for slice models, keep the tumour's maximum-area slice, with its own intensities handled, for radiomics.
"""

from dataclasses import dataclass

import SimpleITK as sitk

from .case import check_mask
from .errors import InputError
from .preprocessing.intensity import foreground, peak_scale, rescale_percentiles, z_score
from .preprocessing.n4 import correct_bias_field
from .preprocessing.resampling import orient, resample, resample_mask
from .progress import Progress, silent
from .regions import maximum_area_slice

N4_METHODS = ("none", "itk", "fast")
INTENSITIES = ("none", "percentiles", "z-score", "peak")
REGIONS = ("volume", "slice")
FINEST_MM, COARSEST_MM = 0.1, 50.0  # a head at 0.1 mm is as much as any memory holds


@dataclass(frozen=True)
class Preparation:
    """How images are made comparable before anything is measured.

    n4: "none", "itk", or "fast" (the same algorithm, separable). intensity: "none", "percentiles" (0.5th to 99.5th
    percentile of the head to 0–1000), "z-score" (of the head, times 100, so that bin widths keep their usual size) or
    "peak" (the commonest tissue of the head to 500). region: "volume", or "slice" for models that know the tumour's
    maximum-area axial slice only. spacing: mm of the network's working grid, x, y, z; 0 keeps an axis.
    """

    n4: str = "itk"
    intensity: str = "none"
    region: str = "volume"
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        for name, value, known in (
            ("n4", self.n4, N4_METHODS),
            ("intensity", self.intensity, INTENSITIES),
            ("region", self.region, REGIONS),
        ):
            if value not in known:
                raise InputError(f"The setting {name} cannot be {value!r}; choose one of {', '.join(known)}.")
        if any(length != 0 and not FINEST_MM <= length <= COARSEST_MM for length in self.spacing):
            raise InputError(
                f"The working grid's spacing cannot be {self.spacing}; choose {FINEST_MM} to {COARSEST_MM:g} mm an "
                "axis, or 0 to keep it."
            )


@dataclass(frozen=True)
class PreparedImage:
    """What the engines are given.

    image, mask: for radiomics, which resamples by its own preset (one axial slice when region is "slice").
    working_image, working_mask: the whole volume on the working grid, for the network and its maps.
    """

    image: sitk.Image
    mask: sitk.Image
    working_image: sitk.Image
    working_mask: sitk.Image
    warnings: tuple[str, ...]


def prepare(image: sitk.Image, mask: sitk.Image, settings: Preparation, progress: Progress = silent) -> PreparedImage:
    """Prepare one image and its mask (same grid); the input is not changed.

    Raises InputError when N4 is asked for and intensities inside the mask are negative, or when the mask is lost
    on the working grid.
    """
    image, mask = orient(image, "LPS"), orient(mask, "LPS")
    warnings: tuple[str, ...] = ()
    if settings.n4 != "none":
        progress("bias field", 0.0)
        check_not_negative(image, mask)
        correction = correct_bias_field(image, method=settings.n4)
        image, warnings = correction.corrected, correction.warnings
        progress("bias field", 1.0)
    progress("resampling", 0.0)
    whole = _with_handled_intensities(image, settings)
    working_image = resample(whole, settings.spacing)
    working_mask = resample_mask(mask, settings.spacing)
    if int(sitk.GetArrayViewFromImage(working_mask).sum()) < 2:
        raise InputError(
            "The mask is too small for the grid that the network works on; outline the whole tumour, or train a model "
            "with a finer grid."
        )
    progress("resampling", 1.0)
    if settings.region == "volume":
        return PreparedImage(whole, mask, working_image, working_mask, warnings)
    # A slice model learnt from slices alone: its intensities are handled by the slice, not by the slices around.
    # Only the bias field, where it is asked for, is that of the whole volume.
    k = maximum_area_slice(mask)
    image, mask = image[:, :, k : k + 1], mask[:, :, k : k + 1]
    check_mask(mask, "mask's maximum-area slice")
    image = _with_handled_intensities(image, settings)
    return PreparedImage(image, mask, working_image, working_mask, warnings)


def _with_handled_intensities(image: sitk.Image, settings: Preparation) -> sitk.Image:
    if settings.intensity == "percentiles":
        return rescale_percentiles(image)
    if settings.intensity == "z-score":
        return z_score(image, foreground(image)) * 100.0
    if settings.intensity == "peak":
        return peak_scale(image)
    return image


def check_not_negative(image: sitk.Image, mask: sitk.Image) -> None:
    """Raises InputError where N4 cannot do with an image, for it works on the logarithm.

    Zeros in the background are normal, negative tumour intensities are not.
    """
    values = sitk.GetArrayViewFromImage(image)[sitk.GetArrayViewFromImage(mask) > 0]
    if values.min() < 0:
        raise InputError(
            f"The image has negative intensities inside the mask (down to {values.min():g}), which N4 cannot correct; "
            "switch N4 off, or shift the image so that the tissue is positive."
        )
