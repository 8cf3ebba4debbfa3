"""Tiny cohorts: what is tested is how cases are run, not what is measured."""

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from FeatureExtractorLib.extraction import ExtractionSettings
from FeatureExtractorLib.manifest import CaseEntry, read_manifest

FIRST_ORDER = "imageType: {Original: {}}\nfeatureClass: {firstorder: []}\nsetting: {binWidth: 25}\n"
CohortMaker = Callable[..., Path]


@pytest.fixture
def make_cohort(tmp_path: Path) -> CohortMaker:
    """A function that writes images of 9 × 9 × 5 voxels with a ball in them, and returns the manifest."""

    def make(cases: int, seed: int = 0) -> Path:
        folder = tmp_path / "images"
        folder.mkdir()
        rng = np.random.default_rng(seed)
        z, y, x = np.mgrid[:5, :9, :9]
        ball = ((z - 2) ** 2 + (y - 4) ** 2 + (x - 4) ** 2 < 6).astype(np.uint8)
        sitk.WriteImage(sitk.GetImageFromArray(ball), str(folder / "mask.nrrd"))
        rows = []
        for i in range(cases):
            values = rng.normal(300, 60, ball.shape).astype(np.float32)
            sitk.WriteImage(sitk.GetImageFromArray(values), str(folder / f"{i}.nrrd"))
            rows.append([f"case{i}", f"{i}.nrrd", "mask.nrrd"])
        with open(folder / "cohort.csv", "w", newline="") as stream:
            csv.writer(stream).writerows([["case_id", "image_T1", "mask"], *rows])
        return folder / "cohort.csv"

    return make


@pytest.fixture
def settings(tmp_path: Path) -> ExtractionSettings:
    """First-order features by our own engine."""
    preset = tmp_path / "first-order.yaml"
    preset.write_text(FIRST_ORDER)
    return ExtractionSettings(preset=str(preset), engine="native")


@pytest.fixture
def four(make_cohort: CohortMaker) -> tuple[CaseEntry, ...]:
    """Four cases, of which the last has no mask to read."""
    manifest = make_cohort(4)
    text = manifest.read_text().replace("3.nrrd,mask.nrrd", "3.nrrd,nothing.nrrd")
    manifest.write_text(text)
    return read_manifest(manifest).entries


class Running:
    """The command line at work on a cohort, in a process group of its own."""

    def __init__(self, manifest: Path, settings: ExtractionSettings, out: Path, jobs: int) -> None:
        self.work = out.with_name(f"{out.name}.work")
        command = [sys.executable, "-m", "TumorClassifierLib", "extract", "--manifest", manifest, "--out", out]
        command += ["--preset", settings.preset, "--engine", settings.engine, "--jobs", jobs, "--json"]
        self.process = subprocess.Popen(
            list(map(str, command)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # tests in the background ignore it
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )

    def finished(self) -> dict[str, int]:
        """When each finished case was written, by file."""
        return {path.name: path.stat().st_mtime_ns for path in self.work.glob("[!.]*.json")}

    def wait_for(self, cases: int) -> bool:
        """Wait until so many more cases are finished; False when the run ended before."""
        already = len(self.finished())
        while len(self.finished()) < already + cases:
            if self.process.poll() is not None:
                return False
            time.sleep(0.002)
        return True

    def result(self) -> tuple[int, str, str]:
        """The exit code, standard output and standard error, once it has ended."""
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err

    def nothing_is_left(self) -> bool:
        """Whether all processes of the group end within some seconds."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                os.killpg(self.process.pid, 0)
            except ProcessLookupError:
                return True
            time.sleep(0.02)
        return False

    def kill_all(self) -> None:
        """End whatever is left of the group."""
        if not self.nothing_is_left():
            os.killpg(self.process.pid, signal.SIGKILL)


@pytest.fixture
def start(settings: ExtractionSettings) -> Iterator[Callable[..., Running]]:
    """A function that starts the command line on a manifest; nothing outlives the test."""
    started = []

    def run(manifest: Path, out: Path, jobs: int = 1) -> Running:
        started.append(Running(manifest, settings, out, jobs))
        return started[-1]

    yield run
    for running in started:
        running.process.kill()
        running.process.communicate()
        running.kill_all()
