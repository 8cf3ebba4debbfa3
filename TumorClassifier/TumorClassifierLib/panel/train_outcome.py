"""How good the trained model is: its figures in a table and in pictures, its report, and what to do with the file."""

import json
import shutil
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import Any

import qt
from slicer.i18n import tr as _

from FeatureExtractorLib.errors import TumorClassifierError
from FeatureExtractorLib.files import atomic_path

from ..bundle import SUFFIX, read_bundle
from ..card import with_interval
from ..recipes import recipe_module
from ..report.numbers import counted
from ..store import install_model
from ..worker import start
from .details import Details
from .packages import ensure, needed_for
from .result_buttons import breakable, enable
from .result_folder import RunFolder
from .result_picture import FittedPicture, picture_of_file
from .run_button import RunButton

METRICS = ("auc", "accuracy", "sensitivity", "specificity", "ap", "f1", "brier")


class Outcome:
    """Shows a model file. installed: called after it was installed, so that step 4 lists it."""

    def __init__(self, ui: Any, installed: Callable[[str], None]) -> None:
        self.ui, self._installed = ui, installed
        self.model: Path | None = None
        self._figures: list[Mapping[str, str]] = []
        self._figureFolder, self._reportFolder = RunFolder(), RunFolder()
        self.picture = FittedPicture(ui.figurePicture)
        self.figures = RunButton(
            ui.figuresButton, ui.figuresProgress, ui.figuresStatus, self._onFigures, self._onFiguresDone
        )
        self.report = RunButton(
            ui.openReportButton, ui.reportProgress, ui.outcomeStatus, self._onReport, self._onReportDone
        )
        self.figures.details = Details(ui.figuresStatus, _("Figures"))
        self.report.details = Details(ui.outcomeStatus, _("Report"))
        ui.figureBox.connect("currentIndexChanged(int)", self._onFigure)
        ui.installModelButton.connect("clicked(bool)", self._onInstall)
        ui.saveModelButton.connect("clicked(bool)", self._onSave)
        self.show(None, {})

    def show(self, model: Path | None, left_out: Mapping[str, str]) -> None:
        """Show a model file, and the cases that were left out with the reasons; None for none."""
        self.model, self._figures = model, []
        self.ui.outcomeBody.visible = model is not None
        self.ui.outcomeEmpty.visible = model is None
        self.ui.figureBox.clear()
        self.picture.show(None)
        self.ui.figureRow.visible = False
        self._say("")
        if model is not None:
            manifest = read_bundle(model).manifest
            self.ui.outcomeLabel.text = _words(manifest, left_out)
            _fill(self.ui.metricsTable, manifest)
        self.update()

    def update(self) -> None:
        """Say of every button that cannot be pressed why."""
        gone = self._whyNot()
        for button, what in (
            (self.ui.installModelButton, _("Put the model beside the installed ones, to be chosen in step 4.")),
            (self.ui.saveModelButton, _("Save a copy of the model file.")),
        ):
            enable(button, what, gone)
        self.report.setReason(gone)
        self.figures.setReason(gone or (_("The figures are drawn already.") if self._figures else ""))
        self.ui.figuresButton.visible = not self._figures

    def draw(self) -> None:
        """Draw the figures, as the button does."""
        self.figures.start()

    def cleanup(self) -> None:
        """The panel is about to be destroyed."""
        self.figures.cleanup()
        self.report.cleanup()
        self.picture.cleanup()
        self._figureFolder.remove()
        self._reportFolder.remove()

    def install(self) -> None:
        """Put the model beside the installed ones; raises TumorClassifierError where another has its name."""
        assert self.model is not None
        installation = install_model(self.model)
        replaced = _(" It replaces {model}.").format(model=installation.replaced) if installation.replaced else ""
        name = installation.model.name
        self._say(_("{model} is installed and can be chosen in step 4.").format(model=name) + replaced)
        self._installed(name)

    def save(self, path: Path) -> None:
        """Save a copy of the model file; raises InputError where that cannot be done."""
        assert self.model is not None
        with atomic_path(path) as temporary:
            shutil.copyfile(self.model, temporary)
        self._say(_("The model was saved as {path}.").format(path=breakable(path)))

    # --- figures ------------------------------------------------------------------------------------------------

    def _onFigures(self) -> Any:
        ensure(needed_for("figures"))
        request = {"work": "figures", "model": str(self.model)}
        return start(request, self._figureFolder.new() / "run")

    def _onFiguresDone(self, folder: Path) -> None:
        out = folder / "out"
        listed = json.loads((out / "figures.json").read_text(encoding="utf-8"))
        self._figures = [{**figure, "file": str(out / figure["file"])} for figure in listed]
        self.ui.figureBox.clear()
        for figure in self._figures:
            self.ui.figureBox.addItem(f"{figure['section']}: {figure['title']}")
        self.ui.figureRow.visible = bool(self._figures)
        self._onFigure(0)
        self.update()

    def _onFigure(self, index: int) -> None:
        if 0 <= index < len(self._figures):
            figure = self._figures[index]
            self.picture.show(picture_of_file(Path(figure["file"])))
            self.ui.figurePicture.toolTip = self.ui.figurePicture.accessibleDescription = figure["caption"]

    # --- report, installing, saving -----------------------------------------------------------------------------

    def _onReport(self) -> Any:
        ensure(needed_for("report"))
        request = {"work": "report", "model": str(self.model), "pdf": False}
        return start(request, self._reportFolder.new() / "run")

    def _onReportDone(self, folder: Path) -> None:
        path = folder / "out" / "report.html"
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(path)))
        self._say(_("The report was opened in the browser; save it there to keep it."))

    def _onInstall(self) -> None:
        try:
            self.install()
        except TumorClassifierError as error:
            self._say(str(error))

    def _onSave(self) -> None:
        assert self.model is not None
        path = qt.QFileDialog.getSaveFileName(
            self.ui.outcomeBody, _("Save model"), self.model.name, _("Model (*.tcmodel)")
        )
        if not path:
            return
        try:
            self.save(Path(path if path.endswith(SUFFIX) else path + SUFFIX))
        except TumorClassifierError as error:
            self._say(str(error))

    def _whyNot(self) -> str:
        if self.model is None:
            return _("There is no trained model yet.")
        if not self.model.is_file():
            return _("The model file {path} is no longer there.").format(path=self.model)
        return ""

    def _say(self, words: str) -> None:
        self.ui.outcomeStatus.text = words
        self.ui.outcomeStatus.visible = bool(words)


