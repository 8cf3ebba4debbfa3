"""Step 2: which segment is the tumour, and the tools to draw it."""

from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from ..scene.case_nodes import tumour_segment
from .segment_editor import EmbeddedEditor, why_no_segment_editor
from .step_header import State

# SNOMED CT: Neoplasm, as Slicer's own terminology has it. It makes the segment be found again, also by others.
TUMOUR_TERMINOLOGY = (
    "Segmentation category and type - 3D Slicer General Anatomy list"
    "~SCT^49755003^Morphologically Altered Structure~SCT^108369006^Neoplasm~^^~Anatomic codes - DICOM master list"
    "~^^~^^"
)


class SegmentStep:
    """The selector has no connector to parameter nodes, so both ways are written out here."""

    def __init__(self, ui: Any, panel: Any) -> None:
        self.ui, self.panel = ui, panel
        self.editor = EmbeddedEditor(ui.editorSection.layout())
        self._filling = False
        self._unwanted = False  # whether the user chose none where there was one
        ui.segmentSelector.setSizePolicy(qt.QSizePolicy.Ignored, qt.QSizePolicy.Fixed)  # long names must not widen
        ui.segmentSelector.connect("currentNodeChanged(vtkMRMLNode*)", self.onSegmentation)
        ui.segmentSelector.connect("currentSegmentChanged(QString)", self.onSegment)
        ui.editButton.connect("clicked(bool)", self.onEdit)
        ui.editorSection.connect("contentsCollapsed(bool)", self.onEditorSection)

    def update(self) -> None:
        """Show what the parameter node says."""
        self._replaceRemoved()
        segmentation, segmentId = self.panel.outline()
        self._unwanted = self._unwanted and segmentation is None
        selector = self.ui.segmentSelector
        self._filling = True
        if selector.currentNode() is not segmentation:
            selector.setCurrentNode(segmentation)
        if segmentation is not None and selector.currentSegmentID() != segmentId:
            selector.setCurrentSegmentID(segmentId)
        self._filling = False
        self.ui.segmentHint.text = self._hint(segmentation, segmentId)
        self.ui.segmentHint.visible = bool(self.ui.segmentHint.text)
        volume = self.panel.firstImage()
        reason = why_no_segment_editor(volume)
        self.ui.editButton.enabled = not reason
        self.ui.editButton.toolTip = reason or _(
            "Open Slicer's Segment Editor with this image and outline. Without an outline, an empty one is made."
        )
        self.editor.follow(segmentation, segmentId, volume)

    def choose(self) -> None:
        """Choose the only segmentation, and in it the tumour, where nothing is chosen yet."""
        node = self.panel.parameterNode
        loaded = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
        if node.segmentation is None and not self._unwanted and len(loaded) == 1:
            node.segmentation = loaded[0]
        segmentation, segmentId = self.panel.outline()
        if segmentation is not None and not segmentId:
            node.segment = tumour_segment(segmentation)

    def state(self) -> State:
        """For the header."""
        segmentation, segmentId = self.panel.outline()
        if segmentId:
            name = segmentation.GetSegmentation().GetSegment(segmentId).GetName()
            return State("done", f"{segmentation.GetName()} · {name}")
        if not self.panel.needsOutline():
            return State("optional", _("not needed by this model"))
        return State("open", _("needs an outline") if segmentation is None else _("needs a segment"))

    def onSegmentation(self, segmentation: Any) -> None:
        """The user chose another segmentation: its tumour is chosen with it."""
        node = self.panel.parameterNode
        if self._filling or node is None or node.segmentation is segmentation:
            return
        before = node.segmentation
        if segmentation is None:
            qt.QTimer.singleShot(0, lambda: self._noteNone(before))  # later: a removed one is still in the scene
        with slicer.util.NodeModify(node.parameterNode):
            node.segmentation = segmentation
            node.segment = tumour_segment(segmentation) if segmentation is not None else ""

    def onSegment(self, segmentId: str) -> None:
        """The user chose another segment.

        Where the chosen segment is removed, or another segmentation is chosen, the selector goes to the first segment
        by itself; that need not be the tumour.
        """
        node, selector = self.panel.parameterNode, self.ui.segmentSelector
        if self._filling or node is None or selector.currentNode() is not node.segmentation:
            return
        if not self._replaceRemoved():
            node.segment = segmentId
        self.panel.update()

    def onEdit(self) -> None:
        """Go to the Segment Editor with this image and outline."""
        segmentation, segmentId = self._outlineToDraw()
        slicer.util.selectModule("SegmentEditor")
        widget = slicer.modules.SegmentEditorWidget
        widget.editor.setSegmentationNode(segmentation)
        widget.editor.setSourceVolumeNode(self.panel.firstImage())
        widget.editor.setCurrentSegmentID(segmentId)

    def onEditorSection(self, collapsed: bool) -> None:
        """Open or close the editor in the panel."""
        if collapsed:
            self.editor.close()
        elif self.panel.parameterNode is not None:
            volume = self.panel.firstImage()
            segmentation, segmentId = self._outlineToDraw() if volume is not None else self.panel.outline()
            self.editor.open(segmentation, segmentId, volume)

    def enter(self) -> None:
        """The panel is shown again."""
        if not self.ui.editorSection.collapsed:
            self.onEditorSection(False)

    def exit(self) -> None:
        """Another module is shown."""
        self.editor.close()

    def forget(self) -> None:
        """The scene is about to be closed."""
        self.editor.forget()
        self._unwanted = False

    def cleanup(self) -> None:
        """The panel goes, and the editor with it."""
        self.editor.cleanup()

    def _noteNone(self, before: Any | None) -> None:
        """Keep in mind that the user wants none; the selector says none as well where its choice was removed."""
        node = self.panel.parameterNode
        if node is not None and node.segmentation is None:
            self._unwanted = before is not None and before.GetScene() is not None

    def _outlineToDraw(self) -> tuple[Any, str]:
        """The chosen outline; where there is none, an empty segment called Tumour."""
        segmentation, segmentId = self.panel.outline()
        node, volume = self.panel.parameterNode, self.panel.firstImage()
        if segmentation is not None and segmentId:
            return segmentation, segmentId
        if segmentation is None:
            segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", _("Outline"))
            segmentation.CreateDefaultDisplayNodes()
            segmentation.SetReferenceImageGeometryParameterFromVolumeNode(volume)
            segmentation.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
        segmentId = segmentation.GetSegmentation().AddEmptySegment("", _("Tumour"))
        segment = segmentation.GetSegmentation().GetSegment(segmentId)
        segment.SetTag(segment.GetTerminologyEntryTagName(), TUMOUR_TERMINOLOGY)
        with slicer.util.NodeModify(node.parameterNode):
            node.segmentation = segmentation
            node.segment = segmentId
        return segmentation, segmentId

    def _replaceRemoved(self) -> bool:
        """Whether the chosen segment is gone; then the tumour among those that are left is chosen, or none."""
        node = self.panel.parameterNode
        if node is None or node.segmentation is None or not node.segment or self.panel.outline()[1]:
            return False
        node.segment = tumour_segment(node.segmentation)
        return True

    def _hint(self, segmentation: Any | None, segmentId: str) -> str:
        if segmentation is None:
            if not self.panel.needsOutline():
                return _("This model looks at the whole image; an outline is not needed.")
            return _("Load a segmentation of the tumour, or draw one.")
        if not segmentId:
            return _("No segment is known to be the tumour; choose one.")
        if segment_is_empty(segmentation, segmentId):
            return _("The segment is empty; draw the tumour.")
        return ""


def segment_is_empty(segmentation: Any, segmentId: str) -> bool:
    """Whether a segment has no representation with a point in it; what a labelmap's voxels are is not looked at."""
    segment = segmentation.GetSegmentation().GetSegment(segmentId)
    if segment is None:
        return True
    for name in ("Binary labelmap", "Closed surface", "Planar contour"):
        data = segment.GetRepresentation(name)
        if data is not None and data.GetNumberOfPoints() > 0:
            return False
    return True
