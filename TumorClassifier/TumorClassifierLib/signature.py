"""A signature: the linear score of a block of features, as Rad-score and DTL-score are."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from FeatureExtractorLib.errors import InputError

from .estimator import binary_labels, check_finite, is_constant
from .folds import canonical_order
from .lasso import LassoFit, fit_lasso
from .plain import fields_of, numbers_of
from .selection import spearman_representatives


@dataclass(frozen=True)
class PenaltyPath:
    """How the LASSO's penalty was chosen, for the two usual figures.

    alphas: (m,) penalties; mse, mse_error: (m,) cross-validated error and its standard error; counts: (m,) features
    with a coefficient; coefficients: per selected feature its (m,) path.
    """

    alphas: tuple[float, ...]
    mse: tuple[float, ...]
    mse_error: tuple[float, ...]
    counts: tuple[int, ...]
    coefficients: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class SignatureScore:
    """score = intercept + Σ coefficient · (value - mean) / scale, over the selected features."""

    features: tuple[str, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    coefficients: tuple[float, ...]
    intercept: float
    alpha: float
    path: PenaltyPath
    warnings: tuple[str, ...] = ()

    def score(self, X: np.ndarray, names: Sequence[str] | None = None) -> np.ndarray:
        """(n,) scores of X (n, p) whose columns are `names`, or exactly `features` where no names are given.

        Raises InputError at a missing column or value.
        """
        return self.intercept + self.contributions(X, names).sum(axis=1)

    def contributions(self, X: np.ndarray, names: Sequence[str] | None = None) -> np.ndarray:
        """(n, k) part of each selected feature in the score; raises InputError as `score`."""
        values = select_columns(X, names, self.features)
        return np.asarray((values - np.asarray(self.mean)) / np.asarray(self.scale) * np.asarray(self.coefficients))

    def formula(self, name: str = "score", digits: int = 12) -> str:
        """The score written out in standardised features, one term a line, largest weight first.

        Mean and scale of each feature follow, so that nothing but the text is needed to compute the score. digits:
        significant ones; with 12 the score comes out to about ten.
        """
        order = self._by_weight()
        terms = [f"{self.coefficients[i]:+.{digits}g} × z({self.features[i]})" for i in order]
        scales = [
            f"{self.features[i]}: mean {self.mean[i]:.{digits}g}, scale {self.scale[i]:.{digits}g}" for i in order
        ]
        lines = [f"{name} = {self.intercept:.{digits}g}", *terms]
        return "\n    ".join(lines) + "\n" + "\n    ".join(["where z = (value - mean) / scale, with", *scales])

    def raw_formula(self, name: str = "score", digits: int = 17) -> str:
        """The score written out in the features' own values, one term a line, in the order of `formula`.

        digits: significant ones; 17 are all there are. Where a mean is large beside its scale, large terms cancel and
        that many are needed.
        """
        weights = np.asarray(self.coefficients) / np.asarray(self.scale)
        intercept = math.fsum([self.intercept, *(-weights * np.asarray(self.mean))])
        terms = [f"{weights[i]:+.{digits}g} × {self.features[i]}" for i in self._by_weight()]
        return "\n    ".join([f"{name} = {intercept:.{digits}g}", *terms])

    def _by_weight(self) -> list[int]:
        """Positions of the features, the largest weight of a standardised feature first."""
        return np.argsort(-np.abs(self.coefficients), kind="stable").tolist()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values from which `from_json` restores every number exactly."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Restore a signature from `to_json`; raises BundleRejected when it is none."""
        whole = ("features", "mean", "scale", "coefficients")
        values = fields_of(cls, document, alike=whole, positive=("scale",))
        path = fields_of(PenaltyPath, document["path"], alike=("alphas", "mse", "mse_error", "counts"))
        numbers_of(PenaltyPath, "coefficients", path["coefficients"], (len(path["coefficients"]), len(path["alphas"])))
        return cls(**{**values, "path": PenaltyPath(**path)})


