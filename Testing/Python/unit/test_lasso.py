"""The LASSO's path against scikit-learn's, and its independence of the order of rows and columns."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Lasso as ScikitLasso
from sklearn.linear_model import LassoCV, enet_path

from TumorClassifierLib.folds import grouped_folds
from TumorClassifierLib.lasso import ALPHAS, SMALLEST_ALPHA, fit_lasso, lasso_path


def cohort(n: int, p: int, seed: int, correlation: float = 0.5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Standardised features with a common part, 0/1 classes and patients of one to three rows."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) + correlation * rng.normal(size=(n, 1))
    y = (X[:, :3].sum(axis=1) + 2 * rng.normal(size=n) > 0).astype(int)
    patients = np.sort(rng.integers(0, n // 2, n))
    return (X - X.mean(axis=0)) / X.std(axis=0), y, patients


@pytest.mark.parametrize(("n", "p"), [(80, 6), (60, 150)])
def test_penalty_and_coefficients_are_those_of_scikit_learn(n: int, p: int) -> None:
    Z, y, patients = cohort(n, p, seed=p)
    ours = fit_lasso(Z, y, patients)
    folds = grouped_folds(y, patients)
    theirs = LassoCV(alphas=ours.alphas, cv=list(folds.splits), tol=1e-9, max_iter=500_000).fit(Z, y)
    assert ours.alpha == pytest.approx(theirs.alpha_, rel=1e-12)
    np.testing.assert_allclose(ours.mse, theirs.mse_path_.mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(ours.coefficients, theirs.coef_, atol=2e-6)
    again = ScikitLasso(alpha=ours.alpha, tol=1e-10, max_iter=500_000).fit(Z, y)
    np.testing.assert_allclose(ours.coefficients, again.coef_, atol=2e-6)
    assert len(ours.alphas) == ALPHAS
    assert ours.alphas[-1] == pytest.approx(ours.alphas[0] * SMALLEST_ALPHA, rel=1e-12)
    assert not ours.path[:, 0].any()  # the largest penalty is the least that leaves nothing


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), st.floats(0, 2))
def test_the_whole_path_is_that_of_coordinate_descent(seed: int, correlation: float) -> None:
    Z, y, _ = cohort(70, 20, seed, correlation)
    alphas = np.geomspace(0.3, 0.003, 25)
    theirs = enet_path(Z, y - y.mean(), l1_ratio=1.0, alphas=alphas, tol=1e-12, max_iter=500_000)[1]
    np.testing.assert_allclose(lasso_path(Z, y.astype(float), alphas), theirs, atol=2e-6)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 1000))
def test_neither_rows_nor_columns_need_an_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    Z, y, patients = cohort(60, 30, seed % 7)
    rows, columns = rng.permutation(60), rng.permutation(30)
    first, other = fit_lasso(Z, y, patients), fit_lasso(Z[rows][:, columns], y[rows], patients[rows])
    assert other.alpha == pytest.approx(first.alpha, rel=1e-12)
    np.testing.assert_allclose(other.coefficients, first.coefficients[columns], atol=1e-9)
    assert ((other.coefficients != 0) == (first.coefficients[columns] != 0)).all()
    np.testing.assert_allclose(other.mse, first.mse, rtol=1e-9)


def test_the_same_data_give_the_same_bytes() -> None:
    Z, y, patients = cohort(60, 150, seed=1)
    first, second = fit_lasso(Z, y, patients), fit_lasso(Z.copy(), y.copy(), patients.copy())
    assert first.path.tobytes() == second.path.tobytes()
    assert (first.alpha, first.intercept) == (second.alpha, second.intercept)
