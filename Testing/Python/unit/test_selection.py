"""Selectors against scikit-learn and scipy, and inside its pipelines."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.base import clone
from sklearn.feature_selection import RFE, SelectKBest, f_classif
from sklearn.linear_model import LassoCV, LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from FeatureExtractorLib.errors import InputError
from TumorClassifierLib.estimator import Selector
from TumorClassifierLib.folds import grouped_folds
from TumorClassifierLib.lasso import fit_lasso, lasso_path
from TumorClassifierLib.selection import (
    FTest,
    ICCThreshold,
    Lasso,
    RecursiveElimination,
    SpearmanRedundancy,
    VarianceThreshold,
    f_statistic,
    spearman_representatives,
)


def cohort(n: int = 90, p: int = 40, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    latent = rng.normal(size=(n, 8))
    X = latent @ rng.normal(size=(8, p)) + 0.8 * rng.normal(size=(n, p))
    return X, (latent[:, 0] + 0.7 * rng.normal(size=n) > 0).astype(int)


def test_f_statistic_is_that_of_scikit_learn() -> None:
    X, y = cohort()
    np.testing.assert_allclose(f_statistic(X, y), f_classif(X, y)[0], rtol=1e-10)
    assert (FTest(0.2).fit(X, y).get_support() == SelectKBest(f_classif, k=8).fit(X, y).get_support()).all()


def test_no_two_kept_features_are_redundant_and_each_dropped_one_has_a_better_twin() -> None:
    X, y = cohort(p=60)
    kept = spearman_representatives(X, y, 0.6)
    rho = np.abs(spearmanr(X).statistic)
    ranks = np.argsort(np.argsort(X, axis=0), axis=0)
    separation = np.abs([np.mean(r[y == 1]) - np.mean(r[y == 0]) for r in ranks.T])
    among = rho[np.ix_(kept, kept)] - np.eye(kept.sum())
    assert among.max() <= 0.6
    assert 1 < kept.sum() < 60
    for dropped in np.flatnonzero(~kept):
        twins = kept & (rho[dropped] > 0.6)
        assert separation[twins].max() >= separation[dropped] - 1e-12


def test_of_a_pair_the_better_separating_stays() -> None:
    rng = np.random.default_rng(1)
    y = np.repeat([0, 1], 30)
    good = y + 0.5 * rng.normal(size=60)
    worse = -good + 0.1 * rng.normal(size=60)  # correlates negatively: just as redundant
    assert spearman_representatives(np.column_stack([worse, good]), y, 0.9).tolist() == [False, True]


def test_constant_columns_are_dropped_and_gaps_refused() -> None:
    X, y = cohort()
    X[:, 3] = 7.25
    for selector in (VarianceThreshold(), FTest(1.0), SpearmanRedundancy(1.0), RecursiveElimination(39), Lasso()):
        assert not selector.fit(X, y).get_support()[3]
    X[4, 5] = np.nan
    with pytest.raises(InputError, match="x5"):
        SpearmanRedundancy().fit(X, y)
    with pytest.raises(InputError, match="glcm"):
        FTest().fit(pd.DataFrame(X).rename(columns={5: "glcm"}), y)
    with pytest.raises(InputError, match="none of"):
        VarianceThreshold().fit(np.ones((6, 2)), [0, 1, 0, 1, 0, 1])
    with pytest.raises(InputError, match="0 or 1"):
        FTest().fit(cohort()[0], np.arange(90))


def test_icc_threshold_takes_names_or_positions() -> None:
    X, y = cohort(p=3)
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    icc = {"c": 0.8, "a": 0.79, "b": np.nan}
    assert ICCThreshold(icc).fit(frame, y).get_feature_names_out().tolist() == ["c"]
    assert ICCThreshold(icc, 0.5, names=["a", "b", "c"]).fit(X, y).get_support(indices=True).tolist() == [0, 2]
    assert ICCThreshold([0.9, 0.1, 0.8]).fit(X, y).get_support().tolist() == [True, False, True]
    with pytest.raises(InputError, match="ICC for feature x0"):
        ICCThreshold(icc).fit(X, y)


def test_recursive_elimination_is_that_of_scikit_learn() -> None:
    X, y = cohort()
    expected = RFE(SVC(kernel="linear"), n_features_to_select=5).fit(StandardScaler().fit_transform(X), y).support_
    assert (RecursiveElimination(5).fit(X, y).get_support() == expected).all()


def test_lasso_is_that_of_scikit_learn() -> None:
    X, y = cohort()
    Z = StandardScaler().fit_transform(X)
    groups = np.arange(90) // 2
    folds = grouped_folds(y, groups)
    ours = fit_lasso(Z, y, groups)
    theirs = LassoCV(alphas=ours.alphas, cv=list(folds.splits), tol=1e-9, max_iter=200_000).fit(Z, y)
    assert ours.alpha == pytest.approx(theirs.alpha_, rel=1e-12)
    np.testing.assert_allclose(ours.mse, theirs.mse_path_.mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(ours.coefficients, theirs.coef_, atol=1e-6)
    assert ours.intercept == pytest.approx(theirs.intercept_, abs=1e-6)
    assert (Lasso().fit(X, y, groups).get_support() == (ours.coefficients != 0)).all()


def test_lasso_path_survives_equal_columns() -> None:
    X, y = cohort(p=10)
    twice = np.column_stack([X, X, X[:, :3] * (1 + 1e-15)])
    path = lasso_path(twice, y.astype(float), np.geomspace(0.2, 0.002, 30))
    target = y - y.mean()
    centred = twice - twice.mean(axis=0)
    gradient = np.abs(centred.T @ (target[:, None] - centred @ path)) / len(y)
    assert (gradient <= np.geomspace(0.2, 0.002, 30) * (1 + 1e-3)).all()  # the optimum's condition


def test_selectors_work_in_pipelines_and_clone() -> None:
    X, y = cohort()
    selectors: list[Selector] = [VarianceThreshold(), FTest(0.5), SpearmanRedundancy(0.8), RecursiveElimination(6)]
    pipeline = make_pipeline(*selectors, StandardScaler(), LogisticRegression())
    pipeline.set_params(ftest__share=0.6)
    assert clone(pipeline).get_params()["ftest__share"] == 0.6
    assert cross_val_score(pipeline, X, y, cv=3, scoring="roc_auc").mean() > 0.8
    names = pipeline.fit(X, y)[:-1].get_feature_names_out([f"f{i}" for i in range(40)])
    assert len(names) == 6
    with pytest.raises(InputError, match="no parameter 'shares'"):
        FTest().set_params(shares=1)
    with pytest.raises(InputError, match="fitted on 40 features and got 3"):
        FTest().fit(X, y).transform(X[:, :3])


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_the_order_of_the_rows_does_not_matter(seed: int) -> None:
    X, y = cohort(80, 12, seed=seed % 7)
    X = np.round(X, 1)  # ties
    order = np.random.default_rng(seed).permutation(len(y))
    patients = np.array([f"p{i // 2}" for i in range(len(y))])
    for selector in (SpearmanRedundancy(0.7), Lasso(folds=3), RecursiveElimination(4)):
        first = selector.fit(X, y, patients).get_support()
        assert (selector.fit(X[order], y[order], patients[order]).get_support() == first).all()


def test_folds_keep_patients_together_and_shrink_with_a_sentence() -> None:
    patients = np.repeat([f"p{i}" for i in range(11)], 4)
    y = np.repeat([1, 1, 1, *[0] * 8], 4)
    folds = grouped_folds(y, patients)
    assert len(folds.splits) == 3
    assert folds.warnings == ("Cross-validation used 3 folds instead of 5: class 1 has too few patients.",)
    for train, test in folds.splits:
        assert not set(patients[train]) & set(patients[test])
        assert set(y[train]) == {0, 1}
    assert sorted(np.concatenate([test for _, test in folds.splits])) == list(range(44))
    with pytest.raises(InputError, match="at least two patients"):
        grouped_folds(np.repeat([1, *[0] * 10], 4), patients)
    with pytest.raises(InputError, match="one a row"):
        grouped_folds(y, patients[1:])
