"""Step 2: which segments are measured, and which second outline they are compared with."""

from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from FeatureExtractorLib.errors import GeometryError
from TumorClassifierLib.panel.segment_editor import why_no_segment_editor
from TumorClassifierLib.panel.step_header import State
from TumorClassifierLib.scene.volumes import check_linear_between

ROWS_SHOWN = 6  # before the list scrolls


class SegmentsStep:
    """A list has no connector to parameter nodes, so both ways are written out here."""

    def __init__(self, ui: Any, panel: Any) -> None:
        self.ui, self.panel = ui, panel
        self._filling = False
        ui.segmentList.connect("itemChanged(QListWidgetItem*)", self.onTicked)
        ui.allSegments.connect("clicked(bool)", self.onAll)
        ui.noSegments.connect("clicked(bool)", self.onNone)
        ui.editSegments.connect("clicked(bool)", self.onEdit)

    def all(self) -> dict[str, str]:
        """The name of every segment of the chosen segmentation by its id."""
        node = self.panel.parameters
        return segments_of(node.segmentation) if node is not None else {}

    def chosen(self) -> dict[str, str]:
        """The name of every ticked segment by its id, in the segmentation's order."""
        node = self.panel.parameters
        ticked = set(node.segmentIds) if node is not None else set()
        return {key: name for key, name in self.all().items() if key in ticked}

    def compared(self) -> dict[str, str]:
        """By ticked segment, the segment of the same name in the second segmentation, ids of both."""
        node = self.panel.parameters
        if node is None or node.secondSegmentation is None:
            return {}
        second = {name: key for key, name in segments_of(node.secondSegmentation).items()}
        return {key: second[name] for key, name in self.chosen().items() if name in second}

    def reasons(self, volume: Any | None) -> list[str]:
        """Why these segments cannot be measured on this image."""
        node = self.panel.parameters
        if node.segmentation is None:
            return [_("Choose a segmentation in step 2, or draw one in the Segment Editor.")]
        if not self.all():
            return [
                _("Segmentation {name} has no segment; draw one in the Segment Editor.").format(
                    name=node.segmentation.GetName()
                )
            ]
        if not self.chosen():
            return [_("Tick one segment or more in step 2.")]
        found = []
        outlines = [node.segmentation]
        if node.secondSegmentation is not None:
            if node.secondSegmentation is node.segmentation:
                return [_("The second outline is the first one; choose another segmentation to compare with.")]
            if not self.compared():
                found.append(
                    _("{second} has no segment called as one that is ticked; give both the same name.").format(
                        second=node.secondSegmentation.GetName()
                    )
                )
            outlines.append(node.secondSegmentation)
        if volume is not None:
            for outline in outlines:
                try:
                    check_linear_between(outline, volume)
                except GeometryError as error:
                    found.append(str(error))
        return found

    def update(self) -> None:
        """Show what the scene and the parameter node say."""
        segments, chosen = self.all(), self.chosen()
        self._fill(segments, chosen)
        node = self.panel.parameters
        segmentation = node.segmentation if node is not None else None
        none = not segments
        for button, reason in (
            (self.ui.allSegments, _("There is no segment to tick.") if none else ""),
            (self.ui.noSegments, _("No segment is ticked.") if not chosen else ""),
            (self.ui.editSegments, why_no_segment_editor(self.panel.images.first())),
        ):
            self.panel.tips.set(button, reason)
        if segmentation is None:
            hint = _("Choose a segmentation, or draw one: Edit in Segment Editor makes it.")
        elif none:
            hint = _("It has no segment yet: add and draw one in the Segment Editor.")
        else:
            hint = ""
        self.ui.segmentsHint.text = hint
        self.ui.segmentsHint.visible = bool(hint)
        self.ui.segmentList.visible = not none
        self._updateSecond()

    def state(self) -> State:
        """For the header."""
        segments, chosen = self.all(), self.chosen()
        if not segments:
            return State("open", _("needs a segment"))
        if not chosen:
            return State("open", _("tick a segment"))
        names = ", ".join(chosen.values())
        return State("done", _("{count} of {all}: {names}").format(count=len(chosen), all=len(segments), names=names))

    def onTicked(self, item: Any = None) -> None:
        """The user ticked a segment or took the tick away."""
        if self._filling or self.panel.parameters is None:
            return
        widget = self.ui.segmentList
        ticked = [widget.item(i) for i in range(widget.count) if widget.item(i).checkState() == qt.Qt.Checked]
        self.panel.parameters.segmentIds = [item.data(qt.Qt.UserRole) for item in ticked]

    def onAll(self) -> None:
        """Tick every segment."""
        self.panel.parameters.segmentIds = list(self.all())

    def onNone(self) -> None:
        """Tick no segment."""
        self.panel.parameters.segmentIds = []

    def onEdit(self) -> None:
        """Go to the Segment Editor with this image and segmentation; where there is none, an empty one is made."""
        node, volume = self.panel.parameters, self.panel.images.first()
        if node.segmentation is None:
            made = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", _("Outline"))
            made.CreateDefaultDisplayNodes()
            made.SetReferenceImageGeometryParameterFromVolumeNode(volume)
            made.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
            made.GetSegmentation().AddEmptySegment("", _("Tumour"))
            node.segmentation = made
        segmentation = node.segmentation
        slicer.util.selectModule("SegmentEditor")
        editor = getattr(slicer.modules, "SegmentEditorWidget", None)
        if editor is not None:  # it is made when the module is first shown
            editor.editor.setSegmentationNode(segmentation)
            editor.editor.setSourceVolumeNode(volume)

    def _updateSecond(self) -> None:
        node = self.panel.parameters
        hint = ""
        if node is not None and node.secondSegmentation is not None and self.chosen():
            both = self.compared()
            names = ", ".join(self.chosen()[key] for key in both)
            if len(both) == 1:
                hint = _("Compared: {names}. From two segments on, the ICC of every feature is computed too.").format(
                    names=names
                )
            elif both:
                hint = _("Compared: {names}.").format(names=names)
        self.ui.secondHint.text = hint
        self.ui.secondHint.visible = bool(hint)

    def _fill(self, segments: dict[str, str], chosen: dict[str, str]) -> None:
        widget = self.ui.segmentList
        shown = [(widget.item(i).data(qt.Qt.UserRole), widget.item(i).text()) for i in range(widget.count)]
        self._filling = True
        try:
            if shown != list(segments.items()):
                widget.clear()
                for key, name in segments.items():
                    item = qt.QListWidgetItem(name)
                    item.setData(qt.Qt.UserRole, key)
                    item.setToolTip(name)
                    widget.addItem(item)
            for i, key in enumerate(segments):
                item = widget.item(i)
                item.setCheckState(qt.Qt.Checked if key in chosen else qt.Qt.Unchecked)
                item.setIcon(_swatch(self.panel.colour(key), widget.palette.color(qt.QPalette.Mid)))
        finally:
            self._filling = False
        rows = min(max(len(segments), 2), ROWS_SHOWN)
        widget.setFixedHeight(rows * max(widget.sizeHintForRow(0), 16) + 2 * widget.frameWidth + 2)


def segments_of(segmentation: Any | None) -> dict[str, str]:
    """The name of every segment by its id; none for no segmentation."""
    if segmentation is None:
        return {}
    held = segmentation.GetSegmentation()
    return {key: held.GetSegment(key).GetName() for key in held.GetSegmentIDs()}


def _swatch(colour: tuple[float, float, float], border: Any) -> Any:
    """A small square of the segment's colour."""
    picture = qt.QPixmap(16, 16)
    picture.fill(border)
    painter = qt.QPainter(picture)
    painter.fillRect(1, 1, 14, 14, qt.QColor(*(round(255 * part) for part in colour)))
    painter.end()
    return qt.QIcon(picture)
