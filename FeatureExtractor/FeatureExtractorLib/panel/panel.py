"""The panel: steps that share one parameter node, from setup to cleanup.

The module file's widget hands its life on to `Panel`. A step has `update()` (show what the parameter node says) and
`state()` (for its header). Widgets that carry the property SlicerParameterName are tied to the parameter node's member
of that name; lists and paths, which have no connector in Slicer, are tied by their steps.
"""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from FeatureExtractorLib.errors import InputError
from TumorClassifierLib.panel.status import status_text, status_tip
from TumorClassifierLib.panel.step_header import State, shortened, show_state
from TumorClassifierLib.panel.tab_pages import fit_shown_page

from .cases_step import CasesStep
from .features_step import FeaturesStep
from .images_step import ImagesStep
from .parameters import IMAGES, Source
from .results import result_of
from .results_step import ResultsStep
from .run_step import RunStep
from .segments_step import SegmentsStep
from .tips import Tips

Colour = tuple[float, float, float]
LONGEST_STATE = 36  # letters in a header, at the panel's usual width


class Panel(VTKObservationMixin):
    """What stands in the module panel."""

    def __init__(self, owner: Any, logic: Any) -> None:
        super().__init__()
        self.owner, self.logic = owner, logic
        self.parameters: Any | None = None
        self.bound: list[Any] = []
        self.tips = Tips()
        self._guiTag: int | None = None
        self._watched: list[Any] = []
        self._updating = False
        self._folder: Path | None = None
        self._segmentation: str | None = None
        self._known: set[str] = set()  # its segments
        self._shown: tuple[Any, ...] | None = None

        self.widget = slicer.util.loadUI(owner.resourcePath("UI/FeatureExtractor.ui"))
        owner.layout.addWidget(self.widget)
        self.ui = slicer.util.childWidgetVariables(self.widget)
        self.widget.setMRMLScene(slicer.mrmlScene)

        self.images = ImagesStep(self.ui, self)
        self.segments = SegmentsStep(self.ui, self)
        self.cases = CasesStep(self.ui, self)
        self.features = FeaturesStep(self.ui, self)
        self.run = RunStep(self.ui, self)
        self.results = ResultsStep(self.ui, self)
        ui = self.ui
        self._headers = [
            (button, button.text, button.toolTip, state)
            for button, state in (
                (ui.imagesStep, self.images.state),
                (ui.segmentsStep, self.segments.state),
                (ui.casesStep, self.cases.state),
                (ui.tableStep, self.cases.table_state),
                (ui.featuresStep, self.features.state),
                (ui.measureStep, self.run.state),
                (ui.resultsStep, self.results.state),
            )
        ]
        ui.sourceTabs.connect("currentChanged(int)", self.onTab)
        ui.engineStatus.text, ui.engineStatus.toolTip = status_text(), status_tip()
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self._onStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self._onEndClose)
        self.addObserver(scene, scene.EndImportEvent, self._onEndImport)
        self.addObserver(scene, scene.NodeAddedEvent, self._onNodeAdded)
        self.addObserver(scene, scene.NodeRemovedEvent, self._onNodeRemoved)
        self.initialize()

    # --- life cycle

    def enter(self) -> None:
        """The user opened the module."""
        self.initialize()

    def exit(self) -> None:
        """The user opened another module; a measurement goes on."""

    def cleanup(self) -> None:
        """The panel is about to be destroyed, or the module reloaded."""
        self.run.cleanup()
        self.setParameters(None)
        self.removeObservers()
        self.removeFiles()

    def initialize(self) -> None:
        """Take up the scene's parameter node, and choose what leaves no doubt."""
        if self.parameters is None:
            self.setParameters(self.logic.parameters())
        self._chooseOnly()

    def setParameters(self, node: Any | None) -> None:
        """Tie the panel to a parameter node, or to none."""
        if self.parameters is not None:
            self.parameters.disconnectGui(self._guiTag)
            self.removeObserver(self.parameters.parameterNode, vtk.vtkCommand.ModifiedEvent, self._onChanged)
        self.parameters, self._guiTag = node, None
        if node is not None:
            self._segmentation, self._known = _id(node.segmentation), set(self.segments.all())
            self._guiTag = node.connectGui(self.widget)
            self.addObserver(node.parameterNode, vtk.vtkCommand.ModifiedEvent, self._onChanged)
        self.update()

    def update(self) -> None:
        """Show what the parameter node and the chosen nodes say."""
        if self._updating:
            return
        self._updating = True
        try:
            self._tickNewSegments()
            for bound in self.bound:
                bound.update()
            for step in (self.images, self.segments, self.cases, self.features):
                step.update()
            self._showTab()
            self._showResult()
            self.run.update()
            for button, title, tip, state in self._headers:
                found = state() if self.parameters is not None else State("open", "")
                show_state(button, title, tip, State(found.mark, shortened(found.text, LONGEST_STATE)))
                button.toolTip = f"{tip}. {found.text}"
            self._watch()
        finally:
            self._updating = False

    # --- what the steps ask for

    def colour(self, segmentId: str) -> Colour:
        """A segment's colour, red, green and blue from 0 to 1."""
        assert self.parameters is not None
        red, green, blue = self.parameters.segmentation.GetSegmentation().GetSegment(segmentId).GetColor()
        return red, green, blue

    def say(self, text: str) -> None:
        """A line below the button."""
        self.ui.statusLabel.text = text
        self.ui.statusLabel.visible = bool(text)

    def newFolder(self) -> Path:
        """An empty folder for the files of a run."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="FeatureExtractor-", dir=slicer.app.temporaryPath))
        return Path(tempfile.mkdtemp(dir=self._folder))

    def removeFiles(self) -> None:
        """Remove the files of the run that has ended: they hold images of patients."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def reasons(self) -> list[str]:
        """Why the measurement cannot start, every reason in a sentence."""
        node = self.parameters
        if node is None:
            return [_("The scene is being closed.")]
        if node.source is Source.LIST:
            return self.cases.reasons() + self.features.reasons()
        images = self.images.reasons()
        return images + self.segments.reasons(self.images.first()) + self.features.reasons()

    # --- what happens in the panel and in the scene

    def onTab(self, index: int) -> None:
        """The user turned to the other source of cases."""
        if self.parameters is not None and not self._updating:
            self.parameters.source = list(Source)[index]

    def _onStartClose(self, caller: Any, event: Any) -> None:
        self.run.abandon()
        self.setParameters(None)

    def _onEndClose(self, caller: Any, event: Any) -> None:
        if getattr(self.owner.parent, "isEntered", True):
            self.initialize()

    def _onEndImport(self, caller: Any, event: Any) -> None:
        if getattr(self.owner.parent, "isEntered", True):
            self.setParameters(self.logic.parameters())
            self._chooseOnly()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onNodeAdded(self, caller: Any, event: Any, node: Any) -> None:
        if not slicer.mrmlScene.IsBatchProcessing() and not slicer.mrmlScene.IsImporting():
            self._chooseOnly(node.GetClassName())

    def _onNodeRemoved(self, caller: Any, event: Any) -> None:
        if not slicer.mrmlScene.IsBatchProcessing() and not slicer.mrmlScene.IsImporting():
            self.update()

    def _onChanged(self, caller: Any, event: Any) -> None:
        self.update()

    def _chooseOnly(self, added: str = "") -> None:
        """Choose the only image and the only segmentation of the scene where none is chosen.

        added: the class of a node that has just been added, when only nodes of this class are chosen: what the user
        set to none stays so until there is something else to choose.
        """
        node, scene = self.parameters, slicer.mrmlScene
        if node is None:
            return
        for member, kind in (("volume1", "vtkMRMLScalarVolumeNode"), ("segmentation", "vtkMRMLSegmentationNode")):
            nodes = [scene.GetNthNodeByClass(i, kind) for i in range(scene.GetNumberOfNodesByClass(kind))]
            nodes = [found for found in nodes if found.GetClassName() == kind and not found.GetHideFromEditors()]
            if added in ("", kind) and node.getValue(member) is None and len(nodes) == 1:
                node.setValue(member, nodes[0])
        self.update()

    def _tickNewSegments(self) -> None:
        """Segments of a segmentation that has just been chosen are ticked, and those that are drawn from then on."""
        node = self.parameters
        if node is None:
            return
        chosen, segments = _id(node.segmentation), list(self.segments.all())
        if chosen != self._segmentation:
            node.segmentIds = segments
        elif set(segments) - self._known:
            node.segmentIds = [key for key in segments if key in node.segmentIds or key not in self._known]
        self._segmentation, self._known = chosen, set(segments)

    def _showTab(self) -> None:
        """Turn to the source's tab; the hidden one's page must not hold its place open."""
        node, tabs = self.parameters, self.ui.sourceTabs
        if node is None:
            return
        index = list(Source).index(node.source)
        if tabs.currentIndex != index:
            tabs.currentIndex = index
        fit_shown_page(tabs)

    def _showResult(self) -> None:
        """Draw the result that the parameter node refers to, when it is another than before."""
        text = self.parameters.resultText if self.parameters is not None else None
        state = (text.GetID(), text.GetMTime()) if text is not None else None
        if state == self._shown:
            self.results.updateButtons()
            return
        self._shown = state
        if text is None:
            self.results.show(None)
            return
        try:
            self.results.show(result_of(text.GetText() or ""))
        except InputError as error:
            self.results.show(None, str(error))

    def _watch(self) -> None:
        """Observe the chosen nodes: they may be renamed, drawn on or moved."""
        node = self.parameters
        nodes: list[Any] = []
        if node is not None:
            nodes = [node.getValue(f"volume{i}") for i in range(1, IMAGES + 1)]
            for segmentation in (node.segmentation, node.secondSegmentation):
                nodes += [segmentation, segmentation.GetSegmentation() if segmentation is not None else None]
        nodes = list({id(one): one for one in nodes if one is not None}.values())
        for one in self._watched:
            if not any(one is other for other in nodes):
                for event, method in self._events(one):
                    self.removeObserver(one, event, method)
        for one in nodes:
            if not any(one is other for other in self._watched):
                for event, method in self._events(one):
                    self.addObserver(one, event, method)
        self._watched = nodes

    def _events(self, node: Any) -> list[tuple[int, Any]]:
        if not node.IsA("vtkSegmentation"):
            return [(vtk.vtkCommand.ModifiedEvent, self._onChanged)]
        kinds = slicer.vtkSegmentation
        changed = (kinds.SegmentAdded, kinds.SegmentRemoved, kinds.SegmentModified, kinds.SegmentsOrderModified)
        return [(event, self._onChanged) for event in changed]


def _id(node: Any | None) -> str | None:
    return node.GetID() if node is not None else None
