"""One button that starts a job and cancels it, with a progress bar and a line of words; the panel stays usable.

    self.run = RunButton(ui.applyButton, ui.progressBar, ui.statusLabel, self.onStart, self.onDone)

States: idle → running → importing → idle, and from running by way of cancelling back to idle.
"""

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

import qt
from slicer.i18n import tr as _

from FeatureExtractorLib.errors import TumorClassifierError
from FeatureExtractorLib.progress import stage_name

from ..worker import Event
from .packages import Declined

EVERY = 100  # ms between two looks at what the job has told


class RunState(Enum):
    """What the button is for at the moment."""

    IDLE = "idle"
    RUNNING = "running"
    CANCELLING = "cancelling"
    IMPORTING = "importing"


class Runs(Protocol):
    """What is followed: a worker's job, or anything that tells of itself in the same way."""

    folder: Path

    @property
    def seconds(self) -> float:
        """How long it has run."""

    def poll(self) -> list[Event]:
        """The events since the last call; the last of all is done, failed or cancelled."""

    def cancel(self) -> None:
        """End it; returns at once."""


class RunButton:
    """The callbacks may be given later, as attributes of the same names.

    onStart() returns the job, or None where there is nothing to do after all; it may raise TumorClassifierError, and
    Declined. onDone(folder) takes the results into the scene and may raise TumorClassifierError; `summary` then is
    what the job said of itself. onFailed(sentence, details), with the sentence in the line of words already.
    onCancelled(). onData(data): what the job sends on its way. onState(): after every change of the state.
    """

    def __init__(
        self,
        button: Any,
        progressBar: Any,
        label: Any,
        onStart: Callable[[], Runs | None] | None = None,
        onDone: Callable[[Path], None] | None = None,
        onFailed: Callable[[str, str], None] | None = None,
        onCancelled: Callable[[], None] | None = None,
        onData: Callable[[Mapping[str, Any]], None] | None = None,
        onState: Callable[[], None] | None = None,
    ) -> None:
        self.button, self.progressBar, self.label = button, progressBar, label
        self.onStart, self.onDone, self.onFailed, self.onCancelled = onStart, onDone, onFailed, onCancelled
        self.onData, self.onState = onData, onState
        self.state = RunState.IDLE
        self.summary: Mapping[str, Any] = {}
        self.log: list[str] = []
        self._startText, self._startTip = button.text, button.toolTip
        self._reasons: list[str] = []
        self._job: Runs | None = None
        self._stage, self._fraction = "", 0.0
        self._closed = False
        self._timer = qt.QTimer()
        self._timer.setInterval(EVERY)
        self._timer.connect("timeout()", self._poll)
        button.connect("clicked()", self._onClick)
        label.wordWrap = True
        progressBar.visible = False
        self._show()

    @property
    def busy(self) -> bool:
        """Whether a job is in hand, from its start until its results are in the scene."""
        return self.state is not RunState.IDLE

    @property
    def running(self) -> bool:
        """As `busy`."""
        return self.busy

    def setReasons(self, reasons: Iterable[str]) -> None:
        """Why nothing can be started now; none where it can. They are the button's tooltip."""
        self._reasons = [reason for reason in reasons if reason]
        self._show()

    def setReason(self, reason: str) -> None:
        """Why nothing can be started now, "" where it can."""
        self.setReasons([reason])

    def setText(self, text: str, toolTip: str) -> None:
        """What the button says and explains while nothing runs."""
        self._startText, self._startTip = text, toolTip
        self._show()

    def start(self) -> None:
        """As a click on the idle button."""
        if self.busy or self._reasons or self._closed or self.onStart is None:
            return
        self._stage, self._fraction, self.log, self.summary = _("starting"), 0.0, [], {}
        self._enter(RunState.RUNNING)
        self._say("")
        started = False
        try:
            self._job = self.onStart()
            started = self._job is not None
        except Declined as decision:
            self._say(str(decision))
        except TumorClassifierError as error:
            self._fail(str(error), "")
            return
        finally:
            if not started and self.state is RunState.RUNNING:
                self._enter(RunState.IDLE)
        if started:
            self._timer.start()
            self._poll()

    def cancel(self) -> None:
        """End the job and all its processes; `onCancelled` is called when they have ended. Nothing where none runs."""
        if self.state is RunState.RUNNING and self._job is not None:
            self._enter(RunState.CANCELLING)
            self._job.cancel()

    def cleanup(self) -> None:
        """The panel goes: end the job and call nobody any more."""
        self._closed = True
        self._timer.stop()
        if self._job is not None:
            self._job.cancel()
            self._job = None

    def _onClick(self) -> None:
        if self.state is RunState.IDLE:
            self.start()
        else:
            self.cancel()

    def _poll(self) -> None:
        if self._job is None:
            return
        for event in self._job.poll():
            if event.kind == "progress":
                self._stage, self._fraction = event.stage, event.fraction
            elif event.kind == "log":
                self.log.append(event.text)
            elif event.kind == "data":
                if self.onData is not None and self.state is RunState.RUNNING:
                    self.onData(event.data)
            else:
                self._end(event)
                return
        self._show()

    def _end(self, event: Event) -> None:
        job, self._job = self._job, None
        self._timer.stop()
        if event.kind == "cancelled" or self.state is RunState.CANCELLING:  # what came too late is not wanted
            self._enter(RunState.IDLE)
            self._say(_("Cancelled."))
            if self.onCancelled is not None:
                self.onCancelled()
        elif event.kind == "failed":
            self._fail(event.text, event.details)
        else:
            assert job is not None
            seconds = job.seconds
            self.summary = event.data
            self._enter(RunState.IMPORTING)
            # Later, so that the window shows what happens before it is busy.
            qt.QTimer.singleShot(0, lambda: self._import(job.folder, seconds))

    def _import(self, folder: Path, seconds: float) -> None:
        if self._closed:
            return
        failure = ""
        try:
            self._say(_("Done in {time}.").format(time=elapsed(seconds)))
            if self.onDone is not None:
                self.onDone(folder)
        except TumorClassifierError as error:
            failure = str(error)
        finally:
            self._enter(RunState.IDLE)
        if failure:
            self._fail(failure, "\n".join(self.log))

    def _fail(self, sentence: str, details: str) -> None:
        self._enter(RunState.IDLE)
        self._say(sentence)
        if self.onFailed is not None:
            self.onFailed(sentence, details)

    def _enter(self, state: RunState) -> None:
        self.state = state
        self._show()
        self.progressBar.visible = self.busy
        if self.onState is not None and not self._closed:
            self.onState()

    def _say(self, words: str) -> None:
        self.label.text = words
        self.label.visible = bool(words)

    def _show(self) -> None:
        """The three widgets as the state is."""
        texts = {
            RunState.IDLE: (self._startText, "\n".join(self._reasons) or self._startTip),
            RunState.RUNNING: (_("Cancel"), _("Stop the work at once; what was there before stays as it is.")),
            RunState.CANCELLING: (_("Cancelling…"), _("The work is being stopped.")),
            RunState.IMPORTING: (_("Loading…"), _("The results are being taken into the scene.")),
        }
        self.button.text, self.button.toolTip = texts[self.state]
        self.button.enabled = self.state is RunState.RUNNING or (self.state is RunState.IDLE and not self._reasons)
        if not self.busy:
            return  # bar and words may serve another button's run
        self.progressBar.visible = True
        known = self.state is RunState.RUNNING and self._fraction > 0
        self.progressBar.maximum = 100 if known else 0  # 0: busy, nobody knows how long
        self.progressBar.value = round(100 * self._fraction) if known else 0
        if self.state is RunState.RUNNING:
            seconds = self._job.seconds if self._job is not None else 0.0
            self._say(_("{stage} · {time}").format(stage=in_words(self._stage), time=elapsed(seconds)))
        elif self.state is RunState.CANCELLING:
            self._say(_("The work is being stopped."))


