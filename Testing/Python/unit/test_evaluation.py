"""Intervals, calibration, decision curves and the result table against independent implementations."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, chi2, kstest
from sklearn import metrics
from statsmodels.api import GLM, add_constant, families
from statsmodels.stats.proportion import proportion_confint

from FeatureExtractorLib.errors import InputError
from TumorClassifierLib.evaluation.calibration import (
    brier,
    calibration_curve,
    calibration_slope_intercept,
    hosmer_lemeshow,
)
from TumorClassifierLib.evaluation.decision_curve import net_benefit
from TumorClassifierLib.evaluation.discrimination import auc, auc_with_delong_interval, average_precision
from TumorClassifierLib.evaluation.intervals import bootstrap_by_patient, clopper_pearson, wilson, wilson_corrected
from TumorClassifierLib.evaluation.metrics import binary_metrics, by_patient
from TumorClassifierLib.evaluation.resampled import resampled_auc, resampled_average_precision

FIXTURES = Path(__file__).parent / "fixtures"


def predictions(n: int = 200, seed: int = 0, digits: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    logit = rng.normal(size=n) * 1.5
    p = 1 / (1 + np.exp(-logit))
    return (rng.random(n) < p).astype(int), np.round(p, digits)


@given(st.integers(0, 80), st.integers(1, 80), st.sampled_from([0.8, 0.95, 0.99]))
def test_proportion_intervals_are_those_of_statsmodels(part: int, extra: int, level: float) -> None:
    whole = part + extra - 1 or 1
    for ours, method in ((wilson, "wilson"), (clopper_pearson, "beta")):
        low, high = proportion_confint(part, whole, 1 - level, method=method)
        interval = ours(part, whole, level)
        assert (interval.low, interval.high) == pytest.approx((low, high), abs=1e-10)
        assert interval.low <= interval.value <= interval.high


@given(st.integers(0, 80), st.integers(1, 80), st.sampled_from([0.8, 0.95, 0.99]))
def test_the_corrected_interval_is_that_of_scipy_and_holds_wilsons(part: int, extra: int, level: float) -> None:
    whole = part + extra - 1 or 1
    interval, plain = wilson_corrected(part, whole, level), wilson(part, whole, level)
    theirs = binomtest(part, whole).proportion_ci(level, method="wilsoncc")
    assert (interval.low, interval.high) == pytest.approx(tuple(theirs), abs=1e-10)
    assert interval.low <= plain.low + 1e-12
    assert interval.high >= plain.high - 1e-12
    mirrored = wilson_corrected(whole - part, whole, level)
    assert (1 - mirrored.high, 1 - mirrored.low) == pytest.approx((interval.low, interval.high), abs=1e-12)


def test_exact_interval_is_that_of_scipy_and_counts_are_checked() -> None:
    theirs = binomtest(3, 17).proportion_ci(0.95, method="exact")
    assert (clopper_pearson(3, 17).low, clopper_pearson(3, 17).high) == pytest.approx(tuple(theirs), abs=1e-10)
    with pytest.raises(InputError, match="5 of 4"):
        wilson(5, 4)
    with pytest.raises(InputError, match="0 of 0"):
        clopper_pearson(0, 0)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 500))
def test_resampled_statistics_are_the_ordinary_ones_of_repeated_rows(seed: int) -> None:
    y, p = predictions(30, seed, digits=1)
    weights = np.random.default_rng(seed).integers(0, 4, size=(5, 30))
    for row, area, precision in zip(
        weights, resampled_auc(y, p, weights), resampled_average_precision(y, p, weights), strict=True
    ):
        yy, pp = np.repeat(y, row), np.repeat(p, row)
        assert area == pytest.approx(auc(yy, pp), abs=1e-12)
        assert precision == pytest.approx(average_precision(yy, pp), abs=1e-12)


def test_bootstrap_agrees_with_delong_and_widens_when_rows_repeat() -> None:
    y, p = predictions(300)
    _, low, high = auc_with_delong_interval(y, p)
    interval = bootstrap_by_patient(resampled_auc, y, p)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=0.012)
    four = bootstrap_by_patient(resampled_auc, np.repeat(y, 4), np.repeat(p, 4), np.repeat(np.arange(300), 4))
    assert (four.low, four.high) == pytest.approx((interval.low, interval.high), abs=0.012)
    naive = bootstrap_by_patient(resampled_auc, np.repeat(y, 4), np.repeat(p, 4))
    assert 1.7 < (four.high - four.low) / (naive.high - naive.low) < 2.3
    order = np.random.default_rng(1).permutation(1200)
    names = np.repeat([f"p{i}" for i in range(300)], 4)
    shuffled = bootstrap_by_patient(
        resampled_auc, np.repeat(y, 4)[order], np.repeat(p, 4)[order], names[order], seed=3
    )
    again = bootstrap_by_patient(resampled_auc, np.repeat(y, 4), np.repeat(p, 4), names, seed=3)
    assert (shuffled.low, shuffled.high) == pytest.approx((again.low, again.high), abs=1e-12)


def test_hosmer_lemeshow_is_the_textbook_sum() -> None:
    y, p = predictions()
    table = pd.DataFrame({"y": y, "p": p, "group": pd.qcut(p, 10)}).groupby("group", observed=True)
    seen, expected, size = table["y"].sum(), table["p"].sum(), table["y"].size()
    statistic = ((seen - expected) ** 2 / expected + (seen - expected) ** 2 / (size - expected)).sum()
    result = hosmer_lemeshow(y, p)
    assert result.statistic == pytest.approx(statistic, rel=1e-12)
    assert (result.degrees_of_freedom, result.groups) == (8, 10)
    assert result.p == pytest.approx(chi2.sf(statistic, 8), rel=1e-10)
    assert hosmer_lemeshow(y, p, degrees_of_freedom=10).p == pytest.approx(chi2.sf(statistic, 10), rel=1e-10)
    assert hosmer_lemeshow(y, np.clip(p * 0.5, 0, 1)).p < 1e-6
    with pytest.raises(InputError, match="needs three"):
        hosmer_lemeshow(y, np.full(200, 0.5))


def test_hosmer_lemeshow_keeps_its_level_on_true_probabilities() -> None:
    p_values = [hosmer_lemeshow(*predictions(400, seed), degrees_of_freedom=10).p for seed in range(200)]
    assert kstest(p_values, "uniform").pvalue > 0.01


def test_calibration_line_is_that_of_statsmodels() -> None:
    y, p = predictions()
    logit = np.log(p / (1 - p))
    line = calibration_slope_intercept(y, p)
    theirs = GLM(y, add_constant(logit), family=families.Binomial()).fit(tol=1e-12)
    assert (line.intercept, line.slope) == pytest.approx(tuple(theirs.params), abs=1e-6)
    offset = GLM(y, np.ones(200), family=families.Binomial(), offset=logit).fit(tol=1e-12)
    assert line.in_the_large == pytest.approx(offset.params[0], abs=1e-6)
    refitted = 1 / (1 + np.exp(-(line.intercept + line.slope * logit)))
    ideal = calibration_slope_intercept(y, refitted)
    assert (ideal.intercept, ideal.slope, ideal.in_the_large) == pytest.approx((0, 1, 0), abs=1e-6)


def test_brier_and_calibration_curve() -> None:
    y, p = predictions()
    assert brier(y, p) == pytest.approx(metrics.brier_score_loss(y, p), abs=1e-12)
    points = calibration_curve(y, p, 5)
    assert [point.cases for point in points] == [40] * 5
    assert sum(point.cases * point.observed.value for point in points) == pytest.approx(y.sum())
    assert np.all(np.diff([point.predicted for point in points]) > 0)
    with pytest.raises(InputError, match=r"1\.2"):
        calibration_curve([0, 1], [0.1, 1.2])


def test_net_benefit_is_that_of_dcurves() -> None:
    """The fixture was made by make_decision_curve_fixture.py with dcurves 1.1.7."""
    expected = json.loads((FIXTURES / "decision_curve.json").read_text())
    y, p = np.array(expected["y"]), np.array(expected["p"])
    for prevalence in ("cohort", "0.2"):
        given_share = None if prevalence == "cohort" else float(prevalence)
        curve = net_benefit(y, p, np.array(expected["thresholds"]), given_share)
        np.testing.assert_allclose(curve.model, expected[prevalence]["model"], atol=1e-12)
        np.testing.assert_allclose(curve.treat_all, expected[prevalence]["all"], atol=1e-12)


def test_net_benefit_has_its_limits() -> None:
    y, p = predictions()
    curve = net_benefit(y, p, np.array([0.0, 0.5, y.mean()]))
    assert curve.model[0] == curve.treat_all[0] == pytest.approx(y.mean())
    assert curve.treat_all[2] == pytest.approx(0, abs=1e-12)
    called = p >= 0.5
    assert curve.model[1] == pytest.approx((np.sum(called & (y == 1)) - np.sum(called & (y == 0))) / 200)
    with pytest.raises(InputError, match="Thresholds"):
        net_benefit(y, p, np.array([0.5, 1.0]))


def test_result_table_is_that_of_scikit_learn() -> None:
    y, p = predictions()
    table = binary_metrics(y, p, threshold=0.4, resamples=200)
    called = p >= 0.4
    expected = {
        "auc": metrics.roc_auc_score(y, p),
        "ap": metrics.average_precision_score(y, p),
        "accuracy": metrics.accuracy_score(y, called),
        "sensitivity": metrics.recall_score(y, called),
        "specificity": metrics.recall_score(1 - y, ~called),
        "ppv": metrics.precision_score(y, called),
        "npv": metrics.precision_score(1 - y, ~called),
        "f1": metrics.f1_score(y, called),
        "brier": metrics.brier_score_loss(y, p),
    }
    assert {name: row["value"] for name, row in table.items()} == pytest.approx(expected, abs=1e-12)
    assert all(row["low"] <= row["value"] <= row["high"] for row in table.values())
    assert (table["auc"]["low"], table["auc"]["high"]) == pytest.approx(auc_with_delong_interval(y, p)[1:])


def test_result_table_says_none_where_there_is_nothing_and_resamples_patients() -> None:
    y, p = predictions(60)
    table = binary_metrics(y, p, threshold=1.1, resamples=50)
    assert table["ppv"] == {"value": None, "low": None, "high": None}
    assert table["sensitivity"]["value"] == 0
    assert table["specificity"]["value"] == 1
    repeated = binary_metrics(np.repeat(y, 9), np.repeat(p, 9), np.repeat(np.arange(60), 9))
    single = binary_metrics(y, p)
    for name in ("auc", "accuracy", "brier"):
        assert repeated[name]["value"] == pytest.approx(single[name]["value"])
        width = repeated[name]["high"] - repeated[name]["low"]
        assert width == pytest.approx(single[name]["high"] - single[name]["low"], rel=0.2)


def test_a_perfect_figure_still_has_an_open_side() -> None:
    """Resamples of a perfect prediction are all perfect; the exact bound for the 4 positives is 0.025 ** (1 / 4)."""
    y = np.repeat([0, 1], [9, 4])
    for patients in (None, np.arange(13), np.repeat(np.arange(13), 2)):
        rows = y if patients is None or len(patients) == 13 else np.repeat(y, 2)
        table = binary_metrics(rows, 0.2 + 0.6 * rows, patients, resamples=30)
        for name in ("auc", "ap", "f1"):
            assert (table[name]["value"], table[name]["high"]) == (1, 1)
            assert table[name]["low"] == pytest.approx(0.025**0.25)
        assert table["brier"]["low"] == pytest.approx(table["brier"]["high"]) == pytest.approx(0.04)


def test_patient_level() -> None:
    patients = np.array(["b", "a", "b", "c"])
    y, p = by_patient([1, 0, 1, 0], [0.2, 0.5, 0.6, 0.1], patients)
    assert y.tolist() == [0, 1, 0]
    assert p.tolist() == pytest.approx([0.5, 0.4, 0.1])
    with pytest.raises(InputError, match="Patient b"):
        by_patient([1, 0, 0, 0], [0.2, 0.5, 0.6, 0.1], patients)
