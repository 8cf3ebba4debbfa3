"""Jobs for the tests of this folder, and what became of their processes."""

import os
import stat
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

PATIENCE = 300.0  # seconds; a busy machine is slow, but a test must end


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], str]:
    """Writes Python lines as a program that `start` can be given for a Python; it does not look at its arguments."""
    if os.name == "nt":
        pytest.skip("programs by their first line are for POSIX")

    def write(lines: str) -> str:
        path = tmp_path / f"program{len(list(tmp_path.glob('program*')))}"
        path.write_text(f"#!{sys.executable}\nimport json, os, signal, subprocess, sys, time\n{lines}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)

    return write


@pytest.fixture
def followed() -> Iterator[Callable[[Any], list[Any]]]:
    """All events of a job until its last one; jobs that still run after the test are ended."""
    jobs = []

    def follow(job: Any, until: Callable[[Any], bool] = lambda event: event.final) -> list[Any]:
        jobs.append(job)
        events: list[Any] = []
        deadline = time.monotonic() + PATIENCE
        while not (events and until(events[-1])):
            assert time.monotonic() < deadline, f"the job told only {events}"
            assert not (events and events[-1].final), f"the job ended: {events[-1]}"
            for event in job.poll():
                events.append(event)
                if until(event):
                    break
            time.sleep(0.01)
        return events

    yield follow
    for job in jobs:
        job.cancel()


def living_in(folder: Path) -> list[int]:
    """The processes that were started for a run's folder, zombies aside: its path is in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes()
            state = (process / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if os.fsencode(folder) in environment and state != "Z":
            found.append(int(process.name))
    return found


@pytest.fixture
def left_over() -> Callable[[Path], list[int]]:
    """The processes of a run's folder that are still there after a moment."""

    def look(folder: Path, seconds: float = 10.0) -> list[int]:
        if not Path("/proc/self/environ").exists():
            pytest.skip("without /proc nobody can tell which processes belong to a run")
        deadline = time.monotonic() + seconds
        while (found := living_in(folder)) and time.monotonic() < deadline:
            time.sleep(0.05)
        return found

    return look
