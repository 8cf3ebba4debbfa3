"""What recipes refuse in their settings when these are read, rather than after an hour of measuring."""

from collections.abc import Sequence
from typing import Any

from FeatureExtractorLib.deep.backbones import backbone_spec, parse_weights
from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.preparation import COARSEST_MM, FINEST_MM

FILE = "file:"
LEAST = {"folds": 2, "repeats": 1, "inner_folds": 2, "seed": 0}  # what every recipe counts


def check_least(settings: Any, **others: int) -> None:
    """Raises InputError where a count that every recipe has, or one of `others`, is below its least value."""
    for name, least in {**LEAST, **others}.items():
        if getattr(settings, name) < least:
            raise InputError(f"The setting {name} cannot be {getattr(settings, name)}; choose {least} or more.")


def check_slice_spacing(spacing: tuple[float, float, float] | None) -> None:
    """Raises InputError unless the mm (x, y, z) of PNG and JPEG slices lie in the bounds of any working grid."""
    if spacing is not None and not all(FINEST_MM <= length <= COARSEST_MM for length in spacing):
        raise InputError(
            f"The slice spacing cannot be {spacing}; give three lengths from {FINEST_MM} to {COARSEST_MM:g} mm."
        )


def check_networks(backbones: Sequence[str], weights: Sequence[str]) -> None:
    """Raises InputError at an unknown backbone and at a text that names no weights.

    Files of weights are looked for where they are needed: a model file names those that it was made from, and the
    computer that reads it need not have them.
    """
    for name in backbones:
        backbone_spec(name)
    for text in weights:
        if not text.startswith(FILE):
            parse_weights(text)
