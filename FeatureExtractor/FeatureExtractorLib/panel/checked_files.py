"""Files that the user names, looked at once for every change of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from FeatureExtractorLib.errors import InputError


class CheckedFile:
    """What `read` makes of a file, or the sentence why it cannot; read again when the file changes."""

    def __init__(self, read: Callable[[Path], Any]) -> None:
        self._read = read
        self._state: tuple[Any, ...] | None = None
        self._found: tuple[Any, str] = (None, "")

    def of(self, path: str) -> tuple[Any, str]:
        """The content and an empty sentence, or None and the reason."""
        file = Path(path)
        try:
            status = file.stat()
            state: tuple[Any, ...] = (path, status.st_mtime_ns, status.st_size)
        except (OSError, ValueError):
            state = (path, None, None)
        if state != self._state:
            self._state, self._found = state, self._look(file)
        return self._found

    def _look(self, file: Path) -> tuple[Any, str]:
        try:
            return self._read(file), ""
        except InputError as error:
            return None, str(error)
        except ImportError as error:
            # A package that is installed, after a question, when the work starts; the worker then reads the file.
            return None, "" if error.name == "yaml" else str(error)
        except OSError as error:
            return None, _("{file} cannot be read ({reason}); check it.").format(file=file, reason=error.strerror)
