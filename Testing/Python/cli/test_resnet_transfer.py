"""Transfer learning from the command line: train, evaluate, classify, report, and go on after a stop."""

import csv
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import SimpleITK as sitk

from FeatureExtractorLib.errors import Cancelled
from FeatureExtractorLib.manifest import read_manifest
from FeatureExtractorLib.reading import read_case
from TumorClassifierLib.bundle import read_bundle
from TumorClassifierLib.classify import classify_case
from TumorClassifierLib.networks.checkpoint import checkpoints_in
from TumorClassifierLib.recipes.resnet_transfer import Settings
from TumorClassifierLib.settings import read_settings
from TumorClassifierLib.training import train

Run = Callable[..., tuple[int, str, str]]

SETTINGS = """
preparation: {spacing: [0, 0, 0]}
crop: {size: 64}
backbone: resnet14
weights: seed:0
training: {epochs: 40, learning_rate: 0.02, rates: [], threads: 1}
copies: 1
activation: smooth-grad-cam++
smoothing: {samples: 2}
positive: high
folds: 2
inner_folds: 2
"""


def with_boundary(manifest: Path) -> Path:
    """The manifest with a radiological factor more."""
    rows = list(csv.DictReader(manifest.read_text().splitlines()))
    path = manifest.with_name("factors.csv")
    with open(path, "w", newline="") as stream:
        writer = csv.DictWriter(stream, [*rows[0], "boundary"])
        writer.writeheader()
        writer.writerows({**row, "boundary": ("clear", "blurred")[(i // 2) % 2]} for i, row in enumerate(rows))
    return path


@pytest.fixture(scope="module")
def settings_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("settings") / "settings.yaml"
    path.write_text(SETTINGS)
    return path


@pytest.fixture(scope="module")
def manifest(make_cohort: Callable[..., Path]) -> Path:
    return with_boundary(make_cohort(16))


@pytest.fixture(scope="module")
def model(manifest: Path, settings_path: Path, run_cli: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "transfer.tcmodel"
    code, out, err = run_cli(
        "train", "resnet-transfer", "--manifest", manifest, "--out", path, "--settings", settings_path
    )
    assert code == 0, err
    assert "network" in out and "clinical" in out
    return path


def test_a_trained_model_says_what_it_is(model: Path) -> None:
    bundle = read_bundle(model)
    assert bundle.manifest["recipe"] == "resnet-transfer"
    assert set(bundle.manifest["metrics"]) == {"network", "clinical"}
    assert {variable["name"] for variable in bundle.manifest["clinical"]} == {"age", "boundary"}
    assert "frozen but for its classifying layer, with random weights, seed 0" in bundle.manifest["networks"]
    assert model.stat().st_size < 1_000_000
    curves = bundle.documents["description"]["curves"]
    assert [len(curve) for curve in curves.values()] == [40, 40]
    text = json.dumps(dict(bundle.manifest)) + json.dumps(dict(bundle.documents))
    assert '"p0"' not in text and '"p15"' not in text, "a model must not name its patients"


def test_evaluate_judges_other_patients(
    model: Path, make_cohort: Callable[..., Path], run_cli: Run, tmp_path: Path
) -> None:
    code, out, err = run_cli("evaluate", model, "--manifest", with_boundary(make_cohort(8, seed=77)), "--json")
    assert code == 0, err
    result = json.loads(out)
    assert result["patients"] == 8 and result["failures"] == {}
    part = result["cohorts"][0]
    assert set(part["metrics"]) == {"network", "clinical"} and part["main"] == "network"


def test_classify_writes_prediction_map_and_report(model: Path, manifest: Path, run_cli: Run, tmp_path: Path) -> None:
    image, mask = (manifest.parent / f"p3_{kind}.nrrd" for kind in ("image", "mask"))
    code, out, err = run_cli(
        *("classify", "--image", f"T1C={image}", "--mask", mask, "--model", model, "--out", tmp_path / "out"),
        *("--clinical", "age=46", "--clinical", "boundary=clear", "--json"),
    )
    assert code == 0, err
    prediction = json.loads((tmp_path / "out" / "prediction.json").read_text())
    assert prediction["interval"] is None and prediction["nomogram_points"] == {} and prediction["scores"] == {}
    assert set(prediction["model_probabilities"]) == {"network", "clinical"}
    assert sum(prediction["probabilities"].values()) == pytest.approx(1)
    assert prediction["predicted"] == max(prediction["probabilities"], key=prediction["probabilities"].get)
    cam, original = sitk.ReadImage(str(tmp_path / "out" / "cam.nrrd")), sitk.ReadImage(str(image))
    assert cam.GetSize() == original.GetSize()
    assert sitk.GetArrayFromImage(cam).min() >= 0 and sitk.GetArrayFromImage(cam).max() == pytest.approx(1, abs=1e-6)
    assert prediction["map"] == {"class": prediction["predicted"], "method": "smooth-grad-cam++"}
    assert {"peak", "centroid", "inside", "dice"} <= set(prediction["focus"])
    if (tmp_path / "out" / "scene.mrb").is_file():  # the scene is an extra
        with zipfile.ZipFile(tmp_path / "out" / "scene.mrb") as archive:
            (scene,) = [archive.read(name).decode() for name in archive.namelist() if name.endswith(".mrml")]
        assert "Cases by what the network sees" in scene and "This case" in scene and "Focal point" in scene
    case = read_case({"T1C": image}, mask, case_id="c", clinical={"age": 46.0, "boundary": "clear"})
    for target in ("high", "low"):
        result = classify_case(case, read_bundle(model), activation="grad-cam", target=target)
        assert result.prediction["map"] == {"class": target, "method": "grad-cam"} and result.cam is not None
    lying = result.findings.embedding
    assert lying is not None and lying.case is not None and len(lying.points) == 16
    assert set(lying.names) == {f"{label} {i + 1}" for label in ("low", "high") for i in range(8)}
    report = (tmp_path / "out" / "report.html").read_text()
    assert "Research use only" in report or "research use only" in report
    code, out, err = run_cli(
        "classify", "--image", f"T1={image}", "--mask", mask, "--model", model, "--out", tmp_path / "other"
    )
    assert code == 1 and "T1C" in err and err.count("\n") == 1


def test_a_report_of_the_model_can_be_made(model: Path, run_cli: Run, tmp_path: Path) -> None:
    code, _, err = run_cli("report", model, "--out", tmp_path / "report.html")
    assert code == 0, err
    assert "boundary" in (tmp_path / "report.html").read_text()


def test_a_training_that_was_stopped_goes_on_to_the_same_model(
    model: Path, manifest: Path, settings_path: Path, run_cli: Run, tmp_path: Path
) -> None:
    settings, entries = read_settings(Settings, settings_path), read_manifest(manifest)
    told: list[str] = []

    def stop(stage: str, fraction: float) -> None:
        told.append(stage)
        if stage.startswith("fold 2/2: network, inner fold 1/2") and fraction > 0.4:
            raise Cancelled("Training was cancelled.")

    with checkpoints_in(tmp_path), pytest.raises(Cancelled):
        train("resnet-transfer", entries, settings, name="transfer", progress=stop)
    assert any(", loss 0." in stage and stage.endswith(" left") for stage in told)
    kept = len(list(tmp_path.iterdir()))
    assert kept == 4, "three networks of the first fold and one of the second"
    again = tmp_path.parent / "transfer.tcmodel"
    code, _, err = run_cli(
        *("train", "resnet-transfer", "--manifest", manifest, "--settings", settings_path),
        *("--checkpoint", tmp_path, "--out", again),
    )
    assert code == 0, err
    assert read_bundle(again).sha256 == read_bundle(model).sha256
