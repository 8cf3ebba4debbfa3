"""Readers' answers beside a model's, from the command line to the report."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def cohort(make_cohort) -> Path:
    return make_cohort(8, seed=77)


def answers(manifest: Path, path: Path, wrong: int) -> Path:
    rows = list(csv.DictReader(manifest.read_text().splitlines()))
    other = {"low": "high", "high": "low"}
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["reader", "patient_id", "answer", "seconds"])
        for i, row in enumerate(rows):
            writer.writerow(["Reader A", row["case_id"], other[row["label"]] if i < wrong else row["label"], 30 + i])
    return path


def test_readers_stand_beside_the_model(trained: Path, cohort: Path, run_cli: Run, tmp_path: Path) -> None:
    readers, out = answers(cohort, tmp_path / "readers.csv", wrong=2), tmp_path / "evaluation.json"
    code, printed, err = run_cli("evaluate", trained, "--manifest", cohort, "--readers", readers, "--out", out)
    assert code == 0, err
    assert "Reader A" in printed and "33.5" in printed
    (part,) = json.loads(out.read_text())["cohorts"]
    reader, model = part["readers"]
    assert (reader["name"], reader["accuracy"]["value"], reader["seconds"]) == ("Reader A", 0.75, 33.5)
    assert reader["sensitivity"]["value"] == reader["specificity"]["value"] == 0.75
    assert (model["name"], model["patients"]) == ("made", 8) and model["seconds"] > 0
    for figure in ("accuracy", "sensitivity", "specificity"):
        assert model[figure]["value"] == pytest.approx(part["metrics"][part["main"]][figure]["value"])
    focus = part["focus"]
    assert focus["patients"] == 8 and {row["actual"] for row in focus["rows"]} == {"low", "high"}
    assert "p0" not in json.dumps(focus), "rows name nobody"
    code, _, err = run_cli("report", trained, "--out", tmp_path / "report.html", "--evaluation", out)
    assert code == 0, err
    text = (tmp_path / "report.html").read_text()
    assert "Reader A" in text and "Where the maps point" in text and "Training curves of network" in text


def test_answers_about_strangers_are_refused(trained: Path, cohort: Path, run_cli: Run, tmp_path: Path) -> None:
    readers = answers(cohort, tmp_path / "readers.csv", wrong=0)
    readers.write_text(readers.read_text().replace("p3", "somebody"))
    code, _, err = run_cli("evaluate", trained, "--manifest", cohort, "--readers", readers)
    assert code == 1 and "patient 'somebody', who is not in the cohort" in err and err.count("\n") == 1
