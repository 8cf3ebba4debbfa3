"""Which features to keep: reliable, varying, separating, not redundant. Each rule works in a scikit-learn Pipeline."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import rankdata

from FeatureExtractorLib.errors import InputError

from .elimination import elimination_order
from .estimator import Selector, is_constant
from .lasso import fit_lasso


class ICCThreshold(Selector):
    """Keep features whose intraclass correlation reaches a threshold.

    icc: coefficient by feature name, or (p,) in the order of the columns; an undefined one is not kept. names: of the
    columns, where X is not a data frame.
    """

    def __init__(
        self,
        icc: Mapping[str, float] | Sequence[float] | np.ndarray,
        threshold: float = 0.8,
        names: Sequence[str] | None = None,
    ) -> None:
        self.icc = icc
        self.threshold = threshold
        self.names = names

    def choose(self, X: np.ndarray, y: np.ndarray, names: Sequence[str], groups: np.ndarray | None) -> np.ndarray:
        """Raises InputError when a column has no coefficient."""
        if isinstance(self.icc, Mapping):
            columns = list(names if self.names is None else self.names)
            unknown = [name for name in columns if name not in self.icc]
            if unknown:
                raise InputError(f"There is no ICC for feature {unknown[0]}; measure the agreement of all features.")
            values = np.asarray([self.icc[name] for name in columns], dtype=np.float64)
        else:
            values = np.asarray(self.icc, dtype=np.float64)
        if len(values) != X.shape[1]:
            raise InputError(f"There are {len(values)} ICCs for {X.shape[1]} features; give one a feature.")
        return np.asarray(values >= self.threshold)


class VarianceThreshold(Selector):
    """Keep features that vary by more than rounding."""

    def choose(self, X: np.ndarray, y: np.ndarray, names: Sequence[str], groups: np.ndarray | None) -> np.ndarray:
        """See the class."""
        return ~is_constant(X)


class FTest(Selector):
    """Keep the share of features with the largest F of a one-way analysis of variance between the two classes."""

    def __init__(self, share: float = 0.2) -> None:
        self.share = share

    def choose(self, X: np.ndarray, y: np.ndarray, names: Sequence[str], groups: np.ndarray | None) -> np.ndarray:
        """Raises InputError when the share is not above 0 and at most 1."""
        if not 0 < self.share <= 1:
            raise InputError(f"The F-test's share is {self.share}; give a number above 0 and at most 1.")
        score = f_statistic(X, y)
        best = np.argsort(-score, kind="stable")[: max(1, round(self.share * X.shape[1]))]
        mask = np.zeros(X.shape[1], dtype=bool)
        mask[best] = score[best] > -np.inf
        return mask


class SpearmanRedundancy(Selector):
    """Of two features whose rank correlation exceeds a threshold in size, keep the one that separates better."""

    def __init__(self, threshold: float = 0.9) -> None:
        self.threshold = threshold

    def choose(self, X: np.ndarray, y: np.ndarray, names: Sequence[str], groups: np.ndarray | None) -> np.ndarray:
        """See `spearman_representatives`."""
        return spearman_representatives(X, y, self.threshold)


class RecursiveElimination(Selector):
    """Drop the feature of least weight in a linear SVM of standardised features until n are left (Guyon 2002).

    step: how many go at a time, or below 1 their share of all. order_: after `fit`, the columns that vary, from the
    first eliminated to the last left; its last k are what n=k would have kept.
    """

    order_: np.ndarray

    def __init__(self, n: int = 20, step: float = 1) -> None:
        self.n = n
        self.step = step

    def choose(self, X: np.ndarray, y: np.ndarray, names: Sequence[str], groups: np.ndarray | None) -> np.ndarray:
        """Raises InputError when n is below one, and as `elimination_order`."""
        if self.n < 1:
            raise InputError(f"Recursive elimination cannot keep {self.n} features; give at least 1.")
        varying = np.flatnonzero(~is_constant(X))
        standardised = (X[:, varying] - X[:, varying].mean(axis=0)) / X[:, varying].std(axis=0)
        self.order_ = varying[elimination_order(standardised, y, self.step)]
        mask = np.zeros(X.shape[1], dtype=bool)
        mask[self.order_[-self.n :]] = True
        return mask


class Lasso(Selector):
    """Keep features with a coefficient in the LASSO of the standardised features, penalty chosen over patients."""

    def __init__(self, folds: int = 5, seed: int = 0) -> None:
        self.folds = folds
        self.seed = seed

    def choose(self, X: np.ndarray, y: np.ndarray, names: Sequence[str], groups: np.ndarray | None) -> np.ndarray:
        """Raises InputError as `fit_lasso`."""
        mask = ~is_constant(X)
        if mask.any():
            standardised = (X[:, mask] - X[:, mask].mean(axis=0)) / X[:, mask].std(axis=0)
            mask[mask] = fit_lasso(standardised, y, groups, self.folds, self.seed).coefficients != 0
        return mask


def f_statistic(X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(p,) F of each column of X (n, p) between classes 0 and 1; -inf for constant columns."""
    groups = X[y == 1], X[y == 0]
    within = sum(((group - group.mean(axis=0)) ** 2).sum(axis=0) for group in groups)
    between = sum(len(group) * (group.mean(axis=0) - X.mean(axis=0)) ** 2 for group in groups)
    with np.errstate(divide="ignore", invalid="ignore"):
        score = np.asarray(between / (within / (len(y) - 2)))
    return np.where(is_constant(X), -np.inf, score)


def spearman_representatives(X: np.ndarray, y: np.ndarray, threshold: float = 0.9) -> np.ndarray:
    """(p,) True for columns kept when no two may have a |Spearman correlation| above `threshold`.

    X: (n, p). y: (n,) 0/1. Columns are taken from the best separating one, by |AUC - 0.5|, to the worst; one is kept
    when no kept column correlates with it too strongly. Constant columns are dropped. Twice the centred mid-ranks are
    whole numbers, so sums are exact and neither the order of the rows nor the number of threads changes the result.
    """
    ranks = 2 * rankdata(X, axis=0) - (len(y) + 1)
    separation = np.abs(ranks[y == 1].sum(axis=0))  # 4 n0 n1 |AUC - 0.5| / (n0 + n1), up to a common factor
    squares = (ranks**2).sum(axis=0)
    norms = np.sqrt(np.where(squares > 0, squares, 1))
    redundant = np.abs(ranks.T @ ranks) > threshold * norms[:, None] * norms
    kept = np.zeros(X.shape[1], dtype=bool)
    barred = is_constant(X)
    for column in np.argsort(-separation, kind="stable"):
        if not barred[column]:
            kept[column] = True
            barred |= redundant[column]
    return kept
