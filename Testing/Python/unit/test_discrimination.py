"""ROC, AUC, DeLong, average precision and thresholds against scikit-learn, scipy and MLstatkit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from MLstatkit import Delong_test
from scipy.stats import mannwhitneyu
from sklearn import metrics

from FeatureExtractorLib.errors import InputError
from TumorClassifierLib.evaluation.discrimination import (
    auc,
    auc_with_delong_interval,
    average_precision,
    c_index,
    confusion_at,
    delong,
    delong_test,
    roc_curve,
    youden_threshold,
)


def scores(n: int = 102, seed: int = 0, digits: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    latent = rng.normal(size=n)
    return y, np.round(y + latent + rng.normal(size=n), digits), np.round(0.5 * y + latent, digits)


cohorts = st.lists(st.tuples(st.integers(0, 1), st.integers(-6, 6)), min_size=4, max_size=40).filter(
    lambda rows: 2 <= sum(row[0] for row in rows) <= len(rows) - 2
)


@settings(max_examples=60, deadline=None)
@given(cohorts)
def test_areas_and_curves_are_those_of_scikit_learn_and_scipy(rows: list[tuple[int, int]]) -> None:
    y, s = np.array(rows).T
    m, n = y.sum(), len(y) - y.sum()
    assert auc(y, s) == pytest.approx(metrics.roc_auc_score(y, s), abs=1e-12)
    assert auc(y, s) == pytest.approx(mannwhitneyu(s[y == 1], s[y == 0]).statistic / (m * n), abs=1e-12)
    assert average_precision(y, s) == pytest.approx(metrics.average_precision_score(y, s), abs=1e-12)
    curve = roc_curve(y, s)
    fpr, tpr, thresholds = metrics.roc_curve(y, s, drop_intermediate=False)
    np.testing.assert_allclose(curve.false_positive_rate, fpr, atol=1e-12)
    np.testing.assert_allclose(curve.true_positive_rate, tpr, atol=1e-12)
    np.testing.assert_allclose(curve.thresholds[1:], thresholds[1:])
    assert np.trapezoid(curve.true_positive_rate, curve.false_positive_rate) == pytest.approx(auc(y, s), abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(cohorts, st.integers(0, 1000))
def test_symmetries(rows: list[tuple[int, int]], seed: int) -> None:
    y, s = np.array(rows).T
    order = np.random.default_rng(seed).permutation(len(y))
    area = auc(y, s)
    assert auc(y[order], s[order]) == area
    assert auc(y, -s) == pytest.approx(1 - area, abs=1e-12)
    assert auc(1 - y, s) == pytest.approx(1 - area, abs=1e-12)
    assert auc(y, np.exp(s / 3)) == area
    first, mirrored = auc_with_delong_interval(y, s), auc_with_delong_interval(y, -s)
    np.testing.assert_allclose(first, 1 - np.array(mirrored)[[0, 2, 1]], atol=1e-12)
    assert 0 <= first[1] <= first[0] <= first[2] <= 1
    assert auc_with_delong_interval(y[order], s[order]) == pytest.approx(first, abs=1e-12)
    same, other = delong_test(y, s, 2 * s + 1), delong_test(y, s, -s)
    assert (same.difference, same.p) == (0, 1)
    assert other.difference == pytest.approx(2 * area - 1, abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_delong_is_that_of_mlstatkit(seed: int) -> None:
    y, a, b = scores(seed=seed, digits=seed % 3)
    z, p, interval, *_ = Delong_test(y, a, b)
    ours = delong_test(y, a, b)
    assert ours.z == pytest.approx(-z, abs=1e-9)  # theirs is second - first
    assert ours.p == pytest.approx(p, abs=1e-9)
    assert auc_with_delong_interval(y, a)[1:] == pytest.approx(interval, abs=1e-9)


def test_delong_covariance_is_that_of_its_definition_with_ties() -> None:
    y, a, b = scores(seed=3, digits=0)
    result = delong(y, np.stack([a, b]))
    v10, v01 = [], []
    for s in (a, b):
        kernel = np.sign(s[y == 1][:, None] - s[y == 0]) / 2 + 0.5
        v10.append(kernel.mean(axis=1))
        v01.append(kernel.mean(axis=0))
    np.testing.assert_allclose(result.auc, [np.mean(v) for v in v10], atol=1e-14)
    np.testing.assert_allclose(result.covariance, np.cov(v10) / 51 + np.cov(v01) / 51, atol=1e-14)


def test_a_perfect_score_still_has_an_interval() -> None:
    y = np.repeat([0, 1], [20, 10])
    area, low, high = auc_with_delong_interval(y, np.arange(30))
    assert (area, high) == (1, 1)
    assert low == pytest.approx(0.025**0.1)
    assert delong_test(y, np.arange(30), -np.arange(30)).p == 0


def test_threshold_and_counts() -> None:
    y, s, _ = scores()
    t = youden_threshold(y, s)
    counts = confusion_at(y, s, t)
    tn, fp, fn, tp = metrics.confusion_matrix(y, s >= t).ravel()
    assert (counts.true_negative, counts.false_positive, counts.false_negative, counts.true_positive) == (
        tn,
        fp,
        fn,
        tp,
    )
    youden = [np.mean(s[y == 1] >= u) + np.mean(s[y == 0] < u) for u in s]
    assert tp / 51 + tn / 51 == pytest.approx(max(youden), abs=1e-12)
    assert c_index(y, s) == auc(y, s)


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(InputError, match="one class"):
        auc(np.ones(4), np.arange(4))
    with pytest.raises(InputError, match="do not match"):
        auc([0, 1], [0.1, 0.2, 0.3])
    with pytest.raises(InputError, match="1 scores are not finite"):
        auc([0, 1, 1], [0.1, 0.2, np.nan])
    with pytest.raises(InputError, match="two of each"):
        delong([0, 0, 1], [[0.1, 0.2, 0.3]])
