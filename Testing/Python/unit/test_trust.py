"""Calibration, prediction sets and novelty against scikit-learn, MAPIE and their own promises."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import _sigmoid_calibration
from sklearn.covariance import LedoitWolf
from sklearn.isotonic import IsotonicRegression

from FeatureExtractorLib.errors import BundleRejected, InputError
from TumorClassifierLib.calibrator import Calibrator, Sigmoid, fit_calibrator
from TumorClassifierLib.conformal import fit_sets
from TumorClassifierLib.distance import fit_distance
from TumorClassifierLib.feature_words import feature_in_words
from TumorClassifierLib.novelty import fit_novelty
from TumorClassifierLib.svm import platt_sigmoid
from TumorClassifierLib.trust import Trust, TrustSettings, fit_trust

FIXTURE = Path(__file__).parent / "fixtures" / "conformal.json"
SEEDS = st.integers(0, 10_000)


def made(n: int, classes: int = 2, seed: int = 0, sharpness: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """(n, K) probabilities, over-confident by `sharpness`, and the classes."""
    rng = np.random.default_rng(seed)
    y = np.concatenate([np.arange(classes), rng.integers(0, classes, n - classes)])
    logits = rng.normal(size=(n, classes))
    logits[np.arange(n), y] += 1.0
    p = np.exp(sharpness * logits)
    return p / p.sum(axis=1, keepdims=True), y


def test_sigmoid_is_scikit_learns_and_that_of_our_svm() -> None:
    P, y = made(150)
    curve = fit_calibrator(P, y, np.arange(150)).curves[0]
    assert isinstance(curve, Sigmoid)
    logits = np.log(P[:, 1] / P[:, 0])
    theirs = _sigmoid_calibration(logits, y)
    assert (-curve.slope, -curve.intercept) == pytest.approx(theirs, abs=1e-4)
    assert (-curve.slope, -curve.intercept) == pytest.approx(platt_sigmoid(logits, y), abs=1e-6)


def test_isotonic_curve_is_scikit_learns_within_the_bounds_of_the_cohort() -> None:
    P, y = made(200)
    ours = fit_calibrator(P, y, np.arange(200), "isotonic")
    theirs = IsotonicRegression(out_of_bounds="clip").fit(P[:, 1], y)
    low, high = 1 / ((1 - y).sum() + 2), (y.sum() + 1) / (y.sum() + 2)
    assert ours(P)[:, 1] == pytest.approx(np.clip(theirs.predict(P[:, 1]), low, high), abs=1e-12)
    bounded = IsotonicRegression(y_min=low, y_max=high, out_of_bounds="clip").fit(P[:, 1], y)
    grid = np.linspace(0, 1, 501)
    assert ours(np.column_stack([1 - grid, grid]))[:, 1] == pytest.approx(bounded.predict(grid), abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.sampled_from(["platt", "isotonic"]), st.sampled_from([2, 3]))
def test_curves_rise_sum_to_one_survive_json_and_do_not_know_the_order(seed: int, method: str, classes: int) -> None:
    P, y = made(240, classes, seed)
    patients = np.arange(240)
    fitted = fit_calibrator(P, y, patients, method)
    order = np.random.default_rng(seed).permutation(240)
    again = fit_calibrator(P[order], y[order], patients[order], method)
    assert again == fitted
    assert Calibrator.from_json(json.loads(json.dumps(fitted.to_json(), allow_nan=False))) == fitted
    found = fitted(P)
    assert found.sum(axis=1) == pytest.approx(1, abs=1e-12) and (found > 0).all()
    for curve in fitted.curves:
        assert (np.diff(curve(np.linspace(0, 1, 200))) >= 0).all()


def test_a_patient_with_many_images_counts_once() -> None:
    P, y = made(100)
    patients = np.arange(100)
    rows = np.concatenate([np.arange(100), np.repeat(np.arange(10), 7)])
    for method in ("platt", "isotonic"):
        once = fit_calibrator(P, y, patients, method)
        many = fit_calibrator(P[rows], y[rows], patients[rows], method)
        assert many(P) == pytest.approx(once(P), abs=1e-6)
    assert fit_sets(P[rows], y[rows], patients[rows]).thresholds == pytest.approx(fit_sets(P, y, patients).thresholds)


def test_calibration_mends_what_is_over_confident_on_new_cases() -> None:
    (P, y), (new, truth) = made(400, seed=1, sharpness=4), made(4000, seed=2, sharpness=4)
    for method in ("platt", "isotonic"):
        better = fit_calibrator(P, y, np.arange(400), method)(new)
        assert np.mean((better[:, 1] - truth) ** 2) < np.mean((new[:, 1] - truth) ** 2) - 0.02


def test_what_cannot_be_calibrated_is_left_with_a_sentence() -> None:
    P, y = made(80)
    few = fit_calibrator(P[:40], y[:40], np.arange(40), "isotonic", ("low", "high"))
    assert few.method == "platt" and "needs 30 patients of each class" in few.warnings[0]
    falling = fit_calibrator(P[:, ::-1], y, np.arange(80))
    assert "do not rise" in falling.warnings[0] and np.array_equal(falling(P)[:, 1], P[:, 1])
    flat = fit_calibrator(np.full((80, 2), 0.5), y, np.arange(80))
    assert "do not rise" in flat.warnings[0]
    with pytest.raises(InputError, match="no method"):
        fit_calibrator(P, y, np.arange(80), "beta")
    with pytest.raises(InputError, match="not of all 2 classes"):
        fit_calibrator(P, np.zeros(80, int), np.arange(80))
    with pytest.raises(InputError, match="missing or not between"):
        fit_calibrator(P * np.nan, y, np.arange(80))
    document = few.to_json()
    document["curves"][0]["slope"] = -1.0
    with pytest.raises(BundleRejected, match="does not rise"):
        Calibrator.from_json(document)


def test_sets_are_those_of_mapie() -> None:
    fixture = json.loads(FIXTURE.read_text())
    assert len(fixture["cases"]) == 12
    for case in fixture["cases"]:
        P, y = np.array(case["P"]), np.array(case["y"])
        sets = fit_sets(P, y, np.arange(len(y)), case["level"], "all classes")
        kept = [[int(k in sets(p)) for k in range(P.shape[1])] for p in np.array(case["new"])]
        assert kept == case["sets"]


@pytest.mark.parametrize("kind", ["by class", "all classes"])
def test_sets_keep_their_promise_on_exchangeable_patients(kind: str) -> None:
    level, runs, held = 0.8, 400, []
    for seed in range(runs):
        P, y = made(90, 3, seed)
        sets = fit_sets(P[:60], y[:60], np.arange(60), level, kind)
        held += [(k, k in sets(p)) for p, k in zip(P[60:], y[60:], strict=True)]
    classes, covered = np.array(held).T
    error = 4 * np.sqrt(level * (1 - level) / runs)  # cases of one run share a threshold
    assert level - error < covered.mean() < level + 1 / 20 + error
    if kind == "by class":
        assert all(covered[classes == k].mean() > level - error for k in range(3))


def test_one_threshold_forsakes_the_rare_class_and_thresholds_by_class_do_not() -> None:
    rng = np.random.default_rng(0)
    y = (rng.random(4000) < 0.1).astype(int)
    p = 1 / (1 + np.exp(-(rng.normal(size=4000) + 1.5 * y - 2.9)))
    P, patients = np.column_stack([1 - p, p]), np.arange(2000)
    rare = P[2000:][y[2000:] == 1]
    together = fit_sets(P[:2000], y[:2000], patients, 0.9, "all classes")
    apart = fit_sets(P[:2000], y[:2000], patients, 0.9)
    assert apart.kind == "by class"
    assert np.mean([1 in together(q) for q in rare]) < 0.5
    assert np.mean([1 in apart(q) for q in rare]) > 0.83


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_sets_grow_with_the_level_and_do_not_know_the_order(seed: int) -> None:
    P, y = made(60, 3, seed)
    patients = np.arange(60) // 2 * 3 + y  # some patients have two images
    order = np.random.default_rng(seed).permutation(60)
    before: list[set[int]] = [set()] * 60
    for level in (0.3, 0.5, 0.7, 0.9, 0.99):
        sets = fit_sets(P, y, patients, level, "by class")
        assert fit_sets(P[order], y[order], patients[order], level, "by class") == sets
        now = [set(sets(p)) for p in P]
        assert all(small <= large for small, large in zip(before, now, strict=True))
        before = now
    assert all(len(kept) == 3 for kept in before)  # 0.99 needs 99 patients


def test_few_patients_rule_nothing_out_and_say_so() -> None:
    P, y = made(12)
    y = np.arange(12) % 2
    sets = fit_sets(P, y, np.arange(12), 0.9)
    assert sets.kind == "all classes" and "too few for prediction sets of its own" in sets.warnings[0]
    fewest = fit_sets(P[:6], y[:6], np.arange(6), 0.9)
    assert fewest(np.array([1.0, 0.0])) == (0, 1) and "too few patients (6)" in fewest.warnings[-1]
    nine = fit_sets(*made(200, seed=3), np.arange(200), 0.9)
    assert nine.kind == "by class" and not nine.warnings
    words = [nine.in_words(kept, ("low", "high")) for kept in ((), (1,), (0, 1))]
    assert words[0].startswith("No class fits") and words[1].startswith("Only high fits.")
    assert words[2].startswith("No class can be ruled out: this case may be low or high.")
    with pytest.raises(InputError, match="level of prediction sets"):
        fit_sets(P, y, np.arange(12), 1.0)


@pytest.mark.parametrize(("n", "p"), [(60, 5), (25, 40)])
def test_distance_is_mahalanobis_with_scikit_learns_ledoit_wolf(n: int, p: int) -> None:
    rng = np.random.default_rng(n)
    X = rng.normal(size=(n, p)) @ rng.normal(size=(p, p)) * 10 ** rng.uniform(-3, 3, p) + 7
    new = X[:5] + X.std(axis=0) * rng.normal(size=(5, p))
    ours = fit_distance(X, np.arange(n))
    assert ours is not None
    z = (X - X.mean(axis=0)) / X.std(axis=0)
    theirs = LedoitWolf(assume_centered=True).fit(z)
    expected = theirs.mahalanobis((new - X.mean(axis=0)) / X.std(axis=0))
    assert ours(new) ** 2 == pytest.approx(expected, rel=1e-8)
    assert ours.parts(new).sum(axis=1) == pytest.approx(expected, rel=1e-8)


def test_constant_columns_one_repeated_image_and_few_patients_are_no_trouble() -> None:
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=30), np.full(30, 3.0), rng.normal(size=30)])
    names = ["a", "b", "c"]
    once = fit_novelty(X, np.arange(30), names)
    rows = np.concatenate([np.arange(30), np.full(50, 4)])
    often = fit_novelty(X[rows], rows, names)
    assert once.distance is not None and often.distance is not None
    assert often.distance(X) == pytest.approx(once.distance(X)) and often.margin == pytest.approx(once.margin)
    assert often.limit == pytest.approx(once.limit)
    told = once.warnings({"a": 0.0, "b": 3.5, "c": 0.0})
    assert told[0]["text"].startswith("b is 3.5, but was 3 in every training case.")
    same = fit_novelty(np.full((8, 2), 5.0), np.arange(8), ["a", "b"])
    assert same.distance is None and same.warnings({"a": 5.0, "b": 5.0}) == []
    assert fit_novelty(X[:2], np.arange(2), names).distance is None
    assert fit_novelty(X[:, :0], np.arange(30), []).warnings({"x": 1.0}) == []
    with pytest.raises(InputError, match="Feature a"):
        once.warnings({"b": 3.0, "c": 0.0})


def test_the_like_of_the_training_cases_is_seldom_warned_of_and_the_unlike_always() -> None:
    codes = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        X = np.exp(rng.normal(size=(150, 12)))  # skewed, as radiomics are
        names = [f"f{j}" for j in range(12)]
        novelty = fit_novelty(X[:120], np.arange(120), names, seed)
        for row in X[120:]:
            codes += [warning["code"] for warning in novelty.warnings(dict(zip(names, row, strict=True)))]
        far = dict(zip(names, X[0], strict=True)) | {"f3": X[:, 3].max() * 20}
        assert {w["code"] for w in novelty.warnings(far)} == {"outside-training-range", "unlike-training"}
        assert novelty.percentile(far) == 1.0
    cases = 40 * 30
    assert 0 < codes.count("outside-training-range") / cases < 0.05 + 4 * np.sqrt(0.05 * 0.95 / cases)
    assert codes.count("unlike-training") / cases < 0.01 + 4 * np.sqrt(0.01 * 0.99 / cases)


def test_an_odd_combination_of_usual_values_is_seen() -> None:
    rng = np.random.default_rng(0)
    common = rng.normal(size=200)
    X = np.column_stack([common, common + 0.1 * rng.normal(size=200)])
    novelty = fit_novelty(X, np.arange(200), ["T1C.DTL_1", "T1C.original_glcm_Contrast"])
    told = novelty.warnings({"T1C.DTL_1": 1.5, "T1C.original_glcm_Contrast": -1.5})
    assert [warning["code"] for warning in told] == ["unlike-training"]
    assert "T1C GLCM contrast" in told[0]["text"] and "200 training patients are nearer" in told[0]["text"]


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_novelty_does_not_know_the_order_of_rows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    X, patients = rng.normal(size=(50, 4)), rng.integers(0, 30, 50)
    order = rng.permutation(50)
    one, other = (fit_novelty(X[o], patients[o], list("abcd")) for o in (np.arange(50), order))
    assert one.to_json() == other.to_json()


def test_names_are_put_in_words() -> None:
    in_words = {
        "T1C.wavelet-LLH_glcm_Contrast": "T1C GLCM contrast (wavelet LLH)",
        "original_shape_MeshVolume": "shape mesh volume",
        "CT.log-sigma-3-0-mm-3D_firstorder_10Percentile": "CT first-order 10th percentile (LoG 3.0 mm)",
        "original_glszm_GrayLevelNonUniformityNormalized": "GLSZM grey level non-uniformity normalised",
        "squareroot_gldm_LargeDependenceHighGrayLevelEmphasis": (
            "GLDM large dependence high grey level emphasis (square root)"
        ),
        "T1.original_glcm_Imc1": "T1 GLCM informational measure of correlation 1",
        "original_shape_Maximum2DDiameterSlice": "shape maximum 2D diameter slice",
        "DTL_17": "deep feature 17",
        "T1C.resnet50_3": "T1C resnet50 deep feature 3",
        "diagnostics_Mask-interpolated_VoxelNum": "interpolated mask's voxel number",
        "age": "age",
        "grade=2": "grade=2",
    }
    assert {name: feature_in_words(name) for name in in_words} == in_words


@pytest.mark.parametrize("method", ["none", "platt", "isotonic"])
def test_trust_survives_json_and_warns_in_words(method: str) -> None:
    P, y = made(120, seed=5)
    X = np.random.default_rng(5).uniform(3, 97, size=(120, 2))
    names = ["T1C.wavelet-LLH_glcm_Contrast", "T1C.original_shape_MeshVolume"]
    trust = fit_trust(P, y, np.arange(120), X, names, TrustSettings(method, 0.8))
    again = Trust.from_json(json.loads(json.dumps(trust.to_json(), allow_nan=False)))
    assert again.to_json() == trust.to_json()
    values = {names[0]: 412.0, names[1]: 50.0}
    assert again.warnings(values) == trust.warnings(values)
    text = trust.warnings(values)[0]["text"]
    assert text.startswith("T1C GLCM contrast (wavelet LLH) is 412, above the") and "that the model has seen" in text
    shown = trust.calibrated(P)
    assert all(trust.prediction_set(a) == again.prediction_set(b) for a, b in zip(shown, shown, strict=True))
    assert trust.level == 0.8
    warned = trust.set_warnings((0,), 1, ("low", "high"))
    assert warned[0]["code"] == "called-class-ruled-out" and "high" in warned[0]["text"]
    assert trust.set_warnings((), 1, ("low", "high"))[0]["code"] == "no-class-fits"
    assert trust.set_warnings((0, 1), 1, ("low", "high"))[0]["code"] == "no-class-ruled-out"
    assert trust.set_warnings((1,), 1, ("low", "high")) == []


def test_settings_that_make_no_sense_are_refused() -> None:
    for wrong in ({"calibration": "beta"}, {"level": 1.0}, {"level": 0.2}):
        with pytest.raises(InputError, match="cannot be"):
            TrustSettings(**wrong)
