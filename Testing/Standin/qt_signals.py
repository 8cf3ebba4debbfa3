"""Signals by their text in C++, and slots that get as many arguments as they declare."""

import inspect
from collections.abc import Callable
from typing import Any

from PySide6 import QtCore


def own_signals(qt_class: type) -> dict[str, str]:
    """Signals of the stand-in's own widgets: the text in C++ and the name of the signal in PySide6."""
    return {text: name for c in reversed(qt_class.__mro__) for text, name in vars(c).get("SIGNALS", {}).items()}


def normal(signal: str) -> str:
    """A signal's text as Qt itself writes it."""
    text = signal.lstrip("12").replace(" ", "")
    return text.replace("const", "").replace("&", "")


def find_signal(target: QtCore.QObject, signal: str) -> tuple[Any, int] | None:
    """A signal by its text, and how many arguments it has."""
    text = normal(signal)
    name, _, arguments = text.rstrip(")").partition("(")
    own = own_signals(type(target)).get(text)
    if own is None and target.metaObject().indexOfSignal(text) < 0:
        return None
    return getattr(target, own or name), len(arguments.split(",")) if arguments else 0


def signal_text(target: QtCore.QObject, name: str) -> str:
    """The first signal of a name, as it is written in C++."""
    for text, own in own_signals(type(target)).items():
        if own == name:
            return text
    described = target.metaObject()
    texts = [bytes(described.method(i).methodSignature()).decode() for i in range(described.methodCount())]
    return next(text for text in texts if text.startswith(f"{name}("))


def fitted(slot: Any, count: int, wrap: Callable[[Any], Any]) -> Callable[..., None]:
    """A function of exactly as many arguments as the slot shall get, which is what PySide6 looks at.

    wrap: what each argument goes through.
    """
    declared = declared_arguments(slot)
    count = count if declared is None else min(count, declared)
    if count == 0:
        return lambda: slot()
    if count == 1:
        return lambda a: slot(wrap(a))
    if count == 2:
        return lambda a, b: slot(wrap(a), wrap(b))
    return lambda a, b, c: slot(wrap(a), wrap(b), wrap(c))


def declared_arguments(slot: Any) -> int | None:
    """How many arguments a function or method declares, defaults counted; None where it gets all of them."""
    function = slot.__func__ if inspect.ismethod(slot) else slot
    if not inspect.isfunction(function) or function.__code__.co_flags & inspect.CO_VARARGS:
        return None
    return function.__code__.co_argcount - (1 if inspect.ismethod(slot) else 0)
