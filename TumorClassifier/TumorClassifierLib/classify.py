"""Classify a case with any model."""

from inspect import signature

from FeatureExtractorLib.alignment import Alignment
from FeatureExtractorLib.case import Case
from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.progress import Progress, silent

from .bundle import Bundle
from .explain.cam import check_method
from .recipes import recipe_module
from .results import ClassificationResult
from .settings import settings_of


def classify_case(
    case: Case, bundle: Bundle, progress: Progress = silent, activation: str | None = None
) -> ClassificationResult:
    """Classify a case as the model's recipe does; activation: how its map is made, by default as the model says.

    Raises InputError where the case lacks what the model needs, and for a method that there is not, or that the
    recipe gives no choice of.
    """
    name = str(bundle.manifest["recipe"])
    recipe = recipe_module(name)
    if activation is None:
        return recipe.classify(case, bundle, progress)
    check_method(activation)
    if "activation" not in signature(recipe.classify).parameters:
        raise InputError(f"The recipe {name} makes its map in one way only; leave out {activation}.")
    return recipe.classify(case, bundle, progress, activation=activation)


def alignment_of(bundle: Bundle) -> Alignment:
    """How a case's images must come onto one grid before the model sees them, as its training cases did."""
    return settings_of(Alignment, bundle.manifest["settings"].get("alignment", {}), bundle.name)


def slice_spacing_of(bundle: Bundle) -> tuple[float, ...] | None:
    """mm (x, y, z) of PNG and JPEG slices, which do not know their own: those of the model's training cases."""
    spacing = bundle.manifest["settings"].get("slice_spacing")
    return None if spacing is None else tuple(map(float, spacing))
