"""The button that starts and cancels: its states, its words, and what becomes of errors at each step."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from FeatureExtractorLib.errors import InputError


class ScriptedJob:
    """Tells what it is told to tell."""

    folder = Path("run")
    seconds = 65.0
    running = False  # nobody waits for it

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.cancelled = 0

    def poll(self) -> list[Any]:
        told, self.events = self.events, []
        return told

    def cancel(self) -> None:
        self.cancelled += 1

    def tell(self, *given: Any, **named: Any) -> None:
        from TumorClassifierLib.worker import Event

        self.events.append(Event(*given, **named))


@pytest.fixture
def panel(standin: Any) -> Iterator[SimpleNamespace]:
    """A run button with its widgets, a job, and what was called back."""
    import qt

    from TumorClassifierLib.panel.run_button import RunButton

    parent = qt.QWidget()
    widgets = [qt.QPushButton("Classify", parent), qt.QProgressBar(parent), qt.QLabel(parent)]
    widgets[0].toolTip = "Classify the tumour."
    parent.show()
    made = SimpleNamespace(parent=parent, button=widgets[0], bar=widgets[1], label=widgets[2], calls=[])
    made.job = ScriptedJob()
    made.run = RunButton(*widgets, lambda: made.job)
    made.run.onDone = lambda folder: made.calls.append(("done", folder, dict(made.run.summary)))
    made.run.onFailed = lambda sentence, details: made.calls.append(("failed", sentence, details))
    made.run.onCancelled = lambda: made.calls.append(("cancelled",))
    made.run.onData = lambda data: made.calls.append(("data", dict(data)))

    def wait() -> None:
        import time

        deadline = time.monotonic() + 0.35
        while time.monotonic() < deadline:
            standin.process()
            time.sleep(0.01)

    made.wait = wait
    yield made
    made.run.cleanup()


def test_a_run_goes_from_apply_to_cancel_and_back(panel: SimpleNamespace) -> None:
    assert panel.button.text == "Classify" and panel.button.enabled and not panel.bar.visible
    panel.button.click()
    assert panel.button.text == "Cancel" and panel.button.enabled and panel.bar.visible
    assert panel.bar.maximum == 0 and panel.label.text == "Starting · 1:05"
    panel.job.tell("progress", "fold 2/5: training · epoch 3 of 9", 0.25)
    panel.job.tell("log", text="a library says")
    panel.job.tell("data", data={"epoch": 1})
    panel.wait()
    assert panel.label.text == "Fold 2/5: Training · epoch 3 of 9 · 1:05"
    assert (panel.bar.maximum, panel.bar.value) == (100, 25)
    assert panel.calls == [("data", {"epoch": 1})] and panel.run.log == ["a library says"]
    panel.job.tell("done", fraction=1.0, data={"predicted": "glioma"})
    panel.wait()
    assert panel.calls[1:] == [("done", Path("run"), {"predicted": "glioma"})]
    assert panel.button.text == "Classify" and panel.button.toolTip == "Classify the tumour."
    assert not panel.bar.visible and panel.label.text == "Done in 1:05."
    panel.job = ScriptedJob()
    panel.button.click()  # and once more
    assert panel.run.busy
    panel.job.tell("done")
    panel.wait()
    assert len(panel.calls) == 3 and not panel.run.busy


def test_cancel_waits_for_the_job_and_wins_over_a_result_that_came_too_late(panel: SimpleNamespace) -> None:
    panel.button.click()
    panel.button.click()
    assert panel.job.cancelled == 1
    assert panel.button.text == "Cancelling…" and not panel.button.enabled and panel.button.toolTip
    assert panel.label.text == "The work is being stopped." and panel.bar.visible
    panel.job.tell("done")
    panel.wait()
    assert panel.calls == [("cancelled",)] and panel.label.text == "Cancelled."
    panel.run.cancel()  # nothing runs
    assert panel.calls == [("cancelled",)] and panel.button.enabled


def test_reasons_grey_the_button_and_are_its_tooltip(panel: SimpleNamespace) -> None:
    panel.run.setReasons(["Choose an image.", "", "Choose a model."])
    assert not panel.button.enabled and panel.button.toolTip == "Choose an image.\nChoose a model."
    panel.run.start()
    assert not panel.run.busy
    panel.run.setReason("")
    assert panel.button.enabled and panel.button.toolTip == "Classify the tumour."
    panel.button.click()
    panel.run.setReason("The segment was removed.")
    assert panel.button.enabled and panel.button.text == "Cancel"  # a run can always be cancelled
    panel.job.tell("failed", text="It failed.", details="log")
    panel.wait()
    assert panel.calls == [("failed", "It failed.", "log")] and panel.label.text == "It failed."
    assert not panel.button.enabled and panel.button.toolTip == "The segment was removed."


def test_errors_before_and_after_the_job_are_sentences_and_a_decision_is_none(panel: SimpleNamespace) -> None:
    from TumorClassifierLib.panel.packages import Declined

    def refuse() -> Any:
        raise InputError("The outline is empty; draw it.")

    def decline() -> Any:
        raise Declined("torch was not installed, so nothing was done.")

    working, panel.run.onStart = panel.run.onStart, refuse
    panel.button.click()
    assert panel.calls == [("failed", "The outline is empty; draw it.", "")] and not panel.run.busy
    panel.run.onStart = decline
    panel.button.click()
    assert len(panel.calls) == 1 and panel.label.text.startswith("torch was not installed") and not panel.run.busy
    panel.run.onStart = lambda: None
    panel.button.click()
    assert len(panel.calls) == 1 and not panel.run.busy and panel.button.enabled
    panel.run.onStart, panel.run.onDone = working, lambda folder: refuse()
    panel.button.click()
    panel.job.tell("log", text="a library says")
    panel.job.tell("done")
    panel.wait()
    assert panel.calls[1:] == [("failed", "The outline is empty; draw it.", "a library says")]
    assert panel.label.text == "The outline is empty; draw it." and not panel.run.busy


SORRY = "Something unforeseen happened (no space); please report it with the details."


def no_space(*given: Any) -> Any:
    raise OSError("no space")


@pytest.mark.parametrize("step", ["start", "follow", "import"])
def test_an_unforeseen_error_is_a_failure_with_a_log(panel: SimpleNamespace, step: str) -> None:
    if step == "start":
        panel.run.onStart = no_space
    if step == "import":
        panel.run.onDone = no_space
    panel.button.click()
    panel.job.tell("log", text="a library says")
    if step == "follow":
        panel.wait()
        panel.job.poll = no_space
    panel.job.tell("done")
    panel.wait()
    ((what, sentence, details),) = panel.calls
    assert (what, sentence) == ("failed", SORRY) and panel.label.text == SORRY
    assert details.startswith("Traceback" if step == "start" else "a library says\nTraceback")
    assert "in no_space" in details and panel.run.failure == (sentence, details)
    assert not panel.run.busy and panel.button.enabled and panel.button.text == "Classify" and not panel.bar.visible
    assert panel.job.cancelled == (step == "follow")


def test_what_cannot_be_shown_on_the_way_does_not_end_the_run(panel: SimpleNamespace) -> None:
    panel.run.onData = no_space
    panel.button.click()
    panel.job.tell("data", data={"epoch": 1})
    panel.wait()
    assert panel.run.busy and panel.button.enabled
    panel.job.tell("failed", text="It failed.", details="log")
    panel.wait()
    assert panel.calls == [("failed", "It failed.", "log")] and "no space" in panel.run.log[0]


def test_done_is_said_when_the_results_are_there_unless_there_is_more_to_say(panel: SimpleNamespace) -> None:
    seen = []
    panel.run.onDone = lambda folder: seen.append(panel.label.text)
    panel.button.click()
    panel.job.tell("done")
    panel.wait()
    assert seen == ["Starting · 1:05"] and panel.label.text == "Done in 1:05."
    panel.run.onDone = lambda folder: setattr(panel.label, "text", "The report was saved.")
    panel.button.click()
    panel.job.tell("done")
    panel.wait()
    assert panel.label.text == "The report was saved."


def test_what_is_being_prepared_is_cancelled_when_it_has_begun(panel: SimpleNamespace) -> None:
    """Packages that are installed let the window live meanwhile."""
    seen = []

    def install() -> Any:
        seen.append((panel.button.text, panel.button.enabled, panel.button.toolTip))
        panel.run.cancel()  # the scene was closed
        return panel.job

    panel.run.onStart = install
    panel.button.click()
    assert seen == [("Preparing…", False, "The work can be cancelled as soon as it has begun.")]
    assert panel.job.cancelled == 1 and panel.button.text == "Cancelling…"
    panel.job.tell("cancelled")
    panel.wait()
    assert panel.calls == [("cancelled",)]

    def closed() -> Any:
        panel.run.cancel()
        raise AttributeError("no parameter node any more")

    panel.run.onStart = closed
    panel.button.click()
    assert panel.calls == [("cancelled",)] * 2 and panel.label.text == "Cancelled." and not panel.run.busy

    def gone() -> Any:
        panel.run.cleanup()
        return panel.job

    panel.run.onStart = gone
    panel.button.click()
    assert panel.job.cancelled == 2 and len(panel.calls) == 2


def test_two_runs_share_a_button_for_the_log_of_what_failed_last(
    panel: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    import qt

    from TumorClassifierLib.panel import details
    from TumorClassifierLib.panel.run_button import RunButton

    shown: list[Any] = []
    monkeypatch.setattr(details, "show_details", lambda *given: shown.append(given))
    layout = qt.QVBoxLayout(panel.parent)
    row = qt.QVBoxLayout()
    layout.addLayout(row)
    row.addWidget(panel.label)
    row.addWidget(panel.bar)
    panel.run.details = shared = details.Details(panel.label, "Export")
    assert row.indexOf(shared.button) == 1 and not shared.button.visible and shared.button.toolTip
    panel.button.click()
    panel.job.tell("failed", text="It failed.", details="log")
    panel.wait()
    assert shared.button.visible
    shared.button.click()
    assert shown == [("It failed.", "log", "Export")]
    other = RunButton(
        qt.QPushButton("Other", panel.parent), panel.bar, panel.label, lambda: ScriptedJob(), details=shared
    )
    other.start()
    assert not shared.button.visible and other.busy  # what failed before is not of interest any more
    other.cleanup()


def test_a_panel_that_goes_takes_its_job_along_and_is_not_called_back(panel: SimpleNamespace) -> None:
    panel.button.click()
    panel.run.cleanup()
    assert panel.job.cancelled == 1
    panel.job.tell("done")
    panel.wait()
    assert panel.calls == []


def test_a_panel_that_goes_waits_for_the_end_of_its_job(
    panel: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files are removed afterwards, and one that it still writes would stay."""
    panel.button.click()
    panel.job.running, polls = True, []

    def poll() -> list[Any]:
        polls.append(len(polls))
        panel.job.running = len(polls) < 3
        return []

    monkeypatch.setattr(panel.job, "poll", poll)
    panel.run.cleanup()
    assert panel.job.cancelled == 1 and len(polls) == 3


