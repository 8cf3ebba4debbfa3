"""What a worker process tells its host: one event a line, as JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from types import MappingProxyType
from typing import Any

PROGRESS, LOG, DATA = "progress", "log", "data"
DONE, FAILED, CANCELLED = "done", "failed", "cancelled"
FINAL = (DONE, FAILED, CANCELLED)
LONGEST_LINE = 1000  # characters of a log line that are kept


@dataclass(frozen=True)
class Event:
    """One thing that happened.

    kind: "progress" (stage, which may end in " · " and words, and fraction 0–1), "log" (text: a line that some library
    printed), "data" (data: what the request says), or the last one: "done", "failed" (text: a sentence for the user;
    details: the log and, where it was unforeseen, where in the code) or "cancelled".
    """

    kind: str
    stage: str = ""
    fraction: float = 0.0
    text: str = ""
    details: str = ""
    data: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def final(self) -> bool:
        """Whether nothing comes after it."""
        return self.kind in FINAL


def line_of(event: Event) -> bytes:
    """An event as one line; numbers that JSON lacks, such as NaN, become null."""
    return json.dumps({**vars(event), "data": _plain(event.data)}, allow_nan=False).encode() + b"\n"


def event_of(line: bytes) -> Event:
    """The event of a line; a line that is none, such as a library's print, is a log event."""
    try:
        content = json.loads(line)
        event = Event(**content)
        if (
            event.kind in (PROGRESS, DATA, *FINAL)
            and isinstance(event.stage + event.text + event.details, str)
            and isinstance(event.data, Mapping)
        ):
            return Event(event.kind, event.stage, float(event.fraction), event.text, event.details, event.data)
    except (ValueError, TypeError, RecursionError):
        pass
    return log_event(line)


def log_event(line: bytes) -> Event:
    """A line that a library printed."""
    return Event(LOG, text=line.decode("utf-8", "replace").rstrip()[:LONGEST_LINE])


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float):
        return value if isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else str(value)
