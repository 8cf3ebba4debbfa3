"""Slicer's Segment Editor inside the panel: made when it is first opened, left alone when the panel is left."""

from typing import Any

import slicer
from slicer.i18n import tr as _

EFFECTS = (
    "Paint",
    "Draw",
    "Erase",
    "Threshold",
    "Grow from seeds",
    "Level tracing",
    "Islands",
    "Smoothing",
    "Scissors",
)
NODE_TAG = "TumorClassifier"  # a node of our own, so that the Segment Editor module keeps its choices


class EmbeddedEditor:
    """The editor's life: `open` makes and shows it, `close` ends its effects and observations."""

    def __init__(self, layout: Any) -> None:
        self._layout = layout
        self.widget: Any = None
        self._active = False

    def open(self, segmentation: Any | None, segmentId: str, volume: Any | None) -> None:
        """Make the editor where there is none yet, and let it edit this segment on this image."""
        if self.widget is None:
            self._make()
        else:
            self._selectNode()
        if not self._active:
            self._active = True
            self.widget.installKeyboardShortcuts()
            self.widget.setupViewObservations()
        self.follow(segmentation, segmentId, volume)

    def follow(self, segmentation: Any | None, segmentId: str, volume: Any | None) -> None:
        """Edit what is chosen in the panel; nothing happens while the editor is closed."""
        if not self._active:
            return
        if self.widget.segmentationNode() is not segmentation:
            self.widget.setSegmentationNode(segmentation)
        if self.widget.sourceVolumeNode() is not volume:
            self.widget.setSourceVolumeNode(volume)
        if segmentation is not None and segmentId and self.widget.currentSegmentID() != segmentId:
            self.widget.setCurrentSegmentID(segmentId)

    def close(self) -> None:
        """End the effect in hand and every observation of views and keys."""
        if self._active:
            self._active = False
            self.widget.setActiveEffect(None)
            self.widget.uninstallKeyboardShortcuts()
            self.widget.removeViewObservations()

    def forget(self) -> None:
        """Let go of the segmentation before its scene is closed."""
        if self.widget is not None:
            self.close()
            self.widget.setSegmentationNode(None)
            self.widget.setSourceVolumeNode(None)

    def cleanup(self) -> None:
        """The panel goes: a widget that stayed would follow the node of its successor."""
        if self.widget is not None:
            self.forget()
            self.widget.setMRMLSegmentEditorNode(None)
            self.widget.deleteLater()
            self.widget = None

    def _make(self) -> None:
        self.widget = slicer.qMRMLSegmentEditorWidget()
        self.widget.objectName = "segmentEditor"
        self.widget.setMaximumNumberOfUndoStates(10)
        # Node before scene: what is selected by itself when the scene is set is then stored.
        self._selectNode()
        self.widget.setMRMLScene(slicer.mrmlScene)
        self.widget.segmentationNodeSelectorVisible = False  # both are chosen above
        self.widget.sourceVolumeNodeSelectorVisible = False
        self.widget.switchToSegmentationsButtonVisible = False
        self.widget.unorderedEffectsVisible = False
        self.widget.setEffectNameOrder(list(EFFECTS))
        self._layout.addWidget(self.widget)

    def _selectNode(self) -> None:
        """The editor's own node, made anew where a closed scene took it."""
        scene = slicer.mrmlScene
        node = scene.GetSingletonNode(NODE_TAG, "vtkMRMLSegmentEditorNode")
        if node is None:
            node = scene.CreateNodeByClass("vtkMRMLSegmentEditorNode")
            node.UnRegister(None)
            node.SetSingletonTag(NODE_TAG)
            node = scene.AddNode(node)
        if self.widget.mrmlSegmentEditorNode() is not node:
            self.widget.setMRMLSegmentEditorNode(node)


def why_no_segment_editor(volume: Any | None) -> str:
    """Why one cannot go to Slicer's Segment Editor with an image, in a sentence; "" where one can."""
    if volume is None:
        return _("Choose an image in step 1 first: an outline is drawn on it.")
    if slicer.util.mainWindow() is None:
        return _("Slicer runs without a window, so there is no Segment Editor to go to.")
    return ""