def test_two_buttons_share_a_bar_and_a_line(panel: SimpleNamespace) -> None:
    import qt

    from TumorClassifierLib.panel.run_button import RunButton

    other = RunButton(qt.QPushButton("Other", panel.parent), panel.bar, panel.label, lambda: ScriptedJob())
    panel.button.click()
    other.setReasons(["Wait until the other has ended."])
    panel.wait()
    assert panel.bar.visible and panel.label.text.startswith("Starting")
    other.cleanup()


def test_every_stage_name_of_the_code_is_in_words(repository: Path) -> None:
    """A stage that the code tells is one that the panel knows, so that it can be translated."""
    import re

    source = (repository / "TumorClassifier/TumorClassifierLib/panel/run_words.py").read_text()
    told = set()
    for module in ("TumorClassifier", "FeatureExtractor"):
        for path in (repository / module).rglob("*.py"):
            told |= set(re.findall(r'progress\(f?"([a-z ]+)(?:"| ·)', path.read_text()))
    assert told >= {"starting", "reading", "radiomics", "writing"}
    unknown = sorted(stage for stage in told if f'"{stage}": _(' not in source)
    assert unknown == [], "add these to in_words in run_words.py"


def test_details_are_a_window_with_a_log_to_copy(standin: Any, panel: SimpleNamespace) -> None:
    import qt

    from TumorClassifierLib.panel.details import details_dialog, report_of

    text = report_of("It failed.", "line 1\nline 2")
    assert text.startswith("It failed.\n\n") and text.endswith("line 1\nline 2") and "SimpleITK" in text
    dialog = details_dialog(text, "It failed.")
    dialog.show()
    standin.process()
    (copy,) = [b for b in dialog.findChildren(qt.QPushButton) if b.objectName == "copyButton"]
    copy.click()
    assert qt.QApplication.clipboard().text() == text
    assert len(report_of("", "x" * 300_000)) < 101_000
    dialog.close()
