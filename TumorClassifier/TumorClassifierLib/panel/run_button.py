"""One button that starts a job and cancels it, with a progress bar and a line of words; the panel stays usable.

    self.run = RunButton(ui.applyButton, ui.progressBar, ui.statusLabel, self.onStart, self.onDone)

States: idle → running → importing → idle, and from running by way of cancelling back to idle.
"""

import logging
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

import qt
from slicer.i18n import tr as _

from FeatureExtractorLib.errors import TumorClassifierError

from ..worker import Event, end_job
from .details import Details
from .packages import Declined
from .run_words import elapsed, in_words

LONGEST_REASON = 300  # characters of an unforeseen error's words
EVERY = 100  # ms between two looks at what the job has told
TURN = 0.001  # s that other threads get at every look: the one that reads what the job tells


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
    details: a button behind which the log of what failed is; several runs may share one. Without it, `failure` has
    sentence and log of the last run, empty where it did not fail. An error that nobody foresaw, in any of the
    callbacks that work, is a failure like the others.
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
        details: Details | None = None,
    ) -> None:
        self.button, self.progressBar, self.label = button, progressBar, label
        self.onStart, self.onDone, self.onFailed, self.onCancelled = onStart, onDone, onFailed, onCancelled
        self.onData, self.onState = onData, onState
        self.details, self.failure = details, ("", "")
        self.state = RunState.IDLE
        self.summary: Mapping[str, Any] = {}
        self.log: list[str] = []
        self._startText, self._startTip = button.text, button.toolTip
        self._reasons: list[str] = []
        self._job: Runs | None = None
        self._stage, self._fraction = "", 0.0
        self._closed, self._unwanted = False, False
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
        self._unwanted = False
        self.clearFailure()
        self._enter(RunState.RUNNING)
        self._say("")
        job: Runs | None = None
        try:
            job = self.onStart()
        except Declined as decision:
            self._stop(str(decision))
            return
        except TumorClassifierError as error:
            self._fail(str(error), "")
            return
        except Exception as error:
            logging.exception("A run could not be started")
            if self._unwanted:  # what it was about has gone meanwhile, which explains the error
                self._cancelled()
            else:
                self._failUnforeseen(error)
            return
        if self._closed:
            if job is not None:
                end_job(job)
        elif job is None:
            self._stop("")
        else:
            self._job = job
            self._timer.start()
            if self._unwanted:
                self.cancel()
            self._poll()

    def cancel(self) -> None:
        """End the job and all its processes; `onCancelled` is called when they have ended. Nothing where none runs.

        While the job is still being prepared, it is ended as soon as it is there.
        """
        if self.state is RunState.RUNNING:
            self._unwanted = True
            if self._job is not None:
                self._enter(RunState.CANCELLING)
                self._job.cancel()

    def clearFailure(self) -> None:
        """What failed before is of no interest any more, such as in a scene that is closed."""
        self._noteFailure("", "")

    def cleanup(self) -> None:
        """The panel goes: call nobody any more and end the job, so that its files can be removed afterwards."""
        self._closed = True
        self._timer.stop()
        job, self._job = self._job, None
        if job is not None:
            end_job(job)

    def _onClick(self) -> None:
        if self.state is RunState.IDLE:
            self.start()
        else:
            self.cancel()

    def _poll(self) -> None:
        if self._job is None:
            return
        time.sleep(TURN)  # Slicer's window does nothing in Python while it waits, and then no thread of ours can run
        try:
            events = self._job.poll()
        except Exception as error:
            logging.exception("A run cannot be followed")
            self._timer.stop()
            job, self._job = self._job, None
            job.cancel()
            self._failUnforeseen(error)
            return
        for event in events:
            if event.kind == "progress":
                self._stage, self._fraction = event.stage, event.fraction
            elif event.kind == "log":
                self.log.append(event.text)
            elif event.kind == "data":
                self._take(event.data)
            else:
                self._end(event)
                return
        self._show()

    def _take(self, data: Mapping[str, Any]) -> None:
        """Pass on what was sent on the way; the run does not end because it cannot be shown."""
        if self.onData is None or self.state is not RunState.RUNNING:
            return
        try:
            self.onData(data)
        except Exception:
            logging.exception("What a run has sent cannot be shown")
            self.log.append(traceback.format_exc())

    def _end(self, event: Event) -> None:
        job, self._job = self._job, None
        self._timer.stop()
        if event.kind == "cancelled" or self.state is RunState.CANCELLING:  # what came too late is not wanted
            self._cancelled()
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
        before = self.label.text
        try:
            if self.onDone is not None:
                self.onDone(folder)
        except TumorClassifierError as error:
            self._fail(str(error), "\n".join(self.log))
        except Exception as error:
            logging.exception("The results of a run could not be taken over")
            self._failUnforeseen(error)
        else:
            if self._closed:
                return
            said = self.label.text  # the one who took the results may have more to say than how long it took
            self._stop(_("Done in {time}.").format(time=elapsed(seconds)) if said == before else said)

    def _cancelled(self) -> None:
        self._stop(_("Cancelled."))
        if self.onCancelled is not None and not self._closed:
            self.onCancelled()

    def _fail(self, sentence: str, details: str) -> None:
        self._stop(sentence)
        if self._closed:
            return
        self._noteFailure(sentence, details)
        if self.onFailed is not None:
            self.onFailed(sentence, details)

    def _failUnforeseen(self, error: Exception) -> None:
        """Called where `error` is being handled."""
        what = " ".join(str(error).split())[-LONGEST_REASON:] or type(error).__name__
        sentence = _("Something unforeseen happened ({error}); please report it with the details.").format(error=what)
        self._fail(sentence, "\n".join([*self.log, traceback.format_exc()]))

    def _noteFailure(self, sentence: str, details: str) -> None:
        self.failure = (sentence, details)
        if self.details is not None:
            self.details.keep(sentence, details)

    def _stop(self, words: str) -> None:
        """Nothing is in hand any more, and this is what there is to say."""
        if self._closed:
            self.state = RunState.IDLE
            return
        self._enter(RunState.IDLE)
        self._say(words)

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
        preparing = self.state is RunState.RUNNING and self._job is None
        texts = {
            RunState.IDLE: (self._startText, "\n".join(self._reasons) or self._startTip),
            RunState.RUNNING: (_("Cancel"), _("Stop the work at once; what was there before stays as it is.")),
            RunState.CANCELLING: (_("Cancelling…"), _("The work is being stopped.")),
            RunState.IMPORTING: (_("Loading…"), _("The results are being taken into the scene.")),
        }
        if preparing:  # packages are being installed, or images written: neither can be ended halfway
            text = _("Preparing…"), _("The work can be cancelled as soon as it has begun.")
        else:
            text = texts[self.state]
        self.button.text, self.button.toolTip = text
        idle = self.state is RunState.IDLE and not self._reasons
        self.button.enabled = idle or (self.state is RunState.RUNNING and not preparing)
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
