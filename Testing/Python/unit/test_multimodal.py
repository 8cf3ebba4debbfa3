"""The multimodality signature on made measures: what it finds, what must not leak, what a bundle keeps."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from FeatureExtractorLib.errors import BundleRejected, InputError
from FeatureExtractorLib.radiomics.presets import load_settings
from TumorClassifierLib.bundle import Bundle
from TumorClassifierLib.evaluation.discrimination import auc
from TumorClassifierLib.measures import CaseMeasures, Measures
from TumorClassifierLib.nested import Search, as_model, choose, fit_chosen
from TumorClassifierLib.out_of_fold import out_of_fold
from TumorClassifierLib.recipes import multimodal_scores, multimodal_signature
from TumorClassifierLib.recipes.multimodal_blocks import blocks_of
from TumorClassifierLib.recipes.multimodal_case import measure_settings, needed_measures
from TumorClassifierLib.recipes.multimodal_explain import contributions, strongest_channels
from TumorClassifierLib.recipes.multimodal_features import columns_of
from TumorClassifierLib.recipes.multimodal_model import Fitted, Settings
from TumorClassifierLib.settings import plain, settings_of

CLASSES = ("lipoma", "sarcoma")
MODALITIES = ("CT", "T1", "T2FS")
QUICK = Settings(
    backbones=("resnet18",),
    weights=("seed:0",),
    f_share=0.4,
    sizes=(2, 4),
    costs=(1.0, 10.0),
    gammas=(1.0,),
    folds=3,
    repeats=1,
    inner_folds=3,
)


def made_case(rng: np.random.Generator, i: int, classes: Sequence[str], signal: float) -> CaseMeasures:
    """The class shows in T1's deep features 0 to 2 and, weakly, in age; the second reader disagrees on feature 9."""
    k = i % len(classes)
    first, second = {}, {}
    for modality in MODALITIES:
        values = rng.normal(size=12) * 10.0 ** np.arange(-3, 9)
        deep = rng.normal(size=16)
        if modality == "T1":
            deep[:3] += signal * np.eye(3)[k % 3] if len(classes) > 2 else signal * k
        names = [f"original_glcm_{j}" for j in range(12)]
        other = values.copy()
        other[9] = rng.normal() * 1e6
        first[modality] = Measures(dict(zip(names, values, strict=True)), None, {"resnet18": deep})
        second[modality] = Measures(dict(zip(names, other, strict=True)), None, {"resnet18": deep})
    clinical = {"age": 50 + 6.0 * k + 8 * rng.normal(), "sex": "FM"[int(rng.integers(2))]}
    return CaseMeasures(
        f"c{i:03d}", f"p{i:03d}", classes[k], MappingProxyType(clinical), first, second if i < 12 else None
    )


def cohort(n: int = 60, seed: int = 0, signal: float = 2.0, classes: Sequence[str] = CLASSES) -> list[CaseMeasures]:
    rng = np.random.default_rng(seed)
    return [made_case(rng, i, classes, signal) for i in range(n)]


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    return multimodal_signature.fit(cohort(), CLASSES, QUICK)


def bundle_of(fitted: Fitted, settings: Settings = QUICK) -> Bundle:
    documents, weights = multimodal_signature.pack(fitted)
    manifest = {
        "name": "made",
        "version": "1",
        "classes": list(fitted.classes),
        "settings": plain(settings),
        "radiomics": load_settings("original-wavelet").to_dict(),
        "cohort": {"patients": 60, "cases": 60, "patients_by_class": dict.fromkeys(fitted.classes, 20)},
        "about": {},
        "metrics": {},
        "publication": multimodal_signature.PUBLICATION,
        "folds": 3,
        "warnings": [],
    }
    return Bundle(manifest, json.loads(json.dumps(documents)), weights, "")


