"""Confidence intervals: of proportions, and of any statistic by resampling patients."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv, ndtri

from FeatureExtractorLib.errors import InputError

from ..folds import as_groups

Statistic = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Interval:
    """A value with its confidence limits."""

    value: float
    low: float
    high: float


def wilson(successes: int, trials: int, level: float = 0.95) -> Interval:
    """Proportion with Wilson's score interval (Wilson 1927); raises InputError unless 0 <= successes <= trials > 0."""
    _check_counts(successes, trials)
    share, z = successes / trials, float(ndtri((1 + level) / 2))
    shrink = 1 + z**2 / trials
    centre = (share + z**2 / (2 * trials)) / shrink
    half = z / shrink * np.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    return Interval(share, 0.0 if successes == 0 else float(centre - half), _upper(successes, trials, centre + half))


def clopper_pearson(successes: int, trials: int, level: float = 0.95) -> Interval:
    """Proportion with the exact binomial interval (Clopper & Pearson 1934); raises InputError as `wilson`."""
    _check_counts(successes, trials)
    tail = (1 - level) / 2
    low = 0.0 if successes == 0 else float(betaincinv(successes, trials - successes + 1, tail))
    high = 1.0 if successes == trials else float(betaincinv(successes + 1, trials - successes, 1 - tail))
    return Interval(successes / trials, low, high)


def wilson_corrected(successes: int, trials: int, level: float = 0.95) -> Interval:
    """Proportion with Wilson's interval and continuity correction (Newcombe 1998, Stat Med 17, 857, method 4).

    It is R's prop.test and nearly as wide as the exact one. Raises InputError as `wilson`.
    """
    _check_counts(successes, trials)
    share, z = successes / trials, float(ndtri((1 + level) / 2))
    below = z**2 - 2 - 1 / trials + 4 * share * (trials * (1 - share) + 1)
    above = z**2 + 2 - 1 / trials + 4 * share * (trials * (1 - share) - 1)
    whole = 2 * (trials + z**2)
    low = (2 * successes + z**2 - 1 - z * np.sqrt(max(below, 0.0))) / whole
    high = (2 * successes + z**2 + 1 + z * np.sqrt(max(above, 0.0))) / whole
    return Interval(
        share, 0.0 if successes == 0 else max(0.0, float(low)), _upper(successes, trials, min(1.0, float(high)))
    )


PROPORTIONS: dict[str, Callable[[int, int, float], Interval]] = {
    "Wilson": wilson,
    "Wilson with continuity correction": wilson_corrected,
    "Clopper-Pearson": clopper_pearson,
}


def proportion_interval(method: str) -> Callable[[int, int, float], Interval]:
    """The interval of that name; raises InputError where there is none."""
    if method not in PROPORTIONS:
        raise InputError(f"There is no interval {method!r}; choose {', '.join(PROPORTIONS)}.")
    return PROPORTIONS[method]


def bootstrap_by_patient(
    statistic: Statistic,
    y: np.ndarray,
    score: np.ndarray,
    patients: np.ndarray | None = None,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """A statistic with its percentile interval when whole patients are drawn again, class by class.

    statistic: of (y (n,), score (n,), weights (B, n)), giving (B,) values: a resample counts each row as often as its
    patient was drawn, so all resamples are one matrix. Undefined values are NaN and left out. y: (n,) 0/1; score:
    (n,); patients: (n,), None makes every row a patient. A patient with rows of both classes counts to class 0.
    Equal seeds give equal limits, whatever the order of the rows.
    Raises InputError when the statistic is undefined in every resample.
    """
    y, score = np.asarray(y), np.asarray(score, dtype=np.float64)
    groups = as_groups(patients, len(y))
    order = np.lexsort((score, y)) if patients is None else np.lexsort((score, y, groups))
    y, score, groups = y[order], score[order], np.arange(len(y)) if patients is None else groups[order]
    values = statistic(y, score, bootstrap_rows(y, groups, resamples, seed))
    interval = percentile_interval(float(statistic(y, score, np.ones((1, len(y))))[0]), values, level)
    if interval is None:
        raise InputError("The statistic is undefined in every resample; add patients of both classes.")
    return interval


def bootstrap_rows(y: np.ndarray, groups: np.ndarray | None, resamples: int, seed: int) -> np.ndarray:
    """(B, n) how often each row counts in each resample of whole patients, drawn class by class.

    y: (n,) class; groups: (n,) patient 0, 1, … of each row, None makes every row a patient. A patient with rows of
    several classes counts to that of his or her first row.
    """
    groups = np.arange(len(y)) if groups is None else groups
    first_rows = np.unique(groups, return_index=True)[1]
    rng = np.random.default_rng(seed)
    drawn = np.zeros((resamples, len(first_rows)))
    for label in np.unique(y):
        members = np.flatnonzero(y[first_rows] == label)
        if len(members):
            drawn[:, members] = rng.multinomial(len(members), np.full(len(members), 1 / len(members)), size=resamples)
    return np.asarray(drawn[:, groups])


def percentile_interval(value: float, resampled: np.ndarray, level: float = 0.95) -> Interval | None:
    """The value with the percentiles of its (B,) resamples; None where it or all resamples are undefined (NaN)."""
    known = resampled[np.isfinite(resampled)]
    if not len(known) or not np.isfinite(value):
        return None
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(value), float(low), float(high))


def with_open_side(interval: Interval, fewest: int, level: float = 0.95) -> Interval:
    """Where a share is 0 or 1 in every resample, the interval's open side is the exact bound for `fewest` patients.

    Resampling cannot tell how far a perfect figure may be from perfect; other intervals stay as they are.
    """
    if interval.low != interval.high or interval.value not in (0.0, 1.0):
        return interval
    bound = ((1 - level) / 2) ** (1 / fewest)
    return Interval(1.0, bound, 1.0) if interval.value == 1.0 else Interval(0.0, 0.0, 1 - bound)


def _upper(successes: int, trials: int, limit: float) -> float:
    return 1.0 if successes == trials else float(limit)


def _check_counts(successes: int, trials: int) -> None:
    if not 0 <= successes <= trials or trials < 1:
        raise InputError(f"{successes} of {trials} is no proportion; give counts with 0 <= successes <= trials > 0.")
