"""Slicer's larger widgets: segment list and editor, tables of the scene, a command line module's progress."""

from types import SimpleNamespace
from typing import Any

from mrml_selectors import qMRMLNodeComboBox, qMRMLWidget
from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Signal
from widget_parts import known, observe, parent_of, stored

FIRST_EFFECTS = ("Threshold", "Paint", "Draw", "Erase", "Level tracing", "Grow from seeds", "Fill between slices")
EFFECTS = (*FIRST_EFFECTS, "Margin", "Hollow", "Smoothing", "Scissors", "Islands", "Logical operators", "Mask volume")


@known
class qMRMLSegmentsTableView(QtWidgets.QWidget):
    """The segments of a segmentation by colour and name."""

    SIGNALS = {"selectionChanged(QItemSelection,QItemSelection)": "selectionChanged"}
    selectionChanged = Signal(object, object)
    selectionMode = stored(int, 3)
    headerVisible = stored(bool, True)
    visibilityColumnVisible = stored(bool, True)
    colorColumnVisible = stored(bool, True)
    opacityColumnVisible = stored(bool, True)
    statusColumnVisible = stored(bool, False)
    readOnly = stored(bool, False)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(parent_of(arguments))
        self._node: Any = None
        self._observed: list[tuple[Any, int]] = []
        self._list = QtWidgets.QListWidget()
        self._list.setSelectionMode(QtWidgets.QAbstractItemView.SelectionMode.ExtendedSelection)
        self._list.setMaximumHeight(110)
        self._list.selectionModel().selectionChanged.connect(lambda *both: self.selectionChanged.emit(*both))
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._list)
        self.setFocusProxy(self._list)

    def setMRMLScene(self, scene: Any) -> None:
        """The scene that the segmentation is in."""

    def segmentationNode(self) -> Any:
        return self._node

    def setSegmentationNode(self, node: Any) -> None:
        import slicer

        for target, tag in self._observed:
            target.RemoveObserver(tag)
        self._node, self._observed, events = node, [], slicer.vtkSegmentation
        if node is not None:
            for event in (events.SegmentAdded, events.SegmentRemoved, events.SegmentModified):
                self._observed.append(observe(self, node.GetSegmentation(), event, "_fill"))
        self._fill()

    def _fill(self) -> None:
        chosen = self.selectedSegmentIDs()
        blocked = QtCore.QSignalBlocker(self._list)
        self._list.clear()
        for segment_id in self._ids():
            segment = self._node.GetSegmentation().GetSegment(segment_id)
            item, square = QtWidgets.QListWidgetItem(segment.GetName()), QtGui.QPixmap(12, 12)
            square.fill(QtGui.QColor.fromRgbF(*segment.GetColor()))
            item.setIcon(QtGui.QIcon(square))
            item.setData(QtCore.Qt.ItemDataRole.UserRole, segment_id)
            self._list.addItem(item)
        del blocked
        self.setSelectedSegmentIDs(chosen)

    def _ids(self) -> list[str]:
        return list(self._node.GetSegmentation().GetSegmentIDs()) if self._node else []

    def segmentCount(self) -> int:
        return len(self._ids())

    def selectedSegmentIDs(self) -> list[str]:
        return [item.data(QtCore.Qt.ItemDataRole.UserRole) for item in self._list.selectedItems()]

    def setSelectedSegmentIDs(self, segment_ids: list[str]) -> None:
        for i in range(self._list.count()):
            item = self._list.item(i)
            item.setSelected(item.data(QtCore.Qt.ItemDataRole.UserRole) in segment_ids)

    def clearSelection(self) -> None:
        self._list.clearSelection()


