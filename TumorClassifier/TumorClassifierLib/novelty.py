"""Is a case like those that a model was trained on? Ranges feature by feature, and one distance over all features.

Both are judged by what training patients look like to each other: each training patient is held against the others,
as a new case is held against all of them, and a warning is given for a case that is further out than nearly all of
these were. Nearly all is 19 of 20 for ranges and 99 of 100 for the distance, each image of a patient weighing one over
their number; in cohorts too small for that, all of them. A training cohort's like is thus seldom warned of.

Distance: Mahalanobis', of the standardised features, with the covariance of patients' mean features shrunk towards a
multiple of the identity (Ledoit & Wolf 2004), so that it exists with more features than patients, too. A column that
is the same in every training case has no part in it; its range says when a case differs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from FeatureExtractorLib.errors import BundleRejected, InputError

from .calibrator import patient_weights
from .conformal import rank
from .distance import Distance, fit_distance
from .estimator import check_finite
from .feature_words import feature_in_words
from .folds import as_groups
from .plain import fields_of
from .signature import select_columns

RANGE_LEVEL, DISTANCE_LEVEL = 0.95, 0.99
FEWEST_PATIENTS = 5  # with fewer, distances between them say nothing
PARTS = 20  # the distance is refitted without each patient, or without each of this many groups of patients
ROUNDING = 1e-9
SHOWN = 3  # features named
LEAST_PART = 0.1  # of the squared distance, for a feature to be named


@dataclass(frozen=True)
class Novelty:
    """What training cases look like.

    low, high: (p,) ranges. margin: largest excess over a range, in widths of it, that is not warned of. distance: of
    all features together; None for too few patients. limit: the largest distance that is not warned of. distances,
    shares: training images' own distances, rising, and the share of patients up to each. patients: how many.
    """

    features: tuple[str, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    margin: float
    distance: Distance | None
    limit: float
    distances: tuple[float, ...]
    shares: tuple[float, ...]
    patients: int

    def excess(self, values: Mapping[str, float]) -> np.ndarray:
        """(p,) how far each feature is outside its range, in widths of it; 0 inside. Raises InputError at a gap.

        Infinite for any change of a feature that was the same in every training case.
        """
        return _excess(self._row(values), np.asarray(self.low), np.asarray(self.high))[0]

    def percentile(self, values: Mapping[str, float]) -> float:
        """Share of training patients, 0 to 1, that were nearer to the others than this case is to all of them."""
        if self.distance is None:
            return 0.0
        below = int(np.searchsorted(self.distances, self.distance(self._row(values))[0], side="left"))
        return self.shares[below - 1] if below else 0.0

    def warnings(self, values: Mapping[str, float]) -> list[dict[str, str]]:
        """{"code", "text"} for a case outside the ranges or further from the training patients than they from another.

        values: by feature; those that the model does not use are passed over. Raises InputError at a missing one.
        """
        return [*self._range_warnings(values), *self._distance_warnings(values)] if self.features else []

    def _range_warnings(self, values: Mapping[str, float]) -> list[dict[str, str]]:
        excess = self.excess(values)
        if excess.max() <= self.margin:
            return []
        outside = np.flatnonzero(excess > 0)
        worst = outside[np.argsort(-excess[outside], kind="stable")]
        told = [self._told(int(i), float(values[self.features[i]]), float(excess[i])) for i in worst[:SHOWN]]
        rest = f"; and {len(worst) - SHOWN} more" if len(worst) > SHOWN else ""
        are = "is" if len(worst) == 1 else "are"
        text = (
            f"{'; '.join(told)}{rest}. {len(worst)} of the {len(self.features)} features that count {are} outside "
            "what the model has seen; its probability may not hold for this case. Check the outline, the sequence and "
            "the scanner's settings."
        )
        return [{"code": "outside-training-range", "text": text}]

    def _told(self, i: int, value: float, excess: float) -> str:
        name, (low, high) = feature_in_words(self.features[i]), (self.low[i], self.high[i])
        if low == high:
            value_text, seen, _ = _numbers(value, low, high)
            return f"{name} is {value_text}, but was {seen} in every training case"
        value_text, low_text, high_text = _numbers(value, low, high)
        side = "above" if value > high else "below"
        far = f", by {excess:.1f} times that range" if excess >= 0.1 else ""
        return f"{name} is {value_text}, {side} the {low_text} to {high_text} that the model has seen{far}"

    def _distance_warnings(self, values: Mapping[str, float]) -> list[dict[str, str]]:
        if self.distance is None:
            return []
        row = self._row(values)
        found = float(self.distance(row)[0])
        if found <= self.limit:
            return []
        parts = self.distance.parts(row)[0]
        first = [int(i) for i in np.argsort(-parts, kind="stable")[:SHOWN]]
        telling = [i for i in first if parts[i] >= LEAST_PART * parts.sum()] or first[:1]
        most = ", ".join(feature_in_words(self.features[i]) for i in telling)
        share = self.percentile(values)
        than = f"all {self.patients}" if share >= 1 - ROUNDING else f"{100 * share:.1f} % of the {self.patients}"
        text = (
            f"Taken together, the features that count are unlike those of the training cases: {found:.3g} standard "
            f"deviations from their mean, where {than} training patients are nearer (usual is up to "
            f"{self.limit:.3g}). Most of it comes from {most}. The probability may not hold for this case."
        )
        return [{"code": "unlike-training", "text": text}]

    def _row(self, values: Mapping[str, float]) -> np.ndarray:
        return select_columns(np.asarray([list(values.values())], dtype=np.float64), list(values), self.features)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values from which `from_json` restores every number exactly."""
        return {**self.__dict__, "distance": self.distance.to_json() if self.distance else None}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Restore from `to_json`; raises BundleRejected when the lengths do not match."""
        values = fields_of(cls, document)
        distance = None if values["distance"] is None else Distance.from_json(values["distance"])
        novelty = cls(**{**values, "distance": distance})
        p = len(novelty.features)
        if {len(novelty.low), len(novelty.high)} != {p} or len(novelty.distances) != len(novelty.shares):
            raise BundleRejected("The stored training ranges do not fit their features; get the model file again.")
        if distance is not None and len(distance.mean) != p:
            raise BundleRejected("The stored training distance does not fit its features; get the model file again.")
        return novelty


def fit_novelty(X: np.ndarray, patients: np.ndarray, names: Sequence[str], seed: int = 0) -> Novelty:
    """Learn ranges and distance from the training cases' features.

    X: (n, p); patients: (n,); names: (p,). seed: of the groups of patients that are held against the others where
    there are more than 20 patients. Raises InputError at missing values or shapes that do not match.
    """
    X = np.asarray(X, dtype=np.float64)
    if X.ndim != 2 or X.shape != (len(patients), len(names)) or not len(X):
        raise InputError(f"Features of shape {X.shape} do not fit {len(patients)} cases and {len(names)} names.")
    check_finite(X, names)
    groups = as_groups(patients, len(X))
    order = np.lexsort((*X.T[::-1], groups))
    X, groups = X[order], groups[order]
    weights, count = patient_weights(groups), int(groups.max()) + 1
    margin, distance, limit = 0.0, None, np.inf
    distances, shares = np.zeros(0), np.zeros(0)
    if X.shape[1] and count > 1:
        excess = _excess_of_each_patient(X, groups)
        excess[np.isinf(excess)] = 0  # the one patient who differs in an otherwise constant column is no measure
        margin = weighted_quantile(excess.max(axis=1), weights, RANGE_LEVEL)
    if X.shape[1] and count >= FEWEST_PATIENTS:
        distance = fit_distance(X, groups)
    if distance is not None:
        own = _own_distances(X, groups, seed)
        by_distance = np.argsort(own, kind="stable")
        distances, shares = own[by_distance], np.cumsum(weights[by_distance]) / count
        limit = weighted_quantile(own, weights, DISTANCE_LEVEL)
    return Novelty(
        features=tuple(str(name) for name in names),
        low=tuple(X.min(axis=0).tolist()),
        high=tuple(X.max(axis=0).tolist()),
        margin=margin,
        distance=distance,
        limit=float(limit) if distance is not None else 0.0,
        distances=tuple(distances.tolist()),
        shares=tuple(np.minimum(shares, 1.0).tolist()),
        patients=count,
    )


def weighted_quantile(values: np.ndarray, weights: np.ndarray, level: float) -> float:
    """The value that one image of a new patient does not exceed with probability `level`, or the largest of them.

    values: (n,) of images; weights: (n,) one over the number of a patient's images. As a conformal quantile in which
    patients, not images, are exchangeable (Lee, Barber & Willett 2023, arXiv:2306.06342).
    """
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    needed = rank(round(float(reached[-1])), level)
    return float(values[order][min(int(np.searchsorted(reached, needed - ROUNDING)), len(values) - 1)])


def _excess(X: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """(n, p) distance beyond the range in widths of it; less than rounding is none."""
    beyond = np.maximum(np.maximum(low - X, X - high), 0)
    beyond[beyond <= ROUNDING * np.maximum(np.abs(low), np.abs(high))] = 0
    width = high - low
    with np.errstate(over="ignore"):
        relative = beyond / np.where(width > 0, width, 1)
    return np.where(width > 0, relative, np.where(beyond > 0, np.inf, 0.0))


def _excess_of_each_patient(X: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """(n, p) excess of each row over the range of the other patients' rows; groups: sorted, 0, 1, ...."""
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    low = _of_the_others(np.minimum.reduceat(X, starts, axis=0))
    high = -_of_the_others(-np.maximum.reduceat(X, starts, axis=0))
    return _excess(X, low[groups], high[groups])


