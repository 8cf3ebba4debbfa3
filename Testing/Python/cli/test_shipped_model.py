"""The models that come with the extension, on the phantom and on real brain tumours."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import SimpleITK as sitk

from FeatureExtractorLib.phantom import head_phantom
from TumorClassifierLib.store import load_model

Run = Callable[..., tuple[int, str, str]]
MODEL = "meningioma-vs-glioma"
TRAINED_ON = {"meningioma-vs-glioma": (64, 16), "brain-t1c-3class": (96, 24)}  # patients, and those held back
SLICES = {"meningioma-vs-glioma": 234, "brain-t1c-3class": 1380}  # of the patients that were trained on
FILES = ["cam.nrrd", "nomogram.svg", "prediction.json", "report.html"]
FILES += ["report.pdf"] if importlib.util.find_spec("reportlab") else []
SCENE_FILES = ["scene.mrb", "view.png"]
with_scene = pytest.mark.skipif(importlib.util.find_spec("slicer") is None, reason="slicer-core is not installed")

LIST_NODES = """
import json, sys
from pathlib import Path
from TumorClassifierLib.scene.headless import start
from TumorClassifierLib.scene.storage import load_mrb
scene = start().scene
load_mrb(scene, Path(sys.argv[1]))
nodes = [scene.GetNthNode(i) for i in range(scene.GetNumberOfNodes())]
print(json.dumps(sorted({node.GetClassName() for node in nodes})))
"""


@pytest.mark.parametrize("model", TRAINED_ON)
def test_card_is_honest(model: str) -> None:
    bundle = load_model(model)
    for said in ("research use only", "CC BY 4.0", "cross-validation by patient", "What it cannot do", "8-bit"):
        assert said.lower() in bundle.card.lower(), said
    patients = tuple(part["patients"] for part in bundle.documents["evaluation"]["cohorts"])
    assert patients == TRAINED_ON[model] and bundle.manifest["cohort"]["patients"] == patients[0]
    for judged in ("metrics", "test_metrics"):
        for name in ("auc", "sensitivity", "specificity"):
            metric = bundle.manifest[judged]["nomogram"][name]
            assert metric["low"] <= metric["value"] <= metric["high"], name
    assert "random weights" in bundle.manifest["networks"]
    assert bundle.manifest["cohort"]["cases"] == SLICES[model] and bundle.manifest["cohort"]["failures"] == 0


@pytest.mark.parametrize("model", TRAINED_ON)
def test_it_stays_small_enough_to_ship(model: str) -> None:
    from TumorClassifierLib.store import find_model

    assert find_model(model).stat().st_size < 9e6


@with_scene
def test_demo_classifies_the_phantom(run_cli: Run, tmp_path: Path) -> None:
    code, out, err = run_cli("demo", "--out", tmp_path / "demo")
    assert code == 0, err
    assert sorted(item.name for item in (tmp_path / "demo").iterdir()) == sorted(FILES + SCENE_FILES)
    assert "means nothing" in out and "Seconds of each stage" in out
    assert "measuring" in out and "scene" in out


def test_a_picture_of_a_slice_has_the_pixel_size_of_the_training_slices(run_cli: Run, tmp_path: Path) -> None:
    image, mask = head_phantom()
    k = image.GetSize()[2] // 2
    slices = {"image": sitk.RescaleIntensity(image, 0, 255)[:, :, k], "mask": mask[:, :, k] * 255}
    for name, picture in slices.items():
        sitk.WriteImage(sitk.Cast(picture, sitk.sitkUInt8), str(tmp_path / f"{name}.png"))
    arguments = ["--image", f"T1C={tmp_path / 'image.png'}", "--mask", tmp_path / "mask.png", "--model", MODEL]
    code, _, err = run_cli("classify", *arguments, "--out", tmp_path / "out")
    assert code == 0, err
    cam = sitk.ReadImage(str(tmp_path / "out" / "cam.nrrd"))
    assert cam.GetSpacing() == pytest.approx((0.49, 0.49, 6.0))


@with_scene
@pytest.mark.slow
@pytest.mark.parametrize(("name", "model"), [("brain1", MODEL), ("brain2", "brain-t1c-3class")])
def test_real_tumours_are_classified_and_the_scene_opens_elsewhere(
    name: str, model: str, data_dir: Path, run_cli: Run, tmp_path: Path
) -> None:
    folder = data_dir / "pyradiomics_cases"
    image, mask = folder / f"{name}_image.nrrd", folder / f"{name}_label.nrrd"
    out = tmp_path / "out"
    code, _, err = run_cli("classify", "--image", f"T1C={image}", "--mask", mask, "--model", model, "--out", out)
    assert code == 0, err
    assert sorted(item.name for item in out.iterdir()) == sorted(FILES + SCENE_FILES)
    original, cam = sitk.ReadImage(str(image)), sitk.ReadImage(str(out / "cam.nrrd"))
    assert cam.GetSize() == original.GetSize()
    for read in ("GetSpacing", "GetOrigin", "GetDirection"):
        assert getattr(cam, read)() == pytest.approx(getattr(original, read)(), abs=1e-9)
    prediction = json.loads((out / "prediction.json").read_text())
    assert prediction["predicted"] in load_model(model).manifest["classes"]
    listed = subprocess.run(
        [sys.executable, "-c", LIST_NODES, str(out / "scene.mrb")], capture_output=True, text=True, check=True
    )
    classes = set(json.loads(listed.stdout.splitlines()[-1]))
    assert classes >= {
        "vtkMRMLScalarVolumeNode",
        "vtkMRMLSegmentationNode",
        "vtkMRMLTableNode",
        "vtkMRMLPlotChartNode",
        "vtkMRMLVectorVolumeNode",
    }


@pytest.mark.slow
def test_both_radiomics_engines_give_one_probability(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("radiomics", reason="PyRadiomics is not installed")
    from FeatureExtractorLib.radiomics.engine import get_engine
    from FeatureExtractorLib.reading import read_case
    from TumorClassifierLib.classify import classify_case
    from TumorClassifierLib.recipes import dtlr_nomogram

    folder = data_dir / "pyradiomics_cases"
    case = read_case({"T1C": folder / "brain1_image.nrrd"}, folder / "brain1_label.nrrd", case_id="brain1")
    found = {}
    for engine in ("pyradiomics", "native"):
        monkeypatch.setattr(dtlr_nomogram, "get_engine", lambda _, name=engine: get_engine(name))
        prediction = classify_case(case, load_model(MODEL)).prediction
        assert prediction["provenance"]["engine"].startswith(engine)
        found[engine] = prediction["probabilities"]["meningioma"]
    assert found["native"] == pytest.approx(found["pyradiomics"], rel=1e-9)
