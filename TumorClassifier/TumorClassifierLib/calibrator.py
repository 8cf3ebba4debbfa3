"""Calibration: probabilities that happen as often as they say, learnt from cases that the model had not seen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy.special import expit, logit

from FeatureExtractorLib.errors import BundleRejected, InputError

from .folds import as_groups
from .plain import fields_of

METHODS = ("none", "platt", "isotonic")
FEWEST_FOR_ISOTONIC = 30  # patients of each class; a free curve through fewer follows their noise
EDGE = 1e-6  # probabilities are kept this far from 0 and 1 before their logit is taken


@dataclass(frozen=True)
class Sigmoid:
    """p -> 1 / (1 + exp(-(slope · logit p + intercept))); a slope of 1 and an intercept of 0 change nothing."""

    slope: float
    intercept: float

    def __call__(self, p: np.ndarray) -> np.ndarray:
        """Calibrated probabilities, of the shape of p."""
        if (self.slope, self.intercept) == (1.0, 0.0):
            return np.asarray(p, dtype=np.float64)
        return np.asarray(expit(self.slope * logit(np.clip(p, EDGE, 1 - EDGE)) + self.intercept))


@dataclass(frozen=True)
class Steps:
    """p -> the line through the knots (x, y), both rising; level beyond the first and the last."""

    x: tuple[float, ...]
    y: tuple[float, ...]

    def __call__(self, p: np.ndarray) -> np.ndarray:
        """Calibrated probabilities, of the shape of p."""
        return np.asarray(np.interp(p, self.x, self.y))


@dataclass(frozen=True)
class Calibrator:
    """One rising curve for the positive class of two; for more classes one a class, then divided by their sum."""

    method: str
    curves: tuple[Sigmoid | Steps, ...]
    warnings: tuple[str, ...] = ()

    def __call__(self, P: np.ndarray) -> np.ndarray:
        """(n, K) calibrated probabilities of P (n, K); rows sum to 1.

        Where every class of more than two is calibrated to 0, nothing is known, and all are equally probable.
        """
        P = np.asarray(P, dtype=np.float64)
        if not self.curves:
            return P
        if P.shape[1] != (2 if len(self.curves) == 1 else len(self.curves)):
            raise InputError(f"There are probabilities of {P.shape[1]} classes for {len(self.curves)} curves.")
        if len(self.curves) == 1:
            positive = self.curves[0](P[:, 1])
            return np.column_stack([1 - positive, positive])
        each = np.column_stack([curve(p) for curve, p in zip(self.curves, P.T, strict=True)])
        total = each.sum(axis=1, keepdims=True)
        return np.where(total > 0, each / np.where(total > 0, total, 1), 1 / len(self.curves))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values from which `from_json` restores every number exactly."""
        curves = [{"kind": type(c).__name__.lower(), **c.__dict__} for c in self.curves]
        return {"method": self.method, "curves": curves, "warnings": list(self.warnings)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Restore a calibrator from `to_json`; raises BundleRejected when it is none or a curve falls."""
        values = fields_of(cls, document)
        return cls(**{**values, "curves": tuple(_curve(curve) for curve in values["curves"])})


def fit_calibrator(
    held_out: np.ndarray,
    y: np.ndarray,
    patients: np.ndarray,
    method: str = "platt",
    classes: Sequence[str] | None = None,
) -> Calibrator:
    """Fit Platt's sigmoid on the logits (Platt 1999) or an isotonic curve (Zadrozny & Elkan 2002).

    held_out: (n, K) probabilities by models that had not seen the case's patient; y: (n,) index of the class;
    patients: (n,). A patient's rows weigh one together. Both curves keep within what Platt's smoothed targets allow,
    (N₊ + 1)/(N₊ + 2) and 1/(N₋ + 2) for N₊ and N₋ patients, so that no finite cohort makes a case certain.
    Isotonic calibration with fewer than 30 patients of a class becomes Platt's, with a warning. A sigmoid that would
    fall, or has nothing to go by, is left out, with a warning.
    Raises InputError at an unknown method, shapes that do not match, probabilities beyond 0–1 or an absent class.
    """
    if method not in METHODS:
        raise InputError(f"Calibration has no method {method!r}; choose one of {', '.join(METHODS)}.")
    P, labels = check_probabilities(held_out, y)
    groups = as_groups(patients, len(labels))
    if method == "none":
        return Calibrator("none", ())
    names = [f"class {k}" for k in range(P.shape[1])] if classes is None else list(classes)
    counts = [len(np.unique(groups[labels == k])) for k in range(P.shape[1])]
    warnings = []
    scarce = int(np.argmin(counts))
    if method == "isotonic" and counts[scarce] < FEWEST_FOR_ISOTONIC:
        warnings.append(
            f"Isotonic calibration needs {FEWEST_FOR_ISOTONIC} patients of each class and {names[scarce]} has "
            f"{counts[scarce]}, so Platt's sigmoid was fitted in its place."
        )
        method = "platt"
    weights = patient_weights(groups)
    curves: list[Sigmoid | Steps] = []
    for k in (1,) if P.shape[1] == 2 else range(P.shape[1]):
        is_class = (labels == k).astype(np.float64)
        order = np.lexsort((weights, is_class, P[:, k]))  # so that rounding does not depend on the order of the rows
        p, t, w = P[order, k], is_class[order], weights[order]
        curve = _isotonic(p, t, w) if method == "isotonic" else _platt(p, t, w)
        if curve is None:
            warnings.append(
                f"The held-out probabilities of {names[k]} do not rise with being {names[k]}, so they were left "
                "uncalibrated; the model may know nothing of this class."
            )
        curves.append(curve or Sigmoid(1.0, 0.0))
    return Calibrator(method, tuple(curves), tuple(warnings))


def check_probabilities(P: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """P (n, K) as float64 and y (n,) as integers; raises InputError where they are no probabilities and classes."""
    P, labels = np.asarray(P, dtype=np.float64), np.asarray(y)
    if P.ndim != 2 or P.shape[1] < 2 or labels.shape != P.shape[:1]:
        raise InputError(f"Probabilities of shape {P.shape} do not fit {labels.shape} classes; give (n, K) and (n,).")
    if not (np.isfinite(P).all() and (P >= 0).all() and (P <= 1 + 1e-9).all()):
        raise InputError("A held-out probability is missing or not between 0 and 1; check the model that gave it.")
    if set(np.unique(labels).tolist()) != set(range(P.shape[1])):
        raise InputError(f"The cases are not of all {P.shape[1]} classes; every class needs held-out cases.")
    return P, labels.astype(np.int64)


def patient_weights(groups: np.ndarray) -> np.ndarray:
    """(n,) one over the number of rows that a row's patient has; groups: (n,) integers from 0."""
    return np.asarray(1 / np.bincount(groups)[groups])


def _platt(p: np.ndarray, is_class: np.ndarray, weights: np.ndarray) -> Sigmoid | None:
    """Maximum likelihood on logits with Platt's smoothed targets; None where it does not rise."""
    from scipy.optimize import minimize

    high, low = _bounds(is_class, weights)
    target = np.where(is_class == 1, high, low)
    x = logit(np.clip(p, EDGE, 1 - EDGE))
    centre = weights @ x / weights.sum()
    spread = np.sqrt(weights @ (x - centre) ** 2 / weights.sum())
    if spread <= 1e-9:
        return None
    z = (x - centre) / spread

    def loss(ab: np.ndarray) -> tuple[float, np.ndarray]:
        t = ab[0] * z + ab[1]
        gap = weights * (expit(t) - target)
        return float(weights @ (np.logaddexp(0, t) - target * t)), np.asarray([gap @ z, gap.sum()])

    start = np.asarray([0.0, logit(weights @ target / weights.sum())])
    slope, intercept = minimize(loss, start, jac=True, method="BFGS", options={"gtol": 1e-9}).x
    if slope <= 0:
        return None
    return Sigmoid(float(slope / spread), float(intercept - slope * centre / spread))


def _isotonic(p: np.ndarray, is_class: np.ndarray, weights: np.ndarray) -> Steps:
    from sklearn.isotonic import IsotonicRegression

    high, low = _bounds(is_class, weights)
    fit = IsotonicRegression(y_min=low, y_max=high, out_of_bounds="clip").fit(p, is_class, sample_weight=weights)
    return Steps(tuple(fit.X_thresholds_.tolist()), tuple(fit.y_thresholds_.tolist()))


def _bounds(is_class: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Platt's targets of a case of the class and of another, in patients."""
    members, others = float(weights @ is_class), float(weights @ (1 - is_class))
    return (members + 1) / (members + 2), 1 / (others + 2)


def _curve(document: Mapping[str, Any]) -> Sigmoid | Steps:
    kinds = {"sigmoid": Sigmoid, "steps": Steps}
    kind = kinds.get(document["kind"]) if isinstance(document, Mapping) and "kind" in document else None
    if kind is None:
        raise BundleRejected("The stored calibration has a curve of no known kind; get the model file again.")
    curve = kind(**fields_of(kind, {name: value for name, value in document.items() if name != "kind"}))
    numbers = np.asarray([curve.x, curve.y] if isinstance(curve, Steps) else [[curve.slope, curve.intercept]], float)
    rising = (np.diff(numbers) >= 0).all() if isinstance(curve, Steps) else curve.slope > 0
    if not (numbers.size and np.isfinite(numbers).all() and rising):
        raise BundleRejected("The stored calibration has a curve that does not rise; get the model file again.")
    return curve
