"""What the stand-in's own Slicer and CTK widgets share: stored properties, observations that end by themselves."""

import weakref
from collections.abc import Callable
from typing import Any

import shiboken6
from PySide6 import QtCore, QtWidgets

TYPES: dict[str, type] = {}  # by class name, for .ui files


def known(widget: type) -> type:
    """Make a class known to .ui files."""
    TYPES[widget.__name__] = widget
    return widget


def stored(kind: Any, default: Any, changed: Callable[[Any, Any], None] | None = None) -> Any:
    """A property that keeps what it is given; `changed(widget, value)` is told of a new value."""
    key = object()
    convert = (
        kind if kind in (bool, int, float) else {str: _text, "QStringList": _texts}.get(kind, lambda value: value)
    )

    def read(self: Any) -> Any:
        return self.__dict__.setdefault("_stored", {}).get(key, default)

    def write(self: Any, value: Any) -> None:
        value = convert(value)
        if value != read(self):
            self._stored[key] = value
            if changed is not None:
                changed(self, value)

    return QtCore.Property(kind, read, write)


def row(widget: QtWidgets.QWidget, *parts: QtWidgets.QWidget) -> None:
    """Put parts side by side into a widget, without margins."""
    layout = QtWidgets.QHBoxLayout(widget)
    layout.setContentsMargins(0, 0, 0, 0)
    for part in parts:
        layout.addWidget(part)


def observe(widget: QtCore.QObject, target: Any, event: Any, method: str) -> tuple[Any, int]:
    """Call a widget's method (with the node that the event is about, where there is one) until the widget is gone."""
    import vtk

    reference = weakref.ref(widget)

    def call(caller: Any, _event: str, about: Any = None) -> None:
        alive = reference()
        if alive is None or not shiboken6.isValid(alive):
            caller.RemoveObserver(tag)
        elif takes_node:
            getattr(alive, method)(about)
        else:
            getattr(alive, method)()

    takes_node = method in ("_node_added", "_node_removed")
    if takes_node:
        call.CallDataType = vtk.VTK_OBJECT  # type: ignore[attr-defined]
    tag = target.AddObserver(event, call)
    return target, tag


def parent_of(arguments: tuple[Any, ...]) -> QtWidgets.QWidget | None:
    """The parent among a constructor's arguments."""
    return next((a for a in arguments if isinstance(a, QtWidgets.QWidget)), None)


def text_of(arguments: tuple[Any, ...]) -> str:
    """The text among a constructor's arguments."""
    return next((a for a in arguments if isinstance(a, str)), "")


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _texts(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [str(item) for item in value or ()]
