"""Training and judging from the command line, on made cohorts and on real slices."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from TumorClassifierLib.bundle import read_bundle

Run = Callable[..., tuple[int, str, str]]


def test_a_trained_model_says_what_it_is(trained: Path) -> None:
    bundle = read_bundle(trained)
    assert bundle.manifest["classes"] == ["low", "high"]
    assert bundle.manifest["cohort"]["patients_by_class"] == {"high": 8, "low": 8}
    assert bundle.manifest["cohort"]["second_reader"] == 0
    assert set(bundle.manifest["metrics"]) >= {"nomogram", "radiomics", "deep"}
    assert "random weights, seed 0" in bundle.manifest["networks"]
    assert "research use only" in bundle.card.lower() and "8 high, 8 low" in bundle.card
    text = json.dumps(dict(bundle.manifest)) + json.dumps(dict(bundle.documents))
    assert '"p0"' not in text and '"p15"' not in text, "a model must not name its patients"


def test_a_planted_difference_is_found_out_of_fold(trained: Path) -> None:
    assert read_bundle(trained).manifest["metrics"]["radiomics"]["auc"]["value"] > 0.9


def test_one_seed_gives_one_file_and_a_cache_changes_nothing(
    trained: Path, make_cohort, settings_file: Path, run_cli: Run, tmp_path: Path
) -> None:
    again, cache = tmp_path / "made.tcmodel", tmp_path / "cache"
    arguments = ["train", "dtlr-nomogram", "--manifest", make_cohort(16), "--settings", settings_file]
    arguments += ["--cache", cache, "--out", again]
    assert run_cli(*arguments)[0] == 0
    assert read_bundle(again).sha256 == read_bundle(trained).sha256
    kept = {path.name: path.stat().st_mtime_ns for path in cache.iterdir()}
    assert len(kept) == 16
    assert run_cli(*arguments)[0] == 0
    assert {path.name: path.stat().st_mtime_ns for path in cache.iterdir()} == kept
    assert read_bundle(again).sha256 == read_bundle(trained).sha256


def test_shuffled_labels_give_chance(make_cohort, settings_file: Path, run_cli: Run, tmp_path: Path) -> None:
    model = tmp_path / "chance.tcmodel"
    manifest = make_cohort(16, seed=5, shuffle=11)
    code, out, err = run_cli(
        "train", "dtlr-nomogram", "--manifest", manifest, "--out", model, "--settings", settings_file, "--json"
    )
    assert code == 0, err
    told = json.loads(out)
    for name, metrics in told["metrics"].items():
        assert metrics["auc"]["low"] <= 0.5 <= metrics["auc"]["high"], name
    assert any("not shown to be better than chance" in warning for warning in told["warnings"])


def test_evaluate_judges_patients_that_the_model_has_not_seen(
    trained: Path, make_cohort, run_cli: Run, tmp_path: Path
) -> None:
    manifest = make_cohort(12, seed=77)
    code, out, err = run_cli("evaluate", trained, "--manifest", manifest, "--json", "--out", tmp_path / "metrics.json")
    assert code == 0, err
    result = json.loads(out)
    assert result == json.loads((tmp_path / "metrics.json").read_text())
    assert result["patients"] == 12 and result["failures"] == {}
    assert result["metrics"]["radiomics"]["auc"]["value"] > 0.9


def test_a_bad_case_is_left_out_and_named(trained: Path, make_cohort, run_cli: Run) -> None:
    manifest = make_cohort(12, seed=78)
    (manifest.parent / "p3_image.nrrd").write_text("broken")
    code, out, err = run_cli("evaluate", trained, "--manifest", manifest, "--json")
    assert code == 0, err
    result = json.loads(out)
    assert result["cases"] == 11
    assert "p3_image.nrrd cannot be read" in result["failures"]["p3"]


def test_training_names_the_cases_it_left_out_and_judges_the_test_cohort(
    make_cohort, settings_file: Path, run_cli: Run, tmp_path: Path
) -> None:
    manifest = make_cohort(26)
    rows = list(csv.DictReader(manifest.read_text().splitlines()))
    with open(manifest, "w", newline="") as stream:
        writer = csv.DictWriter(stream, [*rows[0], "cohort"])
        writer.writeheader()
        writer.writerows({**row, "cohort": "test" if i >= 20 else "train"} for i, row in enumerate(rows))
    for name in ("p3", "p22"):
        (manifest.parent / f"{name}_image.nrrd").write_text("broken")
    out = tmp_path / "m.tcmodel"
    code, printed, err = run_cli(
        "train", "dtlr-nomogram", "--manifest", manifest, "--out", out, "--settings", settings_file
    )
    assert code == 0, err
    assert "test cohort, by patient" in printed
    assert "warning: 1 of 20 cases could not be measured and were left out." in printed
    assert "warning: 1 of 6 test cases could not be judged." in printed
    assert [line.split(":")[:2] for line in err.splitlines()] == [["left out", " p3"], ["left out", " p22"]]
    bundle = read_bundle(out)
    assert bundle.manifest["cohort"]["patients"] == 19 and bundle.manifest["cohort"]["failures"] == 1
    assert "p3" not in json.dumps(dict(bundle.manifest)) and "held-back test patients" in bundle.card


def test_evaluating_on_the_training_manifest_is_said_to_be_too_good(trained: Path, make_cohort, run_cli: Run) -> None:
    code, out, err = run_cli("evaluate", trained, "--manifest", make_cohort(16))
    assert code == 0, err
    assert "warning: The model was trained on this very manifest" in out


def test_places_and_names_that_cannot_be_are_refused_before_training(
    make_cohort, settings_file: Path, run_cli: Run, tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    arguments = ["train", "dtlr-nomogram", "--manifest", make_cohort(4), "--settings", settings_file, "--out"]
    for out, sentence in (
        (blocked / "m.tcmodel", "cannot be written"),
        (tmp_path / "my model.tcmodel", "cannot be called 'my model'"),
        (tmp_path / "m.zip", "end it in .tcmodel"),
    ):
        code, printed, err = run_cli(*arguments, out)
        assert (code, printed) == (1, "") and sentence in err and err.count("\n") == 1
    assert [item.name for item in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"label": ""}, "has no label"),
        ({"label": "same"}, "All training cases have one label"),
    ],
)
def test_useless_labels_are_refused(
    make_cohort, settings_file: Path, run_cli: Run, tmp_path: Path, change: dict[str, str], sentence: str
) -> None:
    manifest = make_cohort(4)
    with open(manifest, newline="") as stream:
        rows = list(csv.DictReader(stream))
    with open(manifest, "w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows({**row, **change} for row in rows)
    code, _, err = run_cli(
        "train", "dtlr-nomogram", "--manifest", manifest, "--out", tmp_path / "x.tcmodel", "--settings", settings_file
    )
    assert code == 1 and sentence in err and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_unknown_settings_and_recipes_are_refused(make_cohort, run_cli: Run, tmp_path: Path) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text("epoch: 3\n")
    arguments = ["--manifest", make_cohort(4), "--out", tmp_path / "x.tcmodel"]
    code, _, err = run_cli("train", "dtlr-nomogram", *arguments, "--settings", settings)
    assert code == 1 and "settings.yaml has no 'epoch'" in err
    code, _, err = run_cli("train", "dtlr", *arguments)
    assert code == 1 and "no recipe called 'dtlr'" in err


@pytest.mark.slow
def test_real_slices_train(data_dir: Path, settings_file: Path, run_cli: Run, tmp_path: Path) -> None:
    with open(data_dir / "brain_t1c_slices" / "slices.csv", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["small_subset"] == "1" and row["class"] != "pituitary"]
    patients = {
        label: sorted({row["patient"] for row in rows if row["class"] == label})[:8]
        for label in ("glioma", "meningioma")
    }
    chosen = [row for row in rows if row["patient"] in patients[row["class"]]]
    manifest = tmp_path / "slices.csv"
    with open(manifest, "w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["case_id", "patient_id", "image_T1C", "mask", "label"])
        for row in chosen:
            folder = data_dir / "brain_t1c_slices"
            writer.writerow([row["slice"], row["patient"], folder / row["image"], folder / row["mask"], row["class"]])
    settings = tmp_path / "settings.yaml"
    text = settings_file.read_text().replace("high", "meningioma").replace("n4: none", "n4: fast")
    settings.write_text(text + "slice_spacing: [0.49, 0.49, 6.0]\n")
    model = tmp_path / "real.tcmodel"
    code, out, err = run_cli(
        "train", "dtlr-nomogram", "--manifest", manifest, "--out", model, "--settings", settings, "--json"
    )
    assert code == 0, err
    metrics = json.loads(out)["metrics"]
    assert all(np.isfinite(metrics[name]["auc"]["value"]) for name in ("nomogram", "radiomics", "deep"))
    assert read_bundle(model).manifest["cohort"]["patients"] == 16


def test_too_few_patients_are_refused_before_anything_is_measured(
    make_cohort, settings_file: Path, run_cli: Run, tmp_path: Path
) -> None:
    manifest = make_cohort(14)
    for image in manifest.parent.glob("*_image.nrrd"):
        image.unlink()
    code, _, err = run_cli(
        "train", "dtlr-nomogram", "--manifest", manifest, "--out", tmp_path / "x.tcmodel", "--settings", settings_file
    )
    assert code == 1 and "has 7 patients, but 2 folds with 2 inner folds need 8 of each class" in err
