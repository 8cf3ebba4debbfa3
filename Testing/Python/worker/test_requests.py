"""What the real worker process makes of a request: the same numbers as the library's own functions, or a sentence."""

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.progress import silent
from TumorClassifierLib.result_files import read_result
from TumorClassifierLib.worker import start
from TumorClassifierLib.worker.model_works import Curves
from TumorClassifierLib.worker.works import WORKS, do

Follow = Callable[..., list[Any]]
Left = Callable[..., list[int]]


@pytest.fixture(scope="session")
def case(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A small image with a bias field, and two overlapping outlines of its tumour, each by two readers."""
    folder = tmp_path_factory.mktemp("case")
    rng = np.random.default_rng(3)
    z, y, x = np.mgrid[:12, :40, :48]
    distance = np.sqrt((x - 24) ** 2 + (y - 20) ** 2 + (2 * (z - 6)) ** 2)
    values = 200 + 100 * (distance < 12) + ndimage.gaussian_filter(rng.normal(0, 60, x.shape), 1)
    arrays = {
        "image": (values * np.exp(0.4 * x / 48 + 0.2 * y / 40)).astype(np.float32),
        "whole": (distance < 12).astype(np.uint8),
        "core": (distance < 7).astype(np.uint8),
        "second": (distance < 11).astype(np.uint8),
        "empty": np.zeros(x.shape, np.uint8),
    }
    for name, array in arrays.items():
        image = sitk.GetImageFromArray(array)
        image.SetSpacing((0.8, 0.9, 2.5))
        image.SetDirection((0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0))
        sitk.WriteImage(image, str(folder / f"{name}.nrrd"))
    return {name: folder / f"{name}.nrrd" for name in arrays}


@pytest.fixture
def manifest(tmp_path: Path, case: dict[str, Path]) -> Path:
    """A cohort with one good case and one of each kind of bad ones."""
    (tmp_path / "broken.nrrd").write_bytes(b"NRRD0004\ntype: float\n")
    rows = [
        ["good", case["image"], case["whole"], "a"],
        ["lost", tmp_path / "lost.nrrd", case["whole"], "a"],
        ["broken", tmp_path / "broken.nrrd", case["whole"], "b"],
        ["unlined", case["image"], "", "b"],
        ["blank", case["image"], case["empty"], "b"],
    ]
    path = tmp_path / "cohort.csv"
    with open(path, "w", newline="") as stream:
        csv.writer(stream).writerows([["case_id", "image_T1C", "mask", "label"], *rows])
    return path


def numbers(path: Path) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def test_a_request_that_cannot_be_understood_is_refused_in_a_sentence(tmp_path: Path, followed: Follow) -> None:
    for request, sentence in (
        ({}, "There is no work called None; ask for one of classify, correct,"),
        ({"work": "dream"}, "There is no work called 'dream'"),
        ({"work": "correct", "image": "a", "speed": 3}, "The work correct has no 'speed'; it has image, mask, engine"),
        ({"work": "correct"}, "The work correct needs 'image'; give it."),
    ):
        with pytest.raises(InputError, match=sentence.replace("(", r"\(")):
            do(request, tmp_path, silent, lambda data: None)
    (last,) = [event for event in followed(start({"work": "dream"}, tmp_path / "run")) if event.final]
    assert last.kind == "failed" and last.text.startswith("There is no work called 'dream'") and last.details == ""
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["request.json"]


def test_two_jobs_at_once_do_not_hear_each_other(tmp_path: Path, case: dict[str, Path], followed: Follow) -> None:
    jobs = [start({"work": "correct", "image": str(case[name])}, tmp_path / name) for name in ("image", "empty")]
    last = [followed(job)[-1] for job in jobs]
    assert [event.kind for event in last] == ["done", "failed"] and "same value everywhere" in last[1].text
    assert jobs[0].out.is_dir() and not jobs[1].out.exists()


def test_every_work_is_there() -> None:
    from importlib import import_module

    for name, module in WORKS.items():
        function = getattr(import_module(f"TumorClassifierLib.worker.{module}"), name)
        assert function.__doc__, name


def test_correct_is_the_librarys_own_correction(tmp_path: Path, case: dict[str, Path], followed: Follow) -> None:
    from FeatureExtractorLib.preprocessing.n4 import correct_bias_field

    job = start({"work": "correct", "image": str(case["image"]), "engine": "fast"}, tmp_path / "run")
    events = followed(job)
    assert events[-1].kind == "done", events[-1]
    stages = [event.stage for event in events if event.kind == "progress"]
    assert stages == ["starting", "reading", "bias field", "writing"]
    expected = correct_bias_field(sitk.ReadImage(str(case["image"])), method="fast")
    np.testing.assert_array_equal(numbers(job.out / "corrected.nrrd"), sitk.GetArrayFromImage(expected.corrected))
    field = numbers(job.out / "bias_field.nrrd")
    np.testing.assert_allclose(field, np.exp(sitk.GetArrayFromImage(expected.log_field)), rtol=1e-6)
    assert events[-1].data["field"]["high"] == pytest.approx(field.max(), rel=1e-6) and field.max() > 1.1 * field.min()
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["out", "request.json"]


@pytest.mark.slow
def test_extract_gives_the_numbers_of_the_command_line(case: dict[str, Path], tmp_path: Path) -> None:
    from FeatureExtractorLib.extraction import ExtractionSettings, extract_features
    from FeatureExtractorLib.manifest import CaseEntry

    request = {
        "work": "extract",
        "images": {"T1C": str(case["image"])},
        "masks": {"s1": str(case["whole"]), "s2": str(case["core"]), "s3": str(case["empty"])},
        "names": {"s1": "Whole", "s2": "Core", "s3": "Nothing"},
        "preset": "original",
        "engine": "native",
        "n4": "fast",
        "backbones": ["resnet18", "resnet14"],
        "weights": "seed:0",
    }
    told: list[Any] = []
    summary = do(request, tmp_path, silent, told.append)
    document = json.loads((tmp_path / "features.json").read_text())
    assert list(summary["failed"]) == ["Nothing"] and "is empty" in summary["failed"]["Nothing"]
    assert [one["name"] for one in document["segments"]] == ["Whole", "Core", "Nothing"]
    assert [one["segment"] for one in told] == ["s1", "s2", "s3"] and document["segments"][2]["features"] == {}
    for one, mask in zip(document["segments"], ("whole", "core"), strict=False):
        entry = CaseEntry("c", "c", {"T1C": case["image"]}, case[mask])
        for backbone in ("resnet18", "resnet14"):
            settings = ExtractionSettings(engine="native", n4="fast", backbone=backbone, weights="seed:0")
            table = extract_features([entry], settings)
            assert [one["features"][name] for name in table.names] == table.values[0].tolist()
    assert document["provenance"]["engine"].startswith("native")
    assert set(document["provenance"]["networks"]) == {"resnet18", "resnet14"}

    finer = tmp_path / "finer"
    finer.mkdir()
    do({**request, "spacing": [1, 1, 1], "n4": "none", "backbones": []}, finer, silent, told.append)
    other = json.loads((finer / "features.json").read_text())
    assert other["provenance"]["settings"]["radiomics"]["setting"]["resampledPixelSpacing"] == [1.0, 1.0, 1.0]
    volume = "T1C.original_shape_VoxelVolume"
    assert other["segments"][0]["features"][volume] == pytest.approx(
        document["segments"][0]["features"][volume], rel=0.05
    )
    with pytest.raises(InputError, match="is empty"):
        do({**request, "masks": {"s3": str(case["empty"])}, "backbones": []}, tmp_path, silent, told.append)


def test_agree_compares_two_outlines_of_a_case(case: dict[str, Path], tmp_path: Path) -> None:
    request = {
        "work": "agree",
        "image": str(case["image"]),
        "first": {"Tumour": str(case["whole"]), "Alone": str(case["core"]), "Nothing": str(case["core"])},
        "second": {"Tumour": str(case["second"]), "Nothing": str(case["empty"])},
        "engine": "native",
    }
    do(request, tmp_path, silent, lambda data: None)
    document = json.loads((tmp_path / "agreement.json").read_text())
    tumour, nothing = document["segments"]
    masks = [numbers(case[name]) > 0 for name in ("whole", "second")]
    assert tumour["dice"] == pytest.approx(2 * (masks[0] & masks[1]).sum() / (masks[0].sum() + masks[1].sum()))
    assert 0 < tumour["hausdorff_95_mm"] <= tumour["hausdorff_mm"] < 5
    assert nothing["name"] == "Nothing" and "empty" in nothing["error"]
    volumes = document["features"]["Tumour"]["original_shape_VoxelVolume"]
    assert volumes == pytest.approx([mask.sum() * 0.8 * 0.9 * 2.5 for mask in masks])
    with pytest.raises(InputError, match="no segment of the same name"):
        do({**request, "second": {"Other": str(case["core"])}}, tmp_path, silent, lambda data: None)


def test_check_lists_each_bad_case_before_anything_is_trained(manifest: Path, tmp_path: Path) -> None:
    told: list[Any] = []
    request = {"work": "check", "manifest": str(manifest), "recipe": "dtlr-nomogram", "settings": {"positive": "b"}}
    with pytest.raises(InputError, match="Class a has 2 patients"):
        do(request, tmp_path, silent, told.append)
    errors = {one["case"]: one["error"] for one in told}
    assert list(errors) == ["good", "lost", "broken", "unlined", "blank"]
    assert errors["good"] == "" and "lost.nrrd does not exist" in errors["lost"]
    assert "cannot be read" in errors["broken"] and "no tumour mask" in errors["unlined"]
    assert "is empty" in errors["blank"]
    assert [one["label"] for one in told] == ["a", "a", "b", "b", "b"]
    with pytest.raises(InputError, match="has no 'speed'"):
        do({**request, "settings": {"speed": 1}}, tmp_path, silent, told.append)


def test_a_cohort_is_measured_and_goes_on_where_it_was_cancelled(
    case: dict[str, Path], tmp_path: Path, followed: Follow, left_over: Left
) -> None:
    """Two processes at once; the third case is a pipe that nobody writes to, until it is replaced by the image."""
    waiting = tmp_path / "waiting.nrrd"
    os.mkfifo(waiting)
    rows = [
        [name, image, case["whole"]] for name, image in (("a", case["image"]), ("b", case["image"]), ("c", waiting))
    ]
    with open(tmp_path / "cohort.csv", "w", newline="") as stream:
        csv.writer(stream).writerows([["case_id", "image_T1C", "mask"], *rows])
    request = {"work": "cohort", "manifest": str(tmp_path / "cohort.csv"), "out": str(tmp_path / "features.csv")}
    request |= {"engine": "native", "jobs": 2}
    job = start(request, tmp_path / "first")
    followed(job, lambda event: "2 of 3 cases" in event.stage)
    job.cancel()
    assert followed(job)[-1].kind == "cancelled"
    assert left_over(tmp_path / "first") == []
    assert not (tmp_path / "features.csv").exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    waiting.unlink()
    waiting.symlink_to(case["image"])
    summary = do({**request, "jobs": 1}, tmp_path, silent, lambda data: None)
    assert (summary["rows"], summary["kept"], summary["failures"]) == (3, 2, {})
    assert len((tmp_path / "features.csv").read_text().splitlines()) >= 4


def test_training_is_told_epoch_by_epoch() -> None:
    from TumorClassifierLib.networks.curves import Epoch, epochs_told_to, tell_epoch

    told: list[Any] = []
    epoch = Epoch(0.1, 0.7, 0.5)
    with epochs_told_to(Curves(told.append)):
        for curves in ([epoch], [epoch] * 2, [epoch] * 4, [epoch] * 3):
            tell_epoch(curves)
    tell_epoch([epoch])
    assert [(one["training"], one["epoch"]) for one in told] == [(1, 1), (1, 2), (1, 4), (2, 3)]
    assert told[0]["loss"] == 0.7 and told[0]["validation_loss"] is None


@pytest.mark.slow
def test_classify_on_brain1_is_what_the_command_line_says(
    data_dir: Path, run_cli: Callable[..., tuple[int, str, str]], tmp_path: Path, followed: Follow
) -> None:
    image, mask = (data_dir / "pyradiomics_cases" / f"brain1_{kind}.nrrd" for kind in ("image", "label"))
    model = "meningioma-vs-glioma"
    request = {"work": "classify", "model": model, "images": {"T1C": str(image)}, "mask": str(mask), "case_id": "c"}
    job = start(request, tmp_path / "run")
    events = followed(job)
    assert events[-1].kind == "done", events[-1]
    assert {"starting", "reading", "radiomics", "explanation", "writing"} <= {event.stage for event in events}
    out = tmp_path / "cli"
    files = ("--image", f"T1C={image}", "--mask", mask, "--case-id", "c")
    code, _, errors = run_cli("classify", *files, "--model", model, "--out", out)
    assert code == 0, errors
    here, there = read_result(job.out), json.loads((out / "prediction.json").read_text())
    assert here.prediction["probabilities"] == pytest.approx(there["probabilities"], rel=0, abs=1e-12)
    assert here.prediction["scores"] == pytest.approx(there["scores"], rel=0, abs=1e-12)
    assert here.prediction["predicted"] == there["predicted"] == events[-1].data["predicted"]
    np.testing.assert_allclose(numbers(job.out / "cam.nrrd"), numbers(out / "cam.nrrd"), rtol=0, atol=1e-12)
    assert here.nomogram is not None and {"report.html", "nomogram.svg"} <= {path.name for path in job.out.iterdir()}
    assert not (job.out / "scene.mrb").exists()


@pytest.mark.slow
def test_classify_is_cancelled_half_way(data_dir: Path, tmp_path: Path, followed: Follow, left_over: Left) -> None:
    image, mask = (data_dir / "pyradiomics_cases" / f"brain1_{kind}.nrrd" for kind in ("image", "label"))
    request = {"work": "classify", "model": "meningioma-vs-glioma", "images": {"T1C": str(image)}, "mask": str(mask)}
    job = start(request, tmp_path / "run")
    followed(job, lambda event: event.stage == "radiomics")
    job.cancel()
    assert followed(job)[-1].kind == "cancelled"
    assert left_over(tmp_path / "run") == []
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["request.json"]


@pytest.mark.slow
def test_a_classified_series_is_written_as_dicom(tmp_path: Path) -> None:
    """The SEG is the mask on the series, and the patient's name is in it unless it is to be left out."""
    import runpy

    pydicom = pytest.importorskip("pydicom")
    pytest.importorskip("highdicom")
    from FeatureExtractorLib.reading import read_image, read_mask
    from TumorClassifierLib.result_files import write_result
    from TumorClassifierLib.results import ClassificationResult

    write_series = runpy.run_path(str(Path(__file__).parents[1] / "reading" / "conftest.py"))["write_series"]
    values = np.random.default_rng(0).integers(50, 900, (5, 24, 30)).astype(np.int16)
    write_series(tmp_path / "series", values, spacing=(1.0, 1.0), offsets=[4.0 * k for k in range(5)])
    image = read_image(tmp_path / "series")
    inside = np.zeros(values.shape, np.uint8)
    inside[1:4, 6:15, 9:20] = 1
    mask = sitk.GetImageFromArray(inside)
    mask.CopyInformation(image)
    sitk.WriteImage(mask, str(tmp_path / "mask.nrrd"))
    prediction = {
        "case": {"case_id": "c"},
        "model": {"name": "m", "version": "1", "sha256": "0" * 64},
        "classes": ["low", "high"],
        "positive": "high",
        "probabilities": {"low": 0.2, "high": 0.8},
        "predicted": "high",
        "interval": None,
        "scores": {},
        "by_class": {},
        "nomogram_points": {},
        "prediction_set": {"classes": ["high"], "level": 0.9},
        "warnings": [],
        "threshold": 0.5,
        "provenance": {"versions": {}},
    }
    write_result(ClassificationResult(prediction, None, {}, {}, {}), tmp_path / "result")
    request = {
        "work": "dicom",
        "images": {"T1C": str(tmp_path / "series")},
        "mask": str(tmp_path / "mask.nrrd"),
        "result": str(tmp_path / "result"),
    }
    names = {}
    for name in ("as it is", "deidentified"):
        out = tmp_path / name
        out.mkdir()
        summary = do({**request, "deidentify": name == "deidentified"}, out, silent, lambda data: None)
        assert summary["files"] == ["segment.dcm", "report.dcm"] == sorted(p.name for p in out.iterdir())[::-1]
        names[name] = str(pydicom.dcmread(out / "segment.dcm").PatientName)
    assert names["as it is"] != names["deidentified"]
    out = tmp_path / "as it is"
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read_mask(out / "segment.dcm", reference=image)), inside)


