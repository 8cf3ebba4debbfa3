"""A model of whole volumes from manifest to report, no case outlined."""

import csv
import json
import runpy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

PLANTED = runpy.run_path(str(Path(__file__).parents[1] / "unit" / "planted_volumes.py"))
SETTINGS = """\
grid: {size: [16, 16, 16], spacing: [1, 1, 1]}
network: {width: 4, depth: 3}
training: {epochs: 2, learning_rate: 0.01, dropout: 0.0, threads: 1}
folds: 2
inner_folds: 2
"""
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of heads with a ball, a ring or nothing; every second one outlined, three of each for testing."""
    where = tmp_path_factory.mktemp("volumes")
    (where / "settings.yaml").write_text(SETTINGS)
    rows = []
    for k, kind in enumerate(PLANTED["KINDS"]):
        for i in range(11):
            name = f"{kind}{i}"
            image, mask = PLANTED["planted_image"](kind, 100 * k + i)
            sitk.WriteImage(image, where / f"{name}.nrrd", useCompression=True)
            outlined = kind != "healthy" and i % 2 == 0
            if outlined:
                sitk.WriteImage(mask, where / f"{name}_mask.nrrd", useCompression=True)
            cohort = "test" if i >= 8 else "train"
            rows.append((name, f"{name}.nrrd", f"{name}_mask.nrrd" if outlined else "", kind, cohort))
    with open(where / "cohort.csv", "w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("case_id", "image_T1C", "mask", "label", "cohort"), *rows])
    return where


@pytest.fixture(scope="module")
def model(folder: Path, run_cli: Run) -> Path:
    """A model trained by the command."""
    out = folder / "planted.tcmodel"
    arguments = ("--manifest", folder / "cohort.csv", "--settings", folder / "settings.yaml", "--out", out)
    code, _, errors = run_cli("train", "volume-cnn", *arguments, "--cache", folder / "cache", "--json")
    assert code == 0, errors
    return out


def test_training_judges_out_of_fold_and_on_held_back_patients(model: Path, run_cli: Run) -> None:
    from TumorClassifierLib.bundle import read_bundle

    bundle = read_bundle(model)
    assert bundle.manifest["outline"] is False and bundle.manifest["radiomics"] is None
    assert "without an outline" in bundle.card and "3D residual network" in bundle.card
    inside, held_back = bundle.documents["evaluation"]["cohorts"]
    assert inside["patients"] == 24 and held_back["patients"] == 9
    assert inside["main"] == "network" and np.shape(inside["confusion"]["network"]) == (3, 3)
    for part in (inside, held_back):
        focus = part["focus"]
        assert 0 < focus["patients"] <= part["patients"] and len(focus["rows"]) == focus["patients"]
        assert 0 <= focus["inside"] <= 1 and 0 <= focus["dice"] <= 1 and focus["tests"][0]["between"] == "classes"
    assert len(bundle.documents["description"]["curves"]["network"]) == 2


def test_evaluation_needs_no_outline_either(model: Path, folder: Path, run_cli: Run) -> None:
    code, out, errors = run_cli("evaluate", model, "--manifest", folder / "cohort.csv", "--json")
    assert code == 0, errors
    assert json.loads(out)["patients"] == 33


def test_a_case_without_a_mask_has_report_map_and_table(model: Path, folder: Path, run_cli: Run) -> None:
    out = folder / "result"
    image = folder / "healthy1.nrrd"
    code, text, errors = run_cli("classify", "--image", f"T1C={image}", "--model", model, "--out", out)
    assert code == 0, errors
    assert "probability of" in text and "interval" not in text.splitlines()[0]
    prediction = json.loads((out / "prediction.json").read_text())
    assert prediction["interval"] is None and prediction["nomogram_points"] == {} and "focus" not in prediction
    assert sitk.ReadImage(out / "cam.nrrd").GetSize() == sitk.ReadImage(image).GetSize()
    report = (out / "report.html").read_text()
    assert "Where the network looked" in report and "outline" not in report and "Nomogram" not in report
    assert not (out / "nomogram.svg").exists()


def test_a_case_with_a_mask_is_told_the_overlap(model: Path, folder: Path, run_cli: Run) -> None:
    out = folder / "outlined"
    image, mask = folder / "ball0.nrrd", folder / "ball0_mask.nrrd"
    code, text, errors = run_cli(
        "classify", "--image", f"T1C={image}", "--mask", mask, "--model", model, "--out", out, "--json"
    )
    assert code == 0, errors
    focus = json.loads(text)["focus"]
    assert {"inside", "dice", "peak", "centroid"} <= set(focus)
    assert "of the map lies in the outlined tumour" in (out / "report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(("--segment", "tumour"), "give --mask too"), (("--dicom",), "give --mask too")],
)
def test_what_needs_a_mask_asks_for_it(
    model: Path, folder: Path, run_cli: Run, arguments: tuple[str, ...], words: str
) -> None:
    image = folder / "ball0.nrrd"
    code, _, errors = run_cli(
        "classify", "--image", f"T1C={image}", "--model", model, "--out", folder / "x", *arguments
    )
    assert code == 2 and words in " ".join(errors.replace("│", " ").split())


def test_a_model_that_needs_a_mask_says_so(folder: Path, run_cli: Run) -> None:
    """The shipped model measures the tumour."""
    image = folder / "ball0.nrrd"
    code, _, errors = run_cli(
        "classify", "--image", f"T1C={image}", "--model", "meningioma-vs-glioma", "--out", folder / "y"
    )
    assert code == 1 and "no tumour mask" in errors


def test_a_slice_is_no_volume(model: Path, folder: Path, run_cli: Run) -> None:
    sitk.WriteImage(sitk.ReadImage(folder / "ball0.nrrd")[:, :, :1], folder / "slice.nrrd")
    code, _, errors = run_cli(
        "classify", "--image", f"T1C={folder / 'slice.nrrd'}", "--model", model, "--out", folder / "z"
    )
    assert code == 1 and "no volume" in errors


def test_the_models_report_is_written(model: Path, folder: Path, run_cli: Run) -> None:
    code, _, errors = run_cli("report", model, "--out", folder / "model.html")
    assert code == 0, errors
    assert "No radiomics features were measured" in (folder / "model.html").read_text()
