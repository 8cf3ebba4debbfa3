"""The panel: six steps that share one parameter node, and the tab to train models.

The module file's widget hands its life on to `Panel`. A step is an object with `update()` (show what the parameter
node says), `state()` (for its header) and, where it wants to hear of them, `choose()`, `enter()`, `exit()`,
`forget()` (the scene is about to be closed), `restore()` (a scene was opened) and `cleanup()`. Widgets anywhere in the
panel that carry the property SlicerParameterName are tied to the parameter node's member of that name.
"""

import importlib
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from .clinical_form import typed_values
from .parameters import CORRECTED_FROM
from .result_step import ResultStep
from .status import status_text, status_tip
from .step_classify import ClassifyStep
from .step_correct import CorrectStep
from .step_header import State, show_state
from .step_image import ImageStep
from .step_model import ModelStep
from .step_segment import SegmentStep
from .tab_pages import fit_shown_page
from .train_tab import TrainTab

LIBRARY = __name__.partition(".")[0]


class Panel(VTKObservationMixin):
    """What stands in the module panel, from setup to cleanup."""

    def __init__(self, owner: Any, logic: Any) -> None:
        super().__init__()
        self.owner, self.logic = owner, logic
        self.parameterNode: Any = None
        self._guiTag: int | None = None
        self._watched: list[Any] = []
        self._updating = False
        self._choosing = False
        self._folder: Path | None = None

        self.widget = slicer.util.loadUI(owner.resourcePath("UI/TumorClassifier.ui"))
        owner.layout.addWidget(self.widget)
        self.ui = slicer.util.childWidgetVariables(self.widget)
        self.widget.setMRMLScene(slicer.mrmlScene)

        self.modelStep = ModelStep(self.ui, self)
        self.imageStep = ImageStep(self.ui, self)
        self.segmentStep = SegmentStep(self.ui, self)
        self.correctStep = CorrectStep(self.ui, self)
        self.classifyStep = ClassifyStep(self.ui, self)
        self.resultStep = ResultStep(self.ui.resultStep, logic)
        self.trainTab = TrainTab(self.ui.trainTab)
        self.trainTab.onInstalled = self._onInstalled
        self.headers = [
            (button, button.text, button.toolTip, step)
            for button, step in (
                (self.ui.imageStep, self.imageStep),
                (self.ui.segmentStep, self.segmentStep),
                (self.ui.correctStep, self.correctStep),
                (self.ui.modelStep, self.modelStep),
                (self.ui.classifyStep, self.classifyStep),
            )
        ]
        for button in (*(header[0] for header in self.headers), self.ui.resultStep):
            button.connect("contentsCollapsed(bool)", self._onCollapsed)
        self.ui.tabs.connect("currentChanged(int)", self._onTab)
        self._onTab()
        self._observeScene()
        self.ui.statusLabel.text = status_text()
        self.ui.statusLabel.toolTip = status_tip() or self.ui.statusLabel.toolTip
        self.initialize()

    # --- life cycle ---------------------------------------------------------------------------------------------

    def enter(self) -> None:
        """The user opened the module."""
        self.initialize()
        self._tell("enter")

    def exit(self) -> None:
        """The user opened another module."""
        self._tell("exit")

    def cleanup(self) -> None:
        """The panel is about to be destroyed, or the module reloaded."""
        self._untie()
        self.removeObservers()
        self._tell("exit")
        self._tell("cleanup")
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def initialize(self) -> None:
        """Take up the scene's parameter node, and choose what can be chosen without asking."""
        if self.parameterNode is None:
            self.setParameterNode(self.logic.getParameterNode())
        self.chooseMissing()

    def setParameterNode(self, node: Any | None) -> None:
        """Tie the panel to a parameter node, or to none."""
        self._untie()
        self.parameterNode = node
        if node is not None:
            self._guiTag = node.connectGui(self.widget)
            self.addObserver(node.parameterNode, vtk.vtkCommand.ModifiedEvent, self._onChanged)
        self.update()

    def _untie(self) -> None:
        if self.parameterNode is not None:
            self.parameterNode.disconnectGui(self._guiTag)
            self.removeObserver(self.parameterNode.parameterNode, vtk.vtkCommand.ModifiedEvent, self._onChanged)
        self.parameterNode, self._guiTag = None, None

    def chooseMissing(self) -> None:
        """Let the steps choose what is not chosen yet, the model first."""
        node = self.parameterNode
        if node is not None:
            with slicer.util.NodeModify(node.parameterNode):
                for step in (self.modelStep, self.imageStep, self.segmentStep):
                    step.choose()
        self.update()

    def update(self) -> None:
        """Show what the parameter node and the chosen nodes say."""
        if self._updating:
            return
        self._updating = True
        try:
            for button, title, tip, step in self.headers:
                step.update()
                show_state(button, title, tip, self._stateOf(step))
            self._watch()
        finally:
            self._updating = False

    # --- what the steps ask of one another ----------------------------------------------------------------------

    def modelName(self) -> str:
        """The name of the chosen model, "" for none."""
        summary = self.modelStep.chosen()
        return summary.name if summary is not None else ""

    def modalities(self) -> tuple[str, ...]:
        """The images that the chosen model asks for."""
        summary = self.modelStep.chosen()
        return tuple(summary.modalities) if summary is not None else ()

    def needsOutline(self) -> bool:
        """Whether the chosen model asks for an outline."""
        summary = self.modelStep.chosen()
        return summary is None or summary.needs_outline

    def images(self) -> dict[str, Any]:
        """The chosen volume nodes by modality."""
        node = self.parameterNode
        found = {modality: node.image(modality) for modality in self.modalities()} if node is not None else {}
        return {modality: volume for modality, volume in found.items() if volume is not None}

    def imagesToClassify(self) -> dict[str, Any]:
        """The chosen volumes, or their corrected copies where these are wanted and there."""
        node, chosen = self.parameterNode, self.images()
        if node is None or not node.useCorrected:
            return chosen
        return {modality: node.corrected(modality) or volume for modality, volume in chosen.items()}

    def firstImage(self) -> Any | None:
        """The volume that outlines are drawn on and results are laid over."""
        return next(iter(self.images().values()), None)

    def outline(self) -> tuple[Any | None, str]:
        """The chosen segmentation, and the chosen segment where it is still there."""
        node = self.parameterNode
        segmentation = node.segmentation if node is not None else None
        if segmentation is None or segmentation.GetSegmentation().GetSegment(node.segment) is None:
            return segmentation, ""
        return segmentation, node.segment

    def clinicalValues(self) -> dict[str, float | str]:
        """What was filled in for the chosen model, in the kinds that it asks for."""
        summary = self.modelStep.chosen()
        if summary is None or self.parameterNode is None:
            return {}
        return typed_values(summary.clinical, self.parameterNode.clinicalValues())

    def isOwnVolume(self, volume: Any) -> bool:
        """Whether a volume is something that this panel made: a map, or a corrected copy."""
        display = volume.GetDisplayNode()
        colours = display.GetColorNode() if display is not None else None
        map_of_ours = colours is not None and colours.GetName() == "Class activation"
        return map_of_ours or volume.GetNodeReferenceID(CORRECTED_FROM) is not None

    def showVolume(self, volume: Any) -> None:
        """Show a volume in the slice views, where there are any."""
        slicer.util.setSliceViewerLayers(background=volume, fit=slicer.app.layoutManager() is not None)

    def newFolder(self) -> Path:
        """An empty folder for the files of a run; all of them go when the panel does."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="TumorClassifier-", dir=slicer.app.temporaryPath))
        return Path(tempfile.mkdtemp(dir=self._folder))

    # --- what happens in the scene ------------------------------------------------------------------------------

    def _observeScene(self) -> None:
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self._onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self._onSceneEndClose)
        self.addObserver(scene, scene.EndImportEvent, self._onSceneEndImport)
        self.addObserver(scene, scene.NodeAddedEvent, self._onNodeAdded)
        self.addObserver(scene, scene.NodeRemovedEvent, self._onNodeRemoved)
        self.addObserver(scene, scene.EndBatchProcessEvent, self._onBatchEnd)

    def _onSceneStartClose(self, caller: Any, event: Any) -> None:
        self._tell("forget")
        self.setParameterNode(None)

    def _onSceneEndClose(self, caller: Any, event: Any) -> None:
        if getattr(self.owner.parent, "isEntered", True):
            self.initialize()

    def _onSceneEndImport(self, caller: Any, event: Any) -> None:
        if getattr(self.owner.parent, "isEntered", True):
            self.setParameterNode(self.logic.getParameterNode())
            self.chooseMissing()
        self._tell("restore")

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onNodeAdded(self, caller: Any, event: Any, node: Any) -> None:
        if slicer.mrmlScene.IsBatchProcessing() or slicer.mrmlScene.IsImporting():
            return
        self.update()
        if node.IsA("vtkMRMLScalarVolumeNode") or node.IsA("vtkMRMLSegmentationNode"):
            self._chooseSoon()

    def _onNodeRemoved(self, caller: Any, event: Any) -> None:
        if not slicer.mrmlScene.IsBatchProcessing() and not slicer.mrmlScene.IsImporting():
            self.update()

    def _onBatchEnd(self, caller: Any, event: Any) -> None:
        self._chooseSoon()

    def _chooseSoon(self) -> None:
        """Choose among what is being loaded once it is all there: nodes are added before they are named and filled."""
        if not self._choosing:
            self._choosing = True
            qt.QTimer.singleShot(0, self._chooseLoaded)

    def _chooseLoaded(self) -> None:
        self._choosing = False
        if self.parameterNode is not None and getattr(self.owner.parent, "isEntered", True):
            self.chooseMissing()

    def _onTab(self) -> None:
        fit_shown_page(self.ui.tabs)

    def _onCollapsed(self) -> None:
        """A page of a tab does not always tell the scroll area around the panel that it has grown."""
        self.ui.tabs.updateGeometry()

    def _onChanged(self, caller: Any, event: Any) -> None:
        self.update()

    def _watch(self) -> None:
        """Observe the chosen nodes: they may be renamed, drawn on or moved."""
        segmentation, _segment = self.outline()
        nodes = [*self.images().values()]
        if segmentation is not None:
            nodes += [segmentation, segmentation.GetSegmentation()]
        for node in self._watched:
            if not any(node is other for other in nodes):
                self._unwatch(node)
        for node in nodes:
            if not any(node is other for other in self._watched):
                for event in _events(node):
                    self.addObserver(node, event, self._onChanged)
        self._watched = nodes

    def _unwatch(self, node: Any) -> None:
        for event in _events(node):
            self.removeObserver(node, event, self._onChanged)

    def _onInstalled(self, model: str) -> None:
        """The Train tab put a model beside the others."""
        self.modelStep.read()
        self.update()

    # --- helpers ------------------------------------------------------------------------------------------------

    def _stateOf(self, step: Any) -> State:
        return step.state() if self.parameterNode is not None else State("open", _("the scene is closed"))

    def _tell(self, what: str) -> None:
        """Call a method on every part of the panel that has it."""
        for part in (*(header[-1] for header in self.headers), self.resultStep, self.trainTab):
            method: Callable[[], None] | None = getattr(part, what, None)
            if method is not None:
                method()


def _events(node: Any) -> tuple[Any, ...]:
    if node.IsA("vtkSegmentation"):
        kinds = slicer.vtkSegmentation
        return kinds.SegmentAdded, kinds.SegmentRemoved, kinds.SegmentModified, kinds.SourceRepresentationModified
    return (vtk.vtkCommand.ModifiedEvent,)


def forget_library() -> None:
    """Let every module of the library be read anew when it is next imported.

    To reload them one by one would leave names that were imported from a module before it was reloaded.
    """
    for name in [name for name in sys.modules if name.partition(".")[0] == LIBRARY]:
        del sys.modules[name]
    importlib.invalidate_caches()
    importlib.import_module(LIBRARY)
