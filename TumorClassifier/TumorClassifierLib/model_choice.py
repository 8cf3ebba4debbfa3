"""The models there are, as what a host shows of them: cards, what each asks for, and what is still missing."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from FeatureExtractorLib.case import ClinicalValue
from FeatureExtractorLib.errors import InputError, TumorClassifierError

from .bundle import Bundle, read_bundle
from .card import with_interval
from .classify import activation_methods, alignment_of
from .clinical_coding import MISSING, ClinicalVariable
from .recipes import recipe_module
from .store import InstalledModel, installed_models

WORDS = {"auc": "AUC", "sensitivity": "sensitivity", "specificity": "specificity", "accuracy": "accuracy"}


@dataclass(frozen=True)
class ClinicalField:
    """A clinical variable as a form asks for it.

    levels: of a choice, in the model's order. low, high: of a number, in which its training cases lay, where the model
    says so. required: whether the case cannot be classified without it; otherwise unknown counts as `unknown` says.
    """

    name: str
    kind: Literal["number", "choice"]
    levels: tuple[str, ...] = ()
    unit: str = ""
    low: float | None = None
    high: float | None = None
    required: bool = False
    unknown: str = ""


@dataclass(frozen=True)
class ModelSummary:
    """An installed model. damaged: a sentence where it cannot be used; then only name, origin and path are known.

    origin: "shipped" or "installed". modalities: the one first that the others are resampled to and outlines are drawn
    on, where the model names one. metrics: figures with their 95 % intervals, in words. limits: what it cannot do.
    card: Markdown. activations: how its maps can be made, its own way first; none where it draws no map. corrects:
    whether it is known to correct the bias field by itself.
    """

    name: str
    origin: str
    path: Path
    version: str = ""
    recipe: str = ""
    publication: str = ""
    classes: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ()
    needs_outline: bool = True
    metrics: str = ""
    limits: tuple[str, ...] = ()
    card: str = ""
    clinical: tuple[ClinicalField, ...] = ()
    activations: tuple[str, ...] = ()
    corrects: bool = False
    damaged: str = ""


def model_summaries() -> list[ModelSummary]:
    """Every installed model by name; one that cannot be used is there with the reason."""
    return [summary_of(model) for model in installed_models()]


def summary_of(model: InstalledModel) -> ModelSummary:
    """One model's summary; a file that has not changed is read once."""
    try:
        found = model.path.stat()
    except OSError as error:
        reason = f"{model.path} cannot be read ({error.strerror}); install the model again."
        return ModelSummary(model.name, model.origin, model.path, damaged=reason)
    return _read(model, found.st_mtime_ns, found.st_size)


def missing_for(
    summary: ModelSummary | None,
    modalities_given: Iterable[str],
    has_outline: bool,
    clinical_given: Mapping[str, ClinicalValue] | Collection[str] = (),
) -> list[str]:
    """Every reason why a case cannot be classified yet, a sentence each; none when it can.

    clinical_given: the values by name, which are checked, or the names of those that are known.
    """
    if summary is None:
        return ["No model is chosen; choose one."]
    if summary.damaged:
        return [summary.damaged]
    given = set(modalities_given)
    reasons = [
        f"The model {summary.name} needs a {modality} image; choose one."
        for modality in summary.modalities
        if modality not in given
    ]
    if summary.needs_outline and not has_outline:
        reasons.append(f"The model {summary.name} needs the tumour's outline; choose a segment or draw one.")
    values = clinical_given if isinstance(clinical_given, Mapping) else {}
    for field in summary.clinical:
        if field.required and (field.name not in clinical_given or values.get(field.name, "") in (None, MISSING)):
            reasons.append(f"The model {summary.name} needs {field.name}; fill it in.")
        elif values.get(field.name) not in (None, "", MISSING) and (wrong := _wrong(field, values[field.name])):
            reasons.append(wrong)
    return reasons


def _wrong(field: ClinicalField, value: ClinicalValue) -> str:
    """Why a value cannot be one of this variable; empty where it can."""
    kind = "numeric" if field.kind == "number" else "categorical"
    try:
        ClinicalVariable(field.name, kind, field.levels, field.unit, MISSING).encode(value)
    except InputError as error:
        return str(error)
    return ""


