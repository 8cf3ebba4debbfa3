"""Models whose file is whole but whose numbers make no sense are refused before a case is looked at."""

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save

from FeatureExtractorLib.errors import BundleRejected
from TumorClassifierLib.bundle import Bundle, read_bundle, write_bundle
from TumorClassifierLib.recipes import recipe_module
from TumorClassifierLib.recipes.machines import MEMBER, with_supports

Run = Callable[..., tuple[int, str, str]]
DELETED = object()


def at(document: Any, place: str, value: Any) -> None:
    """Set, or delete, what is at a place such as models.0.radiomics.mean; a value may be a function of the old one."""
    *folders, last = [int(word) if re.fullmatch(r"-?\d+", word) else word for word in place.split(".")]
    for folder in folders:
        document = document[folder]
    if value is DELETED:
        del document[last]
    else:
        document[last] = value(document[last]) if callable(value) else value


def shorter(values: list[Any]) -> list[Any]:
    return values[:-1]


def longer(values: list[Any]) -> list[Any]:
    return [*values, values[0]]


def other(value: float) -> float:
    return value + 0.5


MODEL = "model:models.0."
CHANGES: dict[str, tuple[str, Any]] = {
    "signature-coefficients-shorter": (MODEL + "radiomics.coefficients", shorter),
    "signature-mean-longer": (MODEL + "radiomics.mean", longer),
    "signature-scale-zero": (MODEL + "radiomics.scale.0", 0.0),
    "signature-scale-negative": (MODEL + "deep.scale.0", -1.0),
    "signature-coefficient-text": (MODEL + "radiomics.coefficients.0", "0.5"),
    "signature-coefficient-null": (MODEL + "radiomics.coefficients.0", None),
    "signature-coefficient-true": (MODEL + "radiomics.coefficients.0", True),
    "signature-coefficient-list": (MODEL + "radiomics.coefficients.0", [1.0]),
    "signature-intercept-text": (MODEL + "radiomics.intercept", "1"),
    "signature-features-text": (MODEL + "radiomics.features", "abc"),
    "signature-feature-number": (MODEL + "radiomics.features.0", 5),
    "signature-lacks": (MODEL + "radiomics.mean", DELETED),
    "signature-more": (MODEL + "radiomics.code", "import os"),
    "signature-no-table": (MODEL + "radiomics", [1, 2]),
    "signature-path-shorter": (MODEL + "radiomics.path.mse", shorter),
    "signature-path-rows": (MODEL + "radiomics.path.coefficients.0", shorter),
    "deep-feature-beyond-the-network": (MODEL + "deep.features.0", "DTL_999999"),
    "deep-feature-below": (MODEL + "deep.features.0", "DTL_-1"),
    "deep-feature-no-number": (MODEL + "deep.features.0", "DTL_x"),
    "deep-feature-in-other-digits": (MODEL + "deep.features.0", "DTL_\u0663"),
    "svm-dual-shorter": (MODEL + "svm.radiomics.dual", shorter),
    "svm-support-row-shorter": (MODEL + "svm.radiomics.support.0", shorter),
    "svm-support-rows-missing": (MODEL + "svm.deep.support", shorter),
    "svm-support-text": (MODEL + "svm.deep.support.0.0", "x"),
    "svm-support-null": (MODEL + "svm.deep.support.0.0", None),
    "svm-scale-zero": (MODEL + "svm.deep.scale.0", 0),
    "svm-kernel": (MODEL + "svm.deep.kernel", "__import__('os')"),
    "svm-platt-of-three": (MODEL + "svm.deep.platt", [1.0, 2.0, 3.0]),
    "svm-of-other-features": (MODEL + "svm.radiomics.features.0", "other"),
    "svm-missing": (MODEL + "svm.deep", DELETED),
    "svm-of-another-block": (MODEL + "svm.clinical", lambda _=None: {}),
    "regression-shorter": (MODEL + "nomogram.regression.coefficients", shorter),
    "regression-names-shorter": (MODEL + "nomogram.regression.names", shorter),
    "regression-covariance-row": (MODEL + "nomogram.regression.covariance.0", shorter),
    "regression-covariance-text": (MODEL + "nomogram.regression.covariance.0.0", "x"),
    "regression-other-name": (MODEL + "nomogram.regression.names.1", "other"),
    "regression-other-weight": (MODEL + "nomogram.regression.coefficients.1", other),
    "regression-cases-fraction": (MODEL + "nomogram.regression.cases", 1.5),
    "regression-huge-integer": (MODEL + "nomogram.regression.coefficients.0", 10**19),
    "nomogram-other-intercept": (MODEL + "nomogram.nomogram.intercept", other),
    "nomogram-other-weight": (MODEL + "nomogram.nomogram.terms.0.coefficient", other),
    "nomogram-intercept-text": (MODEL + "nomogram.nomogram.intercept", "x"),
    "nomogram-kind": (MODEL + "nomogram.nomogram.terms.0.kind", "os.system"),
    "nomogram-kind-list": (MODEL + "nomogram.nomogram.terms.0.kind", []),
    "nomogram-range-beyond-floats": (MODEL + "nomogram.nomogram.terms.0.high", 1.7e308),
    "nomogram-no-terms": (MODEL + "nomogram.nomogram.terms", []),
    "nomogram-term-missing": (MODEL + "nomogram.nomogram.terms", shorter),
    "nomogram-scores": (MODEL + "nomogram.scores", shorter),
    "nomogram-of-another-class": (MODEL + "nomogram.name", "other"),
    "nomogram-variable": (MODEL + "nomogram.variables", [{"name": "age"}]),
    "nomogram-variables-text": (MODEL + "nomogram.variables", "age"),
    "models-none": ("model:models", []),
    "models-two": ("model:models", longer),
    "models-text": ("model:models", "x"),
    "models-table": ("model:models", {"0": 1}),
    "threshold-text": ("model:threshold", "x"),
    "threshold-null": ("model:threshold", None),
    "threshold-above-one": ("model:threshold", 1.5),
    "threshold-missing": ("model:threshold", DELETED),
    "trust-missing": ("model:trust", DELETED),
    "trust-text": ("model:trust", "x"),
    "trust-curves-of-three": (
        "model:trust.calibrator.curves",
        [{"kind": "sigmoid", "slope": 1.0, "intercept": 0.0}] * 3,
    ),
    "trust-falling-curve": (
        "model:trust.calibrator.curves",
        [{"kind": "sigmoid", "slope": -1.0, "intercept": 0.0}],
    ),
    "trust-sets-of-three": ("model:trust.sets.thresholds", longer),
    "trust-features-shorter": ("model:trust.novelty.features", shorter),
    "trust-feature-unknown": ("model:trust.novelty.features.0", "other"),
    "document-list": ("model:", []),
    "document-missing": ("model:", DELETED),
    "settings-unknown": ("manifest:settings.plugin", "evil.py"),
    "settings-kind": ("manifest:settings.folds", "5"),
    "settings-huge-crop": ("manifest:settings.crop.size", 10**9),
    "settings-backbone-path": ("manifest:settings.backbone", "../../evil"),
    "settings-another-backbone": ("manifest:settings.backbone", "resnet50"),
    "settings-spacing": ("manifest:settings.slice_spacing", [1e-300, 1.0, 0.0]),
    "classes-more": ("manifest:classes", ["high", "low", "middle"]),
    "classes-other": ("manifest:classes", ["low", "other"]),
    "cohort-missing": ("manifest:cohort", DELETED),
    "cohort-text": ("manifest:cohort.patients", "many"),
    "publication-number": ("manifest:publication", 5),
    "radiomics-missing": ("manifest:radiomics", DELETED),
    "radiomics-code": ("manifest:radiomics", {"imageType": {"Original": {"additionalInfo": "x"}}, "evil": {}}),
    "weights-missing": ("weights:network", DELETED),
}


