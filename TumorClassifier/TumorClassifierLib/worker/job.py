"""The host's side: start a worker process, hear what it tells, end it."""

import contextlib
import json
import os
import shutil
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from subprocess import Popen
from typing import IO, Any

import FeatureExtractorLib
import TumorClassifierLib
from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.files import readable_write_errors

from .events import CANCELLED, FAILED, LOG, PROGRESS, Event, event_of, log_event
from .places import OUT, REQUEST, START, TEMPORARY, UNFINISHED
from .process_tree import await_end, end_tree, start_tree

LOG_LINES = 400  # the last ones are kept for "Details"
MOST_WAITING = 5000  # events; beyond them a host that never asks loses log lines and progress
LONGEST_READ = 1 << 22  # bytes of one line
GRACE = 1.5  # seconds that the process has to end by itself
LAST_WAIT = 2.0  # seconds that a panel which goes waits for its job, a little more than that
MODULE_FOLDERS = tuple(str(Path(package.__path__[0]).parent) for package in (TumorClassifierLib, FeatureExtractorLib))


class Job:
    """One run of the worker process. Its outputs are in `folder / "out"` once it is done, and nowhere before.

    The process ends when the job is cancelled, when this object is no longer kept, and when this process ends.
    """

    def __init__(self, folder: Path, process: "Popen[bytes]") -> None:
        self.folder = folder
        self._process = process
        self._follower = _Follower(folder, process)
        self._started = time.monotonic()
        # Without a reference to the job, so that one that is forgotten closes its pipe.
        threading.Thread(target=self._follower.run, name="worker events", daemon=True).start()

    def poll(self) -> list[Event]:
        """The events since the last call, in order; never waits. The last of all is done, failed or cancelled."""
        return self._follower.taken()

    @property
    def running(self) -> bool:
        """Whether the last event has not been heard yet."""
        return self._follower.ended is None

    @property
    def seconds(self) -> float:
        """How long it has run, or ran."""
        return (self._follower.ended or time.monotonic()) - self._started

    @property
    def out(self) -> Path:
        """The folder of the outputs, which is there when it is done."""
        return self.folder / OUT

    def cancel(self) -> None:
        """End the process and all that it has started; returns at once, and `poll` tells when they have ended."""
        if not self._follower.cancelled.is_set():
            self._follower.cancelled.set()
            # At once: inside Slicer a thread gets its turn only when some Python of the window lets it.
            self._follower.hang_up()
            threading.Thread(target=self._follower.end, name="worker end", daemon=True).start()

    def __del__(self) -> None:
        follower = getattr(self, "_follower", None)
        if follower is not None and follower.ended is None:
            follower.cancelled.set()
            follower.hang_up()


def end_job(job: Any, seconds: float = LAST_WAIT) -> None:
    """Cancel a job, or what tells of itself in the same way, and wait a little until it has ended.

    Afterwards nothing writes into its folder any more, unless it could not be ended in that time.
    """
    job.cancel()
    deadline = time.monotonic() + seconds
    while getattr(job, "running", False) and time.monotonic() < deadline:
        job.poll()
        time.sleep(0.01)


def end_and_remove(job: Any | None, folder: Path | None, seconds: float = LAST_WAIT) -> None:
    """`end_job`, and remove its files, which may hold images of a patient; None for what there is not."""
    if job is not None:
        end_job(job, seconds)
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)