def _words(manifest: Mapping[str, Any], left_out: Mapping[str, str]) -> str:
    """What was trained on what, the warnings, and the cases that were left out."""
    cohort = manifest["cohort"]
    by_class = ", ".join(f"{count} {name}" for name, count in cohort["patients_by_class"].items())
    parts = [
        "<p><b>{}</b> {}</p>".format(escape(manifest["name"]), escape(str(manifest["version"]))),
        "<p>{}</p>".format(
            escape(
                _("Trained on {patients} patients ({classes}) with {cases} images by the recipe {recipe}.").format(
                    patients=cohort["patients"], classes=by_class, cases=cohort["cases"], recipe=manifest["recipe"]
                )
            )
        ),
    ]
    parts += [f"<p><b>{escape(_('Warning'))}:</b> {escape(str(text))}</p>" for text in manifest["warnings"]]
    if left_out:
        rows = "".join(f"<li>{escape(case)}: {escape(breakable(reason))}</li>" for case, reason in left_out.items())
        title = _("Left out: {cases}").format(cases=counted(len(left_out), _("case")))
        parts.append(f"<p>{escape(title)}</p><ul>{rows}</ul>")
    return "".join(parts)


def _fill(table: Any, manifest: Mapping[str, Any]) -> None:
    """A row for every sub-model and way of judging, the whole model first."""
    main = recipe_module(str(manifest["recipe"])).MAIN
    rows = []
    for how, metrics in ((_("cross-validation"), manifest["metrics"]), (_("held back"), manifest.get("test_metrics"))):
        models = sorted(metrics or {}, key=lambda name: name != main)
        rows += [(name, how, (metrics or {})[name]) for name in models]
    names = [name for name in METRICS if any(name in metrics for _model, _how, metrics in rows)]
    table.clear()
    table.setColumnCount(2 + len(names))
    table.setRowCount(len(rows))
    table.setHorizontalHeaderLabels([_("Model"), _("Judged by"), *(_in_words(name) for name in names)])
    table.verticalHeader().hide()
    for i, (model, how, metrics) in enumerate(rows):
        for j, text in enumerate((model, how, *(with_interval(metrics[name]) for name in names))):
            item = qt.QTableWidgetItem(text)
            item.setToolTip(text)
            table.setItem(i, j, item)
    table.resizeColumnsToContents()


def _in_words(metric: str) -> str:
    words = {
        "auc": _("AUC"),
        "accuracy": _("Accuracy"),
        "sensitivity": _("Sensitivity"),
        "specificity": _("Specificity"),
        "ap": _("Average precision"),
        "f1": _("F1"),
        "brier": _("Brier score"),
    }
    return words[metric]
