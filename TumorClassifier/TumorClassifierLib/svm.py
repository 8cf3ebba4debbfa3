"""A support vector machine whose fitted state is plain numbers and whose prediction needs numpy only."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from scipy.special import expit

from FeatureExtractorLib.errors import BundleRejected, InputError

from .estimator import binary_labels, check_finite, default_names, is_constant
from .folds import Split, as_groups, canonical_order, grouped_folds
from .plain import fields_of, numbers_of
from .signature import select_columns

COSTS = (0.1, 1.0, 10.0, 100.0)
GAMMAS = (0.25, 1.0, 4.0)  # over the number of features, the usual scale for standardised columns
KERNELS = ("rbf", "linear")


@dataclass(frozen=True, eq=False)
class SvmModel:
    """decision = Σ dual · K(support, z) + intercept, with z = (x - mean) / scale; probability by Platt's sigmoid.

    support: (s, k) support vectors; dual: (s,) their weights. kernel: "rbf" exp(-gamma |u - v|²) or "linear" u·v.
    platt: (a, b) of 1 / (1 + exp(a · decision + b)). auc: cross-validated, of the chosen cost and gamma.
    """

    features: tuple[str, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    kernel: str
    cost: float
    gamma: float
    support: np.ndarray
    dual: np.ndarray
    intercept: float
    platt: tuple[float, float]
    auc: float
    warnings: tuple[str, ...] = ()

    def decision(self, X: np.ndarray, names: Sequence[str] | None = None) -> np.ndarray:
        """(n,) signed distances of X (n, p), columns `names` or exactly `features`; raises InputError at a gap."""
        z = (select_columns(X, names, self.features) - np.asarray(self.mean)) / np.asarray(self.scale)
        if self.kernel == "linear":
            similarity = z @ self.support.T
        else:
            from scipy.spatial.distance import cdist

            similarity = np.exp(-self.gamma * cdist(z, self.support, "sqeuclidean"))
        return np.asarray(similarity @ self.dual + self.intercept)

    def probability(self, X: np.ndarray, names: Sequence[str] | None = None) -> np.ndarray:
        """(n,) probabilities of class 1; raises InputError as `decision`."""
        a, b = self.platt
        return np.asarray(expit(-(a * self.decision(X, names) + b)))

    def gradient(self, X: np.ndarray, names: Sequence[str] | None = None) -> np.ndarray:
        """(n, k) derivatives of the decision by each feature, in the feature's own unit; raises as `decision`."""
        z = (select_columns(X, names, self.features) - np.asarray(self.mean)) / np.asarray(self.scale)
        if self.kernel == "linear":
            slope = np.tile(self.dual @ self.support, (len(z), 1))
        else:
            from .kernel_machine import rbf_kernel

            weights = rbf_kernel(z, self.support, self.gamma) * self.dual
            slope = -2 * self.gamma * (z * weights.sum(axis=1, keepdims=True) - weights @ self.support)
        return np.asarray(slope / np.asarray(self.scale))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values from which `from_json` restores every number exactly."""
        return {**self.__dict__, "support": self.support.tolist(), "dual": self.dual.tolist()}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Restore a model from `to_json`; raises BundleRejected when it is none."""
        values = fields_of(cls, document, alike=("features", "mean", "scale"), positive=("scale",))
        count = len(values["dual"])
        arrays = {
            "support": numbers_of(cls, "support", values["support"], (count, len(values["features"]))),
            "dual": numbers_of(cls, "dual", values["dual"], (count,)),
        }
        if values["kernel"] not in KERNELS:
            raise BundleRejected(
                f"The stored SvmModel has no known kernel ({values['kernel']!r}); update this program."
            )
        return cls(**{**values, **arrays})


