"""Transfer learning on one slice: what is fitted, kept and told, on made measures."""

import dataclasses
import json
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save
from scipy import ndimage

from FeatureExtractorLib.errors import BundleRejected, InputError
from FeatureExtractorLib.regions import jet_pseudo_colour
from TumorClassifierLib.bundle import Bundle
from TumorClassifierLib.clinical import encode_clinical
from TumorClassifierLib.measures import CaseMeasures, Measures
from TumorClassifierLib.networks.mr_augmentation import MrAugmentation
from TumorClassifierLib.recipes import recipe_module, resnet_transfer
from TumorClassifierLib.recipes.factor_model import fit_factors
from TumorClassifierLib.recipes.resnet_transfer_model import CentreSlice, Fitted, Settings, TransferTraining
from TumorClassifierLib.settings import plain, settings_of

CLASSES = ("fine", "coarse")
TRAINING = TransferTraining(epochs=30, learning_rate=0.05, rates=(), batch_size=8, threads=1)
SETTINGS = Settings(
    modalities=("T1C", "T1"),
    crop=CentreSlice(size=48),
    backbone="resnet14",
    weights="seed:0",
    training=TRAINING,
    augmentation=MrAugmentation(probability=0.2, noise=0.05, shift=3.0),
    copies=2,
    folds=2,
    inner_folds=2,
)


def crop(rng: np.random.Generator, coarse: float, size: int = 48) -> np.ndarray:
    grey = ndimage.gaussian_filter(rng.normal(size=(size, size)), coarse)
    return jet_pseudo_colour(np.clip(0.5 + 0.2 * grey / grey.std(), 0, 1))


def made_cases(n: int, seed: int = 0, classes: tuple[str, ...] = CLASSES, twice: bool = False) -> list[CaseMeasures]:
    """Cases whose T1C texture tells the class, whose T1 does not, and whose boundary tells a little."""
    rng = np.random.default_rng(seed)
    cases = []
    for i in range(n):
        k = i % len(classes)
        picture = crop(rng, 0.4 + 2.0 * k)
        measures = {"T1C": Measures({}, picture), "T1": Measures({}, crop(rng, 1.0))}
        again = np.clip(picture + rng.normal(0, 0.02, picture.shape), 0, 1).astype(np.float32)
        clinical = {"boundary": "clear" if rng.random() < 0.3 + 0.4 * (k > 0) else "blurred", "age": 40.0 + i % 7}
        second = MappingProxyType({**measures, "T1C": Measures({}, again)}) if twice else None
        cases.append(CaseMeasures(f"secret{i}", f"secret{i}", classes[k], clinical, measures, second))
    return cases


@pytest.fixture(scope="module")
def cases() -> list[CaseMeasures]:
    return made_cases(20, twice=True)


@pytest.fixture(scope="module")
def fitted(cases: list[CaseMeasures]) -> Fitted:
    return resnet_transfer.fit(cases, CLASSES, SETTINGS)


def bundle_of(fitted: Fitted, **changes: Any) -> Bundle:
    documents, weights = resnet_transfer.pack(fitted)
    documents = json.loads(json.dumps(documents))
    documents["model"] |= changes
    manifest = {
        "name": "made",
        "classes": list(fitted.classes),
        "settings": json.loads(json.dumps(plain(fitted.settings))),
        "cohort": {"patients": 2, "cases": 2, "patients_by_class": dict.fromkeys(fitted.classes, 1)},
        "about": {},
        "metrics": {},
        "publication": "",
        "folds": 2,
        "warnings": [],
    }
    return Bundle(manifest, documents, weights, "")


