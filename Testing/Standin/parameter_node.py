"""`slicer.parameterNodeWrapper`: the small part of it that our modules use.

A class whose members have types becomes a typed view of a scripted module's node: simple values are its parameters
(as text), nodes are its references. Written for the types and widgets that our panels have; anything else is refused.
"""

import logging
import types
import typing
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any

import parameter_widgets
import slicer
import vtk
from parameter_checks import Choice, Default, Validator

SlicerParameterNamePropertyName = "SlicerParameterName"


class _Parameter:
    """One member: its type, its default, what it must satisfy, and how it is written into the node."""

    def __init__(self, owner: type, name: str, hint: Any) -> None:
        arguments = typing.get_args(hint) if typing.get_origin(hint) is typing.Annotated else (hint,)
        self.name, self.kind, self.notes = name, arguments[0], arguments[1:]
        options = [k for k in typing.get_args(self.kind) if k is not type(None)]
        is_union = typing.get_origin(self.kind) in (typing.Union, types.UnionType)
        self.plain = options[0] if is_union and len(options) == 1 else self.kind
        self.optional = is_union and len(options) < len(typing.get_args(self.kind))
        self.node_types = _node_types(options if is_union else [self.kind])
        self.checks = [note for note in self.notes if isinstance(note, Validator)]
        simple = self.plain in (int, float, str, bool, Path) or _is_enum(self.plain)
        if not (simple or self.node_types or typing.get_origin(self.plain) in (list, tuple, dict)):
            raise TypeError(f"the stand-in has no serializer for {owner.__name__}.{name}: {self.kind}")
        given = [note.value for note in self.notes if isinstance(note, Default)]
        if name in vars(owner):
            self.default = vars(owner)[name]
        elif given:
            self.default = given[0]
        else:
            self.default = self._first()

    def _first(self) -> Any:
        """The default of a member that has none: the first choice or member, or nothing of its type."""
        choice = next((check for check in self.checks if isinstance(check, Choice)), None)
        if choice is not None:
            return choice.choices[0]
        if self.node_types or self.optional:
            return None
        return list(self.plain)[0] if _is_enum(self.plain) else (typing.get_origin(self.plain) or self.plain)()

    def check(self, value: Any) -> None:
        for check in self.checks:
            check.validate(value)
        if value is None:
            if not (self.node_types or self.optional):
                raise ValueError(f"{self.name} cannot be None")
        elif self.node_types:
            if not any(value.IsA(kind) for kind in self.node_types):
                raise TypeError(f"{self.name} must be one of {self.node_types}, not {value.GetClassName()}")
        else:
            expected = typing.get_origin(self.plain) or self.plain
            accepted = (int, float) if expected is float else expected
            if not isinstance(value, accepted) or (expected is int and isinstance(value, bool)):
                raise TypeError(f"{self.name} must be {expected.__name__}, not {value!r}")

    def exists(self, node: Any) -> bool:
        return self.name in node.GetParameterNames()

    def write(self, node: Any, value: Any) -> None:
        self.check(value)
        with slicer.util.NodeModify(node):
            if self.node_types:
                node.SetParameter(self.name, "")
                node.SetNodeReferenceID(self.name, value.GetID() if value is not None else None)
            else:
                node.SetParameter(self.name, _text(value))

    def read(self, node: Any) -> Any:
        if self.node_types:
            return node.GetNodeReference(self.name)
        if not self.exists(node):
            self.write(node, self.default)
        return _value(node.GetParameter(self.name), self.plain)


def parameterNodeWrapper(owner: type | None = None) -> Any:
    """Make a class of typed members a view of a node; used as a decorator, with or without brackets."""
    if owner is None:
        return parameterNodeWrapper
    hints = typing.get_type_hints(owner, include_extras=True)
    parameters = {name: _Parameter(owner, name, hint) for name, hint in hints.items()}
    members: dict[str, Any] = {name: _property(parameter) for name, parameter in parameters.items()}
    for name, value in vars(_View).items():
        if name.startswith("__") and name != "__init__":
            continue
        if name in hints or (name in vars(owner) and name != "__init__"):
            raise ValueError(f"Cannot use reserved name '{name}' in a parameterNodeWrapper")
        members[name] = value
    for name, value in members.items():
        setattr(owner, name, value)
    owner.allParameters = parameters  # type: ignore[attr-defined]
    owner._is_parameter_node_wrapper = True  # type: ignore[attr-defined]
    return owner


