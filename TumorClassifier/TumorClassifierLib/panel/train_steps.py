"""The Train tab's steps at a glance: how far each is, in its header, and why its button is grey, above the button."""

from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from .step_header import State, show_state


class TrainSteps:
    """Writes the headers and the hints of a Train tab; keeps what the headers said at first, their titles."""

    def __init__(self, tab: Any) -> None:
        self._tab, ui = tab, tab.ui
        self._headers = [
            (button, button.text, button.toolTip, state)
            for button, state in (
                (ui.dataSection, self._data),
                (ui.settingsSection, self._settings),
                (ui.checkSection, self._check),
                (ui.trainSection, self._training),
                (ui.outcomeSection, self._outcome),
            )
        ]

    def update(self, no_check: list[str], no_training: list[str]) -> None:
        """Show the states; no_check, no_training: why the dry run and the training cannot start, in sentences."""
        ui = self._tab.ui
        for hint, reasons in ((ui.checkHint, no_check), (ui.trainHint, no_training)):
            hint.text = "\n".join(reasons)
            hint.visible = bool(reasons)
        self._ready = not no_training
        for button, title, tip, state in self._headers:
            show_state(button, title, tip, state())

    def _data(self) -> State:
        manifest = self._tab.manifest
        if not manifest:
            return State("open", _("choose a manifest"))
        if not Path(manifest).is_file():
            return State("wrong", _("no such manifest"))
        return State("done", Path(manifest).name)

    def _settings(self) -> State:
        if self._tab.form.problem():
            return State("wrong", _("to be corrected"))
        return State("done", _("changed")) if self._tab.form.values() else State("optional", _("defaults"))

    def _check(self) -> State:
        run, table = self._tab.checkRun, self._tab.table
        if run.busy:
            return State("running", _("checking"))
        if not table.cases:
            return State("optional", _("not checked"))
        ready = _("{ready} of {cases} cases ready").format(ready=table.cases - table.problems, cases=table.cases)
        return State("wrong" if table.problems else "done", ready)

    def _training(self) -> State:
        if self._tab.trainRun.busy:
            return State("running", _("training"))
        if self._tab.trainRun.failure[0]:
            return State("wrong", _("failed"))
        return State("open", _("ready") if self._ready else _("not ready"))

    def _outcome(self) -> State:
        model = self._tab.outcome.model
        return State("done", str(model.stem)) if model is not None else State("open", _("no model yet"))