@known
class qMRMLSegmentEditorWidget(QtWidgets.QWidget):
    """The Segment Editor's nodes and the names of its effects; no effect does anything here."""

    SIGNALS = {
        "currentSegmentIDChanged(QString)": "currentSegmentIDChanged",
        "sourceVolumeNodeChanged(vtkMRMLVolumeNode*)": "sourceVolumeNodeChanged",
        "segmentationNodeChanged(vtkMRMLSegmentationNode*)": "segmentationNodeChanged",
    }
    currentSegmentIDChanged = Signal(str)
    sourceVolumeNodeChanged = Signal(object)
    segmentationNodeChanged = Signal(object)
    segmentationNodeSelectorVisible = stored(bool, True)
    sourceVolumeNodeSelectorVisible = stored(bool, True)
    maskingSectionVisible = stored(bool, True)
    specifyGeometryButtonVisible = stored(bool, True)
    show3DButtonVisible = stored(bool, True)
    addRemoveSegmentButtonsVisible = stored(bool, True)
    switchToSegmentationsButtonVisible = stored(bool, True)
    autoShowSourceVolumeNode = stored(bool, True)
    undoEnabled = stored(bool, True)
    maximumNumberOfUndoStates = stored(int, 10)
    readOnly = stored(bool, False)
    effectButtonStyle = stored(int, 0)
    effectColumnCount = stored(int, 2, lambda self, _count: self.updateEffectList())
    unorderedEffectsVisible = stored(bool, True, lambda self, _on: self.updateEffectList())
    defaultTerminologyEntrySettingsKey = stored(str, "")
    defaultTerminologyEntry = stored(str, "")
    jumpToSelectedSegmentEnabled = stored(bool, False)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(parent_of(arguments))
        self._editor_node: Any = None
        self._active: str | None = None
        self._order: list[str] = []
        self._watched = False
        self._table = qMRMLSegmentsTableView()
        self._buttons = QtWidgets.QGridLayout()
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._table)
        layout.addLayout(self._buttons)
        self._table.selectionChanged.connect(self._segment_chosen)
        self.updateEffectList()

    def setMRMLScene(self, scene: Any) -> None:
        """The scene that the nodes are in."""

    # Nodes: kept in the editor's node, as in Slicer; without one nothing can be set.

    def mrmlSegmentEditorNode(self) -> Any:
        return self._editor_node

    def setMRMLSegmentEditorNode(self, node: Any) -> None:
        self._editor_node = node
        self.updateWidgetFromMRML()

    def segmentationNode(self) -> Any:
        return self._editor_node.GetSegmentationNode() if self._editor_node else None

    def setSegmentationNode(self, node: Any) -> None:
        if self._editor_node is None:
            raise_later("qMRMLSegmentEditorWidget.setSegmentationNode without a segment editor node")
            return
        self._editor_node.SetAndObserveSegmentationNode(node)
        self.updateWidgetFromMRML()
        self.segmentationNodeChanged.emit(node)

    def sourceVolumeNode(self) -> Any:
        return self._editor_node.GetSourceVolumeNode() if self._editor_node else None

    def setSourceVolumeNode(self, node: Any) -> None:
        if self._editor_node is None:
            raise_later("qMRMLSegmentEditorWidget.setSourceVolumeNode without a segment editor node")
            return
        self._editor_node.SetAndObserveSourceVolumeNode(node)
        self.sourceVolumeNodeChanged.emit(node)

    def currentSegmentID(self) -> str:
        return (self._editor_node.GetSelectedSegmentID() or "") if self._editor_node else ""

    def setCurrentSegmentID(self, segment_id: str) -> None:
        self._table.setSelectedSegmentIDs([segment_id])

    def _segment_chosen(self, *_selection: Any) -> None:
        chosen = self._table.selectedSegmentIDs()
        if self._editor_node is not None and chosen and chosen[0] != self.currentSegmentID():
            self._editor_node.SetSelectedSegmentID(chosen[0])
            self.currentSegmentIDChanged.emit(chosen[0])

    def updateWidgetFromMRML(self) -> None:
        self._table.setSegmentationNode(self.segmentationNode())
        if self.currentSegmentID():
            self._table.setSelectedSegmentIDs([self.currentSegmentID()])

    # Effects

    def availableEffectNames(self) -> list[str]:
        return list(EFFECTS)

    def setEffectNameOrder(self, names: list[str]) -> None:
        self._order = list(names)
        self.updateEffectList()

    def updateEffectList(self) -> None:
        while self._buttons.count():
            self._buttons.takeAt(0).widget().setParent(None)
        rest = [name for name in self.availableEffectNames() if name not in self._order]
        names = self._order + (rest if self.property("unorderedEffectsVisible") else [])
        columns = max(1, self.property("effectColumnCount"))
        for i, name in enumerate(names):
            button = QtWidgets.QPushButton(name)
            button.setCheckable(True)
            button.clicked.connect(lambda _on=False, name=name: self.setActiveEffectByName(name))
            self._buttons.addWidget(button, i // columns, i % columns)

    def activeEffect(self) -> Any:
        return SimpleNamespace(name=self._active) if self._active else None

    def setActiveEffectByName(self, name: str) -> None:
        if name not in self.availableEffectNames():
            raise_later(f"no Segment Editor effect is called {name}")
            return
        self._active = name

    def effectByName(self, name: str) -> Any:
        return SimpleNamespace(name=name) if name in self.availableEffectNames() else None

    def setActiveEffect(self, effect: Any) -> None:
        self._active = effect.name if effect else None

    # Observations that a panel must remove again

    def setupViewObservations(self) -> None:
        self._watched = True

    def removeViewObservations(self) -> None:
        self._watched = False

    def installKeyboardShortcuts(self, *_parent: Any) -> None:
        """Keys of the effects; none here."""

    def uninstallKeyboardShortcuts(self) -> None:
        """Keys of the effects; none here."""


def raise_later(text: str) -> None:
    """Slicer prints such an error and goes on."""
    import problems

    problems.record("error", text)


@known
class qMRMLSegmentationShow3DButton(QtWidgets.QPushButton):
    """Shows a segmentation in 3D."""

    locked = stored(bool, False)
    _node: Any = None

    def setSegmentationNode(self, node: Any) -> None:
        self._node = node

    def segmentationNode(self) -> Any:
        return self._node


@known
class qMRMLTableView(QtWidgets.QTableWidget):
    """The cells of a table node."""

    _node: Any = None

    def setMRMLScene(self, scene: Any) -> None:
        """The scene that the table is in."""

    def mrmlTableNode(self) -> Any:
        return self._node

    def setMRMLTableNode(self, node: Any) -> None:
        self._node = node
        self.clear()
        rows, columns = (node.GetNumberOfRows(), node.GetNumberOfColumns()) if node else (0, 0)
        self.setRowCount(rows)
        self.setColumnCount(columns)
        self.setHorizontalHeaderLabels([node.GetColumnName(i) for i in range(columns)])
        for i in range(rows):
            for k in range(columns):
                self.setItem(i, k, QtWidgets.QTableWidgetItem(node.GetCellText(i, k)))


@known
class qMRMLCheckableNodeComboBox(qMRMLNodeComboBox):
    """Chooses several nodes."""

    SIGNALS = {"checkedNodesChanged()": "checkedNodesChanged"}
    checkedNodesChanged = Signal()

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._checked: list[Any] = []

    def checkedNodes(self) -> list[Any]:
        return [node for node in self._checked if node in self._nodes]

    def setCheckState(self, node: Any, state: Any) -> None:
        checked = state == QtCore.Qt.CheckState.Checked
        if checked != (node in self._checked):
            (self._checked.append if checked else self._checked.remove)(node)
            self.checkedNodesChanged.emit()


@known
class qSlicerCLIProgressBar(QtWidgets.QProgressBar):
    """How far a command line module is."""

    def setCommandLineModuleNode(self, node: Any) -> None:
        self._node = node


@known
class qSlicerWidget(qMRMLWidget):
    """A panel of a core module."""