def test_the_block_that_knows_the_class_gives_the_signature(fitted: Fitted) -> None:
    (model,) = fitted.models
    assert model.best in ("resnet18 T1", "resnet18 CT+T1+T2FS")
    assert {"T1.resnet18_0", "T1.resnet18_1", "T1.resnet18_2"} & set(model.signature.features)
    assert set(model.imaging) == {
        f"{family} {modality}" for family in ("radiomics", "resnet18") for modality in (*MODALITIES, "CT+T1+T2FS")
    }
    assert model.nomogram.scores == ("Signature",) and model.nomogram.regression.coefficients[-1] > 0
    unseen = cohort(60, seed=9)
    P = multimodal_signature.probabilities(fitted, unseen)
    assert set(P) >= {"nomogram", "signature", "radiomics CT", "resnet18 T1"}
    y = np.array([case.label == CLASSES[1] for case in unseen]).astype(int)
    assert auc(y, P["nomogram"][:, 1]) > 0.9 and auc(y, P["signature"][:, 1]) > 0.9
    for name, p in P.items():
        assert p.shape == (60, 2), name
        np.testing.assert_allclose(p.sum(axis=1), 1.0, rtol=0, atol=1e-12)


def test_features_on_which_readers_disagree_are_never_used(fitted: Fitted) -> None:
    blocks, _ = blocks_of(cohort(), QUICK)
    assert blocks["radiomics T1"].names == tuple(f"T1.original_glcm_{j}" for j in range(12) if j != 9)
    selected = len(fitted.models[0].imaging["radiomics T1"].features)
    assert fitted.flow["radiomics T1"] == {"measured": 12, "usable": 12, "stable": 11, "selected": selected}
    used = {feature for model in fitted.models[0].imaging.values() for feature in model.features}
    assert not any(feature.endswith("glcm_9") for feature in used)


def test_a_list_of_stable_features_takes_the_readers_place(tmp_path: Path) -> None:
    path = tmp_path / "stable.csv"
    path.write_text("feature\nT1.original_glcm_9\noriginal_glcm_2\n")
    blocks, warnings = blocks_of(cohort(), replace(QUICK, stable_features=str(path)))
    assert blocks["radiomics T1"].names == ("T1.original_glcm_2", "T1.original_glcm_9")
    assert blocks["radiomics CT"].names == ("CT.original_glcm_2",) and not warnings
    path.write_text("feature\nT1.original_glcm_9\n")
    blocks, warnings = blocks_of(cohort(), replace(QUICK, stable_features=str(path)))
    assert "radiomics CT" not in blocks and warnings[0].startswith("radiomics CT was left out")


def test_the_order_of_the_cases_changes_nothing(fitted: Fitted) -> None:
    cases = cohort()
    order = np.random.default_rng(3).permutation(len(cases))
    again = multimodal_signature.fit([cases[i] for i in order], CLASSES, QUICK)
    assert multimodal_signature.pack(again) == multimodal_signature.pack(fitted)


def test_a_bundle_gives_the_same_probabilities(fitted: Fitted) -> None:
    settings, restored = multimodal_signature.unpack(bundle_of(fitted))
    assert settings == QUICK and restored.threshold == fitted.threshold
    unseen = cohort(20, seed=4)
    expected = multimodal_signature.probabilities(fitted, unseen)
    for name, P in multimodal_signature.probabilities(restored, unseen).items():
        assert (expected[name] == P).all(), name


@pytest.mark.parametrize("damage", ["models", "threshold", "trust", "best", "platt"])
def test_a_damaged_bundle_is_refused(fitted: Fitted, damage: str) -> None:
    bundle = bundle_of(fitted)
    document: Any = bundle.documents["model"]
    if damage in document:
        document[damage] = None
    else:
        document["models"][0][damage] = None
    with pytest.raises(BundleRejected):
        multimodal_signature.unpack(bundle)


def test_a_model_of_other_features_than_its_settings_measure_is_refused(fitted: Fitted) -> None:
    for change in ({"modalities": ("CT", "T2FS")}, {"backbones": ("vgg16",)}, {"radiomics": "none"}):
        with pytest.raises(BundleRejected, match="parts of another model for sarcoma"):
            multimodal_signature.unpack(bundle_of(fitted, replace(QUICK, **change)))


def test_contributions_add_up_to_the_logit(fitted: Fitted) -> None:
    (model,) = fitted.models
    regression, svm = model.nomogram.regression, model.signature
    for case in cohort(5, seed=8):
        found = contributions(case, fitted, "sarcoma")
        values = columns_of([case], svm.features)
        logit = model.nomogram.regression.linear_predictor(
            model.nomogram.design([case.clinical], svm.decision(values)[None])
        )
        average = np.array([*model.nomogram.averages, float(svm.decision(np.asarray(svm.mean)[None])[0])])
        base = regression.linear_predictor(average[None])
        assert sum(item["contribution"] for item in found) == pytest.approx(float(logit[0] - base[0]), abs=1e-9)
        assert {item["feature"] for item in found if item["block"] == "Signature"} == set(svm.features)
        assert [abs(item["contribution"]) for item in found] == sorted(
            (abs(item["contribution"]) for item in found), reverse=True
        )


