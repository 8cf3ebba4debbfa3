"""What a slice network sees: the tumour's crop, the same for training, feature extraction and explanation."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..regions import (
    SquareRegion,
    centre_slice,
    crop_square,
    grey3,
    jet_pseudo_colour,
    maximum_area_slice,
    resize,
)

VIEWS = ("maximum-area", "centre", "bounding-box")
COLOURS = ("grey", "jet")


@dataclass(frozen=True)
class SliceSettings:
    """How a slice is chosen, cropped around the tumour and coloured.

    margin: context on each side, as a share of the bounding box's longer side. size: pixels a side of the input.
    low, high: percentiles of the crop that become 0 and 1. view: the axial slice with most tumour or the middle one,
    in a square with context; or the first without context: what is inside the tumour's bounding box, on black.
    colour: "grey" on all three channels, or pseudo-colours, "jet".
    """

    margin: float = 0.25
    size: int = 224
    low: float = 1.0
    high: float = 99.0
    view: str = "maximum-area"
    colour: str = "grey"

    def __post_init__(self) -> None:
        if not 0 <= self.margin <= 4:
            raise InputError(f"The crop margin cannot be {self.margin}; choose a share of the box from 0 to 4.")
        if not 32 <= self.size <= 1024:
            raise InputError(f"The crop size cannot be {self.size} pixels; choose 32 to 1024.")
        if not 0 <= self.low < self.high <= 100:
            raise InputError(
                f"The crop percentiles cannot be {self.low} and {self.high}; choose 0 ≤ low < high ≤ 100."
            )
        for name, value, known in (("view", self.view, VIEWS), ("colour", self.colour, COLOURS)):
            if value not in known:
                raise InputError(f"The crop's {name} cannot be {value!r}; choose one of {', '.join(known)}.")


def chosen_slice(mask: sitk.Image, settings: SliceSettings) -> int:
    """The axial slice (index k along z) that the network sees; raises InputError when the mask is empty."""
    return centre_slice(mask) if settings.view == "centre" else maximum_area_slice(mask)


def slice_input(
    image: np.ndarray, mask: np.ndarray, settings: SliceSettings | None = None
) -> tuple[np.ndarray, SquareRegion]:
    """The network's input for one axial slice, and where in the slice it was taken.

    image, mask: (rows, columns). Returns the crop in grey or colour, (3, size, size) float32 in 0–1, and its square
    region in pixels of the slice. Raises InputError when the mask is empty in this slice.
    """
    settings = settings or SliceSettings()
    boxed = settings.view == "bounding-box"
    margin = 0.0 if boxed else settings.margin
    crop, region = crop_square(image, mask, margin)
    inside, _ = crop_square(_box(mask) if boxed else np.ones(image.shape, bool), mask, margin)
    grey = resize(standardise(crop, inside, settings.low, settings.high), (settings.size, settings.size))
    return jet_pseudo_colour(grey) if settings.colour == "jet" else grey3(grey), region


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


def _box(mask: np.ndarray) -> np.ndarray:
    """True inside the bounding box of a slice's mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    inside = np.zeros(mask.shape, bool)
    inside[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
    return inside


def grey_channels(crops: np.ndarray) -> np.ndarray:
    """Crops (n, rows, columns) as images (n, 3, rows, columns): a read-only view, no memory is copied."""
    n, rows, columns = crops.shape
    return np.broadcast_to(crops[:, None], (n, 3, rows, columns))


def tumour_slices(mask: sitk.Image) -> list[int]:
    """The axial slices (index k along z) that hold any of the mask."""
    return np.flatnonzero(sitk.GetArrayViewFromImage(mask).any(axis=(1, 2))).tolist()