class _View:
    """The methods of a wrapped class."""

    allParameters: dict[str, _Parameter]

    def __init__(self, parameterNode: Any, prefix: str | None = None) -> None:
        if prefix:
            raise NotImplementedError("the stand-in has no prefixes")
        self.parameterNode = parameterNode
        self._guis: dict[int, tuple[list[Callable[[], None]], int]] = {}
        self._showing = False
        for parameter in self.allParameters.values():
            if not parameter.exists(parameterNode):
                parameter.write(parameterNode, parameter.default)

    def getValue(self, name: str) -> Any:
        return self.allParameters[_known(self, name)].read(self.parameterNode)

    def setValue(self, name: str, value: Any) -> None:
        self.allParameters[_known(self, name)].write(self.parameterNode, value)

    def default(self, name: str) -> Default:
        return Default(self.allParameters[_known(self, name)].default)

    def dataType(self, name: str) -> Any:
        return self.allParameters[_known(self, name)].kind

    def isCached(self, name: str) -> bool:
        _known(self, name)
        return False

    def connectGui(self, gui: Any) -> int:
        """Tie widgets to the members that their property SlicerParameterName names; returns what unties them."""
        import qt

        is_widget = getattr(gui, "isWidgetType", lambda: False)()
        widgets = gui.findChildren(qt.QWidget) if is_widget else vars(gui).values()
        named = [(widget.property(SlicerParameterNamePropertyName), widget) for widget in widgets]
        return self.connectParametersToGui({name: widget for name, widget in named if name})

    def connectParametersToGui(self, mapping: dict[str, Any]) -> int:
        pairs = [
            (name, parameter_widgets.connector(widget, self.allParameters[_known(self, name)]))
            for name, widget in mapping.items()
        ]

        def show(*_event: Any) -> None:
            if self._showing:
                return
            self._showing = True
            try:
                with slicer.util.NodeModify(self.parameterNode):
                    for name, pair in pairs:
                        pair.write(self.getValue(name))
            finally:
                self._showing = False

        def changed(name: str, pair: parameter_widgets.Connector) -> None:
            if not self._showing:
                self.setValue(name, pair.read())

        for name, pair in pairs:
            pair.write(self.getValue(name))
            pair.connect(lambda name=name, pair=pair: changed(name, pair))
        tag = max(self._guis, default=-1) + 1
        observer = self.parameterNode.AddObserver(vtk.vtkCommand.ModifiedEvent, show)
        self._guis[tag] = ([pair.disconnect for _name, pair in pairs], observer)
        return tag

    def disconnectGui(self, tag: int) -> None:
        disconnects, observer = self._guis.pop(tag, ([], None))
        for disconnect in disconnects:
            disconnect()
        if observer is not None:
            self.parameterNode.RemoveObserver(observer)

    def StartModify(self) -> int:
        return self.parameterNode.StartModify()

    def EndModify(self, was_modified: int) -> int:
        return self.parameterNode.EndModify(was_modified)

    def AddObserver(self, event: Any, callback: Any, priority: float = 0.0) -> int:
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag: int) -> None:
        self.parameterNode.RemoveObserver(tag)

    def Modified(self) -> None:
        self.parameterNode.Modified()


def isParameterNodeWrapper(thing: Any) -> bool:
    """Whether a class or an object comes from `parameterNodeWrapper`."""
    return getattr(thing, "_is_parameter_node_wrapper", False)


def _known(view: _View, name: str) -> str:
    if name not in view.allParameters:
        raise ValueError(f"Cannot find a param with the given name: {name}")
    return name


def _property(parameter: _Parameter) -> property:
    return property(
        lambda self: parameter.read(self.parameterNode),
        lambda self, value: parameter.write(self.parameterNode, value),
    )


def _node_types(kinds: list[Any]) -> list[str]:
    """Names of the node classes among types; an empty list where these are not nodes."""
    nodes = [k for k in kinds if isinstance(k, type) and issubclass(k, slicer.vtkMRMLNode)]
    if nodes and len(nodes) != len(kinds):
        logging.warning("nodes and other types are mixed in one member")
    return [kind.__name__ for kind in nodes]


def _is_enum(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Enum)


def _text(value: Any) -> str:
    if isinstance(value, Enum):
        return value.name
    return repr(value) if isinstance(value, (list, tuple, dict)) else str(value)


def _value(text: str, kind: Any) -> Any:
    import ast

    if text == "None":
        return None
    if _is_enum(kind):
        return kind[text]
    if kind is bool:
        return text == "True"
    return ast.literal_eval(text) if typing.get_origin(kind) in (list, tuple, dict) else kind(text)