def elapsed(seconds: float) -> str:
    """Minutes and seconds, such as 1:05."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def in_words(stage: str) -> str:
    """A stage as the user reads it; names that are not known here are shown as they are."""
    before, colon, name = stage_name(stage).rpartition(": ")  # such as fold 1/5: training
    after = stage[len(stage_name(stage)) :]
    known = {
        "starting": _("Starting"),
        "reading": _("Reading the images"),
        "preparing": _("Preparing the images"),
        "bias field": _("Correcting the bias field"),
        "correcting": _("Correcting the bias field"),
        "resampling": _("Resampling"),
        "radiomics": _("Measuring radiomics features"),
        "deep features": _("Measuring deep features"),
        "volume": _("Preparing the whole volume"),
        "measuring": _("Measuring"),
        "extracting": _("Measuring"),
        "comparing": _("Comparing outlines"),
        "checking": _("Checking"),
        "explanation": _("Drawing the map"),
        "class activation": _("Drawing the map"),
        "detection": _("Looking for the tumour"),
        "network": _("Running the network"),
        "features of the frozen network": _("Measuring deep features"),
        "training": _("Training"),
        "training the detector": _("Training the detector"),
        "cross-validation": _("Cross-validating"),
        "drawing": _("Drawing the figures"),
        "maps": _("Drawing the maps"),
        "writing": _("Writing the results"),
    }
    text = known.get(name, name) + after
    whole = f"{before}{colon}{text}"
    return whole[:1].upper() + whole[1:]