def fit_signature(
    X: np.ndarray,
    y: np.ndarray,
    names: Sequence[str],
    groups: np.ndarray | None = None,
    seed: int = 0,
    spearman: float = 0.9,
    n_folds: int = 5,
) -> SignatureScore:
    """Z-score, drop redundant features by Spearman, select and weigh the rest by LASSO (Li et al. 2025, Sci Rep).

    X: (n, p) features; y: (n,) 0/1; names: (p,); groups: (n,) patients, kept together in the penalty's folds. Where
    the LASSO selects nothing, the single best separating feature is used and `warnings` says so. The filter sees all
    rows given: for an honest error call this inside each training part.
    Raises InputError at missing values, when every feature is constant, and as `grouped_folds`.
    """
    X, labels = np.asarray(X, dtype=np.float64), binary_labels(y)
    check_finite(X, names)
    order = canonical_order(X, labels, groups)
    X, labels = X[order], labels[order]
    patients = None if groups is None else np.asarray(groups)[order]
    if is_constant(X).all():
        raise InputError(f"All {X.shape[1]} features are constant over {len(labels)} cases; check the extraction.")
    kept = np.flatnonzero(spearman_representatives(X, labels, spearman))
    mean, scale = X[:, kept].mean(axis=0), X[:, kept].std(axis=0)
    Z = (X[:, kept] - mean) / scale
    lasso = fit_lasso(Z, labels, patients, n_folds, seed)
    chosen = np.flatnonzero(lasso.coefficients)
    coefficients, intercept, warnings = lasso.coefficients[chosen], lasso.intercept, lasso.warnings
    if not len(chosen):
        chosen = np.asarray([_best_separating(Z, labels)])
        coefficients = np.atleast_1d(Z[:, chosen[0]] @ (labels - labels.mean()) / len(labels))
        intercept = float(labels.mean())
        warnings += (f"The LASSO selected no feature; the score is {names[kept[chosen[0]]]} alone.",)
    return SignatureScore(
        features=tuple(str(names[i]) for i in kept[chosen]),
        mean=tuple(mean[chosen].tolist()),
        scale=tuple(scale[chosen].tolist()),
        coefficients=tuple(coefficients.tolist()),
        intercept=intercept,
        alpha=lasso.alpha,
        path=_penalty_path(lasso, chosen),
        warnings=warnings,
    )


def select_columns(X: np.ndarray, names: Sequence[str] | None, wanted: Sequence[str]) -> np.ndarray:
    """(n, k) columns `wanted` of X (n, p) whose columns are `names`; without names X must have just the k columns.

    Raises InputError at a missing column or a value that is not finite.
    """
    values = np.atleast_2d(np.asarray(X, dtype=np.float64))
    if names is None:
        if values.shape[1] != len(wanted):
            raise InputError(f"There are {values.shape[1]} features where the model has {len(wanted)}; name them.")
    else:
        column = {name: index for index, name in enumerate(names)}
        missing = [name for name in wanted if name not in column]
        if missing:
            raise InputError(
                f"Feature {missing[0]} ({len(missing)} of {len(wanted)} in all) is missing; "
                "extract with the settings that the model was trained with."
            )
        values = values[:, [column[name] for name in wanted]]
    check_finite(values, wanted)
    return values


def _best_separating(Z: np.ndarray, y: np.ndarray) -> int:
    from scipy.stats import rankdata

    ranks = 2 * rankdata(Z, axis=0) - (len(y) + 1)
    return int(np.argmax(np.abs(ranks[y == 1].sum(axis=0))))


def _penalty_path(lasso: LassoFit, chosen: np.ndarray) -> PenaltyPath:
    return PenaltyPath(
        alphas=tuple(lasso.alphas.tolist()),
        mse=tuple(lasso.mse.tolist()),
        mse_error=tuple(lasso.mse_error.tolist()),
        counts=tuple((lasso.path != 0).sum(axis=0).tolist()),
        coefficients=tuple(tuple(row) for row in lasso.path[chosen].tolist()),
    )
