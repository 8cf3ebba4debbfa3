"""Logistic regression against published estimates, brute force and statsmodels; formulas against themselves."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize
from scipy.special import chdtrc, expit

from TumorClassifierLib.firth import joint_likelihood_ratio_p
from TumorClassifierLib.regression import fit_logistic, is_separable, joint_p
from TumorClassifierLib.signature import PenaltyPath, SignatureScore

PUBLISHED = json.loads((Path(__file__).parent / "fixtures" / "firth_published.json").read_text(encoding="utf-8"))


def published(name: str) -> tuple[np.ndarray, np.ndarray, dict]:
    """X (n, p) and y (n,) of a published example, and what R's logistf says of it."""
    example = PUBLISHED[name]
    if "patterns" in example:
        table = np.array(example["patterns"])
        rows = np.repeat(table[:, :-1], table[:, -1], axis=0)
        return rows[:, 1:].astype(float), rows[:, 0], example
    rows = np.array(example["rows"])
    return rows[:, :-1], rows[:, -1].astype(int), example


def penalised(design: np.ndarray, y: np.ndarray, beta: np.ndarray) -> float:
    """Firth's penalised log likelihood, written out anew."""
    p = expit(design @ beta)
    likelihood = np.sum(np.where(y == 1, -np.logaddexp(0, -design @ beta), -np.logaddexp(0, design @ beta)))
    return float(likelihood + 0.5 * np.linalg.slogdet((design.T * (p * (1 - p))) @ design)[1])


def highest(design: np.ndarray, y: np.ndarray, held: dict[int, float], start: np.ndarray) -> float:
    """The penalised maximum with some coefficients held, by a general optimiser."""
    free = [j for j in range(design.shape[1]) if j not in held]

    def loss(part: np.ndarray) -> float:
        beta = np.array([held.get(j, 0.0) for j in range(design.shape[1])])
        beta[free] = part
        return -penalised(design, y, beta)

    rough = minimize(
        loss, start[free], method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-10, "maxiter": 20_000}
    )
    return -float(minimize(loss, rough.x, method="BFGS", options={"gtol": 1e-7}).fun)


@pytest.mark.parametrize("name", ["sex2", "endometrial"])
def test_firth_is_that_of_logistf(name: str) -> None:
    """Estimates and limits to about the digits that are quoted."""
    X, y, theirs = published(name)
    assert len(y) == {"sex2": 239, "endometrial": 79}[name]
    model = fit_logistic(X, y, theirs["names"], method="firth")
    np.testing.assert_allclose(model.coefficients, theirs["coefficients"], atol=2e-6)
    np.testing.assert_allclose(np.column_stack([model.lower, model.upper]), theirs["limits"], rtol=1e-5, atol=1e-6)
    by_limits = (np.array(theirs["limits"])[:, 0] > 0) | (np.array(theirs["limits"])[:, 1] < 0)
    assert (np.array(model.p_values) < 0.05).tolist() == by_limits.tolist()


def test_firth_is_chosen_where_the_published_data_separate() -> None:
    X, y, theirs = published("endometrial")
    assert is_separable(X, y)  # no tumour of low grade invades the vessels
    assert fit_logistic(X, y, theirs["names"]).method == "firth"
    assert is_separable(*published("sex2")[:2])


@pytest.mark.parametrize("columns", [[1], [1, 3], [2, 3]])
def test_joint_test_is_that_of_two_brute_force_maxima(columns: list[int]) -> None:
    X, y, theirs = published("endometrial")
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    design = np.column_stack([np.ones(len(y)), X])
    start = np.zeros(4)
    drop = 2 * (highest(design, y, {}, start) - highest(design, y, dict.fromkeys(columns, 0.0), start))
    expected = float(chdtrc(len(columns), drop))
    assert joint_likelihood_ratio_p(design, y, columns) == pytest.approx(expected, rel=1e-4)
    model = fit_logistic(X, y, theirs["names"])
    found = joint_p(model, X, y, [theirs["names"][j - 1] for j in columns])
    assert found == pytest.approx(expected, rel=1e-4)


