"""A button says what it does, or why it cannot be pressed."""

from typing import Any


def enable(button: Any, what: str, why_not: str) -> None:
    """Let a button be pressed, its tooltip saying what it does; or not, its tooltip saying why."""
    button.enabled = not why_not
    button.toolTip = why_not or what