class _Follower:
    """Reads what a process tells until it has ended, in threads of its own."""

    def __init__(self, folder: Path, process: "Popen[bytes]") -> None:
        self.cancelled = threading.Event()
        self.ended: float | None = None
        self._folder = folder
        self._process = process
        self._waiting: deque[Event] = deque()
        self._log: deque[str] = deque(maxlen=LOG_LINES)
        self._lock = threading.Lock()

    def taken(self) -> list[Event]:
        with self._lock:
            events, self._waiting = list(self._waiting), deque()
            return events

    def end(self) -> None:
        """Ask the process to end, and make it."""
        self.hang_up()
        if not await_end(self._process, GRACE):
            end_tree(self._process.pid)

    def hang_up(self) -> None:
        """Close the pipe whose end tells the process to stop."""
        with contextlib.suppress(OSError, ValueError):
            assert self._process.stdin is not None
            self._process.stdin.close()

    def run(self) -> None:
        errors = threading.Thread(target=self._read_errors, name="worker log", daemon=True)
        errors.start()
        final = self._read_events()
        # It may hang in a library's last rites; and those that it started may have been left behind.
        self.hang_up()
        await_end(self._process, GRACE)
        end_tree(self._process.pid)
        code = self._process.wait()
        errors.join(GRACE)
        if not errors.is_alive():
            self._close()
        for name in (UNFINISHED, TEMPORARY):
            shutil.rmtree(self._folder / name, ignore_errors=True)
        if self.cancelled.is_set() and not (final is not None and final.kind != CANCELLED):
            final = Event(CANCELLED)
        elif final is None:
            final = Event(FAILED, text=_how_it_ended(code))
        if final.kind == FAILED:
            final = Event(FAILED, text=final.text, details="\n".join(filter(None, [final.details, *self._log])))
        self.ended = time.monotonic()
        self._put(final)

    def _read_events(self) -> Event | None:
        """Pass on every event but the last one, which is returned; None where there was none."""
        assert self._process.stdout is not None
        for line in _lines(self._process.stdout):
            event = event_of(line)
            if event.final:
                return event
            self._put(event)
        return None

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        for line in _lines(self._process.stderr):
            if event := log_event(line):
                self._put(event)

    def _close(self) -> None:
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def _put(self, event: Event) -> None:
        with self._lock:
            if event.kind == LOG:
                if not event.text:
                    return
                self._log.append(event.text)
            if event.kind in (LOG, PROGRESS) and len(self._waiting) >= MOST_WAITING:
                return
            self._waiting.append(event)


def start(
    request: Mapping[str, Any],
    folder: Path,
    python: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Job:
    """Start the work that a request asks for, see `works`, in a new or empty folder.

    python: by default this one, and inside Slicer PythonSlicer. environment: by default this process's own; inside
    Slicer `slicer.util.startupEnvironment()` is right. Raises InputError where the folder cannot be written to or has
    been used, the request is not plain JSON, or there is no such Python.
    """
    folder = Path(folder).absolute()
    command = [python or default_python(), "-m", "TumorClassifierLib.worker", str(folder)]
    try:
        text = json.dumps(dict(request), allow_nan=False, indent=1, default=_plain)
    except (TypeError, ValueError) as error:
        raise InputError(f"The request for the worker process is not plain JSON ({error}); correct it.") from error
    if (folder / REQUEST).exists() or (folder / OUT).exists():
        raise InputError(f"{folder} has been used for another run; give every run a folder of its own.")
    with readable_write_errors(folder):
        (folder / TEMPORARY).mkdir(parents=True, exist_ok=True)
        (folder / REQUEST).write_text(text, encoding="utf-8")
    try:
        process = start_tree(command, _environment(environment or os.environ, folder), folder)
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it ended at once, and says why
            process.stdin.write(START)
            process.stdin.flush()
    except OSError as error:
        raise InputError(
            f"The worker process cannot be started by {command[0]} ({error.strerror or error}); check that it is "
            "installed."
        ) from error
    return Job(folder, process)


def default_python() -> str:
    """The Python that runs the worker: inside Slicer its PythonSlicer, elsewhere this one.

    Raises InputError where Slicer's is not found; the program that runs there may be Slicer itself, which would start
    a second time.
    """
    home = os.environ.get("SLICER_HOME")
    if not home:
        return sys.executable
    found = shutil.which("PythonSlicer") or shutil.which("PythonSlicer", path=str(Path(home) / "bin"))
    if found is None:
        raise InputError(f"PythonSlicer is neither on the path nor in {Path(home) / 'bin'}; install Slicer anew.")
    return found


def _environment(given: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The process's environment: our modules can be imported, and what it writes beside its outputs can be removed."""
    paths = [*MODULE_FOLDERS, *filter(None, given.get("PYTHONPATH", "").split(os.pathsep))]
    temporary = str(folder / TEMPORARY)
    return {
        **given,
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),
        "PYTHONUTF8": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONSAFEPATH": "1",
        "TMPDIR": temporary,
        "TEMP": temporary,
        "TMP": temporary,
    }


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    """Its lines as they come; none where the pipe breaks."""
    with contextlib.suppress(OSError, ValueError):
        yield from iter(lambda: stream.readline(LONGEST_READ), b"")


def _how_it_ended(code: int) -> str:
    if code < 0:
        try:
            how = signal.Signals(-code).name
        except ValueError:
            how = f"the signal {-code}"
        wanting = ", perhaps for want of memory" if how == "SIGKILL" else ""
        return f"The worker process was ended by {how}{wanting}, so there is no result; try again, or see the details."
    return f"The worker process ended with the code {code} before its work was done; see the details."


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no JSON")
