"""Elimination and nested cross-validation against scikit-learn's, and against leaks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_selection import RFE
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from FeatureExtractorLib.errors import InputError
from TumorClassifierLib.elimination import elimination_order
from TumorClassifierLib.estimator import default_names
from TumorClassifierLib.folds import grouped_folds
from TumorClassifierLib.kernel_machine import solve_by_binding, solve_by_class, solve_on_kernel
from TumorClassifierLib.nested import Search, as_model, choose, eliminate, fit_chosen, nested_cross_validation
from TumorClassifierLib.selection import FTest, VarianceThreshold


def cohort(n: int, p: int, seed: int, signal: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
    """(n, p) correlated features of which the first five carry the class; standardised."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    X = rng.normal(size=(n, p)) + rng.normal(size=(n, 4)) @ rng.normal(size=(4, p)) * 0.7
    X[:, :5] += signal * y[:, None]
    return np.asarray((X - X.mean(axis=0)) / X.std(axis=0)), y


@pytest.mark.parametrize("shape", [(24, 60), (60, 140), (90, 30), (120, 12), (30, 2)])
@pytest.mark.parametrize("seed", range(6))
def test_one_elimination_gives_what_scikit_learn_keeps_at_every_size(shape: tuple[int, int], seed: int) -> None:
    Z, y = cohort(*shape, seed, signal=(0.0, 0.4, 1.5)[seed % 3])
    ranking = RFE(SVC(kernel="linear"), n_features_to_select=1).fit(Z, y).ranking_
    order = elimination_order(Z, y)
    assert (ranking[order] == np.arange(shape[1], 0, -1)).all()


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10_000), st.sampled_from([2, 5, 0.1, 0.3]), st.integers(1, 39), st.sampled_from([0.05, 1.0, 20.0])
)
def test_larger_steps_and_other_costs_keep_what_scikit_learn_keeps(
    seed: int, step: float, k: int, cost: float
) -> None:
    Z, y = cohort(36, 40, seed)
    kept = RFE(SVC(kernel="linear", C=cost), n_features_to_select=k, step=step).fit(Z, y).support_
    assert set(elimination_order(Z, y, step, cost)[-k:]) == set(np.flatnonzero(kept))


def test_a_step_of_nothing_is_refused() -> None:
    Z, y = cohort(20, 4, 0)
    for step in (0, -1, 1.5, float("nan")):
        with pytest.raises(InputError, match="step is"):
            elimination_order(Z, y, step)


def test_a_training_part_of_one_class_is_refused() -> None:
    X, _ = cohort(12, 4, 0)
    with pytest.raises(InputError, match="12 cases holds one class only"):
        eliminate(X, np.zeros(12, dtype=int), Search())


@pytest.mark.parametrize("first", [0, 1])
def test_the_machine_on_a_kernel_is_that_of_scikit_learn_whichever_class_comes_first(first: int) -> None:
    Z, y = cohort(40, 6, 3)
    y = (y + first) % 2
    kernel = Z @ Z.T
    machine = SVC(kernel="linear", C=0.7).fit(Z, y)
    for solve in (solve_on_kernel, solve_by_class, solve_by_binding):
        dual, intercept = solve(kernel, y.astype(float), 0.7)
        np.testing.assert_allclose(kernel @ dual + intercept, machine.decision_function(Z), atol=1e-6)


def naive(X: np.ndarray, y: np.ndarray, groups: np.ndarray, search: Search, repeats: int, folds: int) -> list:
    """The same from scikit-learn's parts: (repeat, test rows, settings, features, decisions) of every fold."""
    steps = [
        ("varying", VarianceThreshold()),
        ("f", FTest(search.f_share)),
        ("scale", StandardScaler()),
        ("rfe", RFE(SVC(kernel="linear"))),
        ("svm", SVC(kernel="rbf")),
    ]
    grid = [
        {"rfe__n_features_to_select": [k], "svm__C": list(search.costs), "svm__gamma": [g / k for g in search.gammas]}
        for k in search.sizes
    ]
    found = []
    for r in range(repeats):
        for train, test in grouped_folds(y, groups, folds, r).splits:
            inner = grouped_folds(y[train], groups[train], search.folds, r).splits
            one = GridSearchCV(
                Pipeline(steps),
                grid,
                scoring="roc_auc",
                cv=inner,
                refit=lambda results: int(np.argmax(np.round(results["mean_test_score"], 12))),
            ).fit(X[train], y[train])
            best = one.best_estimator_
            names = best[:-1].get_feature_names_out(default_names(X.shape[1]))
            found.append((r, test, one.best_params_, set(names), best.decision_function(X[test])))
    return found


