"""The LASSO with its penalty chosen by cross-validation over patients.

As the radiomics literature does, the 0/1 class is regressed linearly (squared error), not logistically: the score is
a ranking that a later logistic model calibrates, and the whole path can then be computed exactly.
"""

import warnings
from dataclasses import dataclass

import numpy as np

from .folds import grouped_folds

ALPHAS = 100
SMALLEST_ALPHA = 0.01  # of the largest; glmnet's choice where there are more features than cases
ROUNDING = 1e-12  # a coefficient no larger than this stands for zero


@dataclass(frozen=True)
class LassoFit:
    """The chosen model and how it was chosen.

    coefficients: (p,) at `alpha`. alphas: (m,) from large to small; mse, mse_error: (m,) mean squared error over the
    folds and its standard error; path: (p, m) coefficients on all cases.
    """

    alpha: float
    intercept: float
    coefficients: np.ndarray
    alphas: np.ndarray
    mse: np.ndarray
    mse_error: np.ndarray
    path: np.ndarray
    warnings: tuple[str, ...]


def fit_lasso(
    Z: np.ndarray, y: np.ndarray, groups: np.ndarray | None = None, n_folds: int = 5, seed: int = 0
) -> LassoFit:
    """Minimise ||y - b0 - Z b||² / 2n + alpha ||b||₁ with the alpha of least cross-validated error (Tibshirani 1996).

    Z: (n, p) standardised features. y: (n,) 0/1. groups: (n,) patients. 100 penalties, evenly spaced on a log scale
    from the least that gives zero to 1/100 of it. Raises InputError as `grouped_folds`.
    """
    folds = grouped_folds(y, groups, n_folds, seed)
    target = np.asarray(y, dtype=np.float64)
    largest = float(np.abs((Z - Z.mean(axis=0)).T @ (target - target.mean())).max() / len(target))
    if largest == 0:
        zeros = np.zeros(Z.shape[1])
        error = np.full(1, target.var())
        none = np.zeros(1)
        return LassoFit(0.0, float(target.mean()), zeros, none, error, none, zeros[:, None], folds.warnings)
    alphas = np.geomspace(largest, largest * SMALLEST_ALPHA, ALPHAS)
    errors = np.stack([_held_out_error(Z, target, alphas, train, test) for train, test in folds.splits])
    mse = errors.mean(axis=0)
    best = int(np.argmin(mse))
    path = lasso_path(Z, target, alphas)
    coefficients = path[:, best].copy()
    return LassoFit(
        alpha=float(alphas[best]),
        intercept=float(target.mean() - Z.mean(axis=0) @ coefficients),
        coefficients=coefficients,
        alphas=alphas,
        mse=mse,
        mse_error=errors.std(axis=0, ddof=1) / np.sqrt(len(errors)),
        path=path,
        warnings=folds.warnings,
    )


def lasso_path(Z: np.ndarray, y: np.ndarray, alphas: np.ndarray) -> np.ndarray:
    """(p, m) LASSO coefficients at m decreasing penalties, of centred columns.

    Exact by least-angle regression (Efron et al. 2004): the path is piecewise linear in alpha. Where nearly equal
    columns stop that, by coordinate descent.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import lars_path
    from sklearn.linear_model import lasso_path as descend

    centred = np.asfortranarray(Z - Z.mean(axis=0))
    target = y - y.mean()
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            knots, _, coefficients = lars_path(centred, target, method="lasso", alpha_min=float(alphas[-1]))
        except ConvergenceWarning:
            knots = None
    if knots is None or knots[-1] > alphas[-1] * (1 + 1e-9):
        path = np.asarray(descend(centred, target, alphas=alphas, precompute=True, tol=1e-6, max_iter=100_000)[1])
    else:
        path = np.stack([np.interp(alphas, knots[::-1], row[::-1]) for row in coefficients])
    return np.where(np.abs(path) > ROUNDING, path, 0.0)


def _held_out_error(
    Z: np.ndarray, y: np.ndarray, alphas: np.ndarray, train: np.ndarray, test: np.ndarray
) -> np.ndarray:
    """(m,) mean squared error on `test` of the path fitted on `train`."""
    path = lasso_path(Z[train], y[train], alphas)
    predicted = y[train].mean() + (Z[test] - Z[train].mean(axis=0)) @ path
    return np.asarray(((y[test, None] - predicted) ** 2).mean(axis=0))
