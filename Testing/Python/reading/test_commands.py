"""DICOM from the command line: a series by name, every segment of its SEG, and nothing of the patient anywhere."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.table import read_table
from TumorClassifierLib.cli import app

STORED = np.random.default_rng(0).integers(0, 900, (6, 20, 24), dtype=np.uint16)


def test_extract_measures_every_segment_of_a_named_series(
    tmp_path: Path, series_writer, seg_writer, identifiers
) -> None:
    files = series_writer(tmp_path / "study" / "a", STORED, SeriesNumber=3, SeriesDescription="T2 axial")
    series_writer(tmp_path / "study" / "b", STORED // 3, SeriesNumber=4, SeriesDescription="T1 post")
    tumour, oedema = np.zeros((2, *STORED.shape), dtype=np.uint8)
    tumour[2:4, 5:12, 6:14], oedema[1:5, 12:18, 3:20] = 1, 1
    mask = seg_writer(tmp_path / "seg.dcm", files, {"Tumour": tumour, "Oedema": oedema})
    means = {}
    for series in ("T2 axial", "4"):
        out = tmp_path / f"{series}.csv"
        arguments = ["--image", f"MR={tmp_path / 'study'}#{series}", "--mask", str(mask), "--segment", "*"]
        result = CliRunner().invoke(app, ["extract", *arguments, "--engine", "native", "--out", str(out)])
        assert result.exit_code == 0, result.output
        table = read_table(out)
        assert [key[1:3] for key in table.keys] == [("Tumour", "ok"), ("Oedema", "ok")]
        means[series] = table.values[:, table.names.index("MR.original_firstorder_Mean")]
        written = result.output + "".join(path.read_text() for path in tmp_path.glob(f"{series}.*"))
        assert not [word for word in identifiers if word in written.lower()]
    for series, stored in {"T2 axial": STORED, "4": STORED // 3}.items():
        np.testing.assert_allclose(means[series], [stored[tumour > 0].mean(), stored[oedema > 0].mean()])


def test_a_folder_of_several_series_says_which_there_are(
    tmp_path: Path, series_writer, seg_writer, identifiers
) -> None:
    files = series_writer(tmp_path / "study" / "a", STORED, SeriesNumber=3, SeriesDescription="T2 axial")
    series_writer(tmp_path / "study" / "b", STORED, SeriesNumber=4, SeriesDescription="T1 post")
    mask = seg_writer(tmp_path / "seg.dcm", files, {"Tumour": (STORED > 500).astype(np.uint8)})
    arguments = ["--image", f"MR={tmp_path / 'study'}", "--mask", str(mask), "--out", str(tmp_path / "out.csv")]
    result = CliRunner().invoke(app, ["extract", *arguments])
    assert result.exit_code != 0 and isinstance(result.exception, InputError)
    sentence = str(result.exception)
    assert 'number 3 "T2 axial" (MR, 6 files); number 4 "T1 post" (MR, 6 files)' in sentence
    assert not [word for word in identifiers if word in sentence.lower()]
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("name", ["pydicom", "highdicom"])
def test_results_say_which_dicom_packages_read_them(name: str) -> None:
    from FeatureExtractorLib.provenance import versions

    assert name in versions()