def test_the_defaults_are_the_publications() -> None:
    settings = Settings()
    training, crop_settings = settings.training, settings.crop
    assert settings.modalities == ("T1C",) and settings.backbone == "resnet50" and settings.weights == "imagenet"
    assert (crop_settings.view, crop_settings.colour, crop_settings.size) == ("centre", "jet", 224)
    assert settings.preparation.spacing == (0.52, 0.52, 4.74)
    assert (training.optimizer, training.momentum, training.weight_decay) == ("sgd", 0.9, 4e-5)
    assert (training.epochs, training.batch_size) == (300, 16)
    assert (training.schedule, training.step_epochs, training.step_factor) == ("step", 4, 0.9)
    assert training.frozen == ("trunk",)
    assert (training.rate_of("trunk.layer4.0.conv1.weight"), training.rate_of("head.1.weight")) == (2e-5, 1e-5)
    assert settings.folds == settings.inner_folds == 5, "4:1"
    assert settings.activation == "smooth-grad-cam++"
    changed = settings_of(Settings, {"training": {"epochs": 3}, "crop": {"size": 64}})
    assert changed.training == dataclasses.replace(training, epochs=3), "what is not named keeps the publication's"
    assert changed.crop.view == "centre"
    assert settings_of(Settings, json.loads(json.dumps(plain(settings)))) == settings
    assert recipe_module("resnet-transfer") is resnet_transfer
    assert resnet_transfer.measure_settings(settings).radiomics is None


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"modalities": []}, "modalities"),
        ({"copies": -1}, "copies"),
        ({"activation": "x"}, "no class activation method"),
        ({"training": {"patience": 3}}, "trains for all its epochs"),
        ({"training": {"keep_best": True}}, "trains for all its epochs"),
        ({"training": {"rates": [["head", 0.0]]}}, "learning rate of head"),
        ({"training": {"optimizer": "adam"}}, "no optimizer called 'adam'"),
        ({"icc": 0.0}, "icc"),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        settings_of(Settings, wrong)


def test_the_network_tells_textures_apart_and_is_compared_with_modalities_and_factors(fitted: Fitted) -> None:
    new = made_cases(16, seed=50)
    found = resnet_transfer.probabilities(fitted, new)
    assert list(found) == ["network", "network T1", "clinical"]
    y = np.array([CLASSES.index(str(case.label)) for case in new])
    for P in found.values():
        assert P.shape == (16, 2)
        np.testing.assert_allclose(P.sum(axis=1), 1, atol=1e-12)
    right = {name: np.mean((P[:, 1] >= 0.5) == y) for name, P in found.items()}
    assert right["network"] >= 0.9
    assert right["network T1"] <= 0.8, "noise tells nothing"
    assert fitted.threshold == 0.5 and fitted.nomograms == ()
    assert {v.name for v in fitted.variables} == {"boundary", "age"}


def test_one_seed_gives_the_same_bits_in_any_order_and_another_seed_others(
    fitted: Fitted, cases: list[CaseMeasures]
) -> None:
    one = dataclasses.replace(SETTINGS, modalities=("T1C",))
    again = resnet_transfer.pack(resnet_transfer.fit(cases[::-1], CLASSES, one))
    documents, weights = resnet_transfer.pack(fitted)
    assert again[1]["network"] == weights["network"]
    assert again[0]["model"]["trust"] == documents["model"]["trust"]
    other = resnet_transfer.fit(cases, CLASSES, dataclasses.replace(one, seed=1))
    assert resnet_transfer.pack(other)[1]["network"] != weights["network"]


def test_a_bundle_keeps_heads_only_and_gives_the_same_probabilities(fitted: Fitted) -> None:
    bundle = bundle_of(fitted)
    assert sorted(bundle.weights) == ["cases", "network", "network-2"]
    heads = {name: kept for name, kept in bundle.weights.items() if name != "cases"}
    assert sum(map(len, heads.values())) < 10_000, "a frozen trunk is named, not kept"
    settings, restored = resnet_transfer.unpack(bundle)
    assert settings == SETTINGS
    documents, weights = resnet_transfer.pack(restored)
    assert weights == bundle.weights and json.loads(json.dumps(documents["model"])) == bundle.documents["model"]
    new = made_cases(5, seed=51)
    before, after = (resnet_transfer.probabilities(one, new) for one in (fitted, restored))
    for name in before:
        np.testing.assert_array_equal(after[name], before[name])
    whole = restored.network("T1C")
    with torch.no_grad():
        logits = whole(torch.from_numpy(np.stack([case.first["T1C"].crop for case in new])))
    expected = torch.softmax(logits.double(), dim=1).numpy()
    np.testing.assert_allclose(before["network"], expected, atol=1e-5)


