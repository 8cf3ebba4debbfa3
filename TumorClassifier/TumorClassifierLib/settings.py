"""Settings of a recipe: frozen dataclasses that a YAML file can fill and a bundle can keep."""

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from FeatureExtractorLib.errors import InputError

T = TypeVar("T")
IN_WORDS = {int: "a whole number", bool: "true or false", str: "a text"}


def settings_of(cls: type[T], given: Mapping[str, Any], where: str = "settings", base: Any = None) -> T:
    """Fill a settings dataclass from plain values; nested dataclasses take nested mappings.

    base: what a setting that is not given is taken from, by default the class's own defaults; of nested settings, too,
    what is not given stays as it is in the outer class's default, which may differ from the nested class's.
    Raises InputError naming an unknown setting or one whose value is of the wrong kind.
    """
    hints = typing.get_type_hints(cls)
    known = [f.name for f in dataclasses.fields(cls)]  # type: ignore[arg-type]
    unknown = [name for name in given if name not in known]
    if unknown:
        raise InputError(f"{where} has no {unknown[0]!r}; known are {', '.join(known)}.")
    defaults = {f.name: _default(f) if base is None else getattr(base, f.name) for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    values = {name: _converted(value, hints[name], f"{where}.{name}", defaults[name]) for name, value in given.items()}
    return cls(**values) if base is None else dataclasses.replace(base, **values)


def read_settings(cls: type[T], path: Path | None) -> T:
    """Read a settings dataclass from a YAML file; the defaults when there is none."""
    if path is None:
        return cls()
    import yaml

    path = Path(path)
    if not path.is_file():
        raise InputError(f"The settings file {path} does not exist; check the name.")
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise InputError(f"{path} cannot be read as YAML ({' '.join(str(error).split())}); correct it.") from error
    if not isinstance(given, dict):
        raise InputError(f"{path} does not hold names and values; write lines such as `folds: 5`.")
    return settings_of(cls, given, path.name)


def plain(settings: Any) -> dict[str, Any]:
    """A settings dataclass as plain JSON values; `settings_of` turns them back."""
    return {
        f.name: plain(value) if dataclasses.is_dataclass(value) else list(value) if isinstance(value, tuple) else value
        for f in dataclasses.fields(settings)
        for value in [getattr(settings, f.name)]
    }


def _default(field: "dataclasses.Field[Any]") -> Any:
    """A field's own default; None where it has none."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return None if field.default is dataclasses.MISSING else field.default


def _converted(value: Any, kind: Any, where: str, default: Any = None) -> Any:
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        if not isinstance(value, Mapping):
            raise InputError(f"{where} must hold names and values, not {value!r}.")
        return settings_of(kind, value, where, default if isinstance(default, kind) else None)
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        options = typing.get_args(kind)
        if value is None and type(None) in options:
            return None
        return _converted(value, next(option for option in options if option is not type(None)), where, default)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise InputError(f"{where} must be a list, not {value!r}.")
        parts = typing.get_args(kind)
        parts = parts[:1] * len(value) if Ellipsis in parts else parts
        if len(parts) != len(value):
            raise InputError(f"{where} must have {len(parts)} values, not {len(value)}.")
        return tuple(_converted(v, part, where) for v, part in zip(value, parts, strict=True))
    if kind is float:
        return _number(value, where)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise InputError(f"{where} is {value!r}, which is not {IN_WORDS.get(kind, kind.__name__)}; correct it.")
    return value


def _number(value: Any, where: str) -> float:
    """A finite number; YAML reads 1e-4, without a point, as text."""
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{where} is {value!r}, which is not a number; correct it.")
    return number
