"""Slicer's own N4 and then the worker, followed as one job: whatever the first of them ends in."""

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _slicer(standin: Any) -> None:
    """The worker's package is imported beside Slicer's modules."""


class Told:
    """A job that tells what it is given, one list of events a look."""

    def __init__(self, name: str, *looks: list[Any]) -> None:
        self.folder, self.looks, self.seconds, self.cancelled = name, list(looks), 2.0, False

    @property
    def running(self) -> bool:
        return bool(self.looks)

    def poll(self) -> list[Any]:
        return self.looks.pop(0) if self.looks else []

    def cancel(self) -> None:
        self.cancelled = True


def kinds(job: Any) -> list[str]:
    found: list[str] = []
    while job.running:
        found += [event.kind for event in job.poll()]
    return found


def chain(*jobs: Any) -> Any:
    from FeatureExtractorLib.panel.chained_job import ChainedJob

    starts: list[Callable[[], Any]] = [lambda job=job: job for job in jobs]
    return ChainedJob(starts)


def test_the_last_job_ends_the_chain() -> None:
    from TumorClassifierLib.worker import Event

    first = Told("first", [Event("progress")], [Event("log"), Event("done")])
    job = chain(first, Told("second", [Event("progress")], [Event("done")]))
    assert kinds(job) == ["progress", "log", "progress", "done"]
    assert job.folder == "second" and job.seconds == 4.0


@pytest.mark.parametrize("end", ["failed", "cancelled"])
def test_nothing_starts_after_a_job_that_did_not_succeed(end: str) -> None:
    from TumorClassifierLib.worker import Event

    second = Told("second", [Event("done")])
    job = chain(Told("first", [Event(end, text="why")]), second)
    assert kinds(job) == [end]
    assert len(second.looks) == 1


def test_a_job_that_is_cancelled_as_it_ends_is_the_last() -> None:
    from TumorClassifierLib.worker import Event

    first = Told("first", [Event("done")])
    job = chain(first, Told("second", [Event("done")]))
    job.cancel()
    assert first.cancelled
    assert kinds(job) == ["cancelled"]


def test_a_job_that_cannot_start_says_why() -> None:
    from FeatureExtractorLib.errors import InputError
    from FeatureExtractorLib.panel.chained_job import ChainedJob
    from TumorClassifierLib.worker import Event

    def refuse() -> Any:
        raise InputError("There is no room.")

    job = ChainedJob([lambda: Told("first", [Event("done")]), refuse])
    (event,) = job.poll()
    assert (event.kind, event.text) == ("failed", "There is no room.")
    assert not job.running
