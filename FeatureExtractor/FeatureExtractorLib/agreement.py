"""Intraclass correlation: how well readers agree on a feature."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from .errors import InputError

FORMS = ("ICC(1,1)", "ICC(2,1)", "ICC(3,1)", "ICC(1,k)", "ICC(2,k)", "ICC(3,k)")

# Values that differ by less than this share of themselves differ by rounding only: such a feature never varies.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Agreement:
    """One form of the ICC for every feature, each of shape (features,); NaN for a feature that never varies."""

    form: str
    icc: np.ndarray
    low: np.ndarray
    high: np.ndarray


def check_form(form: str) -> None:
    """Raises InputError for an unknown form, naming those there are."""
    if form not in FORMS:
        raise InputError(f"There is no ICC called {form!r}; choose one of {', '.join(FORMS)}.")


def intraclass_correlation(values: np.ndarray, form: str = "ICC(2,1)", confidence: float = 0.95) -> Agreement:
    """The ICC of every feature at once, with its interval.

    values: (cases, readers, features). Forms as Shrout & Fleiss 1979 name them: one-way random, two-way random
    (absolute agreement), two-way mixed (consistency), for a single reader and for the readers' average; intervals as
    McGraw & Wong 1996, table 7. Raises InputError for an unknown form, fewer than two cases or readers, or NaN.
    """
    values = np.asarray(values, dtype=np.float64)
    check_form(form)
    if values.ndim != 3 or min(values.shape[:2]) < 2:
        raise InputError("Agreement needs at least two cases measured by at least two readers; add more.")
    if not np.isfinite(values).all():
        raise InputError("Agreement cannot be computed from features that are NaN or infinite; leave them out.")
    n, k, _ = values.shape
    rows, columns = values.mean(axis=1), values.mean(axis=0)
    total = values.mean(axis=(0, 1))
    between = k * ((rows - total) ** 2).sum(axis=0) / (n - 1)
    readers = n * ((columns - total) ** 2).sum(axis=0) / (k - 1)
    within = ((values - rows[:, None]) ** 2).sum(axis=(0, 1)) / (n * (k - 1))
    residual = ((values - rows[:, None] - columns[None] + total) ** 2).sum(axis=(0, 1)) / ((n - 1) * (k - 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        if form == "ICC(2,1)" or form == "ICC(2,k)":
            icc, low, high = _two_way_random(between, readers, residual, n, k, confidence)
        else:
            error, df = (within, n * (k - 1)) if form.startswith("ICC(1") else (residual, (n - 1) * (k - 1))
            icc, low, high = _from_f(between, error, n - 1, df, k, confidence)
        if form.endswith("k)"):
            icc, low, high = (k * x / (1 + (k - 1) * x) for x in (icc, low, high))  # Spearman-Brown
    varies = np.ptp(values, axis=(0, 1)) > ROUNDING * np.abs(values).max(axis=(0, 1))
    return Agreement(form, *(np.where(varies, x, np.nan) for x in (icc, low, high)))


def _from_f(
    between: np.ndarray, error: np.ndarray, df1: int, df2: int, k: int, confidence: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Forms whose interval follows from one F ratio: one-way random and two-way mixed."""
    upper = 0.5 + confidence / 2
    ratio = between / error
    lowest, highest = ratio / stats.f.ppf(upper, df1, df2), ratio * stats.f.ppf(upper, df2, df1)
    exact = (error == 0) & (between > 0)
    icc, low, high = ((f - 1) / (f + k - 1) for f in (ratio, lowest, highest))
    return np.where(exact, 1.0, icc), np.where(exact, 1.0, low), np.where(exact, 1.0, high)


def _two_way_random(
    between: np.ndarray, readers: np.ndarray, residual: np.ndarray, n: int, k: int, confidence: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """ICC(2,1); the interval's second degree of freedom is Satterthwaite's."""
    upper = 0.5 + confidence / 2
    icc = (between - residual) / (between + (k - 1) * residual + k * (readers - residual) / n)
    f = readers / residual
    core = n * (1 + (k - 1) * icc) - k * icc
    df = (n - 1) * (k - 1) * (k * icc * f + core) ** 2 / ((n - 1) * (k * icc * f) ** 2 + core**2)
    above, below = stats.f.ppf(upper, n - 1, df), stats.f.ppf(upper, df, n - 1)
    rest = k * readers + (k * n - k - n) * residual
    low = n * (between - above * residual) / (above * rest + n * between)
    high = n * (below * between - residual) / (rest + n * below * between)
    exact = (residual == 0) & (readers == 0) & (between > 0)
    return icc, np.where(exact, 1.0, low), np.where(exact, 1.0, high)
