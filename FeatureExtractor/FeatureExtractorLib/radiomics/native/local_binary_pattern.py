"""Local binary patterns (Ojala et al. 2002, IEEE TPAMI 24(7):971-987), with scikit-image's conventions."""

import numpy as np


def local_binary_pattern(image: np.ndarray, samples: int, radius: float, method: str = "uniform") -> np.ndarray:
    """Pattern of each pixel of `image` (y, x): which of `samples` points on a circle (pixels) are not darker than it.

    Points between pixels are interpolated linearly; outside the image there is 0. The result is float64:
    "default": the points as bits, the first one lowest. "ror": the smallest number that turning these bits gives.
    "uniform": how many points are not darker where the circle changes at most twice on the way from the first to the
    last point, samples + 1 elsewhere. "var": the variance of the points' values, NaN where 0.
    """
    image = image.astype(np.float64)
    angle = 2 * np.pi * np.arange(samples) / samples
    rows, columns = np.round(-radius * np.sin(angle), 5), np.round(radius * np.cos(angle), 5)
    values = np.array([_shifted(image, row, column) for row, column in zip(rows, columns, strict=True)])
    if method == "var":
        variance = values.var(axis=0)
        return np.where(variance > 0, variance, np.nan)
    bits = values - image >= 0
    if method == "uniform":
        changes = np.sum(bits[1:] != bits[:-1], axis=0)
        return np.where(changes <= 2, bits.sum(axis=0), samples + 1).astype(np.float64)
    weights = 1 << np.arange(samples)
    turns = range(samples) if method == "ror" else range(1)
    return np.min([np.tensordot(weights, np.roll(bits, turn, axis=0), 1) for turn in turns], axis=0).astype(np.float64)


def _shifted(image: np.ndarray, row: float, column: float) -> np.ndarray:
    """The image's value `row` pixels below and `column` pixels right of each pixel."""
    top, left = int(np.floor(row)), int(np.floor(column))
    down, right = row - top, column - left
    height, width = image.shape
    pad = max(abs(top), abs(left)) + 1
    padded = np.pad(image, pad)

    def at(r: int, c: int) -> np.ndarray:
        return padded[pad + r : pad + r + height, pad + c : pad + c + width]

    bottom, far = int(np.ceil(row)), int(np.ceil(column))
    upper = (1 - right) * at(top, left) + right * at(top, far)
    lower = (1 - right) * at(bottom, left) + right * at(bottom, far)
    return (1 - down) * upper + down * lower
