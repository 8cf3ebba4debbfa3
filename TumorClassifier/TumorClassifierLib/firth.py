"""Firth's penalised likelihood for logistic regression: finite estimates even where the classes separate.

Firth 1993, Biometrika 80, 27; Heinze & Schemper 2002, Stat Med 21, 2409. The log likelihood gains half the log
determinant of the information matrix, which takes away the first-order bias.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc, chdtri, expit

from FeatureExtractorLib.errors import InputError

MOST_STEPS = 60
LARGEST_STEP = 5.0  # in standard deviations of a column


@dataclass(frozen=True)
class FirthFit:
    """Per column: coefficient, penalised likelihood-ratio p, profile limits (Wald's where
    the profile is too flat to follow); covariance is the inverse information."""

    coefficients: np.ndarray
    p_values: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    covariance: np.ndarray
    log_likelihood: float


def fit_firth(design: np.ndarray, y: np.ndarray, level: float = 0.95) -> FirthFit:
    """Fit a logistic regression with Firth's penalty.

    design: (n, k) with a column of ones first; y: (n,) 0/1. Raises InputError when the iteration does not converge.
    """
    unit = np.concatenate([[1.0], design[:, 1:].std(axis=0)])
    scaled = design / unit  # the penalty only gains a constant, so nothing but the numerics changes
    k = design.shape[1]
    everything = np.arange(k)
    beta, top = _maximise(scaled, y, np.zeros(k), everything)
    _, information = _weights(scaled, beta)
    covariance = np.linalg.inv(information)
    drop = float(chdtri(1, 1 - level))
    p_values, lower, upper = np.empty(k), np.empty(k), np.empty(k)
    for j in range(k):
        rest = np.delete(everything, j)
        start = beta.copy()
        start[j] = 0.0
        p_values[j] = chdtrc(1, max(0.0, 2 * (top - _maximise(scaled, y, start, rest)[1])))
        step = float(np.sqrt(covariance[j, j] * drop))
        lower[j] = _limit(scaled, y, beta, top, j, -step, drop)
        upper[j] = _limit(scaled, y, beta, top, j, step, drop)
    penalty_of_scaling = float(np.log(unit).sum())
    return FirthFit(
        beta / unit, p_values, lower / unit, upper / unit, covariance / np.outer(unit, unit), top + penalty_of_scaling
    )


def joint_likelihood_ratio_p(design: np.ndarray, y: np.ndarray, columns: Sequence[int]) -> float:
    """p of the penalised likelihood-ratio test that the coefficients of these columns are all zero.

    design: (n, k) with a column of ones first; y: (n,) 0/1. As logistftest of R's logistf: the held columns stay in
    the penalty. Raises InputError when the iteration does not converge.
    """
    scaled = design / np.concatenate([[1.0], design[:, 1:].std(axis=0)])
    k = design.shape[1]
    _, top = _maximise(scaled, y, np.zeros(k), np.arange(k))
    _, without = _maximise(scaled, y, np.zeros(k), np.setdiff1d(np.arange(k), columns))
    return float(chdtrc(len(columns), max(0.0, 2 * (top - without))))


def penalised_log_likelihood(design: np.ndarray, y: np.ndarray, beta: np.ndarray) -> float:
    """log L + ½ log det(X'WX); design (n, k), y (n,) 0/1, beta (k,)."""
    eta = design @ beta
    _, information = _weights(design, beta)
    sign, determinant = np.linalg.slogdet(information)
    return float(y @ eta - np.logaddexp(0, eta).sum() + determinant / 2) if sign > 0 else -np.inf


def _weights(design: np.ndarray, beta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (n,) and the information matrix (k, k)."""
    p = expit(design @ beta)
    return p, design.T @ (design * (p * (1 - p))[:, None])


def _maximise(design: np.ndarray, y: np.ndarray, start: np.ndarray, free: np.ndarray) -> tuple[np.ndarray, float]:
    """Penalised maximum over the `free` coefficients, the others held; Fisher scoring with halved steps.

    Where a held coefficient lies far out, the information matrix says little of the way to the maximum and the
    steps creep; a quasi-Newton search then finishes.
    """
    beta = start.copy()
    value = penalised_log_likelihood(design, y, beta)
    for _ in range(MOST_STEPS if len(free) else 0):
        score, information = _score(design, y, beta)
        step = np.zeros_like(beta)
        step[free] = np.linalg.lstsq(information[np.ix_(free, free)], score[free], rcond=None)[0]
        step *= min(1.0, LARGEST_STEP / max(float(np.abs(step).max()), 1e-300))
        if np.abs(step).max() < 1e-10:
            return beta, value
        for _ in range(30):
            proposed = penalised_log_likelihood(design, y, beta + step)
            if proposed >= value - 1e-12 * abs(value):
                break
            step /= 2
        beta, value = beta + step, proposed
    return _search(design, y, beta, free) if len(free) else (beta, value)


def _search(design: np.ndarray, y: np.ndarray, beta: np.ndarray, free: np.ndarray) -> tuple[np.ndarray, float]:
    from scipy.optimize import minimize

    def whole(part: np.ndarray) -> np.ndarray:
        full = beta.copy()
        full[free] = part
        return full

    def loss(part: np.ndarray) -> tuple[float, np.ndarray]:
        full = whole(part)
        return -penalised_log_likelihood(design, y, full), -_score(design, y, full)[0][free]

    found = minimize(loss, beta[free], jac=True, method="BFGS", options={"gtol": 1e-7, "maxiter": 1000})
    if not np.isfinite(found.fun) or np.abs(found.jac).max() > 1e-3:
        raise InputError("Firth's regression did not converge; select fewer or less correlated variables.")
    return whole(found.x), -float(found.fun)


def _score(design: np.ndarray, y: np.ndarray, beta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gradient (k,) of the penalised log likelihood and the information matrix (k, k)."""
    p, information = _weights(design, beta)
    hat = design @ np.linalg.pinv(information)
    leverage = np.einsum("ij,ij->i", hat, design) * p * (1 - p)
    return design.T @ (y - p + leverage * (0.5 - p)), information


def _limit(
    design: np.ndarray, y: np.ndarray, beta: np.ndarray, top: float, j: int, step: float, drop: float
) -> float:
    """The profile limit, or Wald's where the profile cannot be followed that far."""
    try:
        return _profile_limit(design, y, beta, top, j, step, drop)
    except InputError:
        return float(beta[j] + step)


def _profile_limit(
    design: np.ndarray, y: np.ndarray, beta: np.ndarray, top: float, j: int, step: float, drop: float
) -> float:
    """Where coefficient j, the others refitted, lowers twice the penalised log likelihood by `drop`."""
    from scipy.optimize import brentq

    free = np.delete(np.arange(len(beta)), j)

    def excess(shift: float) -> float:
        start = beta.copy()
        start[j] += shift
        return 2 * (top - _maximise(design, y, start, free)[1]) - drop

    far = step
    for _ in range(60):
        if excess(far) > 0:
            return float(beta[j] + brentq(excess, 0.0, far, xtol=1e-10))
        far *= 1.5
    raise InputError("Firth's regression found no confidence limit; select fewer variables.")
