"""Network recipes on real images, small: train, evaluate on other patients, classify and report."""

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import SimpleITK as sitk

from TumorClassifierLib.bundle import read_bundle

Run = Callable[..., tuple[int, str, str]]
pytestmark = pytest.mark.slow

TRANSFER = """
modalities: [T1C]
slice_spacing: [0.49, 0.49, 6.0]
preparation: {spacing: [0, 0, 0]}
crop: {size: 64}
backbone: resnet14
weights: seed:0
training: {epochs: 30, learning_rate: 0.01, rates: [], threads: 1}
copies: 1
smoothing: {samples: 2}
positive: meningioma
folds: 2
inner_folds: 2
"""
VOLUMES = """
modality: T1
grid: {size: [24, 24, 16], spacing: [10.0, 10.0, 12.0], centre: image}
network: {width: 4, depth: 2}
training: {epochs: 3, batch_size: 4, threads: 1}
positive: metastasis
folds: 2
inner_folds: 2
"""


def write(path: Path, rows: Sequence[Sequence[object]]) -> Path:
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return path


def trained(run_cli: Run, recipe: str, folder: Path, settings: str, manifest: Path) -> Path:
    (folder / "settings.yaml").write_text(settings)
    model = folder / "model.tcmodel"
    code, _, err = run_cli(
        "train", recipe, "--manifest", manifest, "--settings", folder / "settings.yaml", "--out", model
    )
    assert code == 0, err
    return model


def judged(run_cli: Run, model: Path, manifest: Path) -> dict:
    code, out, err = run_cli("evaluate", model, "--manifest", manifest, "--json")
    assert code == 0, err
    result = json.loads(out)
    assert result["failures"] == {}
    code, _, err = run_cli("report", model, "--out", model.with_suffix(".html"))
    assert code == 0, err
    assert "Training curves" in model.with_suffix(".html").read_text()
    return result["cohorts"][0]


def test_transfer_learning_on_real_slices(data_dir: Path, run_cli: Run, tmp_path: Path) -> None:
    folder = data_dir / "brain_t1c_slices"
    with (folder / "slices.csv").open(newline="") as stream:
        kept = [row for row in csv.DictReader(stream) if row["small_subset"] == "1"]
    rows = list({row["patient"]: row for row in kept}.values())  # a slice a patient
    head = ["case_id", "patient_id", "image_T1C", "mask", "label"]
    parts: list[list[list[object]]] = [[head], [head]]
    for label in ("glioma", "meningioma"):
        patients = sorted({row["patient"] for row in rows if row["class"] == label})[:11]
        for row in rows:
            if row["patient"] in patients and row["class"] == label:
                files = [folder / row["image"], folder / row["mask"]]
                parts[patients.index(row["patient"]) >= 8].append([row["slice"], row["patient"], *files, label])
    model = trained(run_cli, "resnet-transfer", tmp_path, TRANSFER, write(tmp_path / "train.csv", parts[0]))
    description = read_bundle(model).documents["description"]
    assert len(description["embeddings"]["features"]["points"]) == len(parts[0]) - 1
    assert len(description["curves"]["network"]) == 30
    inside = read_bundle(model).documents["evaluation"]["cohorts"][0]
    assert inside["patients"] == inside["focus"]["patients"] == 16
    outside = judged(run_cli, model, write(tmp_path / "other.csv", parts[1]))
    assert outside["patients"] == 6 and 0 <= outside["focus"]["inside"] <= 1
    image, mask = parts[1][1][2], parts[1][1][3]
    code, _, err = run_cli(
        *("classify", "--image", f"T1C={image}", "--mask", mask, "--model", model, "--out", tmp_path / "out"),
        *("--cam", "grad-cam++", "--cam-class", "glioma"),
    )
    assert code == 0, err
    prediction = json.loads((tmp_path / "out" / "prediction.json").read_text())
    assert prediction["map"] == {"class": "glioma", "method": "grad-cam++"}


def test_volumes_on_real_sarcomas(data_dir: Path, run_cli: Run, tmp_path: Path) -> None:
    folder = data_dir / "sarcoma_mr_t1"
    with (folder / "cases.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    cases: dict[str, list[list[object]]] = {"metastasis": [], "none": []}
    for row in rows:
        label, case = "metastasis" if row["lung_mets"] == "1" else "none", row["patient_id"]
        cases[label].append([case, folder / f"{case}_t1.nii.gz", folder / f"{case}_mask.nii.gz", label])
    head: list[object] = ["case_id", "image_T1", "mask", "label"]
    train = write(tmp_path / "train.csv", [head, *(row for of in cases.values() for row in of[:8])])
    other = write(tmp_path / "other.csv", [head, *(row for of in cases.values() for row in of[8:11])])
    model = trained(run_cli, "volume-cnn", tmp_path, VOLUMES, train)
    inside = read_bundle(model).documents["evaluation"]["cohorts"][0]
    assert inside["patients"] == 16 and 0 < inside["focus"]["patients"] <= 16
    outside = judged(run_cli, model, other)
    assert outside["patients"] == 6
    image = cases["none"][8][1]
    code, _, err = run_cli("classify", "--image", f"T1={image}", "--model", model, "--out", tmp_path / "out")
    assert code == 0, err
    read, cam = sitk.ReadImage(str(image)), sitk.ReadImage(str(tmp_path / "out" / "cam.nrrd"))
    assert cam.GetSize() == read.GetSize()
    assert cam.GetOrigin() == pytest.approx(read.GetOrigin(), abs=1e-4)
