"""Classify a case with any model."""

from FeatureExtractorLib.alignment import Alignment
from FeatureExtractorLib.case import Case
from FeatureExtractorLib.progress import Progress, silent

from .bundle import Bundle
from .recipes import recipe_module
from .results import ClassificationResult
from .settings import settings_of


def classify_case(case: Case, bundle: Bundle, progress: Progress = silent) -> ClassificationResult:
    """Classify a case as the model's recipe does; raises InputError where the case lacks what the model needs."""
    return recipe_module(str(bundle.manifest["recipe"])).classify(case, bundle, progress)


def alignment_of(bundle: Bundle) -> Alignment:
    """How a case's images must come onto one grid before the model sees them, as its training cases did."""
    return settings_of(Alignment, bundle.manifest["settings"].get("alignment", {}), bundle.name)
