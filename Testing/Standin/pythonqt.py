"""Qt as Slicer's Python sees it (PythonQt), on PySide6.

Every PySide6 object is seen through a wrapper: properties are plain attributes, signals are connected by their text,
enumeration values are integers without a scope, keyword arguments are refused. `install` publishes the module `qt`.
"""

import ctypes
import enum
import sys
import types
import weakref
from collections.abc import Callable
from typing import Any

import problems
import shiboken6
from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets
from qt_signals import find_signal, fitted, normal, signal_text

LIBRARIES: list[Any] = [QtCore, QtGui, QtWidgets, QtUiTools]
FIRST_OF_PAIR = {"getOpenFileName", "getSaveFileName", "getOpenFileNames", "getText", "getItem", "getInt", "getDouble"}

_classes: dict[type, type] = {}
_links: dict[int, list[tuple[str, Any, Any, Callable[..., None]]]] = {}  # by address: signal, slot, and what ties them
_wrappers: weakref.WeakValueDictionary[int, "Wrapped"] = weakref.WeakValueDictionary()


class EnumValue(int):
    """A value of an enumeration: an integer that Qt takes back as what it is."""

    member: enum.Enum

    def __new__(cls, member: enum.Enum) -> "EnumValue":
        value = super().__new__(cls, member.value)
        value.member = member
        return value

    def __or__(self, other: Any) -> Any:
        return wrap(self.member | unwrap(other))  # type: ignore[operator]

    def __and__(self, other: Any) -> Any:
        return wrap(self.member & unwrap(other))  # type: ignore[operator]

    def __invert__(self) -> Any:
        return wrap(~self.member)  # type: ignore[operator]

    def __repr__(self) -> str:
        return str(self.member)


