"""A result in the scene, saved, and opened again in a process that knows nothing of it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from FeatureExtractorLib.errors import InputError
from TumorClassifierLib.nomogram import FactorTerm, Nomogram, NumericTerm
from TumorClassifierLib.scene.hierarchy import item_of, parent_name
from TumorClassifierLib.scene.results import show_result
from TumorClassifierLib.scene.storage import load_mrb, save_mrb
from TumorClassifierLib.scene.tables import prediction_table
from TumorClassifierLib.scene.volumes import add_segmentation, add_volume

NOMOGRAM = Nomogram.from_linear(
    -2.5,
    [
        NumericTerm("Age", 0.031, 22.0, 81.0, "years"),
        FactorTerm("Sex", ("female", "male"), (0.0, 0.42)),
        NumericTerm("Rad-score", 1.7, -1.2, 2.4),
    ],
    "P(high grade)",
)
PATIENT = {"Age": 57.0, "Sex": "male", "Rad-score": 0.9}


def prediction_of(patient: dict[str, Any]) -> dict[str, Any]:
    p = NOMOGRAM.probability(patient)
    return {
        "case": {"case_id": "brain1"},
        "model": {"name": "made", "version": "1"},
        "classes": ["low grade", "high grade"],
        "positive": "high grade",
        "probabilities": {"low grade": 1 - p, "high grade": p},
        "predicted": "high grade",
        "threshold": 0.41,
        "scores": {"Rad-score": 1 / 3, "DTL-score": -2.718281828459045e-9},
        "nomogram_points": {**NOMOGRAM.points(patient), "total": NOMOGRAM.total_points(patient)},
        "interval": {"low": 0.6123456789, "high": 0.8, "level": 0.95},
        "warnings": [{"code": "made", "text": "This is „made” data."}],
        "provenance": {"seconds": {"n4": 1.25, "network": 0.5}},
    }


def blob_in(mask: sitk.Image) -> sitk.Image:
    """A smooth hill over the tumour, 0 to 1."""
    hill = sitk.SmoothingRecursiveGaussian(sitk.Cast(mask, sitk.sitkFloat32), 5.0)
    top = float(sitk.GetArrayViewFromImage(hill).max())
    return sitk.Clamp(hill / top, sitk.sitkFloat32, 0.0, 1.0)


@pytest.fixture
def brain(scene: Any, data_dir: Path) -> tuple[Any, Any, sitk.Image]:
    """Volume node and segmentation node of a real tumour, and a map made for it."""
    folder = data_dir / "pyradiomics_cases"
    image = sitk.ReadImage(str(folder / "brain1_image.nrrd"))
    mask = sitk.Cast(sitk.ReadImage(str(folder / "brain1_label.nrrd")), sitk.sitkUInt8)
    volume = add_volume(scene, image, "brain1")
    return volume, add_segmentation(scene, mask, volume, "brain1 outline"), blob_in(mask)


def test_result_survives_saving_and_opening_in_another_process(
    scene: Any, brain: tuple[Any, Any, sitk.Image], tmp_path: Path, repository: Path
) -> None:
    from scene_description import describe

    volume, segmentation, cam = brain
    show_result(scene, volume, segmentation, prediction_of(PATIENT), cam, NOMOGRAM.to_json())
    bundle, out = tmp_path / "brain1.mrb", tmp_path / "description.json"
    save_mrb(scene, bundle)

    program = repository / "Testing" / "Standin" / "scene_description.py"
    done = subprocess.run(
        [sys.executable, str(program), str(bundle), str(out)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    opened, saved = json.loads(out.read_text(encoding="utf-8")), json.loads(json.dumps(describe(scene)))
    assert opened.keys() == saved.keys()
    for name in saved:
        assert opened[name] == saved[name], name
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_result_stands_in_a_folder_beside_the_image(scene: Any, brain: tuple[Any, Any, sitk.Image]) -> None:
    import slicer

    volume, segmentation, cam = brain
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "Study")
    hierarchy.SetItemParent(item_of(scene, volume), study)
    shown = show_result(scene, volume, segmentation, prediction_of(PATIENT), cam, NOMOGRAM.to_json())
    assert hierarchy.GetItemParent(shown.folder) == study
    assert {parent_name(scene, node) for node in shown.nodes} == {"brain1: high grade"}
    assert len(shown.nodes) == len({node.GetID() for node in shown.nodes}) == 1 + 1 + 1 + 3 + 3 + 9 + 2
    hierarchy.RemoveItem(shown.folder, True, True)
    assert scene.GetFirstNodeByName("Prediction") is None
    assert scene.GetNumberOfNodesByClass("vtkMRMLPlotChartNode") == 0


def test_numbers_in_the_scene_are_the_predictions(scene: Any, brain: tuple[Any, Any, sitk.Image]) -> None:
    volume, segmentation, cam = brain
    prediction = prediction_of(PATIENT)
    shown = show_result(scene, volume, segmentation, prediction, cam, NOMOGRAM.to_json())
    table = shown.table.GetTable()
    values = {
        table.GetColumnByName("Quantity").GetValue(i): table.GetColumnByName("Value").GetValue(i)
        for i in range(table.GetNumberOfRows())
    }
    assert table.GetColumnByName("Value").GetDataTypeAsString() == "double"
    expected = {
        "Probability of high grade": prediction["probabilities"]["high grade"],
        "Probability, low end": prediction["interval"]["low"],
        "Threshold": 0.41,
        "DTL-score": prediction["scores"]["DTL-score"],
        "Nomogram: total": prediction["nomogram_points"]["total"],
        "Time: n4": 1.25,
    }
    for name, value in expected.items():
        assert values[name] == pytest.approx(value, rel=1e-5), name
    assert json.loads(shown.texts[0].GetText()) == prediction  # to the last digit
    assert Nomogram.from_json(json.loads(shown.texts[1].GetText())) == NOMOGRAM


def test_map_is_a_thresholded_overlay_on_the_images_grid(scene: Any, brain: tuple[Any, Any, sitk.Image]) -> None:
    from TumorClassifierLib.scene.volumes import image_of

    volume, segmentation, cam = brain
    shown = show_result(scene, volume, segmentation, prediction_of(PATIENT), cam, None)
    display = shown.cam.GetDisplayNode()
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == (0.0, 1.0)
    assert display.GetApplyThreshold()
    assert (display.GetLowerThreshold(), display.GetUpperThreshold()) == (0.3, 1.0)
    assert display.GetColorNode().GetNumberOfColors() == 256
    there = sitk.Resample(image_of(shown.cam), cam, sitk.Transform(), sitk.sitkNearestNeighbor, -1.0)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(there), sitk.GetArrayFromImage(cam))
    assert not segmentation.GetDisplayNode().GetVisibility2DFill()
    assert shown.nomogram is None


def test_second_result_shares_the_colours_and_keeps_the_first(scene: Any, brain: tuple[Any, Any, sitk.Image]) -> None:
    volume, segmentation, cam = brain
    first = show_result(scene, volume, segmentation, prediction_of(PATIENT), cam, None)
    second = show_result(scene, volume, segmentation, prediction_of(PATIENT), cam, None)
    assert first.cam.GetDisplayNode().GetColorNodeID() == second.cam.GetDisplayNode().GetColorNodeID()
    assert first.folder != second.folder
    assert parent_name(scene, first.table) != parent_name(scene, second.table)


def test_storage_refuses_in_sentences(scene: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="end it in .mrb"):
        save_mrb(scene, tmp_path / "scene.zip")
    with pytest.raises(InputError, match="does not exist"):
        load_mrb(scene, tmp_path / "none.mrb")
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(InputError, match="cannot be written"):
        save_mrb(scene, blocked / "scene.mrb")


def test_damaged_bundle_is_refused(headless: Any, tmp_path: Path) -> None:
    from vtk_messages import captured

    damaged = tmp_path / "damaged.mrb"
    damaged.write_bytes(b"PK\x03\x04 this is no zip")
    with captured(), pytest.raises(InputError, match="cannot be read as a scene"):
        load_mrb(headless.scene, damaged)


def test_a_level_of_a_factor_is_told_beside_its_points(scene: Any) -> None:
    prediction = {
        "probabilities": {"low": 0.4, "high": 0.6},
        "predicted": "high",
        "threshold": None,
        "scores": {"sex": "F", "Rad-score": 0.5},
        "nomogram_points": {"sex": 12.0, "Rad-score": 40.0, "total": 52.0},
    }
    table = prediction_table(scene, prediction).GetTable()
    cells = {
        table.GetColumnByName("Quantity").GetValue(row): table.GetColumnByName("Meaning").GetValue(row)
        for row in range(table.GetNumberOfRows())
    }
    assert cells["Nomogram: sex"] == "for F" and "sex" not in cells and cells["Rad-score"] == "score"
