"""Statistics of many resamples at once: y (n,), score (n,) and one row of weights (B, n) a resample give (B,) values.

A weight is how often a row was drawn. Where a resample leaves a statistic undefined its value is NaN. With one row of
ones each is the ordinary statistic of `discrimination` and `calibration`.
"""

import numpy as np

from .intervals import Statistic


def resampled_auc(y: np.ndarray, score: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Area under the ROC curve, ties counting half."""
    positive, negative = _by_score(y, score, weights)
    below = np.cumsum(negative, axis=1) - negative / 2
    return _ratio((positive * below).sum(axis=1), positive.sum(axis=1) * negative.sum(axis=1))


def resampled_average_precision(y: np.ndarray, score: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Precision weighted by the recall gained at each score."""
    positive, negative = _by_score(y, -np.asarray(score), weights)
    found = np.cumsum(positive, axis=1)
    precision = _ratio(found, found + np.cumsum(negative, axis=1))
    return _ratio(np.nansum(positive * precision, axis=1), found[:, -1])


def resampled_brier(y: np.ndarray, score: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean squared difference of class and probability."""
    return _ratio(weights @ (score - y) ** 2, weights.sum(axis=1))


def resampled_share(name: str, threshold: float) -> Statistic:
    """Accuracy, sensitivity, specificity, ppv, npv or f1 when scores >= threshold are called positive."""

    def statistic(y: np.ndarray, score: np.ndarray, weights: np.ndarray) -> np.ndarray:
        called, actual = score >= threshold, y == 1
        counts = [
            weights @ cell.astype(np.float64)
            for cell in (actual & called, ~actual & called, ~actual & ~called, actual & ~called)
        ]
        return _ratio(*share_of_counts(name, *counts))

    return statistic


def share_of_counts(
    name: str, tp: np.ndarray, fp: np.ndarray, tn: np.ndarray, fn: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Numerator and denominator of a share; F1 is 2 TP of 2 TP + FP + FN."""
    return {
        "accuracy": (tp + tn, tp + fp + tn + fn),
        "sensitivity": (tp, tp + fn),
        "specificity": (tn, tn + fp),
        "ppv": (tp, tp + fp),
        "npv": (tn, tn + fn),
        "f1": (2 * tp, 2 * tp + fp + fn),
    }[name]


def _by_score(y: np.ndarray, score: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weight of class 1 and of class 0 at each distinct score, ascending, (B, k) each."""
    order = np.argsort(score, kind="stable")
    ordered = score[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    weights, labels = weights[:, order], y[order]
    return (
        np.add.reduceat(weights * labels, starts, axis=1),
        np.add.reduceat(weights * (1 - labels), starts, axis=1),
    )


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(whole > 0, part / whole, np.nan))
