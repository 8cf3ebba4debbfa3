"""The command `agree`, and a training that takes its list."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import SimpleITK as sitk

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def twice(make_cohort) -> Path:
    """A manifest whose cases a second reader outlined one voxel wider."""
    manifest = make_cohort(8, seed=3)
    rows = list(csv.DictReader(manifest.open()))
    for row in rows:
        mask = sitk.ReadImage(str(manifest.parent / row["mask"]))
        row["mask_second_reader"] = row["mask"].replace("mask", "second")
        wider = sitk.BinaryDilate(mask, (1, 1, 0))
        sitk.WriteImage(wider, str(manifest.parent / row["mask_second_reader"]))
    _write(manifest, rows)
    return manifest


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    with open(path, "w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def test_a_manifest_is_measured_twice_and_compared(twice: Path, run_cli: Run, tmp_path: Path) -> None:
    code, out, err = run_cli("agree", "--manifest", twice, "--out", tmp_path / "agreement.csv", "--json")
    assert code == 0, err
    summary = json.loads(out)
    assert summary["cases"] == 8 and summary["features"] == 107 and summary["left_out"] == {}
    rows = {row["feature"]: row for row in csv.DictReader((tmp_path / "agreement.csv").open())}
    stable = json.loads((tmp_path / "agreement-stable.json").read_text())["features"]
    assert 0 < len(stable) == summary["stable"] < 107
    for name, row in rows.items():
        assert (name in stable) == (row["ICC(2,1)"] != "" and float(row["ICC(2,1)"]) >= 0.8)
        if row["ICC(2,1)"]:
            assert float(row["low"]) <= float(row["ICC(2,1)"]) <= float(row["high"])
    masks = list(csv.DictReader((tmp_path / "agreement-masks.csv").open()))
    assert len(masks) == 8
    assert all(0.8 < float(row["dice"]) < 1 and 1 <= float(row["hausdorff_mm"]) < 2 for row in masks)


def test_tables_give_what_the_manifest_gives(twice: Path, run_cli: Run, tmp_path: Path) -> None:
    rows = list(csv.DictReader(twice.open()))
    second = twice.with_name("second.csv")
    _write(second, [{**row, "mask": row["mask_second_reader"]} for row in rows])
    for manifest, name in ((twice, "first"), (second, "second")):
        assert run_cli("extract", "--manifest", manifest, "--out", tmp_path / f"{name}.csv")[0] == 0
    tables = ["--first", tmp_path / "first.csv", "--second", tmp_path / "second.csv"]
    assert run_cli("agree", *tables, "--out", tmp_path / "tables.csv")[0] == 0
    assert run_cli("agree", "--manifest", twice, "--out", tmp_path / "manifest.csv")[0] == 0
    assert (tmp_path / "tables.csv").read_text() == (tmp_path / "manifest.csv").read_text()
    assert not (tmp_path / "tables-masks.csv").exists()
    code, out, _ = run_cli("agree", "--first", tables[1], "--second", tables[1], "--out", tmp_path / "same.csv")
    assert code == 0 and "features have an ICC(2,1) of at least 0.8 in 8 cases" in out
    same = [row["ICC(2,1)"] for row in csv.DictReader((tmp_path / "same.csv").open())]
    assert all(float(value) == pytest.approx(1, abs=1e-9) for value in same if value)


@pytest.mark.slow
def test_training_takes_the_list(make_cohort, settings_file: Path, run_cli: Run, tmp_path: Path) -> None:
    from TumorClassifierLib.bundle import read_bundle

    stable = tmp_path / "stable.json"
    chosen = ["T1C.original_glcm_Contrast", "original_firstorder_Variance"]
    stable.write_text(json.dumps({"features": chosen}))
    settings = tmp_path / "settings.yaml"
    settings.write_text(settings_file.read_text() + f"stable_features: {stable}\n")
    arguments = ["train", "dtlr-nomogram", "--manifest", make_cohort(16), "--settings", settings]
    code, _, err = run_cli(*arguments, "--out", tmp_path / "made.tcmodel")
    assert code == 0, err
    model = read_bundle(tmp_path / "made.tcmodel").documents["model"]
    assert model["flow"]["radiomics"]["stable"] == 2
    assert set(model["models"][0]["radiomics"]["features"]) <= {chosen[0], f"T1C.{chosen[1]}"}
    stable.write_text(json.dumps({"features": ["T2.original_glcm_Contrast"]}))
    code, _, err = run_cli(*arguments, "--out", tmp_path / "other.tcmodel")
    assert code == 1 and "names none of the" in err


def test_each_segment_is_compared_by_itself(twice: Path, run_cli: Run, tmp_path: Path) -> None:
    rows = list(csv.DictReader(twice.open()))
    for row in rows:
        for name in (row["mask"], row["mask_second_reader"]):
            mask = sitk.ReadImage(str(twice.parent / name))
            mask[:, :, 2] = mask[:, :, 2] * 2
            sitk.WriteImage(mask, str(twice.parent / name))
    _write(twice, [{**row, "segment": "*"} for row in rows])
    code, out, err = run_cli("agree", "--manifest", twice, "--out", tmp_path / "agreement.csv", "--json")
    assert code == 0, err
    summary = json.loads(out)
    assert summary["cases"] == 16 and summary["left_out"] == {}
    masks = list(csv.DictReader((tmp_path / "agreement-masks.csv").open()))
    assert [row["segment"] for row in masks] == ["1", "2"] * 8


def test_modalities_on_other_grids_are_laid_over_the_reference(twice: Path, run_cli: Run, tmp_path: Path) -> None:
    rows = list(csv.DictReader(twice.open()))
    modality = next(name for name in rows[0] if name.startswith("image_"))
    for row in rows:
        image = sitk.ReadImage(str(twice.parent / row[modality]))
        row["image_OTHER"] = row[modality].replace(".", "-other.", 1)
        sitk.WriteImage(sitk.Expand(image, [2, 2, 1]), str(twice.parent / row["image_OTHER"]))
    _write(twice, rows)
    arguments = ["agree", "--manifest", twice, "--json", "--out", tmp_path / "agreement.csv"]
    code, _, err = run_cli(*arguments)
    assert code == 1 and "0 measured cases" in err
    code, out, err = run_cli(*arguments, "--reference", modality.removeprefix("image_"))
    assert code == 0, err
    summary = json.loads(out)
    assert summary["cases"] == 8 and summary["features"] == 214 and summary["left_out"] == {}
    assert len(list(csv.DictReader((tmp_path / "agreement-masks.csv").open()))) == 8


def test_wrong_use_is_refused(run_cli: Run, twice: Path, make_cohort, tmp_path: Path) -> None:
    assert run_cli("agree", "--out", tmp_path / "a.csv")[0] == 2
    assert run_cli("agree", "--first", tmp_path / "a.csv", "--out", tmp_path / "a.csv")[0] == 2
    for arguments, sentence in (
        (["--manifest", twice, "--out", tmp_path / "a.txt"], "end it in .csv"),
        (["--manifest", twice, "--form", "ICC(9,1)", "--out", tmp_path / "a.csv"], "no ICC called"),
        (["--manifest", make_cohort(4), "--out", tmp_path / "a.csv"], "0 cases outlined by two readers"),
        (["--first", "x.csv", "--second", "y.csv", "--out", tmp_path / "a.csv"], "x.csv does not exist"),
    ):
        code, _, err = run_cli("agree", *arguments)
        assert code == 1 and sentence in err and err.count("\n") == 1, err
    assert list(tmp_path.iterdir()) == []
