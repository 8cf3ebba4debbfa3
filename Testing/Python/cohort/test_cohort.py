"""Cohorts: one table, however it was made."""

import gc
import json
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from FeatureExtractorLib import cohort
from FeatureExtractorLib.cohort import extract_cohort
from FeatureExtractorLib.errors import Cancelled, InputError, WeightsUnavailable
from FeatureExtractorLib.extraction import ExtractionSettings, extract_features
from FeatureExtractorLib.manifest import CaseEntry, read_manifest
from FeatureExtractorLib.table import FeatureRow, read_table

Entries = tuple[CaseEntry, ...]


def stop_after(cases: int):
    """A progress that cancels after so many cases."""
    calls = []

    def progress(stage: str, fraction: float) -> None:
        calls.append(stage)
        if len(calls) == cases:
            raise Cancelled("Stopped.")

    return progress


def interrupted(entries: Sequence[CaseEntry], settings: ExtractionSettings, out: Path, cases: int) -> Path:
    """Stop a run after some cases; returns its work folder."""
    with pytest.raises(Cancelled):
        extract_cohort(entries, settings, out, progress=stop_after(cases))
    assert not out.exists()
    return out.with_name(f"{out.name}.work")


def finished(work: Path) -> list[Path]:
    return sorted(work.glob("[!.]*.json"))


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_the_table_does_not_depend_on_jobs(
    four: Entries, settings: ExtractionSettings, tmp_path: Path, suffix: str
) -> None:
    alone, together = tmp_path / f"alone{suffix}", tmp_path / f"together{suffix}"
    first = extract_cohort(four, settings, alone)
    assert first == extract_cohort(four, settings, together, jobs=3)
    assert (first.rows, first.kept, dict(first.again)) == (4, 0, {})
    assert list(first.failures) == ["case3"] and "nothing.nrrd does not exist" in first.failures["case3"]
    assert alone.read_bytes() == together.read_bytes()
    table = read_table(alone)
    assert table.case_ids == ("case0", "case1", "case2", "case3")
    assert np.isfinite(table.values[:3]).all() and np.isnan(table.values[3]).all()
    assert set(table.metadata["inputs"]["case0"]) == {"T1", "mask"}
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".work") or path.name.startswith(".")]


def test_in_memory_and_on_disk_are_the_same_numbers(
    four: Entries, settings: ExtractionSettings, tmp_path: Path
) -> None:
    extract_cohort(four, settings, tmp_path / "t.parquet", jobs=2)
    kept = read_table(tmp_path / "t.parquet")
    table = extract_features([replace(entry, mask=entry.mask and entry.mask.absolute()) for entry in four], settings)
    assert (table.keys, table.names) == (kept.keys, kept.names)
    np.testing.assert_array_equal(table.values, kept.values)
    assert json.loads(json.dumps(dict(table.metadata))) == dict(kept.metadata)


@hypothesis_settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(4)))
def test_a_permuted_cohort_gives_permuted_rows(
    four: Entries, settings: ExtractionSettings, tmp_path: Path, order: list[int]
) -> None:
    second = replace(four[1], images={"T2": four[0].images["T1"], **four[1].images})
    entries = (four[0], second, *four[2:])
    straight, permuted = tmp_path / "straight.parquet", tmp_path / "permuted.parquet"
    if not straight.exists():
        extract_cohort(entries, settings, straight)
    extract_cohort([entries[i] for i in order], settings, permuted)
    a, b = read_table(straight), read_table(permuted)
    assert (b.names, b.keys) == (a.names, tuple(a.keys[i] for i in order))
    np.testing.assert_array_equal(b.values, a.values[order])


def test_a_stopped_run_goes_on_where_it_was(four: Entries, settings: ExtractionSettings, tmp_path: Path) -> None:
    whole, out = tmp_path / "whole.parquet", tmp_path / "stopped.parquet"
    extract_cohort(four, settings, whole)
    work = interrupted(four, settings, out, 2)
    before = {path: path.stat().st_mtime_ns for path in finished(work)}
    assert len(before) == 2
    interrupted(four, settings, out, 3)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    summary = extract_cohort(four, settings, out, jobs=2)
    assert (summary.kept, dict(summary.again)) == (3, {})
    assert out.read_bytes() == whole.read_bytes()
    assert not work.exists()


