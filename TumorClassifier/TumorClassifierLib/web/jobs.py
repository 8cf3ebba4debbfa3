"""Long work of a session, one at a time, in a process of its own."""

import asyncio
import inspect
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from FeatureExtractorLib.errors import InputError

from ..worker import Event, Job, start

EVERY = 0.1  # seconds between two looks at what the worker tells


class JobRunner:
    """Starts, follows and ends the work of one session."""

    def __init__(self, server: Any, folder: Path) -> None:
        self._server = server
        self._folder = folder / "work"
        self._job: Job | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def running(self) -> bool:
        """Whether there is work that has not ended."""
        return self._job is not None

    def in_background(self, action: Callable[..., Any]) -> Callable[..., Any]:
        """The action so that its caller need not wait: a page's messages are heard one after another."""
        if not inspect.iscoroutinefunction(action):
            return action

        def begin(*arguments: Any) -> None:
            task = asyncio.get_running_loop().create_task(action(*arguments))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        return begin

    def new_folder(self) -> Path:
        """A name for a folder that is not there yet."""
        self._folder.mkdir(exist_ok=True)
        return self._folder / uuid4().hex

    async def run(
        self, request: Mapping[str, Any], folder: Path, tell: Callable[[Event, float], None] | None = None
    ) -> Event:
        """Do it and return the last event; tell: hears every event before it, with the seconds so far.

        Raises InputError where other work runs or the worker cannot be started.
        """
        if self._job is not None:
            raise InputError("Something else is being computed; wait for it or cancel it.")
        self._job = job = start(request, folder)
        try:
            while True:
                for event in job.poll():
                    if event.final:
                        return event
                    if tell is not None:
                        tell(event, job.seconds)
                if tell is not None:
                    tell(Event("log"), job.seconds)
                await asyncio.sleep(EVERY)
        finally:
            self._job = None
            job.cancel()

    def cancel(self) -> None:
        """End the work; `run` returns soon."""
        if self._job is not None:
            self._job.cancel()

    def forget(self, folder: Path | None) -> None:
        """Remove a folder of results."""
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
