"""A model of three classes: one nomogram a class, probabilities that sum to one, from training to the report."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from TumorClassifierLib.bundle import read_bundle
from TumorClassifierLib.nomogram import Nomogram

Run = Callable[..., tuple[int, str, str]]
CLASSES = ["high", "low", "very high"]
BLOCKS = {"Rad": "radiomics", "DTL": "deep"}


@pytest.fixture(scope="module")
def three(make_cohort, settings_file: Path, run_cli: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of three classes whose last six patients only judged it."""
    folder = tmp_path_factory.mktemp("three")
    manifest = make_cohort(33, classes=3)
    rows = list(csv.DictReader(manifest.read_text().splitlines()))
    with open(manifest, "w", newline="") as stream:
        writer = csv.DictWriter(stream, [*rows[0], "cohort"])
        writer.writeheader()
        writer.writerows({**row, "cohort": "test" if i >= 27 else "train"} for i, row in enumerate(rows))
    settings = folder / "settings.yaml"
    settings.write_text(settings_file.read_text().replace("positive: high\n", ""))
    path = folder / "three.tcmodel"
    code, _, err = run_cli(
        "train",
        "dtlr-nomogram",
        "--manifest",
        manifest,
        "--out",
        path,
        "--settings",
        settings,
        "--cache",
        folder / "c",
    )
    assert code == 0, err
    return path


@pytest.fixture(scope="module")
def classified(three: Path, make_cohort, run_cli: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The outputs of a case whose texture is the finest."""
    folder, out = make_cohort(3, seed=9, classes=3).parent, tmp_path_factory.mktemp("classified") / "out"
    arguments = ["--image", f"T1C={folder / 'p0_image.nrrd'}", "--mask", folder / "p0_mask.nrrd"]
    code, _, err = run_cli("classify", *arguments, "--model", three, "--out", out)
    assert code == 0, err
    return out


def test_every_class_is_judged_against_the_rest_out_of_fold_and_held_back(three: Path) -> None:
    bundle = read_bundle(three)
    assert bundle.manifest["classes"] == CLASSES and bundle.manifest["positive"] is None
    inside, held_back = bundle.documents["evaluation"]["cohorts"]
    assert (inside["name"], inside["patients"]) == ("cross-validation", 27)
    assert (held_back["name"], held_back["patients"]) == ("held-back patients", 6)
    for part in (inside, held_back):
        assert set(part["per_class"]["nomogram"]) == set(CLASSES) and part["thresholds"] is None
        for P in part["probabilities"].values():
            np.testing.assert_allclose(np.sum(P, axis=1), 1)
    assert inside["metrics"]["radiomics"]["auc"]["value"] > 0.8
    assert np.sum(inside["confusion"]["nomogram"]) == 27
    assert "gives the probability of each" in bundle.card and "against the rest" in bundle.card
    assert set(bundle.documents["description"]["nomograms"]) == set(CLASSES)


def test_the_called_class_has_the_largest_probability_and_its_own_nomogram(classified: Path, three: Path) -> None:
    prediction = json.loads((classified / "prediction.json").read_text())
    probabilities = prediction["probabilities"]
    assert prediction["predicted"] == max(probabilities, key=probabilities.get) == prediction["positive"]
    assert sum(probabilities.values()) == pytest.approx(1) and prediction["threshold"] is None
    alone = {name: one["probability"] for name, one in prediction["by_class"].items()}
    total = sum(alone.values())
    assert probabilities == pytest.approx({name: p / total for name, p in alone.items()})
    for model in read_bundle(three).documents["model"]["models"]:
        own = prediction["by_class"][model["nomogram"]["name"]]
        nomogram = Nomogram.from_json(model["nomogram"]["nomogram"])
        assert nomogram.probability(own["scores"]) == pytest.approx(own["probability"], abs=1e-12)
    interval = prediction["interval"]
    assert interval["low"] <= probabilities[prediction["predicted"]] <= interval["high"]
    assert set(prediction["prediction_set"]["classes"]) <= set(CLASSES)


def test_the_positive_class_is_a_setting_of_two_classes_only(
    make_cohort, settings_file: Path, run_cli: Run, tmp_path: Path
) -> None:
    arguments = ["--manifest", make_cohort(6, classes=3), "--settings", settings_file, "--out", tmp_path / "x.tcmodel"]
    code, _, err = run_cli("train", "dtlr-nomogram", *arguments)
    assert code == 1 and "positive is for two classes, but the manifest has 3" in err


def test_contributions_add_up_to_the_logit_of_the_called_class(classified: Path, three: Path) -> None:
    prediction = json.loads((classified / "prediction.json").read_text())
    (model,) = [
        one
        for one in read_bundle(three).documents["model"]["models"]
        if one["nomogram"]["name"] == prediction["predicted"]
    ]
    regression = model["nomogram"]["regression"]
    weights = dict(zip(regression["names"], regression["coefficients"], strict=True))
    averages = dict(zip(regression["names"][1:], model["nomogram"]["averages"], strict=False))
    base = weights["intercept"] + sum(weights[name] * mean for name, mean in averages.items())
    base += sum(weights[f"{name}-score"] * model[block]["intercept"] for name, block in BLOCKS.items())
    p = prediction["by_class"][prediction["predicted"]]["probability"]
    total = sum(item["contribution"] for item in prediction["contributions"])
    assert base + total == pytest.approx(np.log(p / (1 - p)), rel=1e-9)
    assert {item["block"] for item in prediction["contributions"]} <= {"Rad-score", "DTL-score", "clinical"}
