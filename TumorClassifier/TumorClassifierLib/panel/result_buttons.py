"""What widgets say: a button what it does, or why it cannot be pressed; a label a path that fits the panel."""

import re
from pathlib import Path
from typing import Any


def enable(button: Any, what: str, why_not: str) -> None:
    """Let a button be pressed, its tooltip saying what it does; or not, its tooltip saying why."""
    button.enabled = not why_not
    button.toolTip = why_not or what


def breakable(path: Path | str) -> str:
    """A path that may go on in the next line after each folder, so that it cannot widen the panel."""
    return re.sub(r"([/\\_-])", "\\1\N{ZERO WIDTH SPACE}", str(path))
