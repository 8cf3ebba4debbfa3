"""Cohorts that are killed: nothing is lost, done twice or left behind."""

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

CASES, KILLS = 60, 20


def killed(running, rng: np.random.Generator) -> None:
    """End a run, or a worker of it, at a random moment."""
    psutil = pytest.importorskip("psutil")
    if rng.random() < 0.2:
        time.sleep(rng.uniform(0, 1.5))  # before or while it starts
    elif not running.wait_for(int(rng.integers(1, 4))):
        return
    time.sleep(rng.uniform(0, 0.02))
    how = rng.choice(["all", "parent", "worker"])
    if how == "worker":
        workers = [c for c in psutil.Process(running.process.pid).children() if "spawn_main" in " ".join(c.cmdline())]
        for worker in workers[:1]:
            worker.kill()
        if workers:
            running.wait_for(1)
    if how == "all":
        os.killpg(running.process.pid, signal.SIGKILL)
    else:
        running.process.kill()
    running.process.communicate()


@pytest.mark.slow
def test_a_run_that_is_killed_twenty_times_ends_with_the_same_file(make_cohort, start, tmp_path: Path) -> None:
    manifest, out = make_cohort(CASES), tmp_path / "killed.parquet"
    undisturbed = start(manifest, tmp_path / "undisturbed.parquet", jobs=2)
    assert undisturbed.result()[0] == 0
    rng = np.random.default_rng(7)
    kept: dict[str, int] = {}
    for _ in range(KILLS):
        running = start(manifest, out, jobs=int(rng.choice([1, 1, 2])))
        killed(running, rng)
        assert running.nothing_is_left()
        now = running.finished()
        assert kept.items() <= now.items(), "a finished case was measured again"
        kept = now
        assert not out.exists()
    assert 10 < len(kept) < CASES
    last = start(manifest, out, jobs=2)
    code, text, err = last.result()
    assert code == 0, err
    summary = json.loads(text)
    assert (summary["rows"], summary["kept"], summary["failed"], summary["again"]) == (CASES, len(kept), {}, {})
    assert out.read_bytes() == (tmp_path / "undisturbed.parquet").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "first-order.yaml",
        "images",
        "killed.parquet",
        "undisturbed.parquet",
    ]


@pytest.mark.parametrize("jobs", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_ctrl_c_stops_at_once_and_can_be_resumed(make_cohort, start, tmp_path: Path, jobs: int) -> None:
    manifest, out = make_cohort(100), tmp_path / "stopped.csv"
    running = start(manifest, out, jobs)
    assert running.wait_for(3)
    os.killpg(running.process.pid, signal.SIGINT)  # as a terminal does: to all processes
    code, text, err = running.result()
    assert (code, text) == (130, "")
    assert err == "Stopped; finished cases are kept, and the same command goes on from there.\n"
    assert running.nothing_is_left() and not out.exists()
    done = len(running.finished())
    assert 3 <= done < 100
    again = start(manifest, out, jobs)
    code, text, err = again.result()
    assert code == 0, err
    assert json.loads(text)["kept"] == done and json.loads(text)["rows"] == 100