class _WrappedType(type):
    """Of wrapped classes: enumeration values and static functions are attributes of the class."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        value = getattr(cls._qt, name, None)
        if value is None:
            raise AttributeError(f"type object '{cls.__name__}' has no attribute '{name}'")
        if isinstance(value, type) and issubclass(value, enum.Enum):
            return lambda number: EnumValue(value(number))
        return Function(value, name) if callable(value) else wrap(value)


class Wrapped(metaclass=_WrappedType):
    """An object of Qt, or of the stand-in's own Slicer and CTK widgets."""

    _qt: type = object
    _is_ours = True  # a subclass written in a panel has its own attributes; see __setattr__

    def __init_subclass__(cls, **keywords: Any) -> None:
        if "_is_ours" not in vars(cls):
            cls._is_ours = False
            overridden = [name for name in vars(cls) if not name.startswith("_") and hasattr(cls._qt, name)]
            if overridden:
                raise TypeError(f"the stand-in cannot override {', '.join(overridden)} of {cls._qt.__name__}")

    def __init__(self, *arguments: Any) -> None:
        object.__setattr__(self, "_object", self._qt(*(unwrap(a) for a in arguments)))
        if isinstance(self._object, QtCore.QObject):
            _wrappers[_address(self._object)] = self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        target = _alive(self)
        if isinstance(target, QtCore.QObject):
            if name == "name":
                name = "objectName"
            if target.metaObject().indexOfProperty(name) >= 0:
                return wrap(target.property(name))
        if name == "exec_":
            name = "exec"
        value = getattr(target, name, None)
        if value is None:
            setter = _property_setter(target, name)
            if setter is None:
                raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
            return setter
        if isinstance(value, QtCore.SignalInstance):
            return Signal(self, value, name)
        return Function(value, name) if callable(value) else wrap(value)

    def __setattr__(self, name: str, value: Any) -> None:
        target = _alive(self)
        if isinstance(target, QtCore.QObject) and not name.startswith("_"):
            if name == "name":
                name = "objectName"
            if target.metaObject().indexOfProperty(name) >= 0:
                _write_property(target, name, value)
                return
        if self._is_ours and not name.startswith("_"):
            problems.record("unknown attribute", f"{type(self).__name__}.{name} = {value!r} has no effect in Qt")
        object.__setattr__(self, name, value)

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Wrapped) and (self._object is other._object or self._object == other._object)

    def __hash__(self) -> int:
        return hash(self._object)

    def __bool__(self) -> bool:
        return True

    def __str__(self) -> str:
        return f"{type(self).__name__} (at: {id(self._object):#x})"

    def __bytes__(self) -> bytes:
        return bytes(self._object)

    __repr__ = __str__

    # What PythonQt adds to every QObject.

    def connect(self, signal: str, slot: Any, receivers_slot: str | None = None) -> bool:
        """Connect a signal, written as in C++, to a callable (or to an object's slot, written as in C++)."""
        if receivers_slot is not None:
            slot = getattr(slot, receivers_slot.lstrip("12").partition("(")[0])
        target = _alive(self)
        found = find_signal(target, signal)
        if found is None:
            problems.record("unknown signal", f"signal '{signal}' does not exist on {type(self).__name__}")
            return False
        instance, count = found
        call = fitted(slot, count, wrap)
        instance.connect(call)
        address = _address(target)
        if address not in _links:
            _links[address] = []
            target.destroyed.connect(lambda: _links.pop(address, None))
        _links[address].append((normal(signal), slot, instance, call))
        return True

    def disconnect(self, signal: str, slot: Any = None) -> bool:
        """Undo `connect`; without a slot, every connection of the signal that Python made."""
        links = _links.get(_address(_alive(self)), [])
        chosen = [link for link in links if link[0] == normal(signal) and slot in (None, link[1])]
        for link in chosen:
            link[2].disconnect(link[3])
            links.remove(link)
        return bool(chosen)

    def findChildren(self, kind: Any = QtCore.QObject, name: str = "") -> tuple[Any, ...]:
        """Children of every depth of a class (or of a class's name), with a name or with any."""
        kind = unwrap(kind)
        if isinstance(kind, str):
            every = [c for c in _alive(self).findChildren(QtCore.QObject) if c.inherits(kind)]
        else:
            every = _alive(self).findChildren(kind)
        return wrap([child for child in every if not name or child.objectName() == name])

    def findChild(self, kind: Any = QtCore.QObject, name: str = "") -> Any:
        """The first of `findChildren`, or None."""
        return next(iter(self.findChildren(kind, name)), None)

    def className(self) -> str:
        """The name of the class in C++."""
        return type(_alive(self)).__name__

    def delete(self) -> None:
        """Destroy the C++ object now."""
        shiboken6.delete(_alive(self))


class Function:
    """A method or static function, which takes and returns wrapped objects."""

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self._function, self.__name__ = function, name

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        if keywords:
            raise TypeError(f"{self.__name__}() takes no keyword arguments in Slicer: {', '.join(keywords)}")
        result = self._function(*(unwrap(a) for a in arguments))
        if self.__name__ in FIRST_OF_PAIR and isinstance(result, tuple):
            result = result[0]
        return wrap(result)

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Function) and self._function == other._function

    def __hash__(self) -> int:
        return hash(self._function)


class Signal:
    """A signal as an attribute: `button.clicked.connect(f)`, `button.clicked.emit(True)`."""

    def __init__(self, owner: Wrapped, instance: Any, name: str) -> None:
        self._owner, self._instance, self._text = owner, instance, signal_text(owner._object, name)

    def connect(self, slot: Any) -> bool:
        return self._owner.connect(self._text, slot)

    def disconnect(self, slot: Any = None) -> bool:
        return self._owner.disconnect(self._text, slot)

    def emit(self, *arguments: Any) -> None:
        self._instance.emit(*(unwrap(a) for a in arguments))

    __call__ = emit


