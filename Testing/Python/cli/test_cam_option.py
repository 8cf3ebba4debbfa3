"""Choosing how the map is made, from the command line."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from FeatureExtractorLib.errors import InputError
from TumorClassifierLib.bundle import read_bundle
from TumorClassifierLib.classify import activation_methods
from TumorClassifierLib.explain.cam import METHODS, cam_volume
from TumorClassifierLib.explain.focus import measure_focus
from TumorClassifierLib.recipes.dtlr_nomogram import Settings

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def case_files(make_cohort) -> tuple[Path, Path]:
    folder = make_cohort(2, seed=31).parent
    return folder / "p1_image.nrrd", folder / "p1_mask.nrrd"


def classified(run_cli: Run, trained: Path, case_files, out: Path, *options: str) -> tuple[dict, np.ndarray]:
    """prediction.json, and the map."""
    image, mask = case_files
    code, _, err = run_cli(
        "classify", "--image", f"T1C={image}", "--mask", mask, "--model", trained, "--out", out, *options
    )
    assert code == 0, err
    prediction = json.loads((out / "prediction.json").read_text(encoding="utf-8"))
    return prediction, sitk.GetArrayFromImage(sitk.ReadImage(str(out / "cam.nrrd")))


def test_the_method_changes_the_map_and_nothing_else_and_is_on_record(
    trained: Path, case_files, run_cli: Run, tmp_path: Path
) -> None:
    usual, usual_map = classified(run_cli, trained, case_files, tmp_path / "usual")
    other, other_map = classified(run_cli, trained, case_files, tmp_path / "other", "--cam", "guided-grad-cam")
    named = [p["provenance"]["settings"].pop("activation") for p in (usual, other)]
    assert named == ["grad-cam", "guided-grad-cam"]
    assert usual["map"] == {"class": usual["predicted"], "method": "grad-cam"}
    assert other["map"] == {"class": usual["predicted"], "method": "guided-grad-cam"}
    for prediction, shown in ((usual, usual_map), (other, other_map)):
        prediction["provenance"].pop("seconds")
        prediction.pop("map")
        inside = sitk.GetArrayFromImage(sitk.ReadImage(str(case_files[1]))) > 0
        assert prediction.pop("focus")["inside"] == pytest.approx(shown[inside].sum() / shown.sum(), rel=1e-5)
    assert usual == other
    assert usual_map.max() == other_map.max() == 1
    assert np.abs(usual_map - other_map).max() > 0.1
    same, same_map = classified(run_cli, trained, case_files, tmp_path / "same", "--cam", "grad-cam")
    assert same["provenance"]["settings"]["activation"] == "grad-cam"
    np.testing.assert_array_equal(usual_map, same_map)


def test_the_map_of_any_class_can_be_had(trained: Path, case_files, run_cli: Run, tmp_path: Path) -> None:
    usual, usual_map = classified(run_cli, trained, case_files, tmp_path / "usual")
    (rest,) = set(usual["classes"]) - {usual["predicted"]}
    other, other_map = classified(run_cli, trained, case_files, tmp_path / "other", "--cam-class", rest)
    assert other["map"]["class"] == rest and usual["map"]["class"] == usual["predicted"] == other["predicted"]
    assert np.abs(usual_map - other_map).max() > 0.1
    bundle, (image, mask) = read_bundle(trained), case_files
    assert f"Grad-CAM map for {rest}" in " ".join((tmp_path / "other" / "report.html").read_text().split())
    assert activation_methods(bundle)[0] == "grad-cam" and set(activation_methods(bundle)) == set(METHODS)
    code, _, err = run_cli(
        *("classify", "--image", f"T1C={image}", "--mask", mask, "--model", trained, "--out", tmp_path / "none"),
        *("--cam-class", "unheard-of"),
    )
    assert code == 1 and f"no class 'unheard-of'; choose one of {', '.join(usual['classes'])}" in err


def test_the_scene_holds_the_focal_point_of_the_map(trained: Path, case_files, run_cli: Run, tmp_path: Path) -> None:
    pytest.importorskip("slicer", reason="the scene is an extra")
    import re
    import zipfile

    _, mask = case_files
    classified(run_cli, trained, case_files, tmp_path / "out")
    with zipfile.ZipFile(tmp_path / "out" / "scene.mrb") as archive:
        (name,) = [item for item in archive.namelist() if item.endswith(".mrk.json")]
        markup = json.loads(archive.read(name))["markups"][0]
    cam, outline = sitk.ReadImage(str(tmp_path / "out" / "cam.nrrd")), sitk.ReadImage(str(mask))
    focus = measure_focus(cam, outline)
    at = markup["controlPoints"][0]["position"]
    lps = np.array(at) * ((1, 1, 1) if markup["coordinateSystem"] == "LPS" else (-1, -1, 1))
    assert lps == pytest.approx(focus.peak.position_mm, abs=1e-3)
    assert re.search(f"{focus.peak.to_centre_mm:.1f} mm from the tumour", markup["controlPoints"][0]["description"])


def test_a_method_that_there_is_not_is_refused_before_anything_is_measured(
    trained: Path, case_files, run_cli: Run, tmp_path: Path
) -> None:
    image, mask = case_files
    code, _, err = run_cli(
        "classify", "--image", f"T1C={image}", "--mask", mask, "--model", trained, "--out", tmp_path / "o",
        "--cam", "score-cam",
    )  # fmt: skip
    assert code == 1
    assert "no class activation method 'score-cam'; choose one of grad-cam, grad-cam++" in err
    assert not (tmp_path / "o").exists()
    with pytest.raises(InputError, match="'lime'"):
        Settings(activation="lime")


def test_a_recipe_without_the_choice_says_so(trained: Path, case_files, monkeypatch) -> None:
    from FeatureExtractorLib.reading import read_case
    from TumorClassifierLib import classify

    class Recipe:
        offered: tuple[str, ...] = ()

        @staticmethod
        def activations(bundle):
            return Recipe.offered

        @staticmethod
        def classify(*arguments):
            raise AssertionError("not to be called")

    monkeypatch.setattr(classify, "recipe_module", lambda name: Recipe)
    image, mask = case_files
    case = read_case({"T1C": image}, mask, case_id="c")
    bundle = read_bundle(trained)
    assert activation_methods(bundle) == ()
    with pytest.raises(InputError, match=r"draws no map, for it sees no picture; leave out grad-cam\+\+"):
        classify.classify_case(case, bundle, activation="grad-cam++")
    Recipe.offered = ("grad-cam",)
    with pytest.raises(InputError, match=r"draws no grad-cam\+\+; choose one of grad-cam"):
        classify.classify_case(case, bundle, activation="grad-cam++")


@pytest.mark.parametrize("method", METHODS)
def test_every_method_makes_a_volume(trained: Path, case_files, method: str) -> None:
    from TumorClassifierLib.explain.smooth import Smoothing
    from TumorClassifierLib.recipes.dtlr_nomogram import unpack

    settings, fitted = unpack(read_bundle(trained))
    image, mask = (sitk.DICOMOrient(sitk.ReadImage(str(path)), "LPS") for path in case_files)
    mask = sitk.Cast(mask, sitk.sitkUInt8)
    volumes = [
        sitk.GetArrayFromImage(
            cam_volume(
                fitted.network, image, mask, settings.crop, k, image, method=method, smoothing=Smoothing(samples=2)
            )
        )
        for k in range(2)
    ]
    assert all(volume.shape == image.GetSize()[::-1] and volume.min() == 0 for volume in volumes)
    assert max(volume.max() for volume in volumes) == 1
