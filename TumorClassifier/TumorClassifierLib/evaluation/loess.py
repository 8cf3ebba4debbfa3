"""A smooth line through a class and its predictions: Cleveland's locally weighted regression."""

import numpy as np

SPAN = 2 / 3  # R's default


def local_line(x: np.ndarray, y: np.ndarray, at: np.ndarray, span: float = SPAN) -> np.ndarray:
    """(k,) fitted values at `at` (k,) of straight lines through the nearest cases, tricube weighted, one pass.

    x, y: (n,). This is R's lowess(iter = 0, delta = 0) and loess(degree = 1) (Cleveland 1979): the int(span · n)
    nearest cases count. Where these have one x, or nearly so, their weighted mean stands for a line.
    """
    x, y, at = (np.asarray(values, dtype=np.float64) for values in (x, y, at))
    nearest = min(len(x), max(2, int(span * len(x) + 1e-10)))
    offset = x - at[:, None]
    distance = np.abs(offset)
    reach = np.partition(distance, nearest - 1, axis=1)[:, nearest - 1 : nearest]
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = np.where(distance < reach, (1 - (distance / reach) ** 3) ** 3, 0.0)
    none = ~(weight.sum(axis=1, keepdims=True) > 0)  # all of them at one distance, which may be 0
    weight = np.where(none, distance <= reach, weight)
    weight = weight / weight.sum(axis=1, keepdims=True)
    centre, mean = weight @ x, weight @ y
    spread = (weight * (x - centre[:, None]) ** 2).sum(axis=1)
    together = (weight * (x - centre[:, None]) * (y - mean[:, None])).sum(axis=1)
    flat = np.sqrt(spread) <= 1e-3 * np.ptp(x)
    slope = np.where(flat, 0.0, together / np.where(flat, 1.0, spread))
    return np.asarray(mean + slope * (at - centre))
