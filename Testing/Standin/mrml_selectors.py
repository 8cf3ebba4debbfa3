"""Slicer's widgets that choose a node of the scene, or a segment of a segmentation."""

from typing import Any

from PySide6 import QtWidgets
from PySide6.QtCore import Property, QSignalBlocker, Signal
from widget_parts import known, observe, parent_of, row, stored


@known
class qMRMLWidget(QtWidgets.QWidget):
    """A panel that hands its scene to what lies in it, through the connections of its .ui file."""

    SIGNALS = {"mrmlSceneChanged(vtkMRMLScene*)": "mrmlSceneChanged"}
    mrmlSceneChanged = Signal(object)
    _scene: Any = None

    def __init__(self, *arguments: Any) -> None:
        super().__init__(parent_of(arguments))

    def mrmlScene(self) -> Any:
        return self._scene

    def setMRMLScene(self, scene: Any) -> None:
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)


@known
class qMRMLNodeComboBox(QtWidgets.QWidget):
    """Chooses one node of some classes; without the entry "None" it always has one where there is one."""

    SIGNALS = {
        "currentNodeChanged(vtkMRMLNode*)": "currentNodeChanged",
        "currentNodeChanged(bool)": "currentNodeValid",
        "currentNodeIDChanged(QString)": "currentNodeIDChanged",
        "currentNodeRenamed(QString)": "currentNodeRenamed",
        "nodeActivated(vtkMRMLNode*)": "nodeActivated",
        "nodeAdded(vtkMRMLNode*)": "nodeAdded",
        "nodeAddedByUser(vtkMRMLNode*)": "nodeAddedByUser",
        "nodeAboutToBeRemoved(vtkMRMLNode*)": "nodeAboutToBeRemoved",
    }
    currentNodeChanged = Signal(object)
    currentNodeValid = Signal(bool)
    currentNodeIDChanged = Signal(str)
    currentNodeRenamed = Signal(str)
    nodeActivated = Signal(object)
    nodeAdded = Signal(object)
    nodeAddedByUser = Signal(object)
    nodeAboutToBeRemoved = Signal(object)

    def _changed(self, _value: Any) -> None:
        self._refresh()

    nodeTypes = stored("QStringList", [], _changed)
    showHidden = stored(bool, False, _changed)
    showChildNodeTypes = stored(bool, True, _changed)
    hideChildNodeTypes = stored("QStringList", [], _changed)
    noneEnabled = stored(bool, False, _changed)
    noneDisplay = stored(str, "None", _changed)
    addEnabled = stored(bool, True, _changed)
    removeEnabled = stored(bool, True)
    editEnabled = stored(bool, False)
    renameEnabled = stored(bool, False)
    selectNodeUponCreation = stored(bool, True)
    baseName = stored(str, "")
    interactionNodeSingletonTag = stored(str, "")
    sizeAdjustPolicy = stored(int, 0)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(parent_of(arguments))
        self._scene: Any = None
        self._current: Any = None
        self._nodes: list[Any] = []
        self._attributes: list[tuple[str, str, str | None]] = []
        self._observed: list[tuple[Any, int]] = []
        self._box = QtWidgets.QComboBox()
        self._box.setSizePolicy(QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Fixed)
        self._box.setMinimumContentsLength(8)
        self._box.setSizeAdjustPolicy(QtWidgets.QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._box.activated.connect(self._picked)
        row(self, self._box)
        self.setFocusProxy(self._box)

    # The scene

    def mrmlScene(self) -> Any:
        return self._scene

    def setMRMLScene(self, scene: Any) -> None:
        import slicer

        for target, tag in self._observed:
            target.RemoveObserver(tag)
        self._scene, events = scene, slicer.vtkMRMLScene
        self._observed = []
        if scene is not None:
            pairs = [(events.NodeAddedEvent, "_node_added"), (events.NodeAboutToBeRemovedEvent, "_node_removed")]
            pairs += [(event, "_refresh") for event in (events.EndCloseEvent, events.EndImportEvent)]
            self._observed = [observe(self, scene, event, method) for event, method in pairs]
        self._refresh()

    def _matches(self, node: Any) -> bool:
        if node.GetHideFromEditors() and not self.property("showHidden"):
            return False
        if not any(self._is(node, kind) for kind in self.property("nodeTypes") or []):
            return False
        wanted = [(name, value) for kind, name, value in self._attributes if node.IsA(kind)]
        return all(node.GetAttribute(n) is not None and v in (None, node.GetAttribute(n)) for n, v in wanted)

    def _is(self, node: Any, kind: str) -> bool:
        if any(node.IsA(hidden) for hidden in self.property("hideChildNodeTypes") or [] if hidden != kind):
            return node.GetClassName() == kind
        return node.IsA(kind) if self.property("showChildNodeTypes") else node.GetClassName() == kind

    def _node_added(self, node: Any) -> None:
        if node is not None and not self._scene.IsBatchProcessing() and self._matches(node):
            self._refresh()
            self.nodeAdded.emit(node)

    def _node_removed(self, node: Any) -> None:
        if node in self._nodes:
            self.nodeAboutToBeRemoved.emit(node)
            self._nodes.remove(node)
            if node is self._current:
                self._choose(None if self.property("noneEnabled") or not self._nodes else self._nodes[0])
            self._fill()

    def _refresh(self) -> None:
        if self._scene is None:
            self._nodes = []
        else:
            every = [self._scene.GetNthNode(i) for i in range(self._scene.GetNumberOfNodes())]
            self._nodes = [node for node in every if self._matches(node)]
        if self._current not in self._nodes:
            self._choose(None)
        if self._current is None and self._nodes and not self.property("noneEnabled"):
            self._choose(self._nodes[0])
        self._fill()

    def _fill(self) -> None:
        blocked = QSignalBlocker(self._box)
        self._box.clear()
        if self.property("noneEnabled"):
            self._box.addItem(self.property("noneDisplay"), "")
        for node in self._nodes:
            self._box.addItem(node.GetName(), node.GetID())
        if self.property("addEnabled"):
            for kind in self.property("nodeTypes") or []:
                self._box.addItem(f"Create new {kind.removeprefix('vtkMRML').removesuffix('Node')}", "+" + kind)
        self._box.setCurrentIndex(self._box.findData(self._current.GetID() if self._current else ""))
        del blocked

    def _picked(self, index: int) -> None:
        chosen = self._box.itemData(index)
        if chosen.startswith("+"):
            self.nodeAddedByUser.emit(self.addNode(chosen[1:]))
        else:
            self.setCurrentNodeID(chosen)
            self.nodeActivated.emit(self._current)

    # The chosen node

    def _choose(self, node: Any) -> None:
        if node is self._current:
            return
        self._current = node
        if node is not None:
            self._observed.append(observe(self, node, "ModifiedEvent", "_renamed"))
        self.currentNodeChanged.emit(node)
        self.currentNodeValid.emit(node is not None)
        self.currentNodeIDChanged.emit(node.GetID() if node else "")

    def _renamed(self) -> None:
        shown = self._box.findData(self._current.GetID()) if self._current else -1
        if shown >= 0 and self._box.itemText(shown) != self._current.GetName():
            self._box.setItemText(shown, self._current.GetName())
            self.currentNodeRenamed.emit(self._current.GetName())

    def currentNode(self) -> Any:
        return self._current

    def setCurrentNode(self, node: Any) -> None:
        if isinstance(node, str):
            return self.setCurrentNodeID(node)
        if node is not None and node not in self._nodes:
            self._refresh()
        self._choose(node if node in self._nodes else None)
        self._fill()
        return None

    def setCurrentNodeID(self, node_id: str | None) -> None:
        self.setCurrentNode(self._scene.GetNodeByID(node_id) if self._scene and node_id else None)

    def setCurrentNodeIndex(self, index: int) -> None:
        self.setCurrentNode(self.nodeFromIndex(index))

    def nodeCount(self) -> int:
        return len(self._nodes)

    def nodeFromIndex(self, index: int) -> Any:
        return self._nodes[index] if 0 <= index < len(self._nodes) else None

    def addNode(self, kind: str | None = None) -> Any:
        node = self._scene.AddNewNodeByClass(kind or self.property("nodeTypes")[0], self.property("baseName"))
        if self.property("selectNodeUponCreation"):
            self.setCurrentNode(node)
        return node

    def addAttribute(self, kind: str, name: str, value: str | None = None) -> None:
        self._attributes.append((kind, name, value))
        self._refresh()

    def addMenuAction(self, action: Any) -> None:
        """An entry of the list that does something else; the stand-in does not show it."""

    currentNodeID = Property(str, lambda s: s._current.GetID() if s._current else "", setCurrentNodeID)


@known
class qMRMLSegmentSelectorWidget(QtWidgets.QWidget):
    """Chooses a segmentation and one of its segments (or several)."""

    SIGNALS = {
        "currentNodeChanged(vtkMRMLNode*)": "currentNodeChanged",
        "currentSegmentChanged(QString)": "currentSegmentChanged",
        "segmentSelectionChanged(QStringList)": "segmentSelectionChanged",
    }
    currentNodeChanged = Signal(object)
    currentSegmentChanged = Signal(str)
    segmentSelectionChanged = Signal(list)

    noneEnabled = stored(bool, False, lambda self, on: self._selector.setProperty("noneEnabled", on))
    editEnabled = stored(bool, False)
    selectNodeUponCreation = stored(bool, True)
    multiSelection = stored(bool, False, lambda self, _on: self._fill())
    horizontalLayout = stored(bool, False)
    segmentationNodeSelectorVisible = stored(bool, True, lambda self, on: self._selector.setVisible(on))

    def __init__(self, *arguments: Any) -> None:
        super().__init__(parent_of(arguments))
        self._selector, self._list = qMRMLNodeComboBox(), QtWidgets.QComboBox()
        self._node: Any = None
        self._observed: list[tuple[Any, int]] = []
        self._selected: list[str] = []
        self._selector.setProperty("nodeTypes", ["vtkMRMLSegmentationNode"])
        self._selector.setProperty("addEnabled", False)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._label, self._message = QtWidgets.QLabel("Segment: "), QtWidgets.QLabel()
        row = QtWidgets.QHBoxLayout()
        row.setContentsMargins(4, 0, 0, 0)
        row.addWidget(self._label)
        row.addWidget(self._list, 1)
        layout.addWidget(self._selector)
        layout.addLayout(row)
        layout.addWidget(self._message)
        self._tell_what_is_there()
        self.setFocusProxy(self._selector)
        self._selector.currentNodeChanged.connect(self._node_changed)
        self._list.currentIndexChanged.connect(self._segment_changed)

    def setMRMLScene(self, scene: Any) -> None:
        self._selector.setMRMLScene(scene)

    def mrmlScene(self) -> Any:
        return self._selector.mrmlScene()

    def _node_changed(self, node: Any) -> None:
        import slicer

        for target, tag in self._observed:
            target.RemoveObserver(tag)
        self._node, self._observed, events = node, [], slicer.vtkSegmentation
        if node is not None:
            segmentation = node.GetSegmentation()
            for event in (events.SegmentAdded, events.SegmentRemoved, events.SegmentModified):
                self._observed.append(observe(self, segmentation, event, "_fill"))
        self._fill()
        self.currentNodeChanged.emit(node)

    def _fill(self) -> None:
        before, blocked = self.currentSegmentID(), QSignalBlocker(self._list)
        self._list.clear()
        if self.property("noneEnabled"):
            self._list.addItem("None", "")
        for segment_id in self.segmentIDs():
            self._list.addItem(self._node.GetSegmentation().GetSegment(segment_id).GetName(), segment_id)
        self._list.setCurrentIndex(max(self._list.findData(before), 0) if self._list.count() else -1)
        del blocked
        self._tell_what_is_there()
        self._selected = [segment_id for segment_id in self._selected if segment_id in self.segmentIDs()]
        if self.currentSegmentID() != before:
            self.currentSegmentChanged.emit(self.currentSegmentID())

    def _tell_what_is_there(self) -> None:
        """Slicer hides the list of segments where there is nothing to list, and says so in its place."""
        there = bool(self.segmentIDs())
        self._label.setVisible(there)
        self._list.setVisible(there)
        self._message.setVisible(not there)
        self._message.setText("No segments in segmentation " if self._node else "No node is selected ")

    def _segment_changed(self, _index: int) -> None:
        self.currentSegmentChanged.emit(self.currentSegmentID())

    def currentNode(self) -> Any:
        return self._node

    def currentNodeID(self) -> str:
        return self._node.GetID() if self._node else ""

    def setCurrentNode(self, node: Any) -> None:
        self._selector.setCurrentNode(node)

    def setCurrentNodeID(self, node_id: str) -> None:
        self._selector.setCurrentNodeID(node_id)

    def segmentIDs(self) -> list[str]:
        return list(self._node.GetSegmentation().GetSegmentIDs()) if self._node else []

    def currentSegmentID(self) -> str:
        return self._list.currentData() or ""

    def setCurrentSegmentID(self, segment_id: str) -> None:
        self._list.setCurrentIndex(self._list.findData(segment_id or ""))

    def selectedSegmentIDs(self) -> list[str]:
        return list(self._selected) if self.property("multiSelection") else [i for i in [self.currentSegmentID()] if i]

    def setSelectedSegmentIDs(self, segment_ids: list[str]) -> None:
        chosen = [segment_id for segment_id in self.segmentIDs() if segment_id in segment_ids]
        if chosen != self._selected:
            self._selected = chosen
            self.segmentSelectionChanged.emit(chosen)
