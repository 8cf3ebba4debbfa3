"""Whether predicted probabilities mean what they say."""

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc, logit

from FeatureExtractorLib.errors import InputError

from .discrimination import check_scores
from .intervals import Interval, wilson


@dataclass(frozen=True)
class HosmerLemeshow:
    """Chi-square over g groups of predicted risk; a small p speaks against the calibration."""

    statistic: float
    degrees_of_freedom: int
    p: float
    groups: int


@dataclass(frozen=True)
class CalibrationLine:
    """logit P(1) = intercept + slope · logit p; in_the_large is the intercept at slope 1. Ideal: 0, 1, 0."""

    intercept: float
    slope: float
    in_the_large: float


@dataclass(frozen=True)
class CalibrationPoint:
    """A group of cases of similar prediction: mean prediction, share of class 1 with Wilson's limits, size."""

    predicted: float
    observed: Interval
    cases: int


def brier(y: np.ndarray, probability: np.ndarray) -> float:
    """Mean squared difference of class and probability (Brier 1950); y: (n,) 0/1; probability: (n,)."""
    return float(np.mean((np.asarray(y) - np.asarray(probability)) ** 2))


def hosmer_lemeshow(
    y: np.ndarray, probability: np.ndarray, groups: int = 10, degrees_of_freedom: int | None = None
) -> HosmerLemeshow:
    """Observed against expected events in groups of predicted risk (Hosmer & Lemeshow 1980).

    y: (n,) 0/1; probability: (n,). Cases are cut at the quantiles of the prediction; equal predictions stay together,
    so there may be fewer groups. degrees_of_freedom: default groups - 2, as for the cases the model was fitted on; in
    other cases give the number of groups (Hosmer, Lemeshow & Sturdivant 2013, section 5.2).
    Raises InputError with fewer than three groups.
    """
    y, p = check_probabilities(y, probability)
    index = _quantile_groups(p, groups)
    sizes = np.bincount(index)
    if len(sizes) < 3:
        raise InputError(f"The predictions form only {len(sizes)} groups; the Hosmer-Lemeshow test needs three.")
    events, expected = np.bincount(index, weights=y), np.bincount(index, weights=p)
    gap = (events - expected) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(gap > 0, gap / (expected * (1 - expected / sizes)), 0.0)
    freedom = len(sizes) - 2 if degrees_of_freedom is None else degrees_of_freedom
    statistic = float(terms.sum())
    return HosmerLemeshow(statistic, freedom, float(chdtrc(freedom, statistic)), len(sizes))


def calibration_slope_intercept(y: np.ndarray, probability: np.ndarray) -> CalibrationLine:
    """Regression of the class on the predicted logit (Cox 1958).

    y: (n,) 0/1; probability: (n,), cut to 1e-9…1 - 1e-9. Raises InputError where the predictions are all equal or
    separate the classes, since the slope is then undefined.
    """
    from scipy.optimize import brentq
    from scipy.special import expit

    from ..regression import fit_logistic

    y, p = check_probabilities(y, probability)
    x = logit(np.clip(p, 1e-9, 1 - 1e-9))
    line = fit_logistic(x[:, None], y, ["predicted logit"], method="ml")
    span = float(np.abs(x).max()) + 25.0
    large = brentq(lambda shift: float(np.mean(expit(x + shift)) - y.mean()), -span, span, xtol=1e-12)
    return CalibrationLine(line.intercept, line.coefficients[1], float(large))


def calibration_curve(y: np.ndarray, probability: np.ndarray, groups: int = 10) -> tuple[CalibrationPoint, ...]:
    """Observed share of class 1 in groups of equal size of increasing prediction (equal predictions stay together).

    y: (n,) 0/1; probability: (n,).
    """
    y, p = check_probabilities(y, probability)
    index = _quantile_groups(p, groups)
    points = []
    for group in range(index.max() + 1):
        members = index == group
        observed = wilson(int(y[members].sum()), int(members.sum()))
        points.append(CalibrationPoint(float(p[members].mean()), observed, int(members.sum())))
    return tuple(points)


def check_probabilities(y: np.ndarray, probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As `check_scores`; raises InputError also at probabilities outside 0 to 1."""
    labels, p = check_scores(y, probability)
    if p.min() < 0 or p.max() > 1:
        raise InputError(f"Probabilities reach from {p.min():g} to {p.max():g}; give values from 0 to 1.")
    return labels, p


def _quantile_groups(p: np.ndarray, groups: int) -> np.ndarray:
    """(n,) group 0, 1, … of each prediction, none empty."""
    edges = np.unique(np.quantile(p, np.linspace(0, 1, groups + 1)[1:-1]))
    return np.unique(np.searchsorted(edges, p, side="left"), return_inverse=True)[1].reshape(-1)
