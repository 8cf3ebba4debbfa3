"""How well a score tells class 1 from class 0: ROC curve, AUC with DeLong's interval and test, and thresholds."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import rankdata

from FeatureExtractorLib.errors import InputError


@dataclass(frozen=True)
class RocCurve:
    """(k,) operating points from (0, 0) to (1, 1); a case is called positive when its score is >= the threshold."""

    false_positive_rate: np.ndarray
    true_positive_rate: np.ndarray
    thresholds: np.ndarray


@dataclass(frozen=True)
class DeLong:
    """(k,) AUCs of k scores on the same cases and their (k, k) covariance."""

    auc: np.ndarray
    covariance: np.ndarray


@dataclass(frozen=True)
class Confusion:
    """Counts at a threshold."""

    true_positive: int
    false_positive: int
    true_negative: int
    false_negative: int


@dataclass(frozen=True)
class AucComparison:
    """Two correlated AUCs: difference (first - second), its standard error, z and two-sided p."""

    difference: float
    standard_error: float
    z: float
    p: float


def roc_curve(y: np.ndarray, score: np.ndarray) -> RocCurve:
    """The operating points of every distinct score, the first (threshold infinity) calling nobody positive.

    y: (n,) 0/1; score: (n,), larger for class 1. Raises InputError unless both classes occur.
    """
    y, score = check_scores(y, score)
    thresholds, inverse = np.unique(-score, return_inverse=True)
    positives = np.bincount(inverse, weights=y)
    negatives = np.bincount(inverse, weights=1 - y)
    return RocCurve(
        np.concatenate([[0.0], np.cumsum(negatives) / negatives.sum()]),
        np.concatenate([[0.0], np.cumsum(positives) / positives.sum()]),
        np.concatenate([[np.inf], -thresholds]),
    )


def auc(y: np.ndarray, score: np.ndarray) -> float:
    """Probability that a case of class 1 scores above one of class 0, ties counting half (Mann-Whitney).

    y: (n,) 0/1; score: (n,). Raises InputError unless both classes occur.
    """
    y, score = check_scores(y, score)
    positives = int(y.sum())
    negatives = len(y) - positives
    above = rankdata(score)[y == 1].sum() - positives * (positives + 1) / 2
    return float(above / (positives * negatives))


def c_index(y: np.ndarray, score: np.ndarray) -> float:
    """Harrell's concordance; for a two-class outcome it is the AUC (Harrell 1996, Stat Med 15, 361)."""
    return auc(y, score)


def delong(y: np.ndarray, scores: np.ndarray) -> DeLong:
    """AUCs of k scores on the same cases, with covariance.

    y: (n,) 0/1; scores: (k, n). See `delong_variance`; raises InputError as it does.
    """
    rows = np.atleast_2d(np.asarray(scores, dtype=np.float64))
    for row in rows:
        y, _ = check_scores(y, row)
    return delong_variance(rows[:, y == 1], rows[:, y == 0])


def delong_variance(positive: np.ndarray, negative: np.ndarray) -> DeLong:
    """AUCs of k scores and their covariance by DeLong's method (Biometrics 1988, 44, 837).

    positive: (k, m) scores of the m cases of class 1; negative: (k, n) of the n others. Mid-ranks make it
    O((m + n) log (m + n)) a score: Sun & Xu 2014, IEEE Sig Proc Lett 21(11), eq. 5-10.
    Raises InputError when either group has fewer than two cases.
    """
    m, n = positive.shape[1], negative.shape[1]
    if min(m, n) < 2:
        raise InputError(f"There are {m} cases of class 1 and {n} of class 0; DeLong's variance needs two of each.")
    together = rankdata(np.concatenate([positive, negative], axis=1), axis=1)
    above_negatives = (together[:, :m] - rankdata(positive, axis=1)) / n  # (k, m): share of negatives each exceeds
    above_positives = 1 - (together[:, m:] - rankdata(negative, axis=1)) / m
    covariance = np.atleast_2d(np.cov(above_negatives)) / m + np.atleast_2d(np.cov(above_positives)) / n
    return DeLong(above_negatives.mean(axis=1), covariance)


