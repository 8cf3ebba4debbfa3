"""Fitted models as plain JSON values and back."""

import math
import types
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from FeatureExtractorLib.errors import BundleRejected


def as_tuples(value: Any) -> Any:
    """The same value with every list, at any depth, as a tuple."""
    if isinstance(value, (list, tuple)):
        return tuple(as_tuples(item) for item in value)
    if isinstance(value, Mapping):
        return {name: as_tuples(item) for name, item in value.items()}
    return value


def fields_of(model: type, document: Any, alike: Sequence[str] = (), positive: Sequence[str] = ()) -> dict[str, Any]:
    """The constructor's arguments of a fitted model from its JSON document, lists as tuples.

    alike: fields whose entries are of the same things, and so as many. positive: fields whose numbers are above 0.
    Raises BundleRejected where the document is not one of this model: other fields, values of another kind than the
    fields', numbers that are not finite, other lengths.
    """
    expected = {field.name for field in fields(model)}
    found = set(document) if isinstance(document, Mapping) else set()
    if found != expected:
        wrong = ", ".join(sorted(expected ^ found))
        raise BundleRejected(
            f"The stored {model.__name__} does not have the expected fields ({wrong}); get the model file again."
        )
    values, kinds = dict(as_tuples(document)), get_type_hints(model)
    odd = [name for name, value in values.items() if not _is(value, kinds[name])]
    if odd:
        raise BundleRejected(
            f"The stored {model.__name__} has a value of the wrong kind in {', '.join(odd)}; get the model file again."
        )
    if len({len(values[name]) for name in alike}) > 1:
        raise BundleRejected(
            f"The stored {model.__name__} has lists of different lengths ({', '.join(alike)}); get the model file "
            "again."
        )
    low = [name for name in positive if min(values[name], default=1) <= 0]
    if low:
        raise BundleRejected(
            f"The stored {model.__name__} has a number that is not above 0 in {low[0]}; get the model file again."
        )
    return values


def numbers_of(model: type, name: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    """A field of finite numbers as an array; raises BundleRejected where it is none of this shape."""
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):  # texts, rows of different lengths, integers beyond every float
        array = np.full(1, np.nan)
    if array.size == 0 == math.prod(shape):
        array = array.reshape(shape)  # without rows JSON does not tell how long they are
    if array.shape != shape or not np.isfinite(array).all():
        raise BundleRejected(f"The stored {model.__name__} has a {name} that does not fit; get the model file again.")
    return array


def _is(value: Any, kind: Any) -> bool:
    """Whether a JSON value, lists as tuples, can be of an annotated kind; what is no plain kind checks itself."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return any(_is(value, part) for part in parts)
    if origin is Literal:
        return value in parts
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        parts = parts[:1] * len(value) if Ellipsis in parts else parts
        return len(parts) == len(value) and all(map(_is, value, parts))
    if kind is np.ndarray:
        return isinstance(value, tuple)
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and _is_finite(value)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind in (str, bool, type(None)):
        return isinstance(value, kind)
    return True


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond every float
        return False