def test_what_does_not_belong_together_is_refused(fitted: Fitted) -> None:
    factors = [model.to_json() for model in fitted.factors]
    trust = fitted.trust.to_json()
    trust["novelty"] = {**trust["novelty"], "features": ["evidence for others", "evidence for coarse"]}
    for changes, message in (
        ({"networks": {"T1C": "network"}}, "does not hold its networks"),
        ({"factors": [{**factors[0], "name": "others"}]}, "factors of other classes"),
        ({"factors": [{**factors[0], "variables": []}]}, "not its regression's"),
        ({"factors": 3}, "damaged"),
        ({"trust": trust}, "calibration of another model"),
        ({"threshold": 1.5}, "no threshold"),
        ({"threshold": None}, "damaged"),
    ):
        with pytest.raises(BundleRejected, match=message):
            resnet_transfer.unpack(bundle_of(fitted, **changes))
    bundle = bundle_of(fitted)
    for weights, message in (
        ({"network": bundle.weights["network"]}, "does not hold its networks"),
        ({**bundle.weights, "network": b"nothing"}, "damaged"),
        ({**bundle.weights, "cases": b"nothing"}, "training cases that cannot be read"),
        ({name: kept for name, kept in bundle.weights.items() if name != "cases"}, "training cases that cannot be"),
        ({**bundle.weights, "cases": save({"features": np.zeros((20, 3), np.float16)})}, "cases of another form"),
    ):
        with pytest.raises(BundleRejected, match=message):
            resnet_transfer.unpack(dataclasses.replace(bundle, weights=weights))
    wider = json.loads(json.dumps(plain(dataclasses.replace(SETTINGS, backbone="resnet18"))))
    with pytest.raises(BundleRejected, match="not for this network"):
        resnet_transfer.unpack(dataclasses.replace(bundle, manifest={**bundle.manifest, "settings": wider}))


def test_a_new_case_lies_among_the_training_cases_that_it_is_like(fitted: Fitted, cases: list[CaseMeasures]) -> None:
    bundle = bundle_of(fitted)
    _, restored = resnet_transfer.unpack(bundle)
    kept = restored.cases
    assert kept is not None and len(kept.names) == 20 and "secret" not in json.dumps(kept.to_json())
    assert set(kept.names) == {f"{label} {i + 1}" for label in CLASSES for i in range(10)}
    # A training case again: its own point's neighbours weigh most, so it lies nearer to it than most others do.
    own = kept.with_case(kept.features[4])
    assert own.case is not None and own.labels == kept.labels
    distance = np.linalg.norm(kept.points - own.case, axis=1)
    assert (distance < distance[4]).sum() <= 5
    named = dataclasses.replace(fitted, settings=dataclasses.replace(SETTINGS, name_cases=True))
    names = resnet_transfer.pack(named)[0]["model"]["cases"]["names"]
    assert sorted(names) == sorted(case.case_id for case in cases)
    few = resnet_transfer.pack(dataclasses.replace(fitted, told={}))
    assert (
        "cases" not in few[1]
        and resnet_transfer.unpack(
            dataclasses.replace(bundle, documents=json.loads(json.dumps(few[0])), weights=few[1])
        )[1].cases
        is None
    )