def auc_with_delong_interval(y: np.ndarray, score: np.ndarray, level: float = 0.95) -> tuple[float, float, float]:
    """(AUC, low, high): normal interval with DeLong's variance, cut at 0 and 1, as pROC and the papers report it.

    y: (n,) 0/1; score: (n,). An AUC of exactly 0 or 1 has no DeLong variance; its open side is then the exact binomial
    bound for the smaller class. Raises InputError as `delong_variance`.
    """
    result = delong(y, score)
    area, variance = float(result.auc[0]), float(result.covariance[0, 0])
    if area in (0.0, 1.0):
        smaller = int(min(np.sum(np.asarray(y) == 1), np.sum(np.asarray(y) == 0)))
        bound = ((1 - level) / 2) ** (1 / smaller)
        return (area, bound, 1.0) if area == 1.0 else (area, 0.0, 1 - bound)
    half = float(ndtri((1 + level) / 2) * np.sqrt(max(variance, 0.0)))
    return area, max(0.0, area - half), min(1.0, area + half)


def delong_test(y: np.ndarray, first: np.ndarray, second: np.ndarray) -> AucComparison:
    """Whether two scores on the same cases have the same AUC (DeLong 1988, two-sided).

    y: (n,) 0/1; first, second: (n,). Scores that rank the cases alike have difference 0 and p 1.
    Raises InputError as `delong_variance`.
    """
    result = delong(y, np.stack([first, second]))
    difference = float(result.auc[0] - result.auc[1])
    variance = float(result.covariance[0, 0] + result.covariance[1, 1] - 2 * result.covariance[0, 1])
    error = float(np.sqrt(max(variance, 0.0)))
    if error < 1e-12:
        return AucComparison(difference, 0.0, 0.0, 1.0 if abs(difference) < 1e-12 else 0.0)
    z = difference / error
    return AucComparison(difference, error, z, float(2 * ndtr(-abs(z))))


def average_precision(y: np.ndarray, score: np.ndarray) -> float:
    """Mean of the precision at each distinct score, weighted by the recall gained there (no interpolation).

    y: (n,) 0/1; score: (n,). Raises InputError unless both classes occur.
    """
    y, score = check_scores(y, score)
    _, inverse = np.unique(-score, return_inverse=True)
    found = np.bincount(inverse, weights=y)
    called = np.bincount(inverse)
    return float(np.sum(found / y.sum() * np.cumsum(found) / np.cumsum(called)))


def confusion_at(y: np.ndarray, score: np.ndarray, threshold: float) -> Confusion:
    """Counts when scores >= threshold are called positive; y: (n,) 0/1, score: (n,)."""
    actual, called = np.asarray(y) == 1, np.asarray(score) >= threshold
    return Confusion(
        int(np.sum(actual & called)),
        int(np.sum(~actual & called)),
        int(np.sum(~actual & ~called)),
        int(np.sum(actual & ~called)),
    )


def youden_threshold(y: np.ndarray, score: np.ndarray) -> float:
    """The score of largest sensitivity + specificity - 1 (Youden 1950); of equal ones the most sensitive.

    y: (n,) 0/1; score: (n,). Choose it on training cases only. Raises InputError unless both classes occur.
    """
    curve = roc_curve(y, score)
    index = curve.true_positive_rate - curve.false_positive_rate
    best = np.flatnonzero(index[1:] >= index[1:].max() - 1e-12)[-1]
    return float(curve.thresholds[1 + best])


def check_scores(y: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n,) integer classes and float scores; raises InputError unless y is 0/1 with both, and scores are finite."""
    labels, values = np.asarray(y), np.asarray(score, dtype=np.float64)
    if labels.ndim != 1 or labels.shape != values.shape or not np.isin(labels, (0, 1)).all():
        raise InputError("Classes and scores do not match; give one 0 or 1 and one score a case.")
    if not np.isfinite(values).all():
        raise InputError(f"{int((~np.isfinite(values)).sum())} scores are not finite; leave out these cases.")
    if labels.min(initial=1) == labels.max(initial=0):
        raise InputError("All cases are of one class; discrimination needs cases of both.")
    return labels.astype(np.int64), values
