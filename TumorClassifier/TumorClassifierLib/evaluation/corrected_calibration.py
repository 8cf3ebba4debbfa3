"""The calibration line of a logistic regression, corrected for its having been fitted on the same cases."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from FeatureExtractorLib.errors import InputError

from ..folds import as_groups
from .intervals import bootstrap_rows
from .loess import local_line

STEPS = 30
FARTHEST = 30.0  # a larger logit is a resample whose classes separate


@dataclass(frozen=True)
class CorrectedLine:
    """(k,) predictions, the apparent line there and its optimism, and how many resamples gave a fit."""

    predicted: np.ndarray
    apparent: np.ndarray
    optimism: np.ndarray
    resamples: int

    @property
    def corrected(self) -> np.ndarray:
        """(k,) the apparent line less its optimism."""
        return self.apparent - self.optimism


def corrected_calibration(
    X: np.ndarray,
    y: np.ndarray,
    patients: np.ndarray | None = None,
    at: np.ndarray | None = None,
    resamples: int = 200,
    seed: int = 0,
) -> CorrectedLine:
    """Harrell's optimism correction of the calibration line, as R's rms::calibrate(method = "boot") makes it.

    X: (n, p) the regression's columns without intercept; y: (n,) 0/1; patients: (n,), drawn as wholes, class by class.
    In each resample the coefficients are fitted again; the line of that model over the resample, less its line over
    the cases themselves, is its optimism, and the mean of these is taken off the apparent line. So corrected is the
    fitting of the coefficients alone: what was chosen or fitted before X existed is not repeated. Resamples whose
    classes separate are left out.
    Raises InputError when the cases themselves separate or fewer than half of the resamples give a fit.
    """
    y = np.asarray(y, dtype=np.float64)
    design = _standardised(np.asarray(X, dtype=np.float64))
    own = _fit_weighted(design, y, np.ones((1, len(y))))[0]
    if not np.isfinite(own).all():
        raise InputError("The variables separate the classes, so there is no line to correct.")
    p = expit(design @ own)
    at = usual_predictions(p) if at is None else np.asarray(at, dtype=np.float64)
    apparent = local_line(p, y, at)
    groups = None if patients is None else as_groups(patients, len(y))
    weights = bootstrap_rows(y, groups, resamples, seed)
    optimism = []
    for beta, weight in zip(_fit_weighted(design, y, weights), weights, strict=True):
        if np.isfinite(beta).all():
            again = expit(design @ beta)
            counts = weight.astype(np.int64)
            drawn = local_line(np.repeat(again, counts), np.repeat(y, counts), at)
            known = (at >= again.min()) & (at <= again.max())
            optimism.append(np.where(known, drawn - local_line(again, y, at), np.nan))
    if 2 * len(optimism) < resamples:
        raise InputError(f"Only {len(optimism)} of {resamples} resamples gave a fit; the line cannot be corrected.")
    found = np.asarray(optimism)
    known = np.isfinite(found)
    mean = np.where(known, found, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return CorrectedLine(at, apparent, mean, len(optimism))


def usual_predictions(p: np.ndarray, points: int = 50) -> np.ndarray:
    """(points,) predictions from the fifth smallest to the fifth largest, where rms draws its lines.

    Of fewer than twenty cases the whole range is taken.
    """
    ordered = np.sort(p)
    inner = 4 if len(ordered) >= 20 else 0
    return np.linspace(ordered[inner], ordered[-1 - inner], points)


def _standardised(X: np.ndarray) -> np.ndarray:
    """X with unit columns and an intercept: Newton's steps then stay of one size."""
    X = np.atleast_2d(X.T).T
    spread = X.std(axis=0)
    return np.column_stack([np.ones(len(X)), (X - X.mean(axis=0)) / np.where(spread > 0, spread, 1)])


def _fit_weighted(design: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(B, p) maximum-likelihood coefficients for each row of weights (B, n), all at once; NaN where they diverge."""
    beta = np.zeros((len(weights), design.shape[1]))
    for _ in range(STEPS):
        p = expit(np.clip(beta @ design.T, -FARTHEST, FARTHEST))
        gradient = (weights * (y - p)) @ design
        hessian = np.einsum("bn,ni,nj->bij", weights * p * (1 - p), design, design, optimize=True)
        step = np.linalg.solve(hessian + 1e-10 * np.eye(design.shape[1]), gradient[:, :, None])[:, :, 0]
        beta = beta + step
    diverged = (np.abs(beta @ design.T).max(axis=1) > FARTHEST) | (np.abs(step).max(axis=1) > 1e-6)
    return np.where(diverged[:, None], np.nan, beta)