def wrap(value: Any) -> Any:
    """What Python in Slicer sees of a value that comes from Qt: objects wrapped, lists as tuples."""
    if isinstance(value, (list, tuple)):
        return tuple(wrap(item) for item in value)
    if isinstance(value, enum.Enum) and type(value).__module__.startswith("PySide6"):
        return EnumValue(value) if isinstance(value.value, int) else value
    if not isinstance(value, shiboken6.Shiboken.Object):
        return value
    is_object = isinstance(value, QtCore.QObject)
    known = _wrappers.get(_address(value)) if is_object else None
    if known is not None and known._object is value:
        return known
    wrapped = object.__new__(wrapper_class(type(value)))
    object.__setattr__(wrapped, "_object", value)
    if is_object:
        _wrappers[_address(value)] = wrapped
    return wrapped


def unwrap(value: Any) -> Any:
    """What Qt gets for a value that comes from Python."""
    if isinstance(value, Wrapped):
        return _alive(value)
    if isinstance(value, EnumValue):
        return value.member
    if isinstance(value, _WrappedType):
        return value._qt
    if isinstance(value, Function):
        return value._function
    if isinstance(value, (list, tuple)):
        return [unwrap(item) for item in value]
    return value


def wrapper_class(qt_class: type) -> type:
    """The class that wraps a PySide6 class or one of the stand-in's own widgets (whose own base is not shown)."""
    if qt_class not in _classes:
        base: type = Wrapped
        if qt_class.__module__.startswith("PySide6"):
            parents = [c for c in qt_class.__mro__[1:] if c.__module__.startswith("PySide6")]
            base = wrapper_class(parents[0]) if parents else Wrapped
        fields = {"_qt": qt_class, "_is_ours": True, "__module__": "qt"}
        _classes[qt_class] = _WrappedType(qt_class.__name__.lstrip("_"), (base,), fields)
    return _classes[qt_class]


def install() -> types.ModuleType:
    """Publish the module `qt`."""
    if sys.version_info < (3, 12):
        # PySide6 gives back some references that it never took, which is harmless where these objects are immortal.
        for constant in (None, True, False):
            ctypes.c_ssize_t.from_address(id(constant)).value += 1 << 40
    module = types.ModuleType("qt")

    def attribute(name: str) -> Any:
        for library in LIBRARIES:
            value = getattr(library, name, None)
            if isinstance(value, type) and issubclass(value, shiboken6.Shiboken.Object):
                return wrapper_class(value)
        raise AttributeError(f"module 'qt' has no attribute '{name}'")

    module.__getattr__ = attribute  # type: ignore[method-assign]
    sys.modules["qt"] = module
    return module


# Objects and properties


def _address(target: Any) -> int:
    return int(shiboken6.getCppPointer(target)[0])


def _alive(wrapped: Wrapped) -> Any:
    target = wrapped._object
    if not shiboken6.isValid(target):
        raise ValueError(f"Trying to use a {type(wrapped).__name__} whose C++ object has been deleted.")
    return target


def _property_setter(target: Any, name: str) -> Callable[[Any], None] | None:
    """`setValue` of the stand-in's own widgets, which only have the property `value`."""
    prop = name[3:4].lower() + name[4:]
    if not name.startswith("set") or not isinstance(target, QtCore.QObject):
        return None
    if target.metaObject().indexOfProperty(prop) < 0:
        return None
    return lambda value: _write_property(target, prop, value)


def _write_property(target: QtCore.QObject, name: str, value: Any) -> None:
    described = target.metaObject().property(target.metaObject().indexOfProperty(name))
    if not described.isWritable():
        raise AttributeError(f"property '{name}' of class '{type(target).__name__}' is not writable")
    convert = {"bool": bool, "int": int, "double": float, "QString": _text}.get(described.typeName())
    if convert is not None:
        value = convert(value)
    elif isinstance(value, EnumValue):
        value = int(value)
    elif described.typeName() == "QIcon" and isinstance(unwrap(value), QtGui.QPixmap):
        value = QtGui.QIcon(unwrap(value))
    if not target.setProperty(name, unwrap(value)):
        raise ValueError(f"property '{name}' of class '{type(target).__name__}' does not take {value!r}")


def _text(value: Any) -> str:
    return "" if value is None else str(value)
