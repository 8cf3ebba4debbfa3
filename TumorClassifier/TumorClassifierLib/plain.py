"""Fitted models as plain JSON values and back."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from FeatureExtractorLib.errors import BundleRejected


def as_tuples(value: Any) -> Any:
    """The same value with every list, at any depth, as a tuple."""
    if isinstance(value, (list, tuple)):
        return tuple(as_tuples(item) for item in value)
    if isinstance(value, Mapping):
        return {name: as_tuples(item) for name, item in value.items()}
    return value


def fields_of(model: type, document: Any) -> dict[str, Any]:
    """The constructor's arguments of a fitted model from its JSON document, lists as tuples.

    Raises BundleRejected where the document is not one of this model.
    """
    expected = {field.name for field in fields(model)}
    found = set(document) if isinstance(document, Mapping) else set()
    if found != expected:
        wrong = ", ".join(sorted(expected ^ found))
        raise BundleRejected(
            f"The stored {model.__name__} does not have the expected fields ({wrong}); get the model file again."
        )
    return dict(as_tuples(document))