def test_the_description_tells_curves_readers_and_where_cases_lie_and_names_nobody(
    fitted: Fitted, cases: list[CaseMeasures]
) -> None:
    told = resnet_transfer.describe(fitted)
    text = json.dumps(told, allow_nan=False)
    assert "secret" not in text
    assert (told["flow"], told["signatures"], told["nomograms"]) == ({}, [], {})
    assert list(told["curves"]) == ["network", "network, 10:10", "network T1", "network T1, 10:10"]
    whole, split = told["curves"]["network"], told["curves"]["network, 10:10"]
    assert len(whole) == len(split) == 30
    assert whole[0]["validation_loss"] is None and split[0]["validation_loss"] > 0
    assert whole[-1]["loss"] < whole[0]["loss"]
    agreement = told["agreement"]
    assert agreement["cases"] == 20 and agreement["features"]["number"] == 256
    assert 0.5 < agreement["evidence"]["value"] <= 1 and agreement["evidence"]["low"] < agreement["evidence"]["value"]
    assert set(told["embeddings"]) == {"features", "factors"}
    for embedding in told["embeddings"].values():
        points = embedding["points"]
        assert len(points) == 20
        assert sum(p["part"] == "validation" for p in points) == 10
    (table,) = told["regressions"]
    assert table["class"] == "coarse" and {"age", "boundary=clear"} <= {term["name"] for term in table["terms"]}


def test_factors_are_one_regression_of_all_of_them(cases: list[CaseMeasures]) -> None:
    """Against statsmodels, on the same design."""
    import statsmodels.api as sm

    rows = [case.clinical for case in made_cases(80, seed=3)]
    y = np.arange(80) % 2
    models, _ = fit_factors(rows, y, np.arange(80), CLASSES)
    X = encode_clinical(rows, models[0].variables)[0]
    expected = sm.Logit(y, sm.add_constant(X)).fit(disp=0)
    np.testing.assert_allclose(models[0].regression.coefficients, expected.params, rtol=1e-5)
    np.testing.assert_allclose(models[0].probability(rows), expected.predict(sm.add_constant(X)), atol=1e-7)
    (only,), _ = fit_factors(rows, y, np.arange(80), CLASSES, wanted=("age",))
    assert only.regression.names == ("intercept", "age")
    with pytest.raises(InputError, match="No case has the factor 'edema'"):
        fit_factors(rows, y, np.arange(80), CLASSES, wanted=("edema",))
    assert fit_factors([{} for _ in y], y, np.arange(80), CLASSES) == ((), ())


def test_a_trained_trunk_is_kept_whole() -> None:
    settings = dataclasses.replace(
        SETTINGS,
        modalities=("T1C",),
        crop=CentreSlice(size=32),
        training=dataclasses.replace(TRAINING, frozen=(), epochs=1),
    )
    small = [
        dataclasses.replace(case, first={"T1C": Measures({}, case.first["T1C"].crop[:, :32, :32])})
        for case in made_cases(8)
    ]
    fitted = resnet_transfer.fit(small, CLASSES, settings)
    bundle = bundle_of(fitted)
    assert len(bundle.weights["network"]) > 5_000_000, "two bytes a weight"
    _, restored = resnet_transfer.unpack(bundle)
    before, after = (resnet_transfer.probabilities(one, small)["network"] for one in (fitted, restored))
    np.testing.assert_array_equal(after, before)
    assert "trained here" in resnet_transfer.networks(settings)
    assert "frozen but for its classifying layer" in resnet_transfer.networks(SETTINGS)


def test_three_classes_have_probabilities_that_sum_to_one() -> None:
    three = ("fine", "middle", "coarse")
    cases = made_cases(18, classes=three)
    one = dataclasses.replace(SETTINGS, modalities=("T1C",), copies=0)
    fitted = resnet_transfer.fit(cases, three, one)
    found = resnet_transfer.probabilities(fitted, cases)
    assert fitted.threshold is None
    assert found["network"].shape == (18, 3)
    np.testing.assert_allclose(found["network"].sum(axis=1), 1, atol=1e-12)
    right = found["network"].argmax(axis=1) == np.arange(18) % 3
    assert right.mean() >= 0.8
    _, restored = resnet_transfer.unpack(bundle_of(fitted))
    np.testing.assert_array_equal(resnet_transfer.probabilities(restored, cases)["network"], found["network"])
