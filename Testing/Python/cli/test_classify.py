"""Classifying from the command line: what it writes, and how it refuses."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

Run = Callable[..., tuple[int, str, str]]
OUTPUTS = {"prediction.json", "report.html", "report.pdf", "cam.nrrd", "nomogram.svg"}


@pytest.fixture(scope="module")
def case_files(make_cohort) -> tuple[Path, Path]:
    folder = make_cohort(2, seed=31).parent
    return folder / "p1_image.nrrd", folder / "p1_mask.nrrd"


@pytest.fixture(scope="module")
def classified(trained: Path, case_files, run_cli: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("classified") / "out"
    image, mask = case_files
    code, _, err = run_cli("classify", "--image", f"T1C={image}", "--mask", mask, "--model", trained, "--out", out)
    assert code == 0, err
    return out


def changed(path: Path, to: Path, change: Callable[[np.ndarray], np.ndarray]) -> Path:
    """A copy of an image with other values, on the same grid."""
    image = sitk.ReadImage(str(path))
    other = sitk.GetImageFromArray(change(sitk.GetArrayFromImage(image)))
    other.CopyInformation(image)
    sitk.WriteImage(other, str(to))
    return to


def test_writes_every_output(classified: Path) -> None:
    assert {item.name for item in classified.iterdir()} >= OUTPUTS


def test_prediction_is_whole_and_adds_up(classified: Path, case_files) -> None:
    prediction = json.loads((classified / "prediction.json").read_text())
    assert sum(prediction["probabilities"].values()) == pytest.approx(1, abs=1e-12)
    p = prediction["probabilities"]["high"]
    assert prediction["interval"]["low"] <= p <= prediction["interval"]["high"]
    points = prediction["nomogram_points"]
    assert points["total"] == pytest.approx(sum(value for name, value in points.items() if name != "total"))
    assert prediction["predicted"] == ("high" if p >= prediction["threshold"] else "low")
    assert set(prediction["provenance"]["inputs"]) == {"T1C", "mask"}
    assert {"settings", "versions", "seconds", "engine"} <= set(prediction["provenance"])


def test_nomogram_gives_the_probability_of_the_prediction(classified: Path, trained: Path) -> None:
    from TumorClassifierLib.bundle import read_bundle
    from TumorClassifierLib.nomogram import Nomogram

    prediction = json.loads((classified / "prediction.json").read_text())
    nomogram = Nomogram.from_json(read_bundle(trained).documents["model"]["models"][0]["nomogram"]["nomogram"])
    assert nomogram.probability(prediction["scores"]) == pytest.approx(prediction["probabilities"]["high"], abs=1e-12)


def test_cam_lies_on_the_grid_of_the_input(classified: Path, case_files) -> None:
    image, cam = sitk.ReadImage(str(case_files[0])), sitk.ReadImage(str(classified / "cam.nrrd"))
    for read in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
        assert getattr(cam, read)() == getattr(image, read)()
    values = sitk.GetArrayFromImage(cam)
    assert values.min() == 0 and values.max() in (0, 1)
    assert not values[0].any() and not values[3].any(), "slices without tumour are not computed"


def test_report_stands_alone(classified: Path) -> None:
    report = (classified / "report.html").read_text()
    assert "For research use only" in report
    assert "data:image/png;base64," in report and "data:image/svg+xml;base64," in report
    assert "http" not in report.replace("http://www.w3.org", ""), "nothing may be fetched from elsewhere"


def test_the_report_is_a_pdf_too(classified: Path) -> None:
    from pypdf import PdfReader

    case_id = json.loads((classified / "prediction.json").read_text())["case"]["case_id"]
    pages = PdfReader(classified / "report.pdf").pages
    text = " ".join(page.extract_text() for page in pages)
    assert "Tumour classification report" in text and f"case {case_id}" in text
    assert "For research use only" in text and "SHA-256 of the model" in text


def test_same_input_gives_the_same_prediction(
    classified: Path, trained: Path, case_files, run_cli: Run, tmp_path
) -> None:
    image, mask = case_files
    code, out, _ = run_cli(
        "classify", "--image", f"T1C={image}", "--mask", mask, "--model", trained, "--out", tmp_path / "b", "--json"
    )
    assert code == 0
    first = json.loads((classified / "prediction.json").read_text())
    second = json.loads(out)
    for prediction in (first, second):
        prediction["provenance"].pop("seconds")
    assert second.pop("files")
    second.pop("notes")
    assert first == second


def truncated(path: Path, to: Path) -> Path:
    to.write_bytes(path.read_bytes()[:-1000])
    return to


def flipped(path: Path, to: Path) -> Path:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    to.write_bytes(raw)
    return to


def with_outside_member(path: Path, to: Path) -> Path:
    import zipfile

    to.write_bytes(path.read_bytes())
    with zipfile.ZipFile(to, "a") as archive:
        archive.writestr("../evil.json", "{}")
    return to


def text_file(path: Path, to: Path) -> Path:
    to.write_text("this is no image")
    return to


BAD_INPUTS = {
    "missing image": ("image", lambda p, to: to, "does not exist"),
    "text called nrrd": ("image", text_file, "cannot be read as .nrrd"),
    "zeros": ("image", lambda p, to: changed(p, to, lambda a: a * 0), "same value everywhere"),
    "other grid": ("mask", lambda p, to: changed(p, to, lambda a: a), "differ in size"),
    "empty mask": ("mask", lambda p, to: changed(p, to, lambda a: a * 0), "is empty"),
    "one voxel": (
        "mask",
        lambda p, to: changed(p, to, lambda a: (np.arange(a.size) == 3300).reshape(a.shape).astype(np.uint8)),
        "single voxel",
    ),
    "NaN mask": ("mask", lambda p, to: changed(p, to, lambda a: np.where(a > 0, np.nan, 0.0)), "holds NaN"),
    "unknown model": ("model", lambda p, to: Path("no-such-model"), "no model called 'no-such-model'"),
    "truncated model": ("model", truncated, "was refused because"),
    "changed model": ("model", flipped, "was refused because"),
    "model with outside member": ("model", with_outside_member, "was refused because"),
}


@pytest.mark.parametrize("name", BAD_INPUTS)
def test_bad_input_is_one_sentence_and_leaves_nothing(
    name: str, trained: Path, case_files, run_cli: Run, tmp_path: Path
) -> None:
    what, spoil, sentence = BAD_INPUTS[name]
    given = {"image": case_files[0], "mask": case_files[1], "model": trained}
    spoilt = tmp_path / "spoilt"
    spoilt.mkdir()
    given[what] = spoil(given[what], spoilt / f"bad{given[what].suffix}")
    if name == "other grid":
        sitk.WriteImage(sitk.ReadImage(str(given["mask"]))[:-1], str(given["mask"]))
    out = tmp_path / "out"
    code, printed, err = run_cli(
        "classify",
        "--image",
        f"T1C={given['image']}",
        "--mask",
        given["mask"],
        "--model",
        given["model"],
        "--out",
        out,
    )
    assert (code, printed) == (1, "")
    assert sentence in err and err.count("\n") == 1 and "Traceback" not in err
    assert not out.exists() and sorted(item.name for item in tmp_path.iterdir()) == ["spoilt"]


def test_negative_intensities_are_refused_only_where_n4_is_asked_for(case_files, run_cli: Run, tmp_path: Path) -> None:
    image = changed(case_files[0], tmp_path / "negative.nrrd", lambda a: a - 600)
    arguments = ["extract", "--image", f"T1C={image}", "--mask", case_files[1], "--out", tmp_path / "features.csv"]
    code, _, err = run_cli(*arguments, "--n4", "itk")
    assert code == 1 and "negative intensities inside the mask" in err
    assert not (tmp_path / "features.csv").exists()
    code, out, err = run_cli(*arguments)
    assert code == 0 and "1 rows × 107 features" in out, err


def test_zeros_in_the_background_are_normal_for_n4(case_files, run_cli: Run, tmp_path: Path) -> None:
    def blank(a: np.ndarray) -> np.ndarray:
        a[:, :6] = 0
        return a

    image = changed(case_files[0], tmp_path / "zeros.nrrd", blank)
    code, _, err = run_cli(
        "extract", "--image", f"T1C={image}", "--mask", case_files[1], "--out", tmp_path / "f.csv", "--n4", "fast"
    )
    assert code == 0, err


def test_a_clinical_value_that_the_model_does_not_know_is_said_to_be_unused(
    trained: Path, case_files, run_cli: Run, tmp_path: Path
) -> None:
    image, mask = case_files
    arguments = ["--image", f"T1C={image}", "--mask", mask, "--model", trained, "--out", tmp_path / "out"]
    code, out, err = run_cli("classify", *arguments, "--clinical", "shoe size=43", "--json")
    assert code == 0, err
    (warning,) = [w for w in json.loads(out)["warnings"] if w["code"] == "clinical-value-unused"]
    assert warning["text"].startswith("shoe size was not used: the model has")


def test_an_absurd_spacing_is_a_sentence(trained: Path, case_files, run_cli: Run, tmp_path: Path) -> None:
    wide = []
    for path in case_files:
        image = sitk.ReadImage(str(path))
        image.SetSpacing((1e5, 1e5, 1e5))
        wide.append(tmp_path / path.name)
        sitk.WriteImage(image, str(wide[-1]))
    arguments = ["--image", f"T1C={wide[0]}", "--mask", wide[1], "--model", trained, "--out", tmp_path / "out"]
    code, _, err = run_cli("classify", *arguments)
    assert code == 1 and "billion voxels" in err and err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_missing_modality_is_named(trained: Path, case_files, run_cli: Run, tmp_path: Path) -> None:
    image, mask = case_files
    code, _, err = run_cli(
        "classify", "--image", f"T2={image}", "--mask", mask, "--model", trained, "--out", tmp_path / "out"
    )
    assert code == 1 and "has no T1C image (it has: T2)" in err and not (tmp_path / "out").exists()


@pytest.fixture(params=[16, 64, 400, 700])
def tiny_disk(request: pytest.FixtureRequest, tmp_path: Path):
    """A file system of so many KB, where one can be mounted: full at the prediction, the report, the scene."""
    if request.param > 400 and importlib.util.find_spec("slicer") is None:
        pytest.skip("without a scene this disk is large enough")
    folder = tmp_path / "tiny"
    folder.mkdir()
    size = f"size={request.param}k"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("no file system can be mounted here; run as root to see a full disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs a POSIX system to mount a small disk")
def test_a_full_disk_is_a_sentence_and_leaves_nothing(trained, case_files, run_cli: Run, tiny_disk: Path) -> None:
    image, mask = case_files
    code, _, err = run_cli(
        "classify", "--image", f"T1C={image}", "--mask", mask, "--model", trained, "--out", tiny_disk / "out"
    )
    assert code == 1 and "disk is full" in err and err.count("\n") == 1 and ".unfinished" not in err
    assert list(tiny_disk.iterdir()) == []


def test_nothing_of_an_earlier_case_stays_beside_the_new_prediction(
    trained: Path, case_files, run_cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("TumorClassifierLib.outputs.find_spec", lambda name: None)  # no slicer-core, no reportlab
    for name in ("view.png", "scene.mrb", "cam.nrrd", "report.pdf", "notes.txt"):
        (tmp_path / name).write_text("of another patient")
    image, mask = case_files
    code, _, err = run_cli(
        "classify", "--image", f"T1C={image}", "--mask", mask, "--model", trained, "--out", tmp_path, "--json"
    )
    assert code == 0, err
    left = [item.name for item in tmp_path.iterdir() if item.read_bytes() == b"of another patient"]
    assert left == ["notes.txt"]
    assert not (tmp_path / "report.pdf").exists(), "without reportlab there is none, and no other patient's"


def test_wrong_use_is_told_apart_from_failure(run_cli: Run, case_files, tmp_path: Path) -> None:
    assert run_cli("classify")[0] == 2
    assert run_cli("extract", "--out", tmp_path / "x.csv")[0] == 2
    image, mask = case_files
    rest = ["--mask", mask, "--model", "x", "--out", tmp_path / "out"]
    for images, sentence in (
        ([image], "is not of the form NAME=VALUE"),
        ([f"T1C={image}", f"T1C={mask}"], "T1C is given twice"),
    ):
        code, _, err = run_cli("classify", *(word for value in images for word in ("--image", value)), *rest)
        assert code == 2 and sentence in " ".join(err.replace("│", " ").split())


def test_every_command_explains_itself_with_an_example(run_cli: Run) -> None:
    for command in ("classify", "extract", "train", "evaluate", "demo", "doctor"):
        code, out, _ = run_cli(command, "--help")
        assert code == 0 and "Example: tumorclassifier" in " ".join(out.split()), command


def test_models_are_installed_verified_and_removed(trained: Path, run_cli: Run, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("TUMORCLASSIFIER_MODELS", str(tmp_path / "models"))
    assert run_cli("models", "install", trained)[0] == 0
    names = [row["name"] for row in json.loads(run_cli("models", "list", "--json")[1])]
    assert "made" in names
    assert "is whole" in run_cli("models", "verify", "made")[1]
    assert "research use only" in run_cli("models", "show", "made")[1].lower()
    bad = flipped(trained, tmp_path / "bad.tcmodel")
    assert run_cli("models", "install", bad)[0] == 1
    assert run_cli("models", "remove", "made")[0] == 0
    assert list((tmp_path / "models").iterdir()) == []
    assert run_cli("models", "remove", "made")[0] == 1


def test_runs_as_a_program_of_its_own(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "TumorClassifierLib", "classify", "--image", "T1C=x.nrrd", "--mask", "y.nrrd"]
    done = subprocess.run(
        [*command, "--model", "nothing", "--out", str(tmp_path / "o")], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 1 and done.stdout == "" and done.stderr.startswith("There is no model called 'nothing'")
