"""The worker process: do what the request asks for, tell how it goes, and end with the host.

Standard output carries events and nothing else: what libraries print goes to standard error, which the host shows as
the log. Outputs are made in one folder and take their place together, so that they are complete or not there.
"""

import _thread
import contextlib
import json
import os
import shutil
import signal
import threading
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from FeatureExtractorLib.errors import Cancelled, InputError, TumorClassifierError
from FeatureExtractorLib.files import readable_write_errors
from FeatureExtractorLib.progress import stage_name

from .events import CANCELLED, DATA, DONE, FAILED, PROGRESS, Event, line_of
from .places import OUT, REQUEST, START, TEMPORARY, UNFINISHED
from .process_tree import WINDOWS, taskkill
from .works import do

GRACE = 1.0  # seconds to stop in an orderly way once the host has gone
OFTEN = 0.1  # seconds between two words on the progress of one stage
NICE = 5  # the host's windows come first


class Channel:
    """Tells the host; made once, before anything can print."""

    def __init__(self) -> None:
        self._stream = os.fdopen(os.dup(1), "wb", buffering=0)
        os.dup2(2, 1)
        self._lock = threading.Lock()
        self._pace = threading.Lock()
        self._stage, self._told = "", 0.0
        self._held: Event | None = None  # the newest word, which waits for its turn
        self.closed = False

    def tell(self, event: Event) -> None:
        """Send an event; none after the last one, and none to a host that is not there."""
        line = line_of(event)
        with self._lock, contextlib.suppress(OSError):
            if not self.closed:
                self.closed = event.final
                view = memoryview(line)
                while view:
                    view = view[self._stream.write(view) :]

    def progress(self, stage: str, fraction: float) -> None:
        """As `Progress`: every new stage and every end of one, and between them the newest word now and then."""
        event = Event(PROGRESS, stage=stage, fraction=min(max(float(fraction), 0.0), 1.0))
        name, now = stage_name(stage), time.monotonic()
        with self._pace:
            if name == self._stage and fraction < 1.0 and now - self._told < OFTEN:
                waiting, self._held = self._held is not None, event
                if not waiting:
                    later = threading.Timer(OFTEN, self._tell_held)
                    later.daemon = True
                    later.start()
                return
            self._stage, self._told, self._held = name, now, None
            self.tell(event)

    def _tell_held(self) -> None:
        with self._pace:
            if self._held is not None:
                self.tell(self._held)
                self._held, self._told = None, time.monotonic()

    def data(self, data: Mapping[str, Any]) -> None:
        """Send what the request says it will."""
        self.tell(Event(DATA, data=data))


def main(folder: Path) -> int:
    """Do the work of a folder; returns the exit code."""
    channel = Channel()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started us may have had it ignored
    threading.Thread(target=_end_with_host, args=(_own_input(), channel), name="host", daemon=True).start()
    _come_second()
    unfinished = folder / UNFINISHED
    try:
        last = _done(folder, unfinished, channel)
    except (KeyboardInterrupt, Cancelled):
        last = Event(CANCELLED)
    except TumorClassifierError as error:
        last = Event(FAILED, text=str(error))
    except MemoryError:
        sentence = "There is not enough memory for this; close other programs, or use smaller images or fewer jobs."
        last = Event(FAILED, text=sentence, details=traceback.format_exc())
    except Exception as error:  # noqa: BLE001 - the user gets a sentence whatever it was, and the report the rest
        what = " ".join(str(error).split())[:300]
        sentence = (
            f"Something unforeseen happened ({type(error).__name__}: {what}); please report it with the details."
        )
        last = Event(FAILED, text=sentence, details=traceback.format_exc())
    if last.kind != DONE:
        for made in (unfinished, folder / TEMPORARY):
            shutil.rmtree(made, ignore_errors=True)
    channel.tell(last)
    return 0 if last.kind == DONE else 1


def _done(folder: Path, unfinished: Path, channel: Channel) -> Event:
    channel.progress("starting", 0.0)
    request = _request(folder / REQUEST)
    unfinished.mkdir()
    summary = do(request, unfinished, channel.progress, channel.data)
    _move(unfinished, folder / OUT)
    return Event(DONE, fraction=1.0, data=summary)


def _move(unfinished: Path, out: Path) -> None:
    """Put the outputs in their place; on Windows a scanner may hold a new file open for a moment."""
    for seconds in (0.2, 0.5, 1.0, 2.0) if WINDOWS else ():
        try:
            os.replace(unfinished, out)
            return
        except PermissionError:
            time.sleep(seconds)
    with readable_write_errors(out):
        os.replace(unfinished, out)


def _request(path: Path) -> dict[str, Any]:
    try:
        request = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is no request ({error}); see `works` for what can be asked for.") from error
    if not isinstance(request, dict):
        raise InputError(f"{path} is no request; see `works` for what can be asked for.")
    return request


def _own_input() -> int:
    """The pipe from the host, which no process of ours shall share or read from."""
    pipe = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return pipe


def _end_with_host(pipe: int, channel: Channel) -> None:
    """Stop when the host closes the pipe, on purpose or by dying; without a host's first word there is none."""
    if os.read(pipe, len(START)) != START:
        return
    while os.read(pipe, 4096):
        pass
    if channel.closed:
        return
    _interrupt_work()
    time.sleep(GRACE)
    # Work that does not listen, such as one long call into a library, is ended with all that it has started.
    if WINDOWS:
        taskkill(os.getpid())
    else:
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)


def _interrupt_work() -> None:
    """Raise KeyboardInterrupt where the work is done, on POSIX out of a system call that waits too."""
    ident = threading.main_thread().ident
    if WINDOWS or ident is None:
        _thread.interrupt_main()
    else:
        signal.pthread_kill(ident, signal.SIGINT)


def _come_second() -> None:
    if not WINDOWS:
        with contextlib.suppress(OSError):
            os.nice(NICE)