@lru_cache(maxsize=64)
def _read(model: InstalledModel, changed: int, size: int) -> ModelSummary:
    """changed, size: of the file, so that another one is read anew."""
    try:
        bundle = read_bundle(model.path)
        return _summary(model, bundle)
    except TumorClassifierError as error:
        return ModelSummary(model.name, model.origin, model.path, damaged=str(error))
    except (KeyError, TypeError, ValueError, AttributeError) as error:  # what a forged manifest leaves out
        reason = f"{model.path} does not say what every model says ({type(error).__name__}: {error}); get it again."
        return ModelSummary(model.name, model.origin, model.path, damaged=reason)


def _summary(model: InstalledModel, bundle: Bundle) -> ModelSummary:
    manifest = bundle.manifest
    recipe = str(manifest["recipe"])
    recipe_module(recipe)  # refuses one that this version does not have
    return ModelSummary(
        name=model.name,
        origin=model.origin,
        path=model.path,
        version=str(manifest["version"]),
        recipe=recipe,
        publication=str(manifest.get("publication", "")),
        classes=tuple(map(str, manifest["classes"])),
        modalities=_modalities(bundle),
        needs_outline=bool(manifest.get("outline", True)),
        metrics=_metrics(manifest),
        limits=tuple(map(str, (manifest.get("about") or {}).get("limits", ()))),
        card=bundle.card,
        clinical=_clinical(bundle),
        activations=activation_methods(bundle),
        corrects=_corrects(manifest),
    )


def _modalities(bundle: Bundle) -> tuple[str, ...]:
    """As the manifest has them, but the one of the common grid first."""
    reference = alignment_of(bundle).reference
    return tuple(sorted(map(str, bundle.manifest["modalities"]), key=lambda modality: modality != reference))


def _corrects(manifest: Mapping[str, Any]) -> bool:
    preparation = manifest["settings"].get("preparation")
    return isinstance(preparation, Mapping) and preparation.get("n4", "none") in ("itk", "fast")


def _metrics(manifest: Mapping[str, Any]) -> str:
    """The whole model's figures in cross-validation, and the AUC of held-back patients where there are some."""
    main = str(recipe_module(str(manifest["recipe"])).MAIN)

    def told(judged: Mapping[str, Any], names: tuple[str, ...]) -> str:
        values = judged.get(main) or next(iter(judged.values()))
        return ", ".join(f"{WORDS[name]} {with_interval(values[name])}" for name in names)

    if not manifest.get("metrics"):
        return "It was not judged."
    both = ("sensitivity", "specificity") if manifest.get("positive") is not None else ()
    text = f"{told(manifest['metrics'], ('auc', *both, 'accuracy'))} in cross-validation"
    if manifest.get("test_metrics"):
        text += f"; {told(manifest['test_metrics'], ('auc',))} on held-back patients"
    return f"{text} (95 % intervals)"


def _clinical(bundle: Bundle) -> tuple[ClinicalField, ...]:
    variables = [ClinicalVariable.from_json(document) for document in bundle.manifest.get("clinical") or ()]
    ranges = _ranges(bundle)
    return tuple(
        ClinicalField(
            name=variable.name,
            kind="number" if variable.kind == "numeric" else "choice",
            levels=tuple(level for level in variable.levels if level != MISSING),
            unit=variable.unit,
            low=ranges.get(variable.name, (None, None))[0],
            high=ranges.get(variable.name, (None, None))[1],
            unknown=variable.missing_note,
        )
        for variable in variables
    )


def _ranges(bundle: Bundle) -> dict[str, tuple[float, float]]:
    """The ranges of the numbers on the nomograms' axes, which are those of the training cases."""
    description = bundle.documents.get("description")
    nomograms = (description.get("nomograms") or {}) if isinstance(description, Mapping) else {}
    found: dict[str, tuple[float, float]] = {}
    for nomogram in nomograms.values():
        for term in nomogram.get("terms", ()):
            if "low" in term and "high" in term:
                found[str(term["name"])] = (float(term["low"]), float(term["high"]))
    return found
