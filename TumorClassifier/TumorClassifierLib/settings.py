"""Settings of a recipe: frozen dataclasses that a YAML file can fill and a bundle can keep."""

import dataclasses
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from FeatureExtractorLib.errors import InputError

T = TypeVar("T")


def settings_of(cls: type[T], given: Mapping[str, Any], where: str = "settings") -> T:
    """Fill a settings dataclass from plain values; nested dataclasses take nested mappings.

    Raises InputError naming an unknown setting or one whose value is of the wrong kind.
    """
    hints = typing.get_type_hints(cls)
    known = [f.name for f in dataclasses.fields(cls)]  # type: ignore[arg-type]
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise InputError(f"{where} has no {unknown[0]!r}; known are {', '.join(known)}.")
    values = {name: _converted(value, hints[name], f"{where}.{name}") for name, value in given.items()}
    return cls(**values)


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
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a YAML file ({str(error).splitlines()[0]}); mend it.") from error
    if not isinstance(given, dict):
        raise InputError(f"{path} does not hold names and values; see the recipe's settings in the README.")
    return settings_of(cls, given, path.name)


def plain(settings: Any) -> dict[str, Any]:
    """A settings dataclass as plain JSON values; `settings_of` turns them back."""
    return {
        f.name: plain(value) if dataclasses.is_dataclass(value) else list(value) if isinstance(value, tuple) else value
        for f in dataclasses.fields(settings)
        for value in [getattr(settings, f.name)]
    }


def _converted(value: Any, kind: Any, where: str) -> Any:
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        if not isinstance(value, Mapping):
            raise InputError(f"{where} must hold names and values, not {value!r}.")
        return settings_of(kind, value, where)
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        options = typing.get_args(kind)
        if value is None and type(None) in options:
            return None
        return _converted(value, next(option for option in options if option is not type(None)), where)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise InputError(f"{where} must be a list, not {value!r}.")
        parts = typing.get_args(kind)
        parts = parts[:1] * len(value) if Ellipsis in parts else parts
        if len(parts) != len(value):
            raise InputError(f"{where} must have {len(parts)} values, not {len(value)}.")
        return tuple(_converted(v, part, where) for v, part in zip(value, parts, strict=True))
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise InputError(f"{where} must be of kind {kind.__name__}, not {value!r}.")
    return value