def test_no_identifier_is_in_a_file_name(four: Entries, settings: ExtractionSettings, tmp_path: Path) -> None:
    work = interrupted(four, settings, tmp_path / "t.parquet", 4)
    assert not [path.name for path in work.rglob("*") if "case" in path.name]


@pytest.mark.parametrize("change", ["settings", "files", "segment", "code", "damage", "nothing"])
def test_only_what_has_changed_is_measured_again_and_it_is_said_why(
    four: Entries, settings: ExtractionSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    out = tmp_path / "t.parquet"
    work = interrupted(four, settings, out, 3)
    entries, expected = four, {"nothing": (3, {})}
    if change == "settings":
        settings = replace(settings, n4="fast")
        expected[change] = (0, {"the settings changed": 3})
    if change == "files":
        image = sitk.ReadImage(str(four[1].images["T1"]))
        sitk.WriteImage(image + 100.0, str(four[1].images["T1"]))
        expected[change] = (2, {"an input file changed": 1})
    if change == "segment":
        entries = (replace(four[0], segment="1"), *four[1:])
        expected[change] = (2, {"another segment is to be measured": 1})
    if change == "code":
        monkeypatch.setattr(cohort, "code_identity", lambda: {"numpy": "1.0"})
        expected[change] = (0, {"the code or a package changed": 3})
    if change == "damage":  # what a loss of power leaves: the name, but not the content
        finished(work)[0].write_bytes(b"")
        finished(work)[1].write_bytes(finished(work)[1].read_bytes()[:200])
        expected[change] = (1, {})
    summary = extract_cohort(entries, settings, out)
    assert (summary.kept, dict(summary.again)) == expected[change]
    fresh = tmp_path / "fresh.parquet"
    extract_cohort(entries, settings, fresh)
    assert out.read_bytes() == fresh.read_bytes()


def test_a_file_that_was_missing_is_measured_when_it_is_there(
    four: Entries, settings: ExtractionSettings, tmp_path: Path
) -> None:
    out = tmp_path / "t.parquet"
    interrupted(four, settings, out, 4)
    (four[3].mask or tmp_path).write_bytes((four[0].mask or tmp_path).read_bytes())
    summary = extract_cohort(four, settings, out)
    assert dict(summary.failures) == {} and dict(summary.again) == {"an input file changed": 1}


def test_the_unforeseen_is_a_row_now_and_tried_again_by_the_next_run(
    four: Entries, settings: ExtractionSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(entry: CaseEntry, plan: object) -> list[FeatureRow]:
        if entry.case_id == "case1":
            raise MemoryError("no\nmemory")
        return [FeatureRow(entry.case_id, "", {"x": 1.0})]

    out = tmp_path / "t.csv"
    with monkeypatch.context() as patched:
        patched.setattr(cohort, "extract_case", fail)
        assert len(finished(interrupted(four, settings, out, 4))) == 3
        summary = extract_cohort(four, settings, out)
    assert summary.kept == 3
    assert "(MemoryError: no memory)" in summary.failures["case1"]
    assert read_table(out).keys[1][2] == "failed"


def test_what_is_no_case_s_fault_ends_the_run_and_keeps_what_is_finished(
    four: Entries, settings: ExtractionSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(entry: CaseEntry, plan: object) -> list[FeatureRow]:
        if entry.case_id == "case1":
            raise WeightsUnavailable("The weights have gone.")
        return [FeatureRow(entry.case_id, "", {"x": 1.0})]

    monkeypatch.setattr(cohort, "extract_case", fail)
    with pytest.raises(WeightsUnavailable):
        extract_cohort(four, settings, tmp_path / "t.csv")
    assert len(finished(tmp_path / "t.csv.work")) == 1


def test_other_code_on_a_worker_is_refused(
    four: Entries, settings: ExtractionSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = cohort.Task(four[0], cohort.plan_extraction(settings), {**cohort.code_identity(), "numpy": "1.0"}, None)
    with pytest.raises(InputError, match="instead of 1.0; install the same packages"):
        cohort.measure(task)


def test_progress_tells_pace_and_failures(four: Entries, settings: ExtractionSettings, tmp_path: Path) -> None:
    seen: list[tuple[str, float]] = []
    extract_cohort(four, settings, tmp_path / "t.csv", progress=lambda *call: seen.append(call))
    assert [fraction for _, fraction in seen] == [0.25, 0.5, 0.75, 1.0]
    assert {stage.partition(" · ")[0] for stage, _ in seen} == {"extracting"}
    assert "1 of 4 cases" in seen[0][0] and "left" in seen[0][0] and "failed" not in seen[0][0]
    assert seen[-1][0].startswith("extracting · 4 of 4 cases, ") and seen[-1][0].endswith(" a minute, 1 failed")


def test_memory_does_not_grow_with_finished_cases(
    four: Entries, settings: ExtractionSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = {f"feature{i}": float(i) for i in range(3000)}
    monkeypatch.setattr(cohort, "extract_case", lambda entry, _: [FeatureRow(entry.case_id, "", dict(wide))])
    held = []
    tracemalloc.start()
    try:
        extract_cohort(
            [replace(four[0], case_id=f"c{i}") for i in range(30)],
            settings,
            tmp_path / "t.csv",
            progress=lambda *_: (gc.collect(), held.append(tracemalloc.get_traced_memory()[0])),
        )
    finally:
        tracemalloc.stop()
    assert held[-1] - held[5] < 100_000  # a case alone holds more than that


@pytest.mark.parametrize(
    ("name", "jobs", "sentence"),
    [("t.xlsx", 1, "end it in .parquet or .csv"), ("t.csv", 0, "choose 1 job or more")],
)
def test_what_cannot_be_used_is_refused_before_anything_is_measured(
    four: Entries,
    settings: ExtractionSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    jobs: int,
    sentence: str,
) -> None:
    monkeypatch.setattr(cohort, "measure", lambda task: pytest.fail("it was measured"))
    before = set(tmp_path.iterdir())
    with pytest.raises(InputError, match=sentence) as caught:
        extract_cohort(four, settings, tmp_path / name, jobs=jobs)
    assert ".work" not in str(caught.value)
    with pytest.raises(InputError, match="case0 is there 2 times"):
        extract_cohort([four[0], four[0]], settings, tmp_path / "t.csv")
    with pytest.raises(InputError, match="no case to measure"):
        extract_cohort([], settings, tmp_path / "t.csv")
    assert set(tmp_path.iterdir()) == before


def test_when_all_cases_fail_nothing_is_written(four: Entries, settings: ExtractionSettings, tmp_path: Path) -> None:
    before = set(tmp_path.iterdir())
    with pytest.raises(InputError, match="nothing.nrrd does not exist"):
        extract_cohort(four[3:], settings, tmp_path / "t.csv")
    assert set(tmp_path.iterdir()) == before


def test_the_command_line_says_what_became_of_the_cohort(
    four: Entries,
    settings: ExtractionSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from TumorClassifierLib.cli import main

    out = tmp_path / "t.csv"
    arguments = ["--manifest", four[0].images["T1"].with_name("cohort.csv"), "--out", out, "--engine", "native"]
    monkeypatch.setattr("sys.argv", list(map(str, ["", "extract", *arguments, "--preset", settings.preset])))
    interrupted(four, settings, out, 3)
    sitk.WriteImage(sitk.ReadImage(str(four[1].images["T1"])) + 100.0, str(four[1].images["T1"]))
    with pytest.raises(SystemExit) as end:
        main()
    text, errors = capsys.readouterr()
    assert not end.value.code, errors
    assert text.splitlines() == [
        f"4 rows × {len(read_table(out).names)} features in {out}, 1 of them failed",
        "2 of the cases had been measured before the last run was stopped",
        "1 of the cases were measured again, because an input file changed",
    ]
    assert errors.startswith("failed: case3: ") and errors.count("\n") == 1


def test_a_relative_manifest_is_the_same_cohort(
    four: Entries, settings: ExtractionSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extract_cohort(four, settings, tmp_path / "absolute.csv")
    monkeypatch.chdir(tmp_path / "images")
    extract_cohort(read_manifest(Path("cohort.csv")).entries, settings, Path("relative.csv"), jobs=2)
    assert Path("relative.csv").read_bytes() == (tmp_path / "absolute.csv").read_bytes()
