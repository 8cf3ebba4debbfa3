"""Signature, SVM and logistic regression against scikit-learn and statsmodels."""

import json
import time
import warnings

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.calibration import _sigmoid_calibration
from sklearn.svm import SVC

from FeatureExtractorLib.errors import BundleRejected, InputError
from TumorClassifierLib.firth import fit_firth, penalised_log_likelihood
from TumorClassifierLib.regression import LogisticModel, fit_logistic, is_separable
from TumorClassifierLib.signature import SignatureScore, fit_signature
from TumorClassifierLib.svm import SvmModel, fit_svm, platt_sigmoid


def cohort(n: int = 120, p: int = 30, seed: int = 0, slices: int = 1):
    rng = np.random.default_rng(seed)
    patients = np.repeat(np.arange(n // slices), slices)
    latent = rng.normal(size=(n // slices, 6))[patients]
    X = 100 + 10 * (latent @ rng.normal(size=(6, p)) + rng.normal(size=(n, p)))
    y = (latent[:, 0] + 0.8 * rng.normal(size=n // slices)[patients] > 0).astype(int)
    return X, y, [f"f{i}" for i in range(p)], np.array([f"p{i:03d}" for i in patients])


def through_json(model):
    return type(model).from_json(json.loads(json.dumps(model.to_json(), allow_nan=False)))


def test_signature_is_its_own_formula_and_survives_json() -> None:
    X, y, names, patients = cohort(slices=2)
    model = fit_signature(X, y, names, patients)
    assert 0 < len(model.features) < len(names)
    columns = [names.index(name) for name in model.features]
    by_hand = model.intercept + ((X[:, columns] - X[:, columns].mean(0)) / X[:, columns].std(0)) @ model.coefficients
    np.testing.assert_allclose(model.score(X, names), by_hand, rtol=1e-12)
    np.testing.assert_allclose(model.score(X[:, columns]), by_hand, rtol=1e-12)
    assert through_json(model) == model
    assert (through_json(model).score(X, names) == model.score(X, names)).all()
    assert model.formula("Rad-score").count("z(") == len(model.features)
    at = model.path.alphas.index(model.alpha)
    assert model.path.counts[at] == len(model.features)
    assert tuple(row[at] for row in model.path.coefficients) == model.coefficients
    with pytest.raises(InputError, match=model.features[0]):
        model.score(X[:, :1], ["other"])
    with pytest.raises(BundleRejected, match="alpha"):
        SignatureScore.from_json({k: v for k, v in model.to_json().items() if k != "alpha"})


def test_signature_of_noise_falls_back_to_one_feature_and_says_so() -> None:
    y = np.tile([0, 1], 20)
    X = np.column_stack([np.repeat(np.arange(20.0), 2), np.repeat(np.arange(20.0)[::-1] ** 2, 2)])
    model = fit_signature(X + np.where(y == 1, 1e-3, 0)[:, None] * [1, 0], y, ["a", "b"], np.arange(40))
    assert len(model.features) == 1
    rng = np.random.default_rng(5)
    for _ in range(10):
        X = rng.normal(size=(40, 6))
        model = fit_signature(X, y, list("abcdef"))
        if model.warnings:
            assert "selected no feature" in model.warnings[0]
            assert len(model.features) == 1
            assert np.std(model.score(X, list("abcdef"))) > 0
            return
    pytest.fail("the LASSO selected features from noise ten times")


def test_signature_refuses_what_cannot_be_fitted() -> None:
    X, y, names, patients = cohort()
    with pytest.raises(InputError, match="constant"):
        fit_signature(np.ones((120, 30)), y, names, patients)
    with pytest.raises(InputError, match="two patients"):
        fit_signature(X, np.arange(120) == 3, names, patients)
    X[0, 7] = np.inf
    with pytest.raises(InputError, match="f7"):
        fit_signature(X, y, names, patients)


def test_signature_of_a_full_table_takes_seconds_not_minutes_and_does_not_warn() -> None:
    X, y, names, patients = cohort(250, 1143)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        start = time.perf_counter()
        fit_signature(X, y, names, patients)
    assert time.perf_counter() - start < 15


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 1000))
def test_fits_do_not_depend_on_the_order_of_the_rows(seed: int) -> None:
    X, y, names, patients = cohort(60, 8, seed=seed % 5, slices=2)
    order = np.random.default_rng(seed).permutation(60)
    shuffled = X[order], y[order]
    assert fit_signature(*shuffled, names, patients[order]) == fit_signature(X, y, names, patients)
    ours, other = fit_svm(X, y, patients), fit_svm(*shuffled, patients[order])
    assert ours.to_json() == other.to_json()
    assert fit_logistic(*shuffled, names, patients[order]) == fit_logistic(X, y, names, patients)


@pytest.mark.parametrize("kernel", ["rbf", "linear"])
def test_svm_predicts_as_scikit_learn_without_it(kernel: str) -> None:
    X, y, names, patients = cohort(p=6, slices=2)
    model = fit_svm(X, y, patients, names, kernel)
    order = np.lexsort((*X.T[::-1], y, patients))
    Z = ((X - X.mean(0)) / X.std(0))[order]
    theirs = SVC(kernel=kernel, C=model.cost, gamma=model.gamma).fit(Z, y[order])
    new = cohort(p=6, seed=9)[0]
    np.testing.assert_allclose(
        model.decision(new, names), theirs.decision_function((new - X.mean(0)) / X.std(0)), rtol=1e-9, atol=1e-12
    )
    probability = model.probability(new, names)
    assert ((probability > 0) & (probability < 1)).all()
    assert model.platt[0] < 0  # a larger decision means class 1
    assert model.auc > 0.7
    assert through_json(model).to_json() == model.to_json()
    assert (through_json(model).probability(new, names) == probability).all()


def test_platt_sigmoid_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    f = rng.normal(size=80)
    y = (f + rng.normal(size=80) > 0.3).astype(int)
    np.testing.assert_allclose(platt_sigmoid(f, y), _sigmoid_calibration(f, y), rtol=1e-4)


def test_svm_refuses_constant_features_and_unknown_kernels() -> None:
    X, y, names, patients = cohort(p=3)
    X[:, 1] = 2
    with pytest.raises(InputError, match="f1 is constant"):
        fit_svm(X, y, patients, names)
    with pytest.raises(InputError, match="no kernel 'cubic'"):
        fit_svm(X, y, patients, names, kernel="cubic")


def test_logistic_is_that_of_statsmodels() -> None:
    X, y, names, _ = cohort(p=3)
    model = fit_logistic(X, y, names)
    theirs = sm.Logit(y, sm.add_constant(X)).fit(disp=0, tol=1e-12)
    np.testing.assert_allclose(model.coefficients, theirs.params, rtol=1e-7)
    np.testing.assert_allclose(model.standard_errors, theirs.bse, rtol=1e-7)
    np.testing.assert_allclose(model.p_values, theirs.pvalues, rtol=1e-6)
    np.testing.assert_allclose(np.column_stack([model.lower, model.upper]), theirs.conf_int(), rtol=1e-6)
    np.testing.assert_allclose(np.array(model.odds_ratios())[:, 0], np.exp(theirs.params), rtol=1e-7)
    np.testing.assert_allclose(model.probability(X, names), theirs.predict(), rtol=1e-9)
    frame = theirs.get_prediction(which="linear").summary_frame()
    low, high = model.probability_interval(X)
    np.testing.assert_allclose(low, 1 / (1 + np.exp(-frame["ci_lower"])), rtol=1e-6)
    np.testing.assert_allclose(high, 1 / (1 + np.exp(-frame["ci_upper"])), rtol=1e-6)
    assert model.method == "ml"
    assert through_json(model) == model


def test_several_rows_a_patient_get_cluster_robust_errors() -> None:
    X, y, names, patients = cohort(p=2, slices=4)
    model = fit_logistic(X, y, names, patients)
    theirs = sm.Logit(y, sm.add_constant(X)).fit(
        disp=0, cov_type="cluster", cov_kwds={"groups": np.unique(patients, return_inverse=True)[1]}
    )
    np.testing.assert_allclose(model.standard_errors, theirs.bse, rtol=1e-6)
    assert model.method == "ml, cluster-robust"


def test_firth_of_a_two_by_two_table_adds_a_half_to_every_cell() -> None:
    """In a saturated model Firth's estimate is that of counts + 1/2 (Firth 1993; Heinze & Schemper 2002)."""
    cells = {(0, 0): 9, (0, 1): 4, (1, 0): 0, (1, 1): 7}  # nobody with x = 1 is of class 0: separation
    x = np.concatenate([np.full(count, key[0]) for key, count in cells.items()]).astype(float)
    y = np.concatenate([np.full(count, key[1]) for key, count in cells.items()])
    model = fit_logistic(x[:, None], y, ["x"])
    assert model.method == "firth"
    assert "separate" in model.warnings[0]
    assert model.intercept == pytest.approx(np.log(4.5 / 9.5), abs=1e-9)
    assert model.coefficients[1] == pytest.approx(np.log(7.5 * 9.5 / (0.5 * 4.5)), abs=1e-8)
    with pytest.raises(InputError, match="use method firth"):
        fit_logistic(x[:, None], y, ["x"], method="ml")


def test_firth_maximises_the_penalised_likelihood_and_its_tests_are_profile_tests() -> None:
    X, y, _, _ = cohort(40, 3, seed=3)
    design = np.column_stack([np.ones(40), (X - 100) / 10])
    fit = fit_firth(design, y)

    def loss(beta: np.ndarray, fixed: int | None = None, value: float = 0.0) -> float:
        full = beta if fixed is None else np.insert(beta, fixed, value)
        return -penalised_log_likelihood(design, y, full)

    best = minimize(loss, np.zeros(4), method="BFGS", options={"gtol": 1e-8})
    np.testing.assert_allclose(fit.coefficients, best.x, atol=1e-5)
    assert fit.log_likelihood == pytest.approx(-best.fun, abs=1e-9)
    for j in range(4):
        for value in (fit.lower[j], fit.upper[j]):
            at_limit = minimize(loss, np.delete(best.x, j), args=(j, value), method="BFGS", options={"gtol": 1e-8})
            assert 2 * (at_limit.fun - best.fun) == pytest.approx(3.841458820694124, abs=1e-5)
    assert (fit.p_values < 0.05).tolist() == ((fit.lower > 0) | (fit.upper < 0)).tolist()


def test_separation_is_found_and_only_where_it_is() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 3))
    plane = X @ [1, -2, 0.5]
    assert is_separable(X, (plane > 0.1).astype(int))
    assert not is_separable(X, (plane + rng.normal(size=50) > 0.1).astype(int))
    quasi = np.array([0, 0, 0, 1, 1, 1, 1, 1.0])[:, None]
    assert is_separable(quasi, np.array([0, 0, 0, 0, 1, 0, 1, 1]))


def test_logistic_names_the_column_that_cannot_be_fitted() -> None:
    X, y, names, _ = cohort(p=3)
    with pytest.raises(InputError, match="f2 follows"):
        fit_logistic(np.column_stack([X[:, :2], 2 * X[:, 0] - X[:, 1]]), y, names)
    with pytest.raises(InputError, match="f1 is the same"):
        fit_logistic(X * [1, 0, 1], y, names)
    with pytest.raises(InputError, match="one class"):
        fit_logistic(X, np.ones(120), names)
    with pytest.raises(BundleRejected):
        LogisticModel.from_json({"names": []})
    with pytest.raises(BundleRejected):
        SvmModel.from_json([1, 2])
