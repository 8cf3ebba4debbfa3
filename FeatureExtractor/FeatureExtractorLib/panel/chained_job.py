"""Slicer's own N4 of every image, one after the other, and then the worker process: followed as one job."""

from collections.abc import Callable, Sequence
from typing import Any

from FeatureExtractorLib.errors import TumorClassifierError
from TumorClassifierLib.worker import Event


class ChainedJob:
    """Jobs that start when the one before is done; `poll`, `running`, `seconds` and `cancel` as a worker's Job.

    starts: make the jobs; each is called when its turn comes, and may raise TumorClassifierError.
    """

    def __init__(self, starts: Sequence[Callable[[], Any]]) -> None:
        self._starts = list(starts)
        self._before = 0.0
        self._job: Any = self._starts.pop(0)()
        self._cancelled = False

    @property
    def folder(self) -> Any:
        """The last job's folder."""
        return self._job.folder

    @property
    def running(self) -> bool:
        """Whether the last event has not been told yet."""
        return self._job.running or bool(self._starts)

    @property
    def seconds(self) -> float:
        """How long it has run, or ran."""
        return self._before + self._job.seconds

    def poll(self) -> list[Event]:
        """The events since the last call; never waits."""
        events = list(self._job.poll())
        if not events or not _final(events[-1]):
            return events
        last = events[-1]
        if last.kind != "done":
            self._starts = []
            return events
        if not self._starts:
            return events
        if self._cancelled:
            self._starts = []
            return [*events[:-1], Event("cancelled")]
        try:
            following = self._starts.pop(0)()
        except TumorClassifierError as error:
            self._starts = []
            return [*events[:-1], Event("failed", text=str(error))]
        self._before += self._job.seconds
        self._job = following
        return events[:-1]

    def cancel(self) -> None:
        """End the job in hand; those that wait are not started."""
        self._cancelled = True
        self._job.cancel()


def _final(event: Event) -> bool:
    return event.kind in ("done", "failed", "cancelled")
