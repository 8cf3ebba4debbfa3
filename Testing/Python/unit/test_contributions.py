"""Contributions to a patient's logit: exact sums, and Shapley values by enumeration as the oracle."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from FeatureExtractorLib.errors import InputError
from TumorClassifierLib.explain.contributions import linear_contributions, permutation_contributions
from TumorClassifierLib.regression import fit_logistic
from TumorClassifierLib.signature import fit_signature
from TumorClassifierLib.svm import fit_svm


def shapley(function, x: np.ndarray, background: np.ndarray) -> np.ndarray:  # type: ignore[no-untyped-def]
    """Every order of features, every background case: the definition."""
    found = np.zeros(len(x))
    orders = list(permutations(range(len(x))))
    for start in background:
        for order in orders:
            row, before = start.copy(), function(start[None])[0]
            for j in order:
                row[j] = x[j]
                after = function(row[None])[0]
                found[j] += after - before
                before = after
    return found / len(orders) / len(background)


def nonlinear(X: np.ndarray) -> np.ndarray:
    return np.sin(X[:, 0] * X[:, 1]) + X[:, 2] ** 2 - X[:, 3] * X[:, 0] + 0.5 * X[:, 4]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_shapley_values_are_those_of_all_orders_and_sum_exactly(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, background = rng.normal(size=5), rng.normal(size=(4, 5))
    names = ["a", "b", "c", "d", "e"]
    explained = permutation_contributions(nonlinear, x, background, names, n=4000, seed=seed)
    ours = {item.feature: item.contribution for item in explained.contributions}
    assert [ours[name] for name in names] == pytest.approx(shapley(nonlinear, x, background), abs=0.15)
    assert explained.base + sum(ours.values()) == pytest.approx(nonlinear(x[None])[0], abs=1e-9)
    sizes = [abs(item.contribution) for item in explained.contributions]
    assert sizes == sorted(sizes, reverse=True)


def test_a_function_that_adds_up_is_exact_in_one_draw_and_equal_seeds_are_equal() -> None:
    rng = np.random.default_rng(1)
    x, background, weights = rng.normal(size=6), rng.normal(size=(7, 6)), rng.normal(size=6)
    names = [f"x{j}" for j in range(6)]
    found = permutation_contributions(lambda X: X @ weights, x, background, names, n=1)
    values = {item.feature: item.contribution for item in found.contributions}
    assert [values[name] for name in names] == pytest.approx(weights * (x - background.mean(axis=0)), abs=1e-12)
    few = [permutation_contributions(nonlinear, x[:5], background[:, :5], names[:5], n=7, seed=s) for s in (3, 3, 4)]
    assert few[0] == few[1] != few[2]


def test_an_rbf_machine_is_explained_exactly_in_sum() -> None:
    rng = np.random.default_rng(2)
    y = np.arange(60) % 2
    X = rng.normal(size=(60, 4)) + y[:, None]
    machine = fit_svm(X, y)
    explained = permutation_contributions(machine.decision, X[0], X[:20], machine.features, n=40)
    total = explained.base + sum(item.contribution for item in explained.contributions)
    assert total == pytest.approx(machine.decision(X[:1])[0], abs=1e-9)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000))
def test_linear_contributions_sum_to_the_logit_above_the_average_patients(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y = np.arange(80) % 2
    X = rng.normal(5, 2, size=(80, 6)) + y[:, None] * rng.random(6)
    names = [f"f{j}" for j in range(6)]
    score = fit_signature(X, y, names, seed=0)
    clinical = np.column_stack([rng.normal(60, 9, 80), rng.integers(0, 3, 80)[:, None] == [1, 2]]).astype(float)
    columns = ["age", "site=b", "site=c", "Rad-score"]
    model = fit_logistic(np.column_stack([clinical, score.score(X, names)]), y, columns)
    average = dict(zip(columns, clinical.mean(axis=0), strict=False))
    i = int(rng.integers(80))
    explained = linear_contributions(
        model,
        {"Rad-score": score},
        {"Rad-score": dict(zip(names, X[i], strict=True))},
        dict(zip(columns, clinical[i], strict=False)),
        average,
        {"site=b": "site", "site=c": "site"},
    )
    logit = model.linear_predictor(np.append(clinical[i], score.score(X[i], names))[None])[0]
    mean_logit = model.linear_predictor(np.append(clinical, score.score(X, names)[:, None], axis=1)).mean()
    assert explained.base == pytest.approx(mean_logit, rel=1e-9, abs=1e-9)
    assert explained.base + sum(c.contribution for c in explained.contributions) == pytest.approx(logit, abs=1e-9)
    by_name = {(c.block, c.feature): c.contribution for c in explained.contributions}
    assert {("clinical", "age"), ("clinical", "site")} <= set(by_name) and len(by_name) == 2 + len(score.features)
    for feature, weight, scale in zip(score.features, score.coefficients, score.scale, strict=True):
        j = names.index(feature)  # by moving this feature alone to its mean
        moved = X[i].copy()
        moved[j] = X[:, j].mean()
        change = model.coefficients[-1] * weight / scale * (X[i, j] - moved[j])
        assert by_name["Rad-score", feature] == pytest.approx(change, abs=1e-9)
    assert explained.to_json()[0].keys() == {"block", "feature", "value", "contribution"}


def test_what_is_missing_is_named() -> None:
    y = np.arange(40) % 2
    age = np.random.default_rng(0).normal(60, 9, (40, 1)) + y[:, None]
    model = fit_logistic(age, y, ["age"])
    with pytest.raises(InputError, match="column age"):
        linear_contributions(model, {}, {}, {}, {"age": 60.0})
    with pytest.raises(InputError, match="age has no finite value"):
        linear_contributions(model, {}, {}, {"age": np.nan}, {"age": 60.0})
    with pytest.raises(InputError, match="shape"):
        permutation_contributions(nonlinear, np.zeros(5), np.zeros((2, 4)), list("abcde"))