def changed(bundle: Bundle, change: tuple[str, Any]) -> Bundle:
    """The bundle with one change, everything else and every SHA-256 right."""
    (part, _, place), value = change[0].partition(":"), change[1]
    documents = json.loads(json.dumps(dict(bundle.documents)))
    manifest = json.loads(json.dumps(dict(bundle.manifest)))
    weights = dict(bundle.weights)
    whole = {"manifest": manifest, "weights": weights, "model": documents}[part]
    if part == "model":
        place = f"model.{place}".rstrip(".")
    if place.endswith(("plugin", "code", "clinical")):
        parent, _, last = place.rpartition(".")
        at(whole, parent, lambda table: {**table, last: value() if callable(value) else value})
    else:
        at(whole, place, value)
    return Bundle(MappingProxyType(manifest), documents, weights, bundle.card)


@pytest.fixture(scope="module")
def held(trained: Path) -> Bundle:
    """The model as older versions wrote it, with its support vectors among the documents."""
    bundle = read_bundle(trained)
    model = bundle.documents["model"]
    documents = {**bundle.documents, "model": {**model, "models": with_supports(bundle, model["models"])}}
    weights = {name: raw for name, raw in bundle.weights.items() if name != MEMBER}
    return dataclasses.replace(bundle, documents=documents, weights=weights)


