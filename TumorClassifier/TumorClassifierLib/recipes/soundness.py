"""Whether what a bundle holds makes one model: parts that are each well-formed may still not belong together."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from FeatureExtractorLib.errors import BundleRejected, InputError
from FeatureExtractorLib.radiomics.presets import parse_settings

from ..blocks import deep_name
from ..bundle import Bundle
from ..nomogram import Nomogram, NumericTerm, Term
from ..settings import settings_of
from ..svm import SvmModel
from ..trust import Trust
from .class_nomogram import ClassNomogram

TOLD = {"cohort": dict, "about": dict, "metrics": dict, "publication": str, "folds": int, "warnings": list}
COUNTED = ("patients", "cases")  # in "cohort"
T = TypeVar("T")


def stored_settings(cls: type[T], bundle: Bundle) -> T:
    """A recipe's settings as a bundle keeps them; raises BundleRejected where they are none."""
    try:
        return settings_of(cls, bundle.manifest["settings"], f"{bundle.name}: settings")
    except InputError as error:
        raise BundleRejected(f"The model's settings cannot be used: {error}") from error


def check_told(bundle: Bundle) -> None:
    """Raises BundleRejected where the manifest lacks what cards and reports say of every trained model."""
    manifest = bundle.manifest
    wrong = [name for name, kind in TOLD.items() if not isinstance(manifest.get(name), kind)]
    if not wrong:
        counts = [manifest["cohort"].get(name) for name in COUNTED]
        by_class = manifest["cohort"].get("patients_by_class")
        counts += [by_class.get(name) for name in manifest["classes"]] if isinstance(by_class, dict) else [None]
        wrong = ["cohort"] if any(type(count) is not int or count < 0 for count in counts) else []
    if wrong:
        raise BundleRejected(f"The model {bundle.name} does not say its {wrong[0]}; get the model file again.")


def check_radiomics(bundle: Bundle) -> None:
    """Raises BundleRejected where the manifest does not say how radiomics features are measured."""
    kept = bundle.manifest.get("radiomics")
    try:
        if not isinstance(kept, dict):
            raise InputError("It has none.")
        parse_settings(bundle.name, kept)
    except InputError as error:
        raise BundleRejected(f"The model {bundle.name} has no usable radiomics settings: {error}") from error


def check_threshold(bundle: Bundle, threshold: float | None) -> None:
    """Raises BundleRejected unless two classes have a probability as their threshold, and more have none."""
    if (threshold is None) != (len(bundle.manifest["classes"]) > 2) or not 0 <= (threshold or 0) <= 1:
        raise BundleRejected(f"The model {bundle.name} has no threshold that can be; get the model file again.")


def check_trust(bundle: Bundle, trust: Trust, features: Iterable[str]) -> None:
    """Raises BundleRejected unless calibration and prediction sets are of the classes and ranges of used features."""
    classes = len(bundle.manifest["classes"])
    curves = len(trust.calibrator.curves)
    fits = curves in (0, 1 if classes == 2 else classes) and len(trust.sets.thresholds) == classes
    if not fits or set(trust.novelty.features) - set(features):
        raise BundleRejected(f"The model {bundle.name} has a calibration of another model; get the model file again.")


def check_class_nomogram(bundle: Bundle, model: ClassNomogram) -> None:
    """Raises BundleRejected unless regression and nomogram are of the variables and scores, with the same weights."""
    regression = model.regression
    try:
        right = Nomogram.from_regression(regression, model.variables, np.zeros((2, len(regression.features))))
    except (InputError, ValueError):  # no column for a variable, a name twice, or no effect
        right = None
    fits = (
        regression.names == ("intercept", *columns_of(model), *model.scores)
        and len(model.averages) == len(columns_of(model))
        and bool(np.isfinite(model.averages).all())
        and right is not None
        and model.nomogram.intercept == right.intercept
        and [_weights(term) for term in model.nomogram.terms] == [_weights(term) for term in right.terms]
    )
    if not fits:
        raise BundleRejected(
            f"The model {bundle.name} has a nomogram for {model.name} that is not its regression's; get the model "
            "file again."
        )


def columns_of(model: ClassNomogram) -> tuple[str, ...]:
    """Columns of the clinical variables in the regression."""
    return tuple(column for variable in model.variables for column in variable.columns)


def check_svms(bundle: Bundle, svm: Mapping[str, SvmModel], blocks: Mapping[str, Sequence[str]]) -> None:
    """Raises BundleRejected unless there is an SVM model of each block, of just its features."""
    if {name: tuple(model.features) for name, model in svm.items()} != {b: tuple(f) for b, f in blocks.items()}:
        raise BundleRejected(
            f"The model {bundle.name} has SVM models of other features than its own; get the model file again."
        )


def check_deep_columns(bundle: Bundle, names: Sequence[str], width: int) -> None:
    """Raises BundleRejected where a deep feature, by name, is none of the network's `width` outputs."""
    if set(names) - {deep_name(index) for index in range(width)}:
        raise BundleRejected(
            f"The model {bundle.name} uses deep features that its network has not; get the model file again."
        )


def _weights(term: Term) -> Term:
    """The term without the range of its axis, which the regression does not tell."""
    return replace(term, low=0.0, high=0.0) if isinstance(term, NumericTerm) else term