def fit_svm(
    X: np.ndarray,
    y: np.ndarray,
    groups: np.ndarray | None = None,
    names: Sequence[str] | None = None,
    kernel: str = "rbf",
    seed: int = 0,
    n_folds: int = 5,
) -> SvmModel:
    """Standardise, choose cost (and gamma) by the AUC over folds of patients, fit, and calibrate by Platt's method.

    X: (n, p); y: (n,) 0/1; groups: (n,) patients; names: (p,), default x0, x1, …. Of equal settings
    the smoothest is taken. The sigmoid is fitted to the held-out decisions of those folds, so that it has not seen
    its own training cases.
    Raises InputError at an unknown kernel, missing values, constant features, and as `grouped_folds`.
    """
    if kernel not in KERNELS:
        raise InputError(f"The SVM has no kernel {kernel!r}; choose rbf or linear.")
    X, labels = np.asarray(X, dtype=np.float64), binary_labels(y)
    names = default_names(X.shape[1]) if names is None else names
    check_finite(X, names)
    if is_constant(X).any():
        raise InputError(f"Feature {names[int(np.argmax(is_constant(X)))]} is constant over all cases; leave it out.")
    order = canonical_order(X, labels, groups)
    patients = as_groups(groups, len(labels))[order]
    X, labels = X[order], labels[order]
    folds = grouped_folds(labels, patients, n_folds, seed)

    best: tuple[float, float, float, np.ndarray] | None = None
    for cost, gamma in _settings(kernel, X.shape[1]):
        held_out = out_of_fold_decisions(X, labels, folds.splits, kernel, cost, gamma)
        area = _auc(labels, held_out)
        if best is None or area > best[0]:
            best = area, cost, gamma, held_out
    assert best is not None
    area, cost, gamma, held_out = best

    mean, scale = X.mean(axis=0), X.std(axis=0)
    machine = _machine((X - mean) / scale, labels, kernel, cost, gamma)
    return SvmModel(
        features=tuple(str(name) for name in names),
        mean=tuple(mean.tolist()),
        scale=tuple(scale.tolist()),
        kernel=kernel,
        cost=cost,
        gamma=gamma,
        support=np.asarray(machine.support_vectors_),
        dual=np.asarray(machine.dual_coef_[0]),
        intercept=float(machine.intercept_[0]),
        platt=platt_sigmoid(held_out, labels),
        auc=area,
        warnings=folds.warnings,
    )


def out_of_fold_decisions(
    X: np.ndarray, y: np.ndarray, splits: Sequence[Split], kernel: str, cost: float, gamma: float
) -> np.ndarray:
    """(n,) decision of each row by the machine that was standardised and fitted on the other folds."""
    decisions = np.empty(len(y))
    for train, test in splits:
        mean, spread = X[train].mean(axis=0), X[train].std(axis=0)
        scale = np.where(is_constant(X[train]), 1.0, spread)
        machine = _machine((X[train] - mean) / scale, y[train], kernel, cost, gamma)
        decisions[test] = machine.decision_function((X[test] - mean) / scale)
    return decisions


def recalibrated(model: SvmModel, decisions: np.ndarray, y: np.ndarray) -> SvmModel:
    """The machine with Platt's sigmoid fitted to (n,) decisions of machines that had not seen their cases.

    Where these say so little that the sigmoid falls, which would turn the machine round, its own is kept.
    """
    a, b = platt_sigmoid(decisions, y)
    return replace(model, platt=(a, b)) if a < 0 else model


def platt_sigmoid(decisions: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """(a, b) of P(1) = 1 / (1 + exp(a·f + b)), by maximum likelihood with Platt's smoothed targets (Platt 1999)."""
    from scipy.optimize import minimize

    positives, negatives = int(y.sum()), int((1 - y).sum())
    target = np.where(y == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    unit = max(float(np.abs(decisions).max()), 1e-12)
    f = decisions / unit

    def loss(ab: np.ndarray) -> tuple[float, np.ndarray]:
        t = ab[0] * f + ab[1]
        gap = target - expit(-t)
        return float(np.logaddexp(0, t).sum() - ((1 - target) * t).sum()), np.asarray([gap @ f, gap.sum()])

    start = np.asarray([0.0, np.log((negatives + 1) / (positives + 1))])
    a, b = minimize(loss, start, jac=True, method="BFGS", options={"gtol": 1e-9}).x
    return float(a / unit), float(b)


def _settings(kernel: str, features: int) -> Iterator[tuple[float, float]]:
    for cost in COSTS:
        for factor in GAMMAS if kernel == "rbf" else (1.0,):
            yield cost, factor / features


def _machine(Z: np.ndarray, y: np.ndarray, kernel: str, cost: float, gamma: float) -> Any:
    from sklearn.svm import SVC

    return SVC(kernel=kernel, C=cost, gamma=gamma, cache_size=500).fit(Z, y)


def _auc(y: np.ndarray, score: np.ndarray) -> float:
    from .evaluation.discrimination import auc

    return auc(y, score)
