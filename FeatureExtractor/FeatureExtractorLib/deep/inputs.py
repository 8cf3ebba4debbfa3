"""What a slice network sees: the tumour's crop, the same for training, feature extraction and explanation."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..regions import SquareRegion, crop_square, grey3, resize


@dataclass(frozen=True)
class SliceSettings:
    """How a slice is cropped around the tumour.

    margin: context on each side, as a share of the bounding box's longer side. size: pixels a side of the input.
    low, high: percentiles of the crop that become 0 and 1.
    """

    margin: float = 0.25
    size: int = 224
    low: float = 1.0
    high: float = 99.0

    def __post_init__(self) -> None:
        if not 0 <= self.margin <= 4:
            raise InputError(f"The crop margin cannot be {self.margin}; choose a share of the box from 0 to 4.")
        if not 32 <= self.size <= 1024:
            raise InputError(f"The crop size cannot be {self.size} pixels; choose 32 to 1024.")
        if not 0 <= self.low < self.high <= 100:
            raise InputError(
                f"The crop percentiles cannot be {self.low} and {self.high}; choose 0 ≤ low < high ≤ 100."
            )


def slice_input(
    image: np.ndarray, mask: np.ndarray, settings: SliceSettings | None = None
) -> tuple[np.ndarray, SquareRegion]:
    """The network's input for one axial slice, and where in the slice it was taken.

    image, mask: (rows, columns). Returns the crop as grey on three channels, (3, size, size) float32 in 0–1, and
    its square region in pixels of the slice. Raises InputError when the mask is empty in this slice.
    """
    settings = settings or SliceSettings()
    crop, region = crop_square(image, mask, settings.margin)
    inside, _ = crop_square(np.ones(image.shape, bool), mask, settings.margin)
    grey = standardise(crop, inside, settings.low, settings.high)
    return grey3(resize(grey, (settings.size, settings.size))), region


def standardise(crop: np.ndarray, inside: np.ndarray, low: float, high: float) -> np.ndarray:
    """Intensities with the `low`th percentile at 0 and the `high`th at 1, clipped; a flat crop becomes 0.

    Each crop by itself, for scanners and coils scale a slice's intensities as they like. inside: where the crop lies
    on the slice; what reaches over its edges counts for nothing and becomes 0. Returns float64.
    """
    values = np.asarray(crop, dtype=np.float64)
    bottom, top = np.percentile(values[inside], [low, high])
    if top <= bottom:
        return np.zeros_like(values)
    return np.where(inside, np.clip((values - bottom) / (top - bottom), 0.0, 1.0), 0.0)


def grey_channels(crops: np.ndarray) -> np.ndarray:
    """Crops (n, rows, columns) as images (n, 3, rows, columns): a read-only view, no memory is copied."""
    n, rows, columns = crops.shape
    return np.broadcast_to(crops[:, None], (n, 3, rows, columns))


def tumour_slices(mask: sitk.Image) -> list[int]:
    """The axial slices (index k along z) that hold any of the mask."""
    return np.flatnonzero(sitk.GetArrayViewFromImage(mask).any(axis=(1, 2))).tolist()