@pytest.mark.slow
def test_a_recipe_is_trained_in_the_process(tmp_path: Path, followed: Follow) -> None:
    """Sixteen patients and one epoch: checked, trained with an event for every epoch, and judged once more."""
    import runpy

    made = runpy.run_path(str(Path(__file__).parents[1] / "cli" / "conftest.py"))
    rng = np.random.default_rng(0)
    for i in range(16):
        made["write_case"](tmp_path, f"p{i}", rng, coarse=float(i % 2))
    rows = [[f"p{i}", f"p{i}_image.nrrd", f"p{i}_mask.nrrd", made["LABELS"][i % 2], 40 + i] for i in range(16)]
    manifest = tmp_path / "cohort.csv"
    with open(manifest, "w", newline="") as stream:
        csv.writer(stream).writerows([["case_id", "image_T1C", "mask", "label", "age"], *rows])
    (tmp_path / "settings.yaml").write_text(made["SETTINGS"])
    request = {"manifest": str(manifest), "recipe": "dtlr-nomogram", "settings": str(tmp_path / "settings.yaml")}
    checked = do({"work": "check", **request}, tmp_path, silent, lambda data: None)
    assert checked == {"cases": 16, "failures": {}, "classes": ["low", "high"]}
    job = start({"work": "train", **request, "out": str(tmp_path / "made.tcmodel")}, tmp_path / "run")
    events = followed(job)
    assert events[-1].kind == "done", events[-1]
    epochs = [event.data for event in events if event.kind == "data"]
    assert len(epochs) >= 3 and {one["epoch"] for one in epochs} == {1}
    assert [one["training"] for one in epochs] == list(range(1, len(epochs) + 1))
    assert events[-1].data["file"] == str(tmp_path / "made.tcmodel") and "nomogram" in events[-1].data["metrics"]
    judged = do(
        {"work": "evaluate", "model": str(tmp_path / "made.tcmodel"), "manifest": str(manifest)},
        tmp_path,
        silent,
        lambda data: None,
    )
    assert judged["cases"] == 16 and "trained on this very manifest" in judged["warnings"][0]
    assert (tmp_path / "evaluation.json").is_file()


@pytest.mark.slow
def test_a_model_is_reported(tmp_path: Path) -> None:
    summary = do({"work": "report", "model": "meningioma-vs-glioma"}, tmp_path, silent, lambda data: None)
    assert summary["files"] == ["report.html", "report.pdf"]
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