def test_firth_limits_are_where_brute_force_finds_them() -> None:
    X, y, theirs = published("endometrial")
    design = np.column_stack([np.ones(len(y)), X[:, [0, 2]]])
    model = fit_logistic(X[:, [0, 2]], y, ["NV", "EH"])
    at = np.array(model.coefficients)
    top = highest(design, y, {}, at)

    def excess(value: float) -> float:
        return 2 * (top - highest(design, y, {2: value}, at)) - 3.841458820694124

    assert model.lower[2] == pytest.approx(brentq(excess, at[2] - 4, at[2], xtol=1e-6), abs=1e-4)
    assert model.upper[2] == pytest.approx(brentq(excess, at[2], at[2] + 4, xtol=1e-6), abs=1e-4)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(-6, 6), st.floats(-3, 3))
def test_estimates_are_those_of_statsmodels_whatever_the_units(seed: int, power: float, shift: float) -> None:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(90, 3))
    y = (expit(X @ [1, -0.5, 0]) > rng.random(90)).astype(int)
    if is_separable(X, y):
        return
    theirs = sm.Logit(y, sm.add_constant(X)).fit(disp=0, tol=1e-12, maxiter=100)
    unit = 10.0**power
    model = fit_logistic((X + shift) * unit, y, ["a", "b", "c"])
    np.testing.assert_allclose(np.array(model.coefficients[1:]) * unit, theirs.params[1:], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(np.array(model.standard_errors[1:]) * unit, theirs.bse[1:], rtol=1e-6)
    np.testing.assert_allclose(model.p_values[1:], theirs.pvalues[1:], rtol=1e-5)


@pytest.mark.parametrize("sizes", [[1] * 30 + [2] * 30 + [5] * 12, [3] * 50])
def test_cluster_robust_errors_are_those_of_statsmodels(sizes: list[int]) -> None:
    rng = np.random.default_rng(len(sizes))
    patients = np.repeat(np.arange(len(sizes)), sizes)
    X = (rng.normal(size=(len(sizes), 2)))[patients] + rng.normal(size=(len(patients), 2))
    y = (X[:, 0] + rng.normal(size=len(sizes))[patients] > 0).astype(int)
    model = fit_logistic(X, y, ["a", "b"], np.array([f"p{i}" for i in patients]))
    fit = sm.Logit(y, sm.add_constant(X)).fit(disp=0, tol=1e-12, cov_type="cluster", cov_kwds={"groups": patients})
    np.testing.assert_allclose(model.standard_errors, fit.bse, rtol=1e-7)
    np.testing.assert_allclose(model.covariance, fit.cov_params(), rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(model.p_values, fit.pvalues, rtol=1e-6)
    np.testing.assert_allclose(np.column_stack([model.lower, model.upper]), fit.conf_int(), rtol=1e-6)


def test_joint_wald_test_is_that_of_statsmodels() -> None:
    X, y, theirs = published("sex2")
    X = X[:, :5]  # dia separates
    model = fit_logistic(X, y, theirs["names"][:5])
    fit = sm.Logit(y, sm.add_constant(X)).fit(disp=0, tol=1e-12)
    expected = float(fit.wald_test(np.eye(6)[[3, 4]], scalar=True).pvalue)
    assert model.method == "ml"
    assert joint_p(model, X, y, ["vic", "vicl"]) == pytest.approx(expected, rel=1e-6)
    assert joint_p(model, X, y, ["oc"]) == model.p_values[2]


def test_table_lists_odds_ratios_and_no_infinity() -> None:
    X, y, theirs = published("sex2")
    model = fit_logistic(X[:, :5], y, theirs["names"][:5])
    table = json.loads(json.dumps(model.table(), allow_nan=False))
    assert [row["name"] for row in table] == ["intercept", *theirs["names"][:5]]
    for row, (ratio, low, high) in zip(table, model.odds_ratios(), strict=True):
        assert (row["odds_ratio"], row["low"], row["high"]) == pytest.approx((ratio, low, high), rel=1e-14)
    steep = fit_logistic(X[:, :1] * 1e-9, y, ["age"]).table()
    assert steep[1]["odds_ratio"] == 0
    assert fit_logistic(X[:, :1] * -1e-9, y, ["age"]).table()[1]["odds_ratio"] is None


# --- the text of a signature ---

feature = st.tuples(
    st.floats(-1e6, 1e6), st.floats(1e-3, 1e5), st.floats(-5, 5).filter(lambda weight: abs(weight) > 1e-8)
)


def signature(parts: list[tuple[float, float, float]], intercept: float) -> SignatureScore:
    names = tuple(f"T1C.wavelet-HLH_glcm_f{i}" for i in range(len(parts)))
    mean, scale, weights = zip(*parts, strict=True)
    return SignatureScore(names, mean, scale, weights, intercept, 0.1, PenaltyPath((), (), (), (), ()))


def read_standardised(text: str, values: dict[str, float]) -> float:
    intercept = float(re.search(r"= (\S+)$", text.split("\n")[0]).group(1))
    scales = {n: (float(m), float(s)) for n, m, s in re.findall(r"(\S+): mean (\S+), scale (\S+)", text)}
    terms = re.findall(r"([+-]\S+) × z\((\S+)\)", text)
    assert {name for _, name in terms} == set(scales) == set(values)
    return intercept + sum(float(w) * (values[n] - scales[n][0]) / scales[n][1] for w, n in terms)


def read_raw(text: str, values: dict[str, float]) -> float:
    terms = re.findall(r"([+-]\S+) × (\S+)", text)
    assert {name for _, name in terms} == set(values)
    return float(re.search(r"= (\S+)$", text.split("\n")[0]).group(1)) + sum(float(w) * values[n] for w, n in terms)


@given(st.lists(feature, min_size=1, max_size=8), st.floats(-3, 3), st.integers(0, 1000))
def test_both_formulas_give_the_score_when_read_back(parts: list, intercept: float, seed: int) -> None:
    """To the digits printed: a number's last digit is worth up to 5e-12 of it (raw, 1e-16)."""
    model = signature(parts, intercept)
    z = np.random.default_rng(seed).normal(size=len(parts))
    x = np.array(model.mean) + z * np.array(model.scale)
    values = dict(zip(model.features, x.tolist(), strict=True))
    score = float(model.score(x[None])[0])
    size = 1 + np.abs(np.array(model.coefficients)) @ ((np.abs(x) + np.abs(model.mean)) / np.array(model.scale))
    assert read_standardised(model.formula("Rad-score"), values) == pytest.approx(score, abs=3e-11 * size)
    assert read_raw(model.raw_formula("Rad-score"), values) == pytest.approx(score, abs=1e-14 * size)


def test_formulas_of_ordinary_features_read_back_to_nine_digits() -> None:
    rng = np.random.default_rng(3)
    parts = list(zip(rng.normal(50, 20, 12), rng.uniform(1, 30, 12), rng.normal(0, 0.2, 12), strict=True))
    model = signature([tuple(map(float, part)) for part in parts], 0.4171)
    for _ in range(20):
        x = np.array(model.mean) + rng.normal(size=12) * np.array(model.scale)
        values = dict(zip(model.features, x.tolist(), strict=True))
        score = float(model.score(x[None])[0])
        assert read_standardised(model.formula(), values) == pytest.approx(score, abs=1e-9)
        assert read_raw(model.raw_formula(), values) == pytest.approx(score, abs=1e-9)
    lines = model.formula("Rad-score").split("\n")
    assert lines[0] == "Rad-score = 0.4171"
    weights = [abs(float(line.split()[0])) for line in lines[1:13]]
    assert weights == sorted(weights, reverse=True)