def _of_the_others(least: np.ndarray) -> np.ndarray:
    """(g, p) the least value among the other rows of (g, p), g of two or more."""
    first, second = np.sort(least, axis=0)[:2]
    at_first = np.zeros(least.shape, dtype=bool)
    at_first[np.argmin(least, axis=0), np.arange(least.shape[1])] = True
    return np.where(at_first, second, first)


def _own_distances(X: np.ndarray, groups: np.ndarray, seed: int) -> np.ndarray:
    """(n,) distance of each row from the fit to patients of other parts."""
    count = int(groups.max()) + 1
    part = np.random.default_rng(seed).permutation(count) % min(PARTS, count)
    own = np.empty(len(X))
    for k in range(part.max() + 1):
        held_out = part[groups] == k
        others = fit_distance(X[~held_out], groups[~held_out])
        own[held_out] = 0.0 if others is None else others(X[held_out])
    return own


def _numbers(*values: float) -> list[str]:
    """Numbers with three significant digits, or as many more as it takes to tell the first from the others."""
    for digits in range(3, 18):
        texts = [f"{value:.{digits}g}" if abs(value) < 1e6 else f"{value:.{digits - 1}e}" for value in values]
        if texts[0] not in texts[1:]:
            break
    return [f"{float(t):g}" if "e+0" in t and abs(float(t)) < 1e6 else t for t in texts]
