"""Ties widgets to the members of a parameter node: which class of widget takes which type, and how.

Slicer looks at the exact class, so a subclass is refused here as there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from parameter_checks import Choice, Decimals, Maximum, Minimum, SingleStep, WithinRange


@dataclass
class Connector:
    """Reads and writes one widget and tells when the user has changed it."""

    widget: Any
    signal: str | None
    read: Callable[[], Any]
    write: Callable[[Any], None]
    _slot: Callable[[], None] | None = None

    def connect(self, slot: Callable[[], None]) -> None:
        self._slot = lambda: slot()
        if self.signal is not None:
            self.widget.connect(self.signal, self._slot)

    def disconnect(self) -> None:
        if self.signal is not None:
            self.widget.disconnect(self.signal, self._slot)


def connector(widget: Any, parameter: Any) -> Connector:
    """The connector of a widget and a member; RuntimeError where Slicer has none."""
    import ctk
    import qt
    import slicer

    kind, found = type(widget), None
    if kind in (qt.QCheckBox, ctk.ctkCheckBox) and parameter.plain is bool:
        found = _attribute(widget, "checked", "stateChanged(int)")
    elif kind in (qt.QPushButton, ctk.ctkCheckablePushButton) and parameter.plain is bool:
        widget.checkable = True
        found = _attribute(widget, "checked", "toggled(bool)")
    elif kind in (qt.QSlider, qt.QSpinBox) and parameter.plain is int:
        _bound(widget, parameter, needed=kind is qt.QSlider, far=2**31 - 1)
        found = _attribute(widget, "value", "valueChanged(int)")
    elif kind in _numbers(qt, ctk, slicer) and parameter.plain in (float, int):
        _bound(widget, parameter, kind in (ctk.ctkSliderWidget, slicer.qMRMLSliderWidget), far=float("inf"))
        found = _attribute(widget, "value", "valueChanged(double)", parameter.plain)
    elif kind in (qt.QComboBox, ctk.ctkComboBox):
        found = _combo_box(widget, parameter)
    elif kind is qt.QLineEdit and parameter.plain is str:
        found = _attribute(widget, "text", "textChanged(QString)")
    elif kind is qt.QLabel and parameter.plain is str:
        found = _attribute(widget, "text", None)
    elif kind is qt.QTextEdit and parameter.plain is str:
        found = Connector(widget, "textChanged()", widget.toPlainText, widget.setPlainText)
    elif kind is ctk.ctkPathLineEdit and parameter.plain is Path:
        found = _attribute(widget, "currentPath", "currentPathChanged(QString)", Path)
    elif kind is ctk.ctkDirectoryButton and parameter.plain is Path:
        found = _attribute(widget, "directory", "directoryChanged(QString)", Path)
    elif kind is slicer.qMRMLNodeComboBox and parameter.node_types:
        widget.nodeTypes = parameter.node_types
        found = Connector(widget, "currentNodeChanged(vtkMRMLNode*)", widget.currentNode, widget.setCurrentNode)
    if found is None:
        raise RuntimeError(f"Unable to create a connector from {kind.__name__} to {parameter.name}: {parameter.kind}")
    return found


def _numbers(qt: Any, ctk: Any, slicer: Any) -> tuple[Any, ...]:
    widgets = (ctk.ctkSliderWidget, ctk.ctkDoubleSlider, ctk.ctkDoubleSpinBox)
    return (qt.QDoubleSpinBox, *widgets, slicer.qMRMLSliderWidget, slicer.qMRMLSpinBox)


def _attribute(widget: Any, name: str, signal: str | None, kind: Callable[[Any], Any] | None = None) -> Connector:
    def read() -> Any:
        value = getattr(widget, name)
        return kind(value) if kind is not None else value

    def write(value: Any) -> None:
        if read() != value:
            setattr(widget, name, str(value) if isinstance(value, Path) else value)

    return Connector(widget, signal, read, write)


def _bound(widget: Any, parameter: Any, needed: bool, far: float) -> None:
    """Bounds, decimals and step of a number's widget from the annotations; without bounds none are left."""
    low, high = -far, far
    for note in parameter.notes:
        if isinstance(note, (WithinRange, Minimum)):
            low = note.minimum
        if isinstance(note, (WithinRange, Maximum)):
            high = note.maximum
        if isinstance(note, Decimals):
            widget.decimals = note.value
        if isinstance(note, SingleStep):
            widget.singleStep = note.value
    if parameter.plain is int and hasattr(widget, "decimals"):
        widget.decimals = 0
    if needed and far in (-low, high):
        raise RuntimeError(f"Cannot have a connection to {type(widget).__name__} where {parameter.name} is unbounded.")
    widget.minimum, widget.maximum = low, high


def _combo_box(widget: Any, parameter: Any) -> Connector:
    """Entries from the choices or from the members of an enumeration, which may say their labels."""
    choice = next((note for note in parameter.notes if isinstance(note, Choice)), None)
    if isinstance(parameter.plain, type) and issubclass(parameter.plain, Enum):
        values = list(parameter.plain)
        label = getattr(parameter.plain, "label", lambda member: member.name)
    elif choice is not None:
        values, label = list(choice.choices), str
    else:
        raise RuntimeError(f"A combo box for {parameter.name} requires the Choice annotation.")
    widget.clear()
    for value in values:
        widget.addItem(label(value))

    def write(value: Any) -> None:
        widget.currentIndex = values.index(value)

    return Connector(widget, "currentIndexChanged(int)", lambda: values[widget.currentIndex], write)
