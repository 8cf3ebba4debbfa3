"""The judgement of a cohort as one document: its shape, agreement with the single statistics, and symmetries."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from FeatureExtractorLib.errors import InputError
from TumorClassifierLib.evaluation.decision_curve import net_benefit, net_benefit_band
from TumorClassifierLib.evaluation.discrimination import delong_test
from TumorClassifierLib.evaluation.intervals import bootstrap_rows, clopper_pearson, wilson
from TumorClassifierLib.evaluation.judgement import judge_predictions
from TumorClassifierLib.evaluation.metrics import binary_metrics, by_patient

TWO, THREE = ("low", "high"), ("glioma", "meningioma", "pituitary")
METRICS = {"auc", "ap", "accuracy", "sensitivity", "specificity", "ppv", "npv", "f1", "brier"}


def cohort(classes: int, models: int = 2, seed: int = 0) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
    """60 patients with one to three cases each."""
    rng = np.random.default_rng(seed)
    patients = np.repeat([f"p{i:02d}" for i in range(60)], np.arange(60) % 3 + 1)
    y = np.array([int(name[1:]) % classes for name in patients])
    P = {}
    for name in ("nomogram", "radiomics", "clinical")[:models]:
        logits = rng.normal(size=(len(y), classes)) + 1.3 * np.eye(classes)[y]
        P[name] = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return y, P, patients


def judged(classes: tuple[str, ...], **options: Any) -> dict[str, Any]:
    y, P, patients = cohort(len(classes), options.pop("models", 2))
    options = {"resamples": 60, **options}
    return judge_predictions("cross-validation", y, P, patients, classes, "nomogram", **options)


def test_two_classes_have_the_figures_of_the_single_statistics() -> None:
    y, P, patients = cohort(2)
    cuts = np.array([0.4 if int(name[1:]) % 2 else 0.55 for name in patients])
    found = judge_predictions("cv", y, P, patients, TWO, "nomogram", cuts, resamples=60, seed=3)
    for model, probabilities in P.items():
        actual, p = by_patient(y, probabilities[:, 1], patients)
        cut = np.array([0.4 if i % 2 else 0.55 for i in range(60)]) if model == "nomogram" else np.full(60, 0.5)
        called = (p >= cut).astype(int)
        ranked = binary_metrics(actual, p, resamples=60, seed=3)
        counted = binary_metrics(actual, called, resamples=60, seed=3)
        expected = {name: (ranked if name in ("auc", "ap", "brier") else counted)[name] for name in METRICS}
        assert found["metrics"][model] == expected
        assert found["confusion"][model] == metrics.confusion_matrix(actual, called).tolist()
        assert found["thresholds"][model] == cut.tolist()
        assert np.asarray(found["probabilities"][model])[:, 1] == pytest.approx(p, abs=1e-15)
        curve = found["decision_curve"][model]
        assert curve["net_benefit"] == net_benefit(actual, p).model.tolist()
        assert curve["low"] == net_benefit_band(actual, p, resamples=60, seed=3).low.tolist()
        assert found["decision_curve"]["treat_all"] == net_benefit(actual, p).treat_all.tolist()
    assert found["y"] == actual.tolist()
    assert (found["patients"], found["cases"], found["positive"]) == (60, len(y), "high")
    for model, of_class in found["per_class"].items():
        (_, low), (_, high) = of_class.items()
        assert list(of_class) == ["low", "high"] and high == found["metrics"][model]
        for one, other in (("sensitivity", "specificity"), ("ppv", "npv"), ("accuracy", "accuracy"), ("auc", "auc")):
            assert low[one]["value"] == pytest.approx(high[other]["value"])
            assert low[other]["value"] == pytest.approx(high[one]["value"])


@pytest.mark.parametrize("classes", [TWO, THREE], ids=["two", "three"])
def test_the_interval_of_proportions_may_be_chosen(classes: tuple[str, ...]) -> None:
    found = judged(classes, interval="Clopper-Pearson")
    table = np.asarray(found["confusion"]["nomogram"])
    assert found["metrics"]["nomogram"]["accuracy"] == clopper_pearson(int(np.trace(table)), 60).__dict__
    assert "Clopper-Pearson for accuracy" in found["intervals"]
    with pytest.raises(InputError, match="no interval 'Wald'; choose Wilson"):
        judged(classes, interval="Wald")


def test_pairs_of_models_are_compared_by_delong_with_holms_correction() -> None:
    y, P, patients = cohort(2, models=3)
    found = judged(TWO, models=3)["delong"]
    assert (found["models"], found["correction"]) == (["nomogram", "radiomics", "clinical"], "Holm")
    means = [by_patient(y, p[:, 1], patients) for p in P.values()]
    raw = []
    for i in range(3):
        assert (found["difference"][i][i], found["p"][i][i], found["p_corrected"][i][i]) == (0, None, None)
        for j in range(i + 1, 3):
            test = delong_test(means[0][0], means[i][1], means[j][1])
            assert found["difference"][i][j] == -found["difference"][j][i] == pytest.approx(test.difference)
            assert found["p"][i][j] == found["p"][j][i] == pytest.approx(test.p)
            assert found["p_corrected"][i][j] >= found["p"][i][j]
            raw.append((test.p, found["p_corrected"][i][j]))
    least = min(raw)
    assert least[1] == pytest.approx(min(1, 3 * least[0]))


def test_several_classes_are_judged_each_against_the_rest() -> None:
    y, P, patients = cohort(3)
    found = judged(THREE)
    actual, mean = by_patient(y, P["nomogram"], patients)
    called = mean.argmax(axis=1)
    assert (found["positive"], found["thresholds"]) == (None, None)
    assert found["confusion"]["nomogram"] == metrics.confusion_matrix(actual, called).tolist()
    assert set(found["metrics"]["nomogram"]) == METRICS | {"balanced_accuracy"}
    area = metrics.roc_auc_score(actual, mean, multi_class="ovr", average="macro")
    assert found["metrics"]["nomogram"]["auc"]["value"] == pytest.approx(area, abs=1e-12)
    assert found["metrics"]["nomogram"]["accuracy"] == wilson(int(np.sum(called == actual)), 60).__dict__
    for k, label in enumerate(THREE):
        one = found["per_class"]["nomogram"][label]
        assert set(one) == METRICS
        assert one["auc"]["value"] == pytest.approx(metrics.roc_auc_score(actual == k, mean[:, k]), abs=1e-12)
        assert one["ppv"]["value"] == pytest.approx(metrics.precision_score(actual == k, called == k), abs=1e-12)
        assert found["delong"][label]["models"] == ["nomogram", "radiomics"]
        assert set(found["calibration"]["nomogram"][label]) >= {"slope", "curve", "loess", "corrected"}
        share = float(np.mean(actual == k))
        assert found["decision_curve"]["treat_all"][label][0] == pytest.approx(share - (1 - share) / 99)


@pytest.mark.parametrize("classes", [TWO, THREE], ids=["two", "three"])
def test_the_document_is_plain_json_and_seeded(classes: tuple[str, ...]) -> None:
    found = judged(classes, own_training=True)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert judged(classes, own_training=True) == found
    assert judged(classes, own_training=True, seed=1)["metrics"] != found["metrics"]


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 100), st.sampled_from([TWO, THREE]))
def test_the_order_of_the_rows_does_not_matter(seed: int, classes: tuple[str, ...]) -> None:
    y, P, patients = cohort(len(classes))
    order = np.random.default_rng(seed).permutation(len(y))
    again = judge_predictions(
        "cross-validation",
        y[order],
        {model: p[order] for model, p in P.items()},
        patients[order],
        classes,
        "nomogram",
        resamples=60,
    )
    assert again == judged(classes)


def test_the_classes_may_change_places() -> None:
    """Calling the other class positive exchanges sensitivity and specificity and leaves AUC and Brier score."""
    y, P, patients = cohort(2)
    first = judged(TWO)["metrics"]["radiomics"]
    mirrored = judge_predictions(
        "cv", 1 - y, {m: p[:, ::-1] for m, p in P.items()}, patients, TWO[::-1], "nomogram", resamples=60
    )["metrics"]["radiomics"]
    for one, other in (("sensitivity", "specificity"), ("ppv", "npv"), ("auc", "auc"), ("accuracy", "accuracy")):
        assert list(first[one].values()) == pytest.approx(list(mirrored[other].values()), abs=1e-12)
    assert first["brier"]["value"] == pytest.approx(mirrored["brier"]["value"], abs=1e-12)


def test_prediction_sets_are_counted_by_patient() -> None:
    y, P, patients = cohort(3)
    of_patient = {name: [(0,), (1, 2), (), (0, 1, 2)][int(name[1:]) % 4] for name in patients}
    found = judged(THREE, sets=[of_patient[name] for name in patients], level=0.8)["prediction_sets"]
    held = [i % 3 in of_patient[f"p{i:02d}"] for i in range(60)]
    assert {key: found["coverage"][key] for key in ("value", "low", "high")} == wilson(sum(held), 60).__dict__
    own = [held[i] for i in range(60) if i % 3 == 2]
    assert found["coverage"]["by_class"]["pituitary"] == wilson(sum(own), 20).__dict__
    assert (found["level"], found["mean_size"]) == (0.8, pytest.approx(1.5))
    assert found["sizes"] == {"0": 15, "1": 15, "2": 15, "3": 15}


def test_a_band_is_that_of_net_benefits_of_every_resample() -> None:
    y, P, patients = cohort(2)
    p = P["nomogram"][:, 1]
    at = np.array([0.1, 0.35, 0.6])
    order = np.lexsort((p, y, patients))
    y, p, patients = y[order], p[order], patients[order]
    groups = np.unique(patients, return_inverse=True)[1]
    curves = [
        net_benefit(np.repeat(y, weight), np.repeat(p, weight), at).model
        for weight in bootstrap_rows(y, groups, 50, 5).astype(int)
    ]
    band = net_benefit_band(y, p, at, patients, resamples=50, seed=5)
    np.testing.assert_allclose([band.low, band.high], np.quantile(curves, [0.025, 0.975], axis=0), atol=1e-12)


def test_a_band_holds_the_true_net_benefit_about_as_often_as_it_says() -> None:
    """At 0.3, of 80 cohorts of 150; the chance to fall below 68 at 93 % coverage is under 1 in 200."""
    rng = np.random.default_rng(0)

    def draw(n: int) -> tuple[np.ndarray, np.ndarray]:
        y = np.arange(n) % 3 // 2
        return y, 1 / (1 + np.exp(0.7 - rng.normal(size=n) - 1.5 * (y - 0.3)))

    at = np.array([0.3])
    truth = net_benefit(*draw(300_000), at).model[0]
    held = 0
    for seed in range(80):
        band = net_benefit_band(*draw(150), at, resamples=400, seed=seed)
        held += int(band.low[0] <= truth <= band.high[0])
    assert held >= 68


def test_what_does_not_fit_is_refused() -> None:
    y, P, patients = cohort(2)
    with pytest.raises(InputError, match="probabilities of fusion"):
        judge_predictions("cv", y, P, patients, TWO, "fusion")
    with pytest.raises(InputError, match="radiomics has probabilities of shape"):
        judge_predictions("cv", y, {**P, "radiomics": P["radiomics"][:, :1]}, patients, TWO, "nomogram")
    with pytest.raises(InputError, match="Patient p01 has several thresholds"):
        judge_predictions("cv", y, P, patients, TWO, "nomogram", np.linspace(0.3, 0.6, len(y)))
    with pytest.raises(InputError, match="Patient p02 has several prediction sets"):
        sets = [(0,)] * 3 + [(1,)] * (len(y) - 3)
        judge_predictions("cv", y, P, patients, TWO, "nomogram", sets=sets[:4] + [(0,)] + sets[5:])
    with pytest.raises(InputError, match="No case is of class high"):
        judge_predictions("cv", np.zeros_like(y), P, patients, TWO, "nomogram")
    with pytest.raises(InputError, match="Patient p01 has cases"):
        judge_predictions("cv", np.arange(len(y)) % 2, P, patients, TWO, "nomogram")
    with pytest.raises(InputError, match="119 patient identifiers for 120"):
        judge_predictions("cv", y, P, patients[1:], TWO, "nomogram")
