"""Nested cross-validation with elimination against scikit-learn's parts nested, the same folds: `make bench`.

The peer is GridSearchCV over a pipeline of our filters, scikit-learn's RFE, scaler and SVC, inside the outer folds.
Both are timed alternately on single outer folds, for the peer takes minutes for each; what both find is compared.
"""

import statistics
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from compare import load, processor

from TumorClassifierLib.estimator import default_names
from TumorClassifierLib.folds import Split, grouped_folds
from TumorClassifierLib.nested import Search, choose, fit_chosen, nested_cross_validation
from TumorClassifierLib.selection import FTest, VarianceThreshold

FEATURES, CASES, PAIRS = 1143, 120, 3
SMALL = Search(sizes=(5, 10, 20), costs=(1.0, 10.0), gammas=(1.0, 4.0))


@dataclass(frozen=True)
class Outcome:
    """Of one outer fold. chosen: number of features, cost, gamma over that number."""

    chosen: tuple[int, float, float]
    features: frozenset[int]
    decisions: np.ndarray


def main() -> None:
    X, y = cohort(CASES, FEATURES)
    splits = grouped_folds(y, None, 5, 0).splits
    print(f"Machine: {processor()}{load()}. {FEATURES} features × {CASES} cases, 5 inner folds.")
    print(f"Tried in each: {len(list(SMALL.grid()))} settings.")
    pairs = []
    for i, split in enumerate(splits[:PAIRS]):
        sides = (ours, peer) if i % 2 == 0 else (peer, ours)
        timed = {side.__name__: seconds(side, X, y, split) for side in sides}
        (own, mine), (others, theirs) = timed["ours"], timed["peer"]
        pairs.append(others / own)
        times = f"ours {own:.3g} s, peer {others:.3g} s, {pairs[-1]:.3g} times"
        print(f"outer fold {i + 1}: {times}; {compared(mine, theirs)}", flush=True)
    low, high = min(pairs), max(pairs)
    print(f"{statistics.median(pairs):.3g} times faster ({low:.3g}–{high:.3g}), {PAIRS} outer folds.")
    started = time.perf_counter()
    whole = nested_cross_validation(X, y)
    taken = time.perf_counter() - started
    print(
        f"All of it, 10 repeats × 5 folds with {len(list(Search().grid()))} settings: {taken:.3g} s, "
        f"AUC {whole.auc.mean():.3f} ({whole.auc.min():.3f}–{whole.auc.max():.3f})."
    )


def cohort(n: int, p: int) -> tuple[np.ndarray, np.ndarray]:
    """Correlated features, some of which carry the class, on scales as far apart as radiomics features' are."""
    rng = np.random.default_rng(0)
    y = rng.permutation(np.arange(n) % 2)
    X = rng.normal(size=(n, p)) + rng.normal(size=(n, 30)) @ rng.normal(size=(30, p)) * 0.4
    X[:, :20] += 0.4 * y[:, None]
    return np.asarray(X * 10.0 ** rng.uniform(-3, 4, p)), y


def ours(X: np.ndarray, y: np.ndarray, split: Split) -> Outcome:
    train, test = split
    choice = choose(X[train], y[train], None, SMALL)
    machine = fit_chosen(X[train], y[train], choice, SMALL)
    return Outcome(
        (choice.size, choice.cost, choice.gamma), frozenset(machine.columns.tolist()), machine.decision(X[test])
    )


def peer(X: np.ndarray, y: np.ndarray, split: Split) -> Outcome:
    train, test = split
    search = naive_search(SMALL, grouped_folds(y[train], None, SMALL.folds, 0).splits).fit(X[train], y[train])
    best, k = search.best_estimator_, search.best_params_["rfe__n_features_to_select"]
    names = best[:-1].get_feature_names_out(default_names(X.shape[1]))
    return Outcome(
        (k, search.best_params_["svm__C"], round(search.best_params_["svm__gamma"] * k, 9)),
        frozenset(int(name[1:]) for name in names),
        best.decision_function(X[test]),
    )


def naive_search(search: Search, inner: Any) -> Any:
    """scikit-learn's parts put together for the same task."""
    from sklearn.feature_selection import RFE
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    steps = [
        ("varying", VarianceThreshold()),
        ("f", FTest(search.f_share)),
        ("scale", StandardScaler()),
        ("rfe", RFE(SVC(kernel="linear"), step=search.step)),
        ("svm", SVC(kernel="rbf")),
    ]
    grid = [
        {"rfe__n_features_to_select": [k], "svm__C": list(search.costs), "svm__gamma": [g / k for g in search.gammas]}
        for k in search.sizes
    ]
    return GridSearchCV(Pipeline(steps), grid, scoring="roc_auc", cv=inner, refit=first_of_the_best)


def first_of_the_best(results: dict[str, Any]) -> int:
    """Means that differ by rounding only are equal."""
    return int(np.argmax(np.round(results["mean_test_score"], 12)))


def compared(mine: Outcome, theirs: Outcome) -> str:
    same = mine.chosen == theirs.chosen and mine.features == theirs.features
    difference = np.abs(mine.decisions - theirs.decisions).max()
    return f"{'the same' if same else 'OTHER'} settings and features, decisions differ by {difference:.1g}"


def seconds(side: Any, X: np.ndarray, y: np.ndarray, split: Split) -> tuple[float, Outcome]:
    started = time.perf_counter()
    outcome = side(X, y, split)
    return time.perf_counter() - started, outcome


if __name__ == "__main__":
    main()
