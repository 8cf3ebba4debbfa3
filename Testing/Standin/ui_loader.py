"""Loads .ui files with Slicer's and CTK's widgets, and runs their connections."""

import xml.etree.ElementTree as ElementTree
from typing import Any

import ctk_numbers  # noqa: F401  (each makes its widgets known)
import ctk_widgets  # noqa: F401
import mrml_widgets  # noqa: F401
import problems
import pythonqt
from PySide6 import QtCore, QtUiTools
from widget_parts import TYPES


class QUiLoader(QtUiTools.QUiLoader):
    """What `slicer.util.loadUI` uses."""

    def load(self, device: QtCore.QIODevice, parent: Any = None) -> Any:
        if not device.isOpen():
            device.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
        root = ElementTree.fromstring(bytes(device.readAll()))
        device.close()
        connections = _taken_connections(root)
        _replace_enumerations(root)
        for widget in root.iter("customwidget"):
            if widget.findtext("class") not in TYPES:
                problems.record("unknown widget", f"the stand-in has no {widget.findtext('class')}")
        buffer = QtCore.QBuffer()
        buffer.setData(ElementTree.tostring(root))
        buffer.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
        loaded = super().load(buffer, parent)
        if loaded is None:
            return None
        parts = {part.objectName(): part for part in [loaded, *loaded.findChildren(QtCore.QObject)]}
        for name in parts:
            loaded.__dict__.pop(name, None)  # PySide6 makes children attributes of the loaded widget
        loaded._parts = list(parts.values())  # the Python side of the stand-in's own widgets must stay alive
        _look_for_unknown_properties(root, parts)
        for connection in connections:
            _connect(parts, *connection)
        return loaded

    def createWidget(self, class_name: str, parent: Any = None, name: str = "") -> Any:
        if class_name not in TYPES:
            return super().createWidget(class_name, parent, name)
        widget = TYPES[class_name](parent)
        widget.setObjectName(name)
        return widget


def _taken_connections(root: ElementTree.Element) -> list[list[str]]:
    """Sender, signal, receiver and slot of each connection; Qt itself cannot make those of Slicer's widgets."""
    taken = []
    for element in root.findall("connections"):
        taken += [[c.findtext(part) or "" for part in ("sender", "signal", "receiver", "slot")] for c in element]
        root.remove(element)
    return taken


def _replace_enumerations(root: ElementTree.Element) -> None:
    """Values such as ctkPathLineEdit::Files become numbers: Qt does not know these classes."""
    for prop in root.iter("property"):
        for kind in ("set", "enum"):
            element = prop.find(kind)
            names = (element.text or "").split("|") if element is not None else []
            if not names or names[0].partition("::")[0] not in TYPES:
                continue
            values = [getattr(TYPES[name.partition("::")[0]], name.rpartition("::")[2], 0) for name in names]
            prop.remove(element)  # type: ignore[arg-type]
            ElementTree.SubElement(prop, "number").text = str(sum(values))


def _look_for_unknown_properties(root: ElementTree.Element, parts: dict[str, Any]) -> None:
    for element in root.iter("widget"):
        part = parts.get(element.get("name", ""))
        for prop in element.findall("property"):
            name = prop.get("name", "")
            if (
                name == "buddy"
                or part is None
                or prop.get("stdset") == "0"
                or part.metaObject().indexOfProperty(name) >= 0
            ):
                continue
            problems.record("unknown property", f"{element.get('class')} {element.get('name')} has no {name}")


def _connect(parts: dict[str, Any], sender: str, signal: str, receiver: str, slot: str) -> None:
    ends = parts.get(sender), parts.get(receiver)
    if None in ends:
        problems.record("unknown widget", f"a connection of the .ui file is from {sender} to {receiver}")
        return
    source, target = (pythonqt.wrap(end) for end in ends)
    try:
        source.connect(signal, getattr(target, slot.partition("(")[0]))
    except AttributeError as error:
        problems.record("unknown slot", str(error))
