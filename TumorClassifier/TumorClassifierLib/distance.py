"""Mahalanobis' distance from the training patients, with a covariance that exists whatever their number."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from FeatureExtractorLib.errors import BundleRejected

from .estimator import is_constant
from .plain import fields_of

LEAST_SHRINKAGE = 1e-6  # keeps the covariance of columns that depend on each other invertible


@dataclass(frozen=True, eq=False)
class Distance:
    """d² = Σ (axis · z)² / variance + |rest of z|² / floor, with z = (x - mean) / scale.

    scale: (p,), infinite for a column without spread, which then counts nothing. axes: (r, p) orthonormal directions
    in which patients differ; variances: (r,) shrunk; floor: the variance in every other direction.
    """

    mean: np.ndarray
    scale: np.ndarray
    axes: np.ndarray
    variances: np.ndarray
    floor: float

    def __call__(self, X: np.ndarray) -> np.ndarray:
        """(n,) distances of X (n, p) from the training patients' mean."""
        return np.asarray(np.sqrt(np.maximum(self.parts(X).sum(axis=1), 0)))

    def parts(self, X: np.ndarray) -> np.ndarray:
        """(n, p) what each feature contributes to the squared distance; their sum is the whole of it."""
        z = (X - self.mean) / self.scale
        along = z @ self.axes.T
        return np.asarray(z * (along * (1 / self.variances - 1 / self.floor) @ self.axes + z / self.floor))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values from which `from_json` restores every number exactly; no scale is null."""
        scale = [value if np.isfinite(value) else None for value in self.scale.tolist()]
        arrays = {name: getattr(self, name).tolist() for name in ("mean", "axes", "variances")}
        return {**arrays, "scale": scale, "floor": self.floor}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Restore a distance from `to_json`; raises BundleRejected when it is none."""
        values = fields_of(cls, document)
        scale = np.asarray([np.inf if value is None else value for value in values["scale"]], dtype=np.float64)
        mean, axes, variances = (np.asarray(values[name], np.float64) for name in ("mean", "axes", "variances"))
        fits = mean.ndim == 1 and scale.shape == mean.shape and axes.shape == (len(variances), len(mean))
        if not (fits and (scale > 0).all() and (variances > 0).all() and values["floor"] > 0):
            raise BundleRejected("The stored training distance makes no sense; get the model file again.")
        return cls(mean, scale, axes, variances, float(values["floor"]))


def fit_distance(X: np.ndarray, groups: np.ndarray) -> Distance | None:
    """Fit on patients' mean features, each patient counting once; None where nothing differs between patients.

    X: (n, p) finite; groups: (n,) integers.
    """
    from sklearn.covariance import ledoit_wolf_shrinkage

    means = _patient_means(X, groups)
    mean, spread = means.mean(axis=0), means.std(axis=0)
    varies = ~is_constant(means)
    if not varies.any():
        return None
    scale = np.where(varies, spread, np.inf)
    Z = (means - mean) / scale
    shrinkage = max(float(ledoit_wolf_shrinkage(Z[:, varies], assume_centered=True)), LEAST_SHRINKAGE)
    _, singular, axes = np.linalg.svd(Z, full_matrices=False)
    kept = singular > singular[0] * 1e-10
    floor = shrinkage  # the mean variance of standardised columns is 1
    variances = (1 - shrinkage) * singular[kept] ** 2 / len(Z) + floor
    return Distance(mean, scale, axes[kept], variances, floor)


def _patient_means(X: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """(g, p) mean over each patient's rows."""
    index = np.unique(groups, return_inverse=True)[1].reshape(-1)
    totals = np.zeros((index.max() + 1, X.shape[1]))
    np.add.at(totals, index, X)
    return np.asarray(totals / np.bincount(index)[:, None])
