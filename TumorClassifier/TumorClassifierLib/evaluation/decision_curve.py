"""Whether acting on a prediction does more good than treating everybody or nobody (Vickers & Elkin 2006)."""

from dataclasses import dataclass

import numpy as np

from FeatureExtractorLib.errors import InputError

from ..folds import as_groups
from .calibration import check_probabilities
from .intervals import bootstrap_rows


@dataclass(frozen=True)
class DecisionCurve:
    """Net benefit, in true positives per case, at (k,) threshold probabilities; treating nobody is always 0."""

    thresholds: np.ndarray
    model: np.ndarray
    treat_all: np.ndarray


def net_benefit(
    y: np.ndarray,
    probability: np.ndarray,
    thresholds: np.ndarray | None = None,
    prevalence: float | None = None,
) -> DecisionCurve:
    """Net benefit = sensitivity · π - (1 - specificity) · (1 - π) · t / (1 - t) at each threshold t.

    y: (n,) 0/1; probability: (n,); a case is treated when its probability is >= t. thresholds: default 0.01 … 0.99.
    prevalence π: default that of y; give the clinic's own where the cohort was matched. Raises InputError at
    thresholds or a prevalence outside 0 to 1 (a threshold of 1 is outside), and unless both classes occur.
    """
    y, p = check_probabilities(y, probability)
    at = np.arange(1, 100) / 100 if thresholds is None else np.asarray(thresholds, dtype=np.float64)
    share = float(y.mean()) if prevalence is None else prevalence
    if at.min() < 0 or at.max() >= 1 or not 0 < share < 1:
        raise InputError("Thresholds must be at least 0 and below 1, and the prevalence between 0 and 1.")
    sensitivity = _share_at_or_above(p[y == 1], at)
    false_alarms = _share_at_or_above(p[y == 0], at)
    odds = at / (1 - at)
    return DecisionCurve(at, sensitivity * share - false_alarms * (1 - share) * odds, share - (1 - share) * odds)


@dataclass(frozen=True)
class NetBenefitBand:
    """(k,) limits of the net benefit at each threshold, pointwise."""

    low: np.ndarray
    high: np.ndarray


def net_benefit_band(
    y: np.ndarray,
    probability: np.ndarray,
    thresholds: np.ndarray | None = None,
    patients: np.ndarray | None = None,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> NetBenefitBand:
    """Pointwise percentile limits of the net benefit when whole patients are drawn again, class by class.

    y, probability, thresholds: as in `net_benefit`; patients: (n,). Since each class keeps its number of patients, the
    limits are those at the cohort's own prevalence. Raises InputError as `net_benefit`.
    """
    curve = net_benefit(y, probability, thresholds)
    y, p = check_probabilities(y, probability)
    groups = as_groups(patients, len(y))
    order = np.lexsort((p, y)) if patients is None else np.lexsort((p, y, groups))
    y, p = y[order], p[order]
    weights = bootstrap_rows(y, None if patients is None else groups[order], resamples, seed)
    called = (p[:, None] >= curve.thresholds).astype(np.float64)
    odds = curve.thresholds / (1 - curve.thresholds)
    values = weights @ (called * y[:, None]) - (weights @ (called * (1 - y[:, None]))) * odds
    values /= weights.sum(axis=1, keepdims=True)
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return NetBenefitBand(low, high)


def _share_at_or_above(p: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    return np.asarray(1 - np.searchsorted(np.sort(p), thresholds, side="left") / len(p))