def test_nested_cross_validation_is_that_of_scikit_learn_with_the_same_folds() -> None:
    X, y = cohort(60, 70, 1, signal=0.5)
    X = X * 3 + 100  # not standardised, as measured
    X[:, 66] = 4.0
    groups = np.array([f"p{i // 2 * 2 + i % 2:03d}" for i in range(60)])
    search = Search(f_share=0.4, sizes=(2, 5, 9), costs=(0.5, 10.0), gammas=(0.3, 2.0), folds=3)
    ours = nested_cross_validation(X, y, groups, search, repeats=2, folds=3)
    chosen = [(choice, columns) for repeat in ours.choices for choice, columns in repeat]
    for (r, test, params, names, decisions), (choice, columns) in zip(
        naive(X, y, groups, search, 2, 3), chosen, strict=True
    ):
        assert (choice.size, choice.cost) == (params["rfe__n_features_to_select"], params["svm__C"])
        assert choice.gamma / choice.size == params["svm__gamma"]
        assert {f"x{i}" for i in columns} == names
        np.testing.assert_allclose(ours.decisions[r, test], decisions, atol=1e-6)


def test_the_order_of_the_rows_changes_nothing() -> None:
    X, y = cohort(40, 25, 2)
    groups = np.array([f"p{i // 2}" for i in np.arange(40)])
    y = np.repeat(np.arange(20) % 2, 2)
    search = Search(sizes=(3,), costs=(1.0,), gammas=(1.0,), folds=3)
    first = nested_cross_validation(X, y, groups, search, 2, 4)
    order = np.random.default_rng(0).permutation(40)
    again = nested_cross_validation(X[order], y[order], groups[order], search, 2, 4)
    assert (again.decisions == first.decisions[:, order]).all() and (again.auc == first.auc).all()


def test_features_that_know_the_patient_are_worth_nothing() -> None:
    """Each patient's five images share a bar code that gives the class away to whoever has seen the patient."""
    rng = np.random.default_rng(5)
    patients = np.repeat(np.arange(40), 5)
    y = np.repeat(rng.permutation(40) % 2, 5)
    code = np.repeat(rng.normal(size=(40, 20)), 5, axis=0) + 0.01 * rng.normal(size=(200, 20))
    search = Search(f_share=1.0, sizes=(20,), costs=(10.0,), gammas=(4.0,), folds=3)
    honest = nested_cross_validation(code, y, patients, search, repeats=3)
    split_rows = nested_cross_validation(code, y, None, search, repeats=1)
    assert 0.3 < honest.auc.mean() < 0.7
    assert split_rows.auc[0] > 0.95  # so the code does give it away


def test_shuffled_labels_score_by_chance() -> None:
    areas = []
    for seed in range(4):
        X, y = cohort(60, 150, seed, signal=2.0)
        search = Search(sizes=(3, 9), costs=(1.0, 10.0), gammas=(1.0,), folds=3)
        shuffled = np.random.default_rng(seed).permutation(y)
        areas.append(nested_cross_validation(X, shuffled, None, search, repeats=2).auc.mean())
    assert 0.35 < np.mean(areas) < 0.65


def test_reliable_columns_are_asked_for_by_training_rows_alone() -> None:
    X, y = cohort(40, 12, 4)
    asked: list[np.ndarray] = []

    def stable(rows: np.ndarray) -> np.ndarray:
        asked.append(rows)
        return np.arange(12) % 2 == 0

    found = nested_cross_validation(X, y, np.arange(40), Search(f_share=1.0, sizes=(3,)), 1, 4, stable=stable)
    assert [len(rows) for rows in asked] == [30] * 4
    assert all((columns % 2 == 0).all() for _, columns in found.choices[0])


def test_the_kept_model_is_the_machine() -> None:
    X, y = cohort(50, 30, 6)
    search = Search(sizes=(4,), folds=3)
    choice = choose(X, y, None, search)
    machine = fit_chosen(X, y, choice, search)
    model = as_model(machine, choice, y, default_names(30))
    np.testing.assert_allclose(model.decision(X, default_names(30)), machine.decision(X), rtol=1e-12)
    p = model.probability(X[:, machine.columns])
    assert 0.05 < p[y == 0].mean() < 0.5 < p[y == 1].mean() < 0.95
    with pytest.raises(InputError, match="All 3 features are the same"):
        choose(np.ones((20, 3)), y[:20], None, search)
    with pytest.raises(InputError, match="sizes cannot be"):
        Search(sizes=())
