"""Step 5: what was measured, as tables, charts and files."""

from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from FeatureExtractorLib.errors import InputError, TumorClassifierError
from FeatureExtractorLib.table import FeatureTable, read_table, write_table
from TumorClassifierLib.panel import packages
from TumorClassifierLib.panel.step_header import State

from . import results_table
from .feature_nodes import MOST_BARS, add_feature_chart, add_feature_table, add_file_table, add_result_text
from .measured import Measured
from .results import READERS, ListResult, Result, view_of
from .view import ResultView

NOTHING = ResultView("")
BESIDE_TABLE = 50  # pixels of the step that are not the table's: margins and scroll bar


class ResultsStep:
    """Shows the result that the parameter node refers to; drawn anew only when that changes."""

    def __init__(self, ui: Any, panel: Any) -> None:
        self.ui, self.panel = ui, panel
        self.result: Result | None = None
        self.view = NOTHING
        results_table.prepare(ui.rowsTable, False)
        results_table.prepare(ui.agreementTable, False)
        results_table.prepare(ui.valuesTable, True)
        ui.filter.connect("textChanged(QString)", self.onFilter)
        ui.valuesTable.connect("itemSelectionChanged()", self.updateButtons)
        ui.chartButton.connect("clicked(bool)", self.onChart)
        ui.showTableButton.connect("clicked(bool)", self.onShowTable)
        ui.exportButton.connect("clicked(bool)", self.onExport)
        self.show(None)

    def show(self, result: Result | None, problem: str = "") -> None:
        """Draw a result, or say what to do where there is none; problem: why the stored one cannot be shown."""
        self.result = result
        self.view = view = view_of(result) if result is not None else NOTHING
        self.ui.resultsHint.text = (
            view.summary or problem or _("Nothing is measured yet. Choose what to measure above, then press Measure.")
        )
        first = _("Segment") if isinstance(result, Measured) else _("Case")
        results_table.fill_outcomes(self.ui.rowsTable, view.outcomes, first)
        results_table.fill_overlaps(self.ui.agreementTable, view.overlaps)
        results_table.fill_values(self.ui.valuesTable, view, self.ui.resultsStep.width - BESIDE_TABLE)
        for widget in (self.ui.filter, self.ui.valuesTable):
            widget.visible = bool(view.features)
        for widget in (self.ui.chartButton, self.ui.showTableButton, self.ui.exportButton):
            widget.visible = result is not None
        self.onFilter(self.ui.filter.text)

    def take(self, result: Result, volumeId: str = "") -> None:
        """Put a result into the scene, beside the image where that is still there, and show it."""
        scene, node = slicer.mrmlScene, self.panel.parameters
        volume = scene.GetNodeByID(volumeId) if volumeId else None
        with slicer.util.NodeModify(node.parameterNode):
            table = None
            if isinstance(result, Measured) and result.succeeded:
                table = add_feature_table(scene, volume, result)
            node.resultTable = table
            node.resultText = add_result_text(scene, volume, result)

    def state(self) -> State:
        """For the header."""
        if self.result is None:
            return State("open", _("nothing yet"))
        failed = sum(outcome.failed for outcome in self.view.outcomes)
        if failed:
            return State("wrong", _("{count} failed").format(count=failed))
        if isinstance(self.result, Measured):
            return State("done", _("{count} features").format(count=len(self.view.features)))
        return State("done", self.view.table.name if self.view.table is not None else "")

    def onFilter(self, words: str) -> None:
        """Show the features that have the words in their names."""
        shown = results_table.apply_filter(self.ui.valuesTable, self.view.features, words)
        every = len(self.view.features)
        self.ui.filterCount.text = (
            _("{shown} of {count} features").format(shown=shown, count=every) if shown < every else ""
        )
        self.ui.filterCount.visible = bool(self.ui.filterCount.text)
        self.updateButtons()

    def updateButtons(self) -> None:
        """Grey what cannot be done, and say why."""
        self.panel.tips.set(self.ui.chartButton, self._why_no_chart())
        self.panel.tips.set(self.ui.showTableButton, self._why_no_table())
        self.panel.tips.set(self.ui.exportButton, self._why_no_export())

    def onChart(self) -> None:
        """Draw the selected features."""
        names = results_table.selected_features(self.ui.valuesTable, self.view.features)
        if not isinstance(self.result, Measured):
            return
        with slicer.util.tryWithErrorDisplay(_("The chart could not be drawn.")):
            neighbour = self.panel.parameters.resultTable or self.panel.parameters.resultText
            chart = add_feature_chart(slicer.mrmlScene, neighbour, self.result, names).chart
            self._show_chart(chart)

    def onShowTable(self) -> None:
        """Show the table in a table view; one that is a file is put into the scene first."""
        with slicer.util.tryWithErrorDisplay(_("The table could not be shown."), waitCursor=True):
            node = self.panel.parameters.resultTable
            if node is None:
                node = add_file_table(slicer.mrmlScene, self._table(), self.view.table_name)
                self.panel.parameters.resultTable = node
            manager = slicer.app.layoutManager()
            if manager is None:
                return
            logic = slicer.app.applicationLogic()
            manager.setLayout(slicer.modules.tables.logic().GetLayoutWithTable(manager.layout))
            logic.GetSelectionNode().SetActiveTableID(node.GetID())
            logic.PropagateTableSelection()

    def onExport(self) -> None:
        """Ask for a file and write the features."""
        path = qt.QFileDialog.getSaveFileName(
            self.panel.widget, _("Export features"), self._proposed(), _("Tables") + " (*.csv *.parquet)"
        )
        if path:
            self.export(Path(path))

    def export(self, path: Path) -> bool:
        """Write the features as `tumorclassifier extract` does, a row a segment; says in words how it went."""
        path = path if path.suffix else path.with_suffix(".csv")
        try:
            if path.suffix == ".parquet":
                packages.ensure(["pyarrow"])
            write_table(self._table(), path)
        except packages.Declined as error:
            self.panel.say(_("{reason} A .csv file can be written without it.").format(reason=error))
        except TumorClassifierError as error:
            slicer.util.errorDisplay(str(error))
        else:
            self.panel.say(_("Written: {file}").format(file=path))
            return True
        return False

    def _table(self) -> FeatureTable:
        """The features as a table of rows; a list's is in its file."""
        if isinstance(self.result, Measured):
            return self.result.table()
        if self.view.table is None:
            raise InputError(_("There is no table to write; measure again."))
        return read_table(self.view.table)

    def _proposed(self) -> str:
        node = self.panel.parameters.resultTable
        name = node.GetName() if node is not None else _("features")
        return str(Path(slicer.mrmlScene.GetRootDirectory() or Path.home()) / f"{name}.csv")

    def _show_chart(self, chart: Any) -> None:
        if slicer.app.layoutManager() is None:
            self.panel.say(
                _("The chart {name} is in the scene; there is no window to show it in.").format(name=chart.GetName())
            )
            return
        slicer.modules.plots.logic().ShowChartInLayout(chart)

    def _why_no_chart(self) -> str:
        if not isinstance(self.result, Measured):
            return _("Charts are drawn of the segments of a scene; a list's table has cases.")
        if not self.result.succeeded:
            return _("No segment could be measured; see the reasons above.")
        chosen = len(results_table.selected_features(self.ui.valuesTable, self.view.features))
        if not chosen:
            return _("Select one feature or more in the table.")
        if chosen > MOST_BARS:
            return _("Select at most {count} features; {chosen} are selected.").format(count=MOST_BARS, chosen=chosen)
        return ""

    def _why_no_table(self) -> str:
        if self.result is None:
            return _("There is no table yet; measure first.")
        if isinstance(self.result, Measured):
            if not self.result.succeeded:
                return _("No segment could be measured; see the reasons above.")
            gone = self.panel.parameters is None or self.panel.parameters.resultTable is None
            return _("The table was removed from the scene; measure again.") if gone else ""
        return self._why_not_of_readers()

    def _why_no_export(self) -> str:
        if self.result is None:
            return _("There is nothing to export yet; measure first.")
        if isinstance(self.result, Measured) and not self.result.succeeded:
            return _("No segment could be measured; see the reasons above.")
        return self._why_not_of_readers()

    def _why_not_of_readers(self) -> str:
        if isinstance(self.result, ListResult) and self.result.format == READERS and self.view.table is not None:
            return _("The agreement has been written to {file}.").format(file=self.view.table)
        if not isinstance(self.result, Measured) and (self.view.table is None or not self.view.table.is_file()):
            return _("The file of the table is not there any more; measure again.")
        return ""
