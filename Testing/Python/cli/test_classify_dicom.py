"""`classify --dicom`: the files of one command, end to end."""

import json
import runpy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from FeatureExtractorLib.reading import read_image, read_mask

pydicom = pytest.importorskip("pydicom")
highdicom = pytest.importorskip("highdicom")

TESTS = Path(__file__).parents[1]
WRITE_SERIES = runpy.run_path(str(TESTS / "reading" / "conftest.py"))["write_series"]
ASSERT_VALID = runpy.run_path(str(TESTS.parent / "Tools" / "dicom_checks.py"))["assert_valid"]

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def visit(make_cohort, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A DICOM series, its patient with a name, and a mask drawn on it."""
    cohort = make_cohort(2, seed=5).parent
    folder = tmp_path_factory.mktemp("visit")
    stored = sitk.GetArrayFromImage(sitk.ReadImage(str(cohort / "p1_image.nrrd"))).round().astype(np.int16)
    WRITE_SERIES(folder / "dicom", stored, spacing=(1.0, 1.0), offsets=[4.0 * k for k in range(len(stored))])
    mask = sitk.ReadImage(str(cohort / "p1_mask.nrrd"))
    mask.CopyInformation(read_image(folder / "dicom"))
    sitk.WriteImage(mask, str(folder / "mask.nrrd"))
    return folder / "dicom", folder / "mask.nrrd"


@pytest.fixture(scope="module")
def classify(trained: Path, visit, run_cli: Run) -> Callable[..., tuple[int, str, str]]:
    """Classify the visit into a folder, with further options."""

    def run(out: Path, *options: object) -> tuple[int, str, str]:
        series, mask = visit
        return run_cli(
            "classify", "--image", f"T1C={series}", "--mask", mask, "--model", trained, "--out", out, *options
        )

    return run


def test_segment_and_report_are_written_beside_the_prediction(classify, visit, tmp_path: Path) -> None:
    code, out, err = classify(tmp_path / "out", "--clinical", "age=61", "--dicom", "--json")
    assert code == 0, err
    told = json.loads(out)
    assert {"prediction.json", "segment.dcm", "report.dcm"} <= {Path(file).name for file in told["files"]}
    series, mask = visit
    back = read_mask(tmp_path / "out" / "segment.dcm", reference=read_image(series))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(back), sitk.GetArrayFromImage(sitk.ReadImage(str(mask))))
    prediction = json.loads((tmp_path / "out" / "prediction.json").read_text())
    report = highdicom.sr.srread(tmp_path / "out" / "report.dcm")
    (group,) = report.content.get_image_measurement_groups()
    numbers = {item.name.meaning: item.value for item in group.get_measurements()}
    for name, probability in prediction["probabilities"].items():
        assert numbers[f"Probability of {name}"] == probability
    assert numbers["Lower limit, 95% interval, probability of high"] == prediction["interval"]["low"]
    (region,) = report.content.get_volumetric_roi_measurement_groups()
    assert len(region.get_measurements()) > 100 and str(report.PatientID) == "HOSP-4711"
    ASSERT_VALID(tmp_path / "out")


def test_what_another_case_left_as_dicom_goes(classify, tmp_path: Path) -> None:
    assert classify(tmp_path / "out", "--dicom")[0] == 0
    assert classify(tmp_path / "out")[0] == 0
    assert not {"segment.dcm", "report.dcm"} & {path.name for path in (tmp_path / "out").iterdir()}


def test_deidentified_files_name_nobody(classify, visit, tmp_path: Path) -> None:
    code, out, err = classify(tmp_path / "out", "--dicom", "--deidentify", "--clinical", "age=61")
    assert code == 0, err
    for name in ("segment.dcm", "report.dcm"):
        data = (tmp_path / "out" / name).read_bytes().lower()
        assert pydicom.dcmread(tmp_path / "out" / name).PatientIdentityRemoved == "YES"
        for word in (b"mustermann", b"hosp-4711", b"19640812", b"acc-99", b"1.2.826.0.1.3680043.8.498.1"):
            assert word not in data
    assert "mustermann" not in (out + err).lower()
    ASSERT_VALID(tmp_path / "out")


def test_what_cannot_be_dicom_is_a_sentence_before_any_work(
    trained: Path, visit, run_cli: Run, tmp_path: Path
) -> None:
    series, mask = visit
    sitk.WriteImage(read_image(series), str(tmp_path / "t1c.nrrd"))
    arguments = ("--mask", mask, "--model", trained, "--out", tmp_path / "out")
    code, out, err = run_cli("classify", "--image", f"T1C={tmp_path / 't1c.nrrd'}", *arguments, "--dicom")
    assert code == 1 and "only be written beside a DICOM series" in err and err.count("\n") == 1
    code, out, err = run_cli("classify", "--image", f"T1C={series}", *arguments, "--deidentify")
    assert code == 2 and "--dicom" in err
    assert not (tmp_path / "out").exists()
