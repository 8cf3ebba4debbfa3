"""What recipes refuse in their settings when these are read, rather than after an hour of measuring."""

from collections.abc import Sequence

from FeatureExtractorLib.deep.backbones import backbone_spec, parse_weights
from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.preparation import COARSEST_MM, FINEST_MM

FILE = "file:"


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
