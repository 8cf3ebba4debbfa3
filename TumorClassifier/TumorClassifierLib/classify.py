"""Classify a case with any model."""

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
    case: Case,
    bundle: Bundle,
    progress: Progress = silent,
    activation: str | None = None,
    target: str | None = None,
) -> ClassificationResult:
    """Classify a case as the model's recipe does, with the map of one class.

    activation: how the map is made, by default as the model says. target: the class that it is for, by default the
    called one. Raises InputError where the case lacks what the model needs, and for a class or a method that the
    model has not.
    """
    recipe = recipe_module(str(bundle.manifest["recipe"]))
    classes = bundle.manifest["classes"]
    if target is not None and target not in classes:
        raise InputError(f"The model {bundle.name} has no class {target!r}; choose one of {', '.join(classes)}.")
    if activation is not None:
        check_method(activation)
        offered = recipe.activations(bundle)
        if not offered:
            raise InputError(f"The model {bundle.name} draws no map, for it sees no picture; leave out {activation}.")
        if activation not in offered:
            raise InputError(f"The model {bundle.name} draws no {activation}; choose one of {', '.join(offered)}.")
    return recipe.classify(case, bundle, progress, activation, target)


def activation_methods(bundle: Bundle) -> tuple[str, ...]:
    """How a model's maps can be made, its own way first; none where it draws no map."""
    offered: tuple[str, ...] = recipe_module(str(bundle.manifest["recipe"])).activations(bundle)
    own = bundle.manifest["settings"].get("activation")
    return tuple(sorted(offered, key=lambda method: method != own))


def alignment_of(bundle: Bundle) -> Alignment:
    """How a case's images must come onto one grid before the model sees them, as its training cases did."""
    return settings_of(Alignment, bundle.manifest["settings"].get("alignment", {}), bundle.name)


def slice_spacing_of(bundle: Bundle) -> tuple[float, ...] | None:
    """mm (x, y, z) of PNG and JPEG slices, which do not know their own: those of the model's training cases."""
    spacing = bundle.manifest["settings"].get("slice_spacing")
    return None if spacing is None else tuple(map(float, spacing))
