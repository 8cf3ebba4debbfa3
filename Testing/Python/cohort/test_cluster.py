"""Cohorts on a Dask cluster."""

import socket
import time
from pathlib import Path

import pytest

from FeatureExtractorLib import cluster
from FeatureExtractorLib.cohort import extract_cohort
from FeatureExtractorLib.errors import EngineUnavailable, InputError
from FeatureExtractorLib.extraction import ExtractionSettings
from FeatureExtractorLib.manifest import read_manifest

CASES = 200


@pytest.mark.slow
def test_two_hundred_cases_through_two_workers_one_of_which_dies(
    make_cohort, settings: ExtractionSettings, tmp_path: Path
) -> None:
    distributed = pytest.importorskip("distributed")
    import psutil

    entries = read_manifest(make_cohort(CASES)).entries
    extract_cohort(entries, settings, tmp_path / "here.parquet")
    memory, pids = [], []

    def progress(stage: str, fraction: float) -> None:
        memory.append(psutil.Process().memory_info().rss)
        if len(memory) == CASES // 2:
            psutil.Process(pids[0]).kill()

    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
        ) as workers,
        distributed.Client(workers) as client,
    ):
        pids += client.run(__import__("os").getpid).values()
        out = tmp_path / "cluster.parquet"
        summary = extract_cohort(entries, settings, out, dask=workers.scheduler_address, progress=progress)
    assert (summary.rows, dict(summary.failures), summary.kept) == (CASES, {}, 0)
    assert out.read_bytes() == (tmp_path / "here.parquet").read_bytes()
    assert len(memory) == CASES
    assert memory[-1] - memory[CASES // 4] < 16 << 20


@pytest.mark.slow
def test_a_local_cluster_on_request(four, settings: ExtractionSettings, tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    first = extract_cohort(four, settings, tmp_path / "here.csv")
    assert extract_cohort(four, settings, tmp_path / "cluster.csv", dask="local", jobs=2) == first
    assert (tmp_path / "cluster.csv").read_bytes() == (tmp_path / "here.csv").read_bytes()


def test_a_cluster_that_is_not_there(
    four, settings: ExtractionSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(cluster, "PATIENCE", 2.0)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    started = time.monotonic()
    before = set(tmp_path.iterdir())
    for wrong in (address, "nonsense://"):
        with pytest.raises(InputError, match="check its address and its workers"):
            extract_cohort(four, settings, tmp_path / "t.csv", dask=wrong)
    assert time.monotonic() - started < 30
    assert set(tmp_path.iterdir()) == before


def test_without_dask_it_is_said(
    four, settings: ExtractionSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(EngineUnavailable, match="install the extra dask"):
        extract_cohort(four, settings, tmp_path / "t.csv", dask="local")
