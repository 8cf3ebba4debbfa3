"""What Slicer only prints, kept so that a test can fail on it.

Slicer goes on after an exception in a slot or an observer, after connecting to a signal that does not exist and after
writing an attribute that does not exist; each of these is nearly always a mistake in a panel.
"""

import sys
import traceback
from types import TracebackType

_recorded: list[str] = []


def record(kind: str, text: str) -> None:
    """Keep one problem and print it, as Slicer would."""
    _recorded.append(f"{kind}: {text}")
    print(_recorded[-1], file=sys.stderr)


def take() -> list[str]:
    """The problems since the last call."""
    taken = list(_recorded)
    _recorded.clear()
    return taken


def install() -> None:
    """Record what slots and observers raise: Qt and VTK both hand it to `sys.excepthook`."""
    from PySide6.QtCore import qInstallMessageHandler

    sys.excepthook = _unhandled
    qInstallMessageHandler(_qt_says)


def _qt_says(_kind: object, _where: object, text: str) -> None:
    if "propagateSizeHints" not in text:  # what a platform without windows always says
        print(text, file=sys.stderr)


def _unhandled(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
    record("exception in a slot or observer", "".join(traceback.format_exception(kind, error, where)))
