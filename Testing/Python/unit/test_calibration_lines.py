"""Smooth and corrected calibration lines against statsmodels and against loops that follow the definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.api import GLM, add_constant, families
from statsmodels.nonparametric.smoothers_lowess import lowess

from FeatureExtractorLib.errors import InputError
from TumorClassifierLib.evaluation.calibration_summary import calibration_summary
from TumorClassifierLib.evaluation.corrected_calibration import corrected_calibration, usual_predictions
from TumorClassifierLib.evaluation.intervals import bootstrap_rows
from TumorClassifierLib.evaluation.loess import local_line


def cohort(n: int = 90, columns: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, columns)) * [1, 10, 0.1][:columns]
    return X, (rng.random(n) < 1 / (1 + np.exp(-X[:, 0]))).astype(int)


def by_definition(x: np.ndarray, y: np.ndarray, at: float, span: float) -> float:
    """A straight line by least squares of the tricube-weighted nearest cases."""
    nearest = int(span * len(x) + 1e-10)
    distance = np.abs(x - at)
    reach = np.sort(distance)[nearest - 1]
    weight = np.where(distance < reach, (1 - (distance / reach) ** 3) ** 3, 0)
    root = np.sqrt(weight)
    solution = np.linalg.lstsq(root[:, None] * np.column_stack([np.ones(len(x)), x - at]), root * y, rcond=None)[0]
    return float(solution[0])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(12, 80), st.sampled_from([0.4, 2 / 3, 0.9]))
def test_the_smooth_line_is_lowess_and_its_definition(seed: int, n: int, span: float) -> None:
    rng = np.random.default_rng(seed)
    x, at = rng.random(n), np.linspace(0.05, 0.95, 9)
    y = (rng.random(n) < x).astype(float)
    ours = local_line(x, y, at, span)
    np.testing.assert_allclose(ours, [by_definition(x, y, float(value), span) for value in at], atol=1e-9)
    np.testing.assert_allclose(ours, lowess(y, x, frac=span, it=0, xvals=at), atol=1e-9)
    np.testing.assert_allclose(local_line(x, 2 * x + 1, at, span), 2 * at + 1, atol=1e-9)
    np.testing.assert_allclose(local_line(1 - x, 1 - y, 1 - at, span), 1 - ours, atol=1e-9)


def test_the_smooth_line_of_few_distinct_predictions_is_their_share() -> None:
    x, y = np.repeat([0.2, 0.5, 0.9], 20), np.tile([1, 0, 0, 0], 15)
    np.testing.assert_allclose(local_line(x, y, np.array([0.2, 0.5, 0.9]), 0.3), 0.25, atol=1e-12)
    np.testing.assert_allclose(local_line(np.full(8, 0.4), y[:8], np.array([0.1, 0.4])), 0.25, atol=1e-12)
    between = local_line(np.repeat([0.0, 1.0], 5), np.repeat([0.0, 1.0], 5), np.array([0.5]), 0.8)
    assert between == pytest.approx([0.5])


@pytest.mark.parametrize("repeated", [False, True])
def test_the_corrected_line_is_harrells_loop(repeated: bool) -> None:
    """Every resample is fitted by statsmodels and smoothed by statsmodels; tolerance is that of their fit."""
    X, y = cohort()
    patients = np.repeat(np.arange(45), 2) if repeated else None
    y = np.repeat(y[:45], 2) if repeated else y
    line = corrected_calibration(X, y, patients, resamples=25, seed=4)
    whole = add_constant(X)
    own = GLM(y, whole, family=families.Binomial()).fit(tol=1e-13).predict(whole)
    at = usual_predictions(own)
    np.testing.assert_allclose(line.predicted, at, atol=1e-9)
    np.testing.assert_allclose(line.apparent, lowess(y, own, frac=2 / 3, it=0, xvals=at), atol=1e-7)
    optimism = []
    for weight in bootstrap_rows(y, patients, 25, 4).astype(int):
        drawn, drawn_y = np.repeat(whole, weight, axis=0), np.repeat(y, weight)
        model = GLM(drawn_y, drawn, family=families.Binomial()).fit(tol=1e-13)
        again, seen = model.predict(whole), model.predict(drawn)
        gap = [by_definition(seen, drawn_y, a, 2 / 3) - by_definition(again, y, a, 2 / 3) for a in at]
        optimism.append(np.where((at < again.min()) | (at > again.max()), np.nan, gap))
    np.testing.assert_allclose(line.optimism, np.nanmean(optimism, axis=0), atol=1e-6)
    np.testing.assert_allclose(line.corrected, line.apparent - line.optimism, atol=1e-15)
    assert line.resamples == 25


def test_a_model_of_noise_is_corrected_downwards_where_it_promises_most() -> None:
    """With eight columns of noise for 60 cases the fitted probabilities are too far from the share of the class."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 8)), np.arange(60) % 2
    line = corrected_calibration(X, y, resamples=100)
    assert line.optimism[-1] > 0.03
    assert line.optimism[0] < -0.03


def test_what_separates_has_no_corrected_line() -> None:
    x = np.linspace(-1, 1, 30)[:, None]
    with pytest.raises(InputError, match="separate"):
        corrected_calibration(x, (x[:, 0] > 0).astype(int))
    wide = np.random.default_rng(0).normal(size=(16, 6))
    with pytest.raises(InputError, match=r"resamples gave a fit|separate"):
        corrected_calibration(wide, np.arange(16) % 2, resamples=40)


def test_the_summary_says_what_was_corrected_and_what_could_not_be_had() -> None:
    X, y = cohort()
    model = GLM(y, add_constant(X), family=families.Binomial()).fit()
    p = model.predict(add_constant(X))
    external = calibration_summary(y, p, own_training=False)
    own = calibration_summary(y, p, own_training=True, design=X)
    assert external["corrected"] is None
    assert external["note"] is None
    test, own_test = external["hosmer_lemeshow"], own["hosmer_lemeshow"]
    assert test["degrees_of_freedom"] == own_test["degrees_of_freedom"] + 2 == test["groups"]
    assert test["statistic"] == own_test["statistic"]
    assert "coefficients were fitted again in 200" in own["note"]
    line = corrected_calibration(X, y, at=np.array(own["loess"]["predicted"]))
    np.testing.assert_allclose(own["corrected"]["observed"], np.clip(line.corrected, 0, 1), atol=1e-7)
    assert "recalibration" in calibration_summary(y, p, own_training=True)["note"]
    assert own["slope"] == pytest.approx(1, abs=1e-6)
    apart = calibration_summary(y, np.where(y == 1, 0.8, 0.3), own_training=True)
    assert apart["slope"] is None
    assert "No calibration slope" in apart["note"]
    assert "No corrected line" in apart["note"]
    assert apart["hosmer_lemeshow"] is None
