"""MultiScale-SelfCutMix: a slice's own tumours, scaled, once more in the same slice (Liu et al. 2022)."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from FeatureExtractorLib.errors import InputError

from .boxes import overlap

TRIES = 20


@dataclass(frozen=True)
class CutMixSettings:
    """probability: that a slice is changed. smallest, largest: factors of width and height, drawn each by itself.

    reach: how far (x, y) the copy's centre may lie from the tumour's, as shares of the image's width and height. The
    publication says "near the spinal region", which runs from top to bottom of a sagittal slice.
    """

    probability: float = 0.5
    smallest: float = 0.5
    largest: float = 1.0
    reach: tuple[float, float] = (0.1, 0.5)

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise InputError(f"The probability of cut-mix cannot be {self.probability}; choose 0 to 1.")
        if not 0 < self.smallest <= self.largest:
            raise InputError(
                f"Cut-mix cannot scale by {self.smallest} to {self.largest}; give factors above 0, the smaller first."
            )
        if min(self.reach) < 0:
            raise InputError(f"The reach of cut-mix cannot be {self.reach}; give shares of 0 or more.")


def self_cut_mix(
    image: np.ndarray, boxes: np.ndarray, rng: np.random.Generator, settings: CutMixSettings | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """A copy of the slice (rows, columns) with one more of its tumours, and its boxes (m + 1, 4) float32.

    The copied region never covers a labelled one; where no such place is found, and where a slice has no box, both
    come back as they are. The same state of `rng` gives the same slice.
    """
    settings = settings or CutMixSettings()
    if not len(boxes) or rng.random() >= settings.probability:
        return image, boxes
    source = boxes[rng.integers(len(boxes))]
    x0, y0, x1, y1 = (int(v) for v in source)
    factors = rng.uniform(settings.smallest, settings.largest, 2)
    width, height = (max(1, round(side * f)) for side, f in zip((x1 - x0, y1 - y0), factors, strict=True))
    for _ in range(TRIES):
        shift = rng.uniform(-1, 1, 2) * settings.reach * (image.shape[1], image.shape[0])
        left, top = round((x0 + x1 - width) / 2 + shift[0]), round((y0 + y1 - height) / 2 + shift[1])
        place = np.array([[left, top, left + width, top + height]], dtype=np.float32)
        inside = left >= 0 and top >= 0 and left + width <= image.shape[1] and top + height <= image.shape[0]
        if inside and overlap(place, boxes).max() == 0:
            mixed = image.copy()
            mixed[top : top + height, left : left + width] = _scaled(image[y0:y1, x0:x1], (height, width))
            return mixed, np.concatenate([boxes, place]).astype(np.float32)
    return image, boxes


def _scaled(patch: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """A patch (rows, columns) at another size, linearly, pixel edges on pixel edges."""
    factors = (shape[0] / patch.shape[0], shape[1] / patch.shape[1])
    return np.asarray(ndimage.zoom(patch, factors, order=1, mode="nearest", grid_mode=True))
