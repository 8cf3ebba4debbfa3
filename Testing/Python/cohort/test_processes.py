"""Worker processes: what they answer, and what happens when they die."""

import operator
import os
import signal
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.fingerprint import sha256_of_input
from FeatureExtractorLib.processes import Died, in_processes
from FeatureExtractorLib.threads import one_thread

HELPERS = """
import os, signal
from FeatureExtractorLib.errors import InputError

def die_once(path):
    if not os.path.exists(path):
        open(path, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return "lived"

def refuse():
    raise InputError("The piece is bad; take another.")
"""


@pytest.fixture
def helpers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A module that worker processes can import."""
    (tmp_path / "worker_helpers.py").write_text(HELPERS)
    monkeypatch.syspath_prepend(tmp_path)
    import worker_helpers

    yield worker_helpers
    del sys.modules["worker_helpers"]


def test_every_piece_is_answered_once_and_taken_when_needed() -> None:
    taken = []

    def pieces():
        for i in range(20):
            taken.append(i)
            yield i

    answers = in_processes(operator.neg, pieces(), 2)
    first = next(answers)
    assert len(taken) <= 4
    assert sorted([first, *answers]) == [(i, -i) for i in range(20)]


def test_a_dead_process_costs_its_own_piece_only(helpers, tmp_path: Path) -> None:
    deadly, unlucky = partial(os._exit, 3), partial(helpers.die_once, str(tmp_path / "died"))
    pieces = [deadly, unlucky, partial(abs, -1), partial(abs, -2), partial(abs, -3)]
    answers = {pieces.index(piece): answer for piece, answer in in_processes(operator.call, pieces, 2)}
    assert answers == {0: Died("it ended with the code 3"), 1: "lived", 2: 1, 3: 2, 4: 3}


def test_the_signal_is_named(helpers) -> None:
    [(_, answer)] = in_processes(operator.call, [partial(signal.raise_signal, signal.SIGKILL)], 4)
    assert answer == Died("it was ended by SIGKILL")


def test_our_errors_are_raised_here(helpers) -> None:
    with pytest.raises(InputError, match="take another"):
        list(in_processes(operator.call, [helpers.refuse] * 3, 2))


def test_closing_ends_what_is_still_at_work() -> None:
    started = time.monotonic()
    answers = in_processes(time.sleep, [0, 600, 600], 2)
    next(answers)
    answers.close()
    assert time.monotonic() - started < 60


def test_one_thread_is_restored() -> None:
    threads = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(3)
    try:
        with one_thread():
            assert sitk.ProcessObject.GetGlobalDefaultNumberOfThreads() == 1
        assert sitk.ProcessObject.GetGlobalDefaultNumberOfThreads() == 3
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)


def test_an_input_is_all_its_files(tmp_path: Path) -> None:
    path = tmp_path / "image.mhd"
    for value in (1, 2):
        sitk.WriteImage(sitk.GetImageFromArray(np.full((2, 3, 4), value, np.uint8)), str(path))
        (tmp_path / f"hash{value}").write_text(sha256_of_input(path))
    assert (tmp_path / "hash1").read_text() != (tmp_path / "hash2").read_text()
    assert sha256_of_input(tmp_path / "nothing.nrrd") == ""
    series = tmp_path / "series"
    series.mkdir()
    (series / "1.dcm").write_text("a")
    one = sha256_of_input(series)
    (series / "2.dcm").write_text("b")
    assert sha256_of_input(series) != one != ""
