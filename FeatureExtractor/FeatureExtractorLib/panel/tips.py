"""Tooltips of controls that may be greyed: the reason while they are, what they do otherwise."""

from typing import Any


class Tips:
    """Remembers what the .ui file says of each control."""

    def __init__(self) -> None:
        self._usual: dict[str, str] = {}

    def set(self, widget: Any, reason: str) -> None:
        """Enable a control, or grey it and say why; `reason` is empty where nothing is in the way."""
        usual = self._usual.setdefault(widget.objectName, widget.toolTip)
        widget.enabled = not reason
        widget.toolTip = reason or usual