def test_the_model_itself_is_sound(held: Bundle) -> None:
    settings, fitted = recipe_module("dtlr-nomogram").unpack(held)
    assert settings.backbone == "resnet18" and fitted.classes == ("low", "high")


def test_support_vectors_come_back_to_the_last_bit(held: Bundle, trained: Path) -> None:
    recipe, bundle = recipe_module("dtlr-nomogram"), read_bundle(trained)
    assert len(bundle.weights) == 2 and "support" not in bundle.documents["model"]["models"][0]["svm"]["deep"]
    fitted, older = recipe.unpack(bundle)[1], recipe.unpack(held)[1]
    for block, machine in fitted.models[0].svm.items():
        np.testing.assert_array_equal(machine.support, older.models[0].svm[block].support)
    documents, weights = recipe.pack(fitted)
    assert weights == bundle.weights
    assert json.loads(json.dumps(documents["model"])) == bundle.documents["model"]


@pytest.mark.parametrize(
    "change",
    [
        lambda supports: {**supports, "0.deep": supports["0.deep"][:-1]},
        lambda supports: {**supports, "0.deep": supports["0.deep"][:, :-1]},
        lambda supports: {**supports, "1.deep": supports["0.deep"]},
        lambda supports: {"0.radiomics": supports["0.radiomics"]},
        lambda supports: {**supports, "0.deep": np.full_like(supports["0.deep"], np.nan)},
        None,
    ],
)
def test_wrong_support_vectors_are_refused(change: Callable[..., Any] | None, trained: Path) -> None:
    bundle = read_bundle(trained)
    wrong = b"nothing" if change is None else save(change(load(bundle.weights[MEMBER])))
    with pytest.raises(BundleRejected, match="again"):
        recipe_module("dtlr-nomogram").unpack(dataclasses.replace(bundle, weights={**bundle.weights, MEMBER: wrong}))


@pytest.mark.parametrize("name", CHANGES)
def test_wrong_numbers_are_refused(name: str, held: Bundle) -> None:
    wrong = changed(held, CHANGES[name])
    with pytest.raises(BundleRejected) as caught:
        recipe_module("dtlr-nomogram").unpack(wrong)
    sentence = str(caught.value)
    assert sentence.endswith(".") and "\n" not in sentence and len(sentence) < 600


@pytest.mark.parametrize(
    "name", ["signature-coefficients-shorter", "deep-feature-beyond-the-network", "settings-unknown"]
)
def test_the_command_line_says_it_in_one_sentence(
    name: str, held: Bundle, tmp_path: Path, run_cli: Run, make_cohort
) -> None:
    path, cohort = tmp_path / "made.tcmodel", make_cohort(2)
    write_bundle(changed(held, CHANGES[name]), path)
    image, mask = cohort.parent / "p0_image.nrrd", cohort.parent / "p0_mask.nrrd"
    words = ("classify", "--image", f"T1C={image}", "--mask", mask, "--model", path, "--out", tmp_path / "out")
    for command in (words, ("evaluate", path, "--manifest", cohort)):
        code, out, err = run_cli(*command)
        assert code == 1 and out == "" and err.count("\n") == 1 and "unforeseen" not in err, err
    assert not (tmp_path / "out").exists()