def test_no_fit_sees_a_patient_that_its_decisions_are_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cross-fitting: blocks, agreement and machines are made of training patients only."""
    cases = cohort(30)
    seen: list[set[str]] = []
    made = multimodal_scores.blocks_of

    def blocks(part: Sequence[CaseMeasures], settings: Settings) -> Any:
        seen.append({case.patient_id for case in part})
        return made(part, settings)

    def columns(part: Sequence[CaseMeasures], names: Sequence[str]) -> np.ndarray:
        assert not seen[-1] & {case.patient_id for case in part}
        return columns_of(part, names)

    monkeypatch.setattr(multimodal_scores, "blocks_of", blocks)
    monkeypatch.setattr(multimodal_scores, "columns_of", columns)
    multimodal_signature.fit(cases, CLASSES, QUICK)
    assert [len(patients) for patients in seen] == [20, 20, 20]


def relabelled(cases: Sequence[CaseMeasures], labels: Sequence[str | None]) -> list[CaseMeasures]:
    return [replace(case, label=label) for case, label in zip(cases, labels, strict=True)]


def test_shuffled_labels_score_by_chance() -> None:
    areas = []
    for seed in range(3):
        cases = cohort(48, seed)
        labels = np.random.default_rng(seed).permutation([str(case.label) for case in cases])
        cases = relabelled(cases, labels.tolist())
        found = out_of_fold(multimodal_signature, cases, CLASSES, replace(QUICK, seed=seed))
        y = (labels == CLASSES[1]).astype(int)
        areas.append(auc(y, found.probabilities["nomogram"][:, 1]))
    assert 0.3 < np.mean(areas) < 0.7


def test_features_that_know_the_patient_score_by_chance() -> None:
    """Four images of each patient share a bar code; whoever splits by image reads the class off it."""
    rng = np.random.default_rng(1)
    cases = []
    labels = rng.permutation(np.arange(24) % 2)
    for patient in range(24):
        code = rng.normal(size=16)
        for image in range(4):
            deep = {"resnet18": code + 0.01 * rng.normal(size=16)}
            first = {"T1": Measures({}, None, deep)}
            label = CLASSES[labels[patient]]
            cases.append(CaseMeasures(f"c{patient}-{image}", f"p{patient:02d}", label, {}, first))
    settings = replace(
        QUICK, modalities=("T1",), radiomics="none", f_share=1.0, sizes=(16,), costs=(10.0,), gammas=(4.0,)
    )
    found = out_of_fold(multimodal_signature, cases, CLASSES, settings).probabilities["signature"][:, 1]
    y = np.array([case.label == CLASSES[1] for case in cases]).astype(int)
    assert 0.2 < auc(y, found) < 0.8
    by_image = [replace(case, patient_id=case.case_id) for case in cases]
    leaked = out_of_fold(multimodal_signature, by_image, CLASSES, settings).probabilities["signature"][:, 1]
    assert auc(y, leaked) > 0.95  # so the code does give it away


def test_three_classes_have_a_signature_each() -> None:
    classes = ("a", "b", "c")
    fitted = multimodal_signature.fit(cohort(72, 1, 3.0, classes), classes, QUICK)
    assert [model.nomogram.name for model in fitted.models] == list(classes) and fitted.threshold is None
    unseen = cohort(60, 2, 3.0, classes)
    P = multimodal_signature.probabilities(fitted, unseen)["nomogram"]
    np.testing.assert_allclose(P.sum(axis=1), 1.0, atol=1e-12)
    assert (P.argmax(axis=1) == np.arange(60) % 3).mean() > 0.7
    _, restored = multimodal_signature.unpack(bundle_of(fitted))
    assert (multimodal_signature.probabilities(restored, unseen)["nomogram"] == P).all()
    assert set(multimodal_signature.describe(fitted)["nomograms"]) == set(classes)


def test_what_a_case_lacks_is_said_and_a_clinical_gap_is_filled(fitted: Fitted) -> None:
    (case,) = cohort(1, seed=5)
    missing = replace(case, first={name: m for name, m in case.first.items() if name != "T1"})
    with pytest.raises(InputError, match="Case c000 has no T1 image, which the model needs"):
        multimodal_signature.probabilities(fitted, [missing])
    bare = replace(case, clinical=MappingProxyType({"age": None, "sex": "F"}))
    p = multimodal_signature.probabilities(fitted, [bare])["nomogram"][0]
    assert 0 < p[1] < 1
    deep = {"resnet18": np.full(16, np.nan)}
    broken = {**case.first, "T1": replace(case.first["T1"], deep=deep)}
    with pytest.raises(InputError, match=r"no value of T1\.resnet18_"):
        multimodal_signature.probabilities(fitted, [replace(case, first=broken)])


def test_a_description_is_plain_json(fitted: Fitted) -> None:
    described = multimodal_signature.describe(fitted)
    assert json.loads(json.dumps(described, allow_nan=False)) == json.loads(json.dumps(described))
    (signature,) = described["signatures"]
    assert signature["class"] == "sarcoma" and signature["penalty"] is None
    assert [term["feature"] for term in signature["terms"]]
    assert sum(model["chosen"] for model in described["imaging"]) == 1
    assert [row["variable"] for row in described["clinical"][0]["univariate"]][:1] == ["age"]


@pytest.mark.parametrize("kernel_scale", [0.05, 1.0])
def test_the_gradient_is_that_of_the_decision(kernel_scale: float) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    X = (rng.normal(size=(40, 6)) + y[:, None] * 0.7) * kernel_scale
    search = Search(f_share=1.0, sizes=(4,), folds=3)
    choice = choose(X, y, None, search)
    names = [f"T1.resnet18_{i}" for i in range(6)]
    svm = as_model(fit_chosen(X, y, choice, search), choice, y, names)
    at = X[:3][:, [names.index(feature) for feature in svm.features]]
    for row, gradient in zip(at, svm.gradient(at), strict=True):
        numeric = approx_fprime(row, lambda x: float(svm.decision(x[None])[0]), 1e-6 * kernel_scale)
        np.testing.assert_allclose(gradient, numeric, rtol=1e-3, atol=1e-4 / kernel_scale)
    modality, backbone, weights = strongest_channels(svm, at[0], -1.0)
    assert (modality, backbone) == ("T1", "resnet18") and len(weights) == 4
    slopes = zip(svm.features, svm.gradient(at[:1])[0], strict=True)
    expected = {int(name.rpartition("_")[2]): -slope for name, slope in slopes}
    assert weights == pytest.approx(expected)


def test_classifying_measures_what_the_signature_needs(fitted: Fitted) -> None:
    wanted = measure_settings(QUICK)
    needed = needed_measures(wanted, fitted)
    used = {feature.split(".")[0] for feature in fitted.features}
    assert set(needed.modalities) == used and needed.radiomics is None
    assert needed.backbones == (("resnet18", "seed:0"),)


def test_defaults_are_the_publications_and_survive_a_file() -> None:
    settings = Settings()
    assert (settings.f_share, settings.icc, settings.univariate_p, settings.multivariate_p) == (0.2, 0.85, 0.1, 0.05)
    assert (settings.repeats, settings.folds, settings.crop.size, len(settings.backbones)) == (10, 5, 224, 6)
    assert settings_of(Settings, json.loads(json.dumps(plain(settings)))) == settings


@pytest.mark.parametrize(
    "change",
    [
        {"modalities": ()},
        {"modalities": ("T1", "T1")},
        {"backbones": ("vgg16", "vgg16"), "weights": ("seed:0",)},
        {"backbones": (), "radiomics": "none"},
        {"backbones": ("vgg99",)},
        {"weights": ("seed:0", "seed:1")},
        {"weights": ()},
        {"icc": 0.0},
        {"univariate_p": 1.5},
        {"folds": 1},
        {"repeats": 0},
        {"sizes": ()},
        {"f_share": 0.0},
        {"step": 0.0},
        {"elimination_cost": 0.0},
        {"slice_spacing": (1.0, 0.0, 1.0)},
    ],
)
def test_settings_that_make_no_sense_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        Settings(**change)
