"""A run of one of Slicer's command-line modules, told as a worker process tells of itself."""

import time
from collections.abc import Mapping
from typing import Any

import slicer
from slicer.i18n import tr as _

from ..worker import Event

LONGEST_REASON = 300  # letters of the module's own words in a sentence


class CliJob:
    """Runs in the background; `poll`, `running`, `seconds` and `cancel` are those of a worker's Job."""

    def __init__(self, module: Any, parameters: Mapping[str, Any], stage: str) -> None:
        import slicer.cli

        self._stage, self._name = stage, module.name
        self._started = time.monotonic()
        self._ended: float | None = None
        self._cancelled = False
        self._node = slicer.cli.run(module, None, dict(parameters), False, True, False)

    @property
    def running(self) -> bool:
        """Whether the last event has not been told yet."""
        return self._ended is None

    @property
    def seconds(self) -> float:
        """How long it has run, or ran."""
        return (self._ended or time.monotonic()) - self._started

    def poll(self) -> list[Event]:
        """The events since the last call; the last of all is done, failed or cancelled."""
        node = self._node
        if node is None:
            return []
        if node.IsBusy():
            return [Event("progress", self._stage, node.GetProgress() / 100)]
        status, words = node.GetStatus(), " ".join((node.GetErrorText() or "").split())
        self._ended = time.monotonic()
        self._node = None
        if node.GetScene() is not None:
            slicer.mrmlScene.RemoveNode(node)
        if self._cancelled or status & node.Cancelled:
            return [Event("cancelled")]
        if status & node.ErrorsMask:
            sentence = _("{module} failed ({reason}); choose another method.")
            reason = words[:LONGEST_REASON] or _("it gives no reason")
            return [Event("failed", text=sentence.format(module=self._name, reason=reason), details=words)]
        return [Event("done")]

    def cancel(self) -> None:
        """Ask the module to stop; `poll` tells when it has."""
        self._cancelled = True
        if self._node is not None:
            self._node.Cancel()
