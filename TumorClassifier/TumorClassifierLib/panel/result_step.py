"""Step 6: what the model found and why, rebuilt from the scene's own nodes whenever it is opened."""

from typing import Any

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from FeatureExtractorLib.resources import resource_path

from ..results import ClassificationResult
from ..scene.results import ShownResult
from .result_buttons import enable
from .result_export import Exports
from .result_map import MapControls
from .result_nodes import CLASS, IS_RESULT, TABLE, Inputs, KeptResult, keep_result, results_in
from .result_picture import FittedPicture, picture_of_node
from .result_table import fill, show_matching
from .result_words import DARK, LIGHT, answer_html, as_text, contributions_html, contributions_tip
from .step_header import State, show_state

REFERENCE = "Result"  # of the parameter node: the result that is looked at


class ResultStep(VTKObservationMixin):
    """Shows one of the scene's results; the newest unless another was chosen. parent: the step's header."""

    def __init__(self, parent: Any, logic: Any) -> None:
        super().__init__()
        self.logic = logic
        self.kept: KeptResult | None = None
        self._parts: set[str] = set()  # ids of the nodes that are shown
        self.widget = slicer.util.loadUI(str(resource_path("UI/Result.ui", __file__)))
        self._header, self._title, self._tip = parent, parent.text, parent.toolTip
        parent.layout().addWidget(self.widget)
        self.ui = slicer.util.childWidgetVariables(self.widget)
        self.ui.tableBox.collapsed = True
        self.nomogram = FittedPicture(self.ui.nomogramPicture)
        self.map = MapControls(self.ui, self)
        self.exports = Exports(self.ui, self)
        self.ui.resultSelector.addAttribute("vtkMRMLTextNode", IS_RESULT, "1")
        self.widget.setMRMLScene(slicer.mrmlScene)
        self.ui.resultSelector.connect("currentNodeChanged(vtkMRMLNode*)", self._onSelected)
        self.ui.tableFilter.connect("textChanged(QString)", self._onFilter)
        self.ui.copyButton.connect("clicked(bool)", self._onCopy)
        self.ui.enlargeButton.connect("clicked(bool)", self._onEnlarge)
        self.ui.chartButton.connect("clicked(bool)", self._onChart)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.NodeRemovedEvent, self._onNodeRemoved)
        self.restore()

    # --- what the panel calls -----------------------------------------------------------------------------------

    def show(
        self, shown: ShownResult, result: ClassificationResult, volumeNode: Any, inputs: Inputs | None = None
    ) -> None:
        """Show a result that has just been put into the scene; inputs: what was classified, to draw other maps of."""
        kept = keep_result(slicer.mrmlScene, shown, result, volumeNode, inputs)
        self.ui.resultSelector.setCurrentNode(kept.node)
        if self.kept is None or self.kept.node is not kept.node:  # the selector had it already
            self._open(kept.node)

    def clear(self) -> None:
        """Show that there is no result; the scene is left alone."""
        self._open(None)

    def restore(self) -> None:
        """Show the result that the scene was saved with, or else its newest."""
        node = self.logic.getParameterNode().parameterNode.GetNodeReference(REFERENCE)
        if node is None or not node.GetAttribute(IS_RESULT):
            node = next(reversed(results_in(slicer.mrmlScene)), None)
        self.ui.resultSelector.setCurrentNode(node)
        self._open(node)

    def forget(self) -> None:
        """The scene is about to be closed."""
        self.map.cancel()
        self.exports.cancel()
        self._open(None)

    def enter(self) -> None:
        """The module was opened: what was changed elsewhere meanwhile is taken up."""
        if self.kept is None:
            self.restore()
        else:
            self.map.update()
            self.exports.update()

    def cleanup(self) -> None:
        """The panel is about to be destroyed."""
        self.map.cleanup()
        self.exports.cleanup()
        self.nomogram.cleanup()
        self.removeObservers()

    def state(self) -> State:
        """For the header."""
        if self.kept is None:
            return State("open", _("no result yet"))
        return State("done", str(self.kept.prediction["predicted"]))

    # --- what is shown ------------------------------------------------------------------------------------------

    def _open(self, node: Any | None) -> None:
        self.kept = KeptResult(node) if node is not None and KeptResult(node).prediction else None
        self.ui.resultBody.visible = self.kept is not None
        self.ui.emptyLabel.visible = self.kept is None
        self.ui.emptyLabel.text = self._empty(node)
        several = len(results_in(slicer.mrmlScene)) > 1
        self.ui.resultSelector.visible = self.ui.resultSelectorLabel.visible = several
        self._parts = self.kept.parts if self.kept is not None else set()
        if self.kept is not None:
            self.logic.getParameterNode().parameterNode.SetNodeReferenceID(REFERENCE, self.kept.node.GetID())
            self._showWords()
            self._showNomogram()
            fill(self.ui.valuesTable, self.kept.node.GetNodeReference(TABLE), self.kept.features)
            show_matching(self.ui.valuesTable, self.ui.tableFilter.text)
        else:
            self.nomogram.show(None)
        self.map.open(self.kept)
        self.exports.open(self.kept)
        show_state(self._header, self._title, self._tip, self.state())

    def _empty(self, node: Any | None) -> str:
        if node is not None and self.kept is None:
            return _(
                "The numbers of this result were removed from the scene. Classify the case again in step 5, or choose "
                "another result."
            )
        return _(
            "There is no result yet. Choose an image and a model in the steps above, outline the tumour where the "
            "model asks for it, and press Classify in step 5."
        )

    def _showWords(self) -> None:
        assert self.kept is not None
        colours = DARK if self.widget.palette.color(qt.QPalette.Window).lightness() < 128 else LIGHT
        prediction = self.kept.prediction
        self.ui.answerLabel.text = answer_html(prediction, colours)
        moved = contributions_html(prediction, colours)
        self.ui.contributionsLabel.toolTip = contributions_tip(prediction)
        self.ui.contributionsLabel.text = moved or _("This model does not tell which values moved its answer.")

    def _showNomogram(self) -> None:
        assert self.kept is not None
        picture = picture_of_node(self.kept.figure)
        self.nomogram.show(picture)
        has = bool(self.kept.prediction.get("nomogram_points"))
        self.ui.nomogramBox.visible = has
        self.ui.nomogramHint.text = (
            _(
                "Each value gives points, the points add up, and the total gives the probability of {name}{rest}."
            ).format(
                name=self.kept.prediction["positive"],
                rest=_(" against the rest, before the probabilities of all classes are made to add up to 1")
                if len(self.kept.prediction["classes"]) > 2
                else "",
            )
            if self.nomogram.there
            else _(
                "There is no picture of the nomogram: it was removed, or matplotlib was not installed when it was to "
                "be drawn. The points are in the table below and in the chart."
            )
        )
        enable(
            self.ui.enlargeButton,
            _("Show the nomogram in a window of its own."),
            "" if self.nomogram.there else _("There is no picture of the nomogram to enlarge."),
        )
        enable(self.ui.chartButton, _("Show the nomogram as a chart in the views."), self._whyNoChart())

    def _whyNoChart(self) -> str:
        if self.kept is None or self.kept.chart is None:
            return _("The chart of the nomogram was removed from the scene.")
        if slicer.app.layoutManager() is None:
            return _("There are no views, because Slicer was started without its main window.")
        return ""

    # --- what the user does -------------------------------------------------------------------------------------

    def _onSelected(self, node: Any) -> None:
        """A selector also chooses by itself, when a result is added or removed; while a scene is read it is let be."""
        if not slicer.mrmlScene.IsBatchProcessing() and node is not (self.kept and self.kept.node):
            self._open(node)
            self.map.display()

    def _onFilter(self, text: str) -> None:
        show_matching(self.ui.valuesTable, text)

    def _onCopy(self) -> None:
        if self.kept is not None:
            slicer.app.clipboard().setText(as_text(self.kept.prediction, self.map.in_words()))
            self.exports.tell(_("The result was copied as plain text."))

    def _onEnlarge(self) -> None:
        if self.kept is not None:
            self.nomogram.enlarge(_("Nomogram of {name}").format(name=self.kept.node.GetName()))

    def _onChart(self) -> None:
        if self.kept is not None and self.kept.chart is not None:
            slicer.modules.plots.logic().ShowChartInLayout(self.kept.chart)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onNodeRemoved(self, caller: Any, event: Any, node: Any) -> None:
        """Something of the shown result may have gone; while the scene is closed, everything has."""
        if slicer.mrmlScene.IsBatchProcessing():
            return
        if node.GetAttribute(IS_RESULT):
            self.restore()
        elif self.kept is not None and (node.GetID() in self._parts or node.GetAttribute(CLASS)):  # or a later map
            self._open(self.kept.node)
