"""The widgets of CTK that panels use, each of its own class; numbers are in `ctk_numbers`."""

from pathlib import Path
from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Property, Signal
from widget_parts import known, parent_of, row, stored, text_of

HEADER = 24  # height in pixels of what stays of a collapsed button


@known
class ctkCollapsibleButton(QtWidgets.QWidget):
    """A header line that hides and shows what lies below it."""

    SIGNALS = {"contentsCollapsed(bool)": "contentsCollapsed", "toggled(bool)": "toggled", "clicked(bool)": "clicked"}
    contentsCollapsed = Signal(bool)
    toggled = Signal(bool)
    clicked = Signal(bool)
    flat = stored(bool, False)
    contentsFrameShape = stored(int, 0)
    contentsLineWidth = stored(int, 1)
    collapsedHeight = stored(int, 16)
    buttonTextAlignment = stored(int, 0x84)
    text = stored(str, "", lambda self, _value: self.update())

    def __init__(self, *arguments: Any) -> None:
        super().__init__(parent_of(arguments))
        self._collapsed = False
        self._hidden: list[QtWidgets.QWidget] = []
        self.setFocusPolicy(QtCore.Qt.FocusPolicy.StrongFocus)
        self.setContentsMargins(0, self._header(), 0, 0)
        self.setProperty("text", text_of(arguments))

    def _header(self) -> int:
        return max(HEADER, self.fontMetrics().height() + 8)

    def _collapse(self, collapsed: bool) -> None:
        if collapsed == self._collapsed:
            return
        self._collapsed = collapsed
        self._hide_or_show()
        self.contentsCollapsed.emit(collapsed)
        self.toggled.emit(not collapsed)

    def _hide_or_show(self) -> None:
        if self._collapsed:
            shown = [c for c in self.children() if isinstance(c, QtWidgets.QWidget) and not c.isHidden()]
            self._hidden += shown
            for child in shown:
                child.hide()
            self.setMaximumHeight(self._header())
        else:
            self.setMaximumHeight(0xFFFFFF)
            for child in self._hidden:
                child.show()
            self._hidden = []
        self.updateGeometry()

    collapsed = Property(bool, lambda self: self._collapsed, _collapse)
    checked = Property(bool, lambda self: not self._collapsed, lambda self, on: self._collapse(not on))
    checkable = stored(bool, True)

    def click(self) -> None:
        self._collapse(not self._collapsed)
        self.clicked.emit(not self._collapsed)

    def sizeHint(self) -> QtCore.QSize:
        if self._collapsed or self.layout() is None:
            return QtCore.QSize(200, self._header())
        return self.layout().totalSizeHint()

    def minimumSizeHint(self) -> QtCore.QSize:
        if self._collapsed or self.layout() is None:
            return QtCore.QSize(80, self._header())
        return self.layout().totalMinimumSize()

    def showEvent(self, event: QtGui.QShowEvent) -> None:
        if self._collapsed:
            self._hide_or_show()
        super().showEvent(event)

    def mousePressEvent(self, event: QtGui.QMouseEvent) -> None:
        if event.position().y() <= self._header():
            self.click()

    def keyPressEvent(self, event: QtGui.QKeyEvent) -> None:
        if event.key() == QtCore.Qt.Key.Key_Space:
            self.click()
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        painter, option = QtWidgets.QStylePainter(self), QtWidgets.QStyleOptionButton()
        option.initFrom(self)
        option.rect = QtCore.QRect(0, 0, self.width(), self._header())
        painter.drawControl(QtWidgets.QStyle.ControlElement.CE_PushButtonBevel, option)
        arrow = QtWidgets.QStyleOption()
        arrow.initFrom(self)
        arrow.rect = QtCore.QRect(6, (self._header() - 12) // 2, 12, 12)
        element = QtWidgets.QStyle.PrimitiveElement
        painter.drawPrimitive(
            element.PE_IndicatorArrowRight if self._collapsed else element.PE_IndicatorArrowDown, arrow
        )
        place = option.rect.adjusted(24, 0, -6, 0)
        painter.drawItemText(place, 0x81, self.palette(), self.isEnabled(), self.property("text"))


@known
class ctkCollapsibleGroupBox(QtWidgets.QGroupBox):
    """A group whose title's check mark hides it."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(text_of(arguments), parent_of(arguments))
        self.setCheckable(True)
        self.toggled.connect(self._show)

    def _show(self, shown: bool) -> None:
        for child in self.children():
            if isinstance(child, QtWidgets.QWidget):
                child.setVisible(shown)

    collapsed = Property(bool, lambda self: not self.isChecked(), lambda self, on: self.setChecked(not on))


@known
class ctkPathLineEdit(QtWidgets.QWidget):
    """A path with a button that asks for it."""

    Dirs, Files, Drives, Readable, Writable, Executable, Hidden = 1, 2, 4, 16, 32, 64, 256
    SIGNALS = {"currentPathChanged(QString)": "currentPathChanged", "validInputChanged(bool)": "validInputChanged"}
    currentPathChanged = Signal(str)
    validInputChanged = Signal(bool)
    filters = stored(int, 2)
    nameFilters = stored("QStringList", [])
    settingKey = stored(str, "")
    label = stored(str, "")
    showBrowseButton = stored(bool, True, lambda self, on: self._button.setVisible(on))
    showHistoryButton = stored(bool, True)
    sizeAdjustPolicy = stored(int, 0)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(parent_of(arguments))
        self._line, self._button = QtWidgets.QLineEdit(), QtWidgets.QToolButton()
        self._button.setText("…")
        row(self, self._line, self._button)
        self.setFocusProxy(self._line)
        self._line.textChanged.connect(self.currentPathChanged)

    def addCurrentPathToHistory(self) -> None:
        """Remember the path; the stand-in has no history."""

    currentPath = Property(str, lambda self: self._line.text(), lambda self, path: self._line.setText(path))


@known
class ctkDirectoryButton(QtWidgets.QPushButton):
    """A folder, shown on a button that asks for it."""

    SIGNALS = {"directoryChanged(QString)": "directoryChanged", "directorySelected(QString)": "directorySelected"}
    directoryChanged = Signal(str)
    directorySelected = Signal(str)
    caption = stored(str, "")
    acceptMode = stored(int, 0)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(parent_of(arguments))
        self._directory = str(Path.cwd())
        self.setText(self._directory)

    def _set(self, folder: str) -> None:
        folder = str(Path(folder).absolute())
        if folder != self._directory:
            self._directory = folder
            self.setText(folder)
            self.directoryChanged.emit(folder)

    directory = Property(str, lambda self: self._directory, _set)


@known
class ctkColorPickerButton(QtWidgets.QPushButton):
    """A colour on a button that asks for it."""

    SIGNALS = {"colorChanged(QColor)": "colorChanged"}
    colorChanged = Signal(QtGui.QColor)
    displayColorName = stored(bool, True)
    color = stored(QtGui.QColor, QtGui.QColor("black"), lambda self, colour: self.colorChanged.emit(colour))


@known
class ctkCheckablePushButton(QtWidgets.QPushButton):
    """A button with a check mark of its own."""

    SIGNALS = {"checkBoxToggled(bool)": "checkBoxToggled"}
    checkBoxToggled = Signal(bool)
    checkBoxControlsButton = stored(bool, True)
    checkBoxUserCheckable = stored(bool, True)
    checkState = stored(int, 0, lambda self, state: self.checkBoxToggled.emit(bool(state)))


@known
class ctkCheckBox(QtWidgets.QCheckBox):
    """A check box that can have an icon."""


@known
class ctkComboBox(QtWidgets.QComboBox):
    """A combo box with a text for when nothing is chosen."""

    defaultText = stored(str, "", lambda self, text: self.setPlaceholderText(text))


@known
class ctkCheckableComboBox(QtWidgets.QComboBox):
    """A combo box of which several items can be chosen."""

    SIGNALS = {"checkedIndexesChanged()": "checkedIndexesChanged"}
    checkedIndexesChanged = Signal()

    def __init__(self, *arguments: Any) -> None:
        super().__init__(parent_of(arguments))
        self.model().dataChanged.connect(lambda *_arguments: self.checkedIndexesChanged.emit())

    def checkedIndexes(self) -> list[QtCore.QModelIndex]:
        indexes = [self.model().index(i, 0) for i in range(self.count())]
        return [index for index in indexes if self.checkState(index) == QtCore.Qt.CheckState.Checked]

    def checkState(self, index: QtCore.QModelIndex) -> QtCore.Qt.CheckState:
        return QtCore.Qt.CheckState(index.data(QtCore.Qt.ItemDataRole.CheckStateRole) or 0)

    def setCheckState(self, index: QtCore.QModelIndex, state: QtCore.Qt.CheckState) -> None:
        self.model().setData(index, state.value, QtCore.Qt.ItemDataRole.CheckStateRole)

    def checkableModel(self) -> QtCore.QAbstractItemModel:
        return self.model()


@known
class ctkMessageBox(QtWidgets.QMessageBox):
    """A message that can be told not to come again."""

    dontShowAgainSettingsKey = stored(str, "")
    dontShowAgainVisible = stored(bool, False)


@known
class ctkSearchBox(QtWidgets.QLineEdit):
    """A line to search with."""

    showSearchIcon = stored(bool, False)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(parent_of(arguments))
        self.setClearButtonEnabled(True)


@known
class ctkMenuButton(QtWidgets.QPushButton):
    """A button with a menu at its side."""


@known
class ctkPushButton(QtWidgets.QPushButton):
    """A button whose text can be elided."""


@known
class ctkExpandButton(QtWidgets.QToolButton):
    """An arrow that hides and shows."""


@known
class ctkFittedTextBrowser(QtWidgets.QTextBrowser):
    """A text that takes the height it needs."""

    collapsed = stored(bool, False)
    collapsible = stored(bool, False)
