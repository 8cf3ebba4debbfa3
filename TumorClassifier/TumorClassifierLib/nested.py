"""Nested cross-validation of feature selection and an RBF machine: inner folds choose, outer folds judge.

In every training part, and in nothing else: features that vary, the F-test's top share, recursive elimination by a
linear SVM, an RBF-SVM of the standardised features (Yang et al. 2022, Orphanet J Rare Dis 17:158). The elimination is
run once a fold, down to one feature, and serves every number of features that is tried.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from FeatureExtractorLib.errors import InputError

from .elimination import check_step, elimination_order
from .estimator import binary_labels, check_finite, default_names, is_constant
from .evaluation.discrimination import auc
from .folds import Split, as_groups, canonical_order, grouped_folds
from .kernel_machine import rbf_kernel, solve_on_kernel
from .selection import FTest
from .svm import COSTS, GAMMAS, SvmModel, platt_sigmoid

SIZES = (3, 5, 7, 9, 12, 16, 20)


@dataclass(frozen=True)
class Search:
    """What the inner folds choose from.

    f_share: of the features that the F-test leaves. sizes: numbers of features that elimination may leave. costs: of
    the machine; gammas: over the number of features. step, elimination_cost: see `elimination_order`. folds: inner.
    """

    f_share: float = 0.2
    sizes: tuple[int, ...] = SIZES
    costs: tuple[float, ...] = COSTS
    gammas: tuple[float, ...] = GAMMAS
    step: float = 1
    elimination_cost: float = 1.0
    folds: int = 5

    def __post_init__(self) -> None:
        above_zero = {"sizes": self.sizes, "costs": self.costs, "gammas": self.gammas}
        for name, values in (above_zero | {"elimination_cost": (self.elimination_cost,)}).items():
            if not values or min(values) <= 0:
                raise InputError(f"The setting {name} cannot be {values}; give at least one number above 0.")
        if not 0 < self.f_share <= 1:
            raise InputError(f"The F-test's share is {self.f_share}; give a number above 0 and at most 1.")
        check_step(self.step)

    def grid(self) -> Iterator[tuple[int, float, float]]:
        """(size, cost, gamma) in the order in which the first of equals is taken: the simplest first."""
        for size in sorted(self.sizes):
            for cost in sorted(self.costs):
                for gamma in sorted(self.gammas):
                    yield size, cost, gamma


@dataclass(frozen=True, eq=False)
class Choice:
    """What inner folds have chosen. gamma: over the number of features. auc: mean over the folds.

    held_out: (n,) decision of each case by the machine of the fold that had not seen its patient, at these settings.
    """

    size: int
    cost: float
    gamma: float
    auc: float
    held_out: np.ndarray
    warnings: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Machine:
    """A selection with its machine. columns: (k,) of X, the last eliminated last; the rest as `SvmModel`."""

    columns: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    cost: float
    gamma: float
    support: np.ndarray
    dual: np.ndarray
    intercept: float

    def decision(self, X: np.ndarray) -> np.ndarray:
        """(n,) decisions of X (n, p), above 0 for class 1."""
        z = (X[:, self.columns] - self.mean) / self.scale
        return np.asarray(rbf_kernel(z, self.support, self.gamma) @ self.dual + self.intercept)


@dataclass(frozen=True, eq=False)
class Nested:
    """Honest decisions and how they came about.

    decisions: (repeats, n) of each case by machines that had not seen its patient. auc: (repeats,) of these. choices:
    by repeat and fold, each with the columns that were selected there.
    """

    decisions: np.ndarray
    auc: np.ndarray
    choices: tuple[tuple[tuple[Choice, np.ndarray], ...], ...]
    warnings: tuple[str, ...]


def eliminate(X: np.ndarray, y: np.ndarray, search: Search) -> np.ndarray:
    """Columns of X (n, p) that vary and lead by F, from the first eliminated to the last left.

    Raises InputError when all columns are constant or all cases are of one class.
    """
    if len(np.unique(y)) < 2:
        raise InputError(
            f"A training part of {len(y)} cases holds one class only, so that no feature can be chosen; add patients "
            "or use fewer folds."
        )
    varying = np.flatnonzero(~is_constant(X))
    if not len(varying):
        raise InputError(f"All {X.shape[1]} features are the same in all {len(y)} cases; check the extraction.")
    best = varying[FTest(search.f_share).choose(X[:, varying], y, [], None)]
    Z = (X[:, best] - X[:, best].mean(axis=0)) / X[:, best].std(axis=0)
    return np.asarray(best[elimination_order(Z, y, search.step, search.elimination_cost)])


def choose(X: np.ndarray, y: np.ndarray, groups: np.ndarray | None, search: Search, seed: int = 0) -> Choice:
    """The settings with the highest mean AUC over inner folds of patients; of equals the simplest.

    X: (n, p) finite; y: (n,) 0/1; groups: (n,) patients. A fold whose held-out part has one class only has no AUC and
    does not count. Raises InputError as `eliminate` and `grouped_folds`.
    """
    folds = grouped_folds(y, groups, search.folds, seed)
    grid = list(search.grid())
    held_out = np.empty((len(grid), len(y)))
    for train, test in folds.splits:
        held_out[:, test] = _decisions_of_grid(X, y, (train, test), search, grid)
    judged = [test for _, test in folds.splits if len(np.unique(y[test])) == 2]
    if not judged:
        raise InputError("No inner fold holds patients of both classes; add patients or use fewer folds.")
    areas = [np.mean([auc(y[test], row[test]) for test in judged]) for row in held_out]
    best = int(np.argmax(np.round(areas, 12)))  # rounding decides nothing
    size, cost, gamma = grid[best]
    return Choice(size, cost, gamma, float(areas[best]), held_out[best], folds.warnings)


def fit_chosen(X: np.ndarray, y: np.ndarray, choice: Choice, search: Search) -> Machine:
    """Select and fit on all of X (n, p) at the chosen settings."""
    columns = eliminate(X, y, search)[-choice.size :]
    return _machine(X[:, columns], y, columns, choice.cost, choice.gamma)


def as_model(machine: Machine, choice: Choice, y: np.ndarray, names: Sequence[str]) -> SvmModel:
    """The machine as it is kept and explained; its sigmoid is fitted to the decisions on held-out cases."""
    return SvmModel(
        features=tuple(str(names[i]) for i in machine.columns),
        mean=tuple(machine.mean.tolist()),
        scale=tuple(machine.scale.tolist()),
        kernel="rbf",
        cost=machine.cost,
        gamma=machine.gamma,
        support=machine.support,
        dual=machine.dual,
        intercept=machine.intercept,
        platt=platt_sigmoid(choice.held_out, y),
        auc=choice.auc,
        warnings=choice.warnings,
    )


def nested_cross_validation(
    X: np.ndarray,
    y: np.ndarray,
    groups: np.ndarray | None = None,
    search: Search | None = None,
    repeats: int = 10,
    folds: int = 5,
    seed: int = 0,
    stable: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Nested:
    """Judge the whole procedure on patients that no part of it has seen, `repeats` times over `folds` outer folds.

    X: (n, p); y: (n,) 0/1; groups: (n,) patients. stable: says which columns (p,) are reliable, from the indices of
    the training rows alone. Repeat r makes its folds from seed + r. Rows may come in any order where groups are given.
    Raises InputError at missing values and as `choose`.
    """
    search = search or Search()
    X, labels = np.asarray(X, dtype=np.float64), binary_labels(y)
    check_finite(X, default_names(X.shape[1]))
    order = canonical_order(X, labels, groups)
    patients = as_groups(groups, len(labels))[order]
    ordered, truth = X[order], labels[order]
    decisions = np.empty((repeats, len(truth)))
    choices: list[tuple[tuple[Choice, np.ndarray], ...]] = []
    warnings: list[str] = []
    for r in range(repeats):
        outer = grouped_folds(truth, patients, folds, seed + r)
        warnings += outer.warnings
        found = []
        for train, test in outer.splits:
            kept = np.arange(X.shape[1]) if stable is None else np.flatnonzero(stable(order[train]))
            part = ordered[np.ix_(train, kept)]
            choice = choose(part, truth[train], patients[train], search, seed + r)
            machine = fit_chosen(part, truth[train], choice, search)
            decisions[r, order[test]] = machine.decision(ordered[np.ix_(test, kept)])
            warnings += choice.warnings
            found.append((choice, kept[machine.columns]))
        choices.append(tuple(found))
    areas = np.array([auc(labels, row) for row in decisions])
    return Nested(decisions, areas, tuple(choices), tuple(dict.fromkeys(warnings)))


def _decisions_of_grid(
    X: np.ndarray, y: np.ndarray, split: Split, search: Search, grid: Sequence[tuple[int, float, float]]
) -> np.ndarray:
    """(grid points, test cases) decisions of machines fitted on the training part."""
    from scipy.spatial.distance import cdist

    train, test = split
    order = eliminate(X[train], y[train], search)
    mean, scale = X[np.ix_(train, order)].mean(axis=0), X[np.ix_(train, order)].std(axis=0)
    Z = (X[:, order] - mean) / scale
    decisions = np.empty((len(grid), len(test)))
    distances: dict[int, np.ndarray] = {}
    for i, (size, cost, gamma) in enumerate(grid):
        k = min(size, len(order))
        if k not in distances:
            distances[k] = cdist(Z[:, -k:], Z[train, -k:], "sqeuclidean")
        kernel = np.exp(-gamma / k * distances[k])
        dual, intercept = solve_on_kernel(kernel[train], y[train], cost)
        decisions[i] = kernel[test] @ dual + intercept
    return decisions


def _machine(values: np.ndarray, y: np.ndarray, columns: np.ndarray, cost: float, gamma: float) -> Machine:
    mean, scale = values.mean(axis=0), values.std(axis=0)
    Z = (values - mean) / scale
    width = gamma / len(columns)
    dual, intercept = solve_on_kernel(rbf_kernel(Z, Z, width), y, cost)
    support = np.flatnonzero(dual)
    return Machine(columns, mean, scale, cost, width, Z[support], dual[support], intercept)
