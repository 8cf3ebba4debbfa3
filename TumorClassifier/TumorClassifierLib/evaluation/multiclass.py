"""Figures of three or more classes: each class against the rest, and their plain mean over the classes."""

from collections.abc import Sequence

import numpy as np

from FeatureExtractorLib.errors import InputError

from .intervals import Interval, bootstrap_rows, percentile_interval, proportion_interval, with_open_side
from .resampled import (
    resampled_auc,
    resampled_average_precision,
    resampled_brier,
    resampled_share,
)

MACRO = ("auc", "ap", "sensitivity", "specificity", "ppv", "npv", "f1", "brier")


def confusion_matrix(y: np.ndarray, called: np.ndarray, classes: int) -> np.ndarray:
    """(K, K) counts, rows the actual and columns the called class; y, called: (n,) class index."""
    return np.bincount(np.asarray(y) * classes + np.asarray(called), minlength=classes**2).reshape(classes, classes)


def macro_metrics(
    y: np.ndarray,
    P: np.ndarray,
    called: np.ndarray,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
    interval: str = "Wilson",
) -> dict[str, Interval | None]:
    """Means over the classes of one-versus-rest figures, with accuracy and balanced accuracy of the called class.

    y: (n,) class index, one row a patient; P: (n, K) probabilities; called: (n,) class index. auc is the plain mean of
    the one-versus-rest areas, brier that of the K two-class scores. Intervals: `interval` for the accuracy, the others
    by drawing patients again class by class; a 0 or 1 in all of them has the exact bound for the rarest class. None
    where a class leaves the figure undefined (a class that is never called has no PPV).
    Raises InputError unless every class occurs.
    """
    y, P, called = np.asarray(y), np.asarray(P, dtype=np.float64), np.asarray(called)
    check_classes(y, P)
    order = np.lexsort((called, *P.T[::-1], y))  # equal cohorts give equal intervals whatever their order
    y, P, called = y[order], P[order], called[order]
    weights = np.concatenate([np.ones((1, len(y))), bootstrap_rows(y, None, resamples, seed)])
    values = {name: _macro(name, y, P, called, weights) for name in MACRO}
    values["balanced_accuracy"] = values["sensitivity"]
    fewest = int(np.bincount(y).min())
    result = {name: percentile_interval(value[0], value[1:], level) for name, value in values.items()}
    for name, found in result.items():
        if found is not None and name != "brier":
            result[name] = with_open_side(found, fewest, level)
    return {"accuracy": proportion_interval(interval)(int(np.sum(called == y)), len(y), level), **result}


def check_classes(y: np.ndarray, P: np.ndarray, names: Sequence[str] = ()) -> None:
    """Raise InputError unless y (n,) has every class of P (n, K), called `names`, and P's rows are shares of 1."""
    if P.ndim != 2 or len(y) != len(P) or not np.isin(y, np.arange(P.shape[1])).all():
        raise InputError(
            f"There are {len(y)} classes for probabilities of shape {P.shape}; give an index and one row a case."
        )
    if not np.isfinite(P).all() or P.min() < 0 or np.abs(P.sum(axis=1) - 1).max() > 1e-6:
        raise InputError("The probabilities of a case must be from 0 to 1 and sum to 1.")
    absent = [k for k in range(P.shape[1]) if not np.any(y == k)]
    if absent:
        name = names[absent[0]] if names else absent[0]
        raise InputError(f"No case is of class {name}; give cases of every class.")


def _macro(name: str, y: np.ndarray, P: np.ndarray, called: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(B,) mean over the classes of a one-versus-rest figure; NaN where one class leaves it undefined."""
    total = np.zeros(len(weights))
    for k in range(P.shape[1]):
        actual = (y == k).astype(np.int64)
        if name == "auc":
            total += resampled_auc(actual, P[:, k], weights)
        elif name == "ap":
            total += resampled_average_precision(actual, P[:, k], weights)
        elif name == "brier":
            total += resampled_brier(actual, P[:, k], weights)
        else:
            total += resampled_share(name, 0.5)(actual, (called == k).astype(np.float64), weights)
    return total / P.shape[1]
