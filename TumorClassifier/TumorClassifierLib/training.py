"""Train any recipe on a cohort and judge it: measure, cross-validate by patient, fit on all, pack."""

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from FeatureExtractorLib.deep.backbones import parse_weights
from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.manifest import CaseEntry, Manifest
from FeatureExtractorLib.progress import Progress, silent
from FeatureExtractorLib.provenance import versions
from FeatureExtractorLib.radiomics.engine import RadiomicsEngine, get_engine
from FeatureExtractorLib.radiomics.presets import parse_settings

from .blocks import finite_in_every_case, labels_of
from .bundle import MODEL_NAME, Bundle
from .card import model_card
from .chance import chance_warning
from .cohort_checks import checked_cohort
from .evaluation.cohort_table import cohort_table
from .measures import CaseMeasures, MeasuredCohort, measure_cohort
from .out_of_fold import OutOfFold, out_of_fold, predictions_of
from .recipes import recipe_module
from .settings import plain
from .stopwatch import Stopwatch

CROSS_VALIDATION = "cross-validation"
HELD_BACK = "held-back patients"
EXTERNAL = "external cohort"


def train(
    recipe: str,
    manifest: Manifest,
    settings: Any,
    *,
    name: str,
    version: str = "1",
    cache: Path | None = None,
    progress: Progress = silent,
) -> tuple[Bundle, dict[str, str]]:
    """Train a recipe on a manifest's cases of cohort `train`, `validation` or none; those of `test` only judge it.

    cache: a folder that keeps each case's measures. Returns the model, and the reason for every case that was left
    out. Raises InputError, before anything is fitted, when no model can have the name, no case can be measured,
    labels are missing or all alike, or a class has too few patients.
    """
    module = recipe_module(recipe)
    if not MODEL_NAME.fullmatch(name):
        raise InputError(f"A model cannot be called {name!r}; use letters, digits, '.', '_' and '-' only.")
    entries, test, classes = checked_cohort(module, manifest, settings)
    cohort = _measured(module, entries, settings, cache, progress)
    held_back = _measured(module, test, settings, cache, progress) if test else None
    cases, warnings = finite_in_every_case(cohort.cases)
    judged_inside = out_of_fold(module, cases, classes, settings, progress)
    parts = [_part(CROSS_VALIDATION, module, cases, classes, judged_inside, settings)]
    if told := chance_warning(parts[0]["metrics"], module.MAIN):
        warnings += (told,)
    fitted = module.fit(cases, classes, settings, progress)
    left_out = dict(cohort.failures)
    if left_out:
        warnings += (f"{len(left_out)} of {len(entries)} cases could not be measured and were left out.",)
    if held_back is not None:
        judged, found, failures = predictions_of(module, fitted, held_back.cases, settings, progress)
        parts.append(_part(HELD_BACK, module, judged, classes, found, settings))
        left_out |= {**held_back.failures, **failures}
        if len(judged) < len(test):
            warnings += (f"{len(test) - len(judged)} of {len(test)} test cases could not be judged.",)
    documents, weights = module.pack(fitted)
    measured = module.measure_settings(settings)
    rows, labels = [case.clinical for case in cases], [str(case.label) for case in cases]
    documents |= {
        "description": module.describe(fitted),
        "evaluation": {
            "cohorts": parts,
            "cohort_table": cohort_table(rows, labels, [case.patient_id for case in cases]),
        },
    }
    content = {
        "recipe": recipe,
        "publication": module.PUBLICATION,
        "name": name,
        "version": version,
        "classes": list(classes),
        "positive": classes[1] if len(classes) == 2 else None,
        "modalities": list(measured.modalities),
        "settings": _without_folders(settings),
        "radiomics": measured.radiomics.to_dict() if measured.radiomics else None,
        "engine": _engine(settings).name if measured.radiomics else None,
        "outline": measured.needs_outline,
        "clinical": _clinical(fitted),
        "networks": module.networks(settings),
        "cohort": _summary(cohort, manifest.sha256),
        "folds": settings.folds,
        "repeats": settings.repeats,
        "metrics": parts[0]["metrics"],
        "test_metrics": parts[1]["metrics"] if held_back is not None else None,
        "about": plain(settings.about),
        "warnings": list(dict.fromkeys([*warnings, *judged_inside.warnings, *fitted.warnings])),
        "versions": versions(),
    }
    return Bundle(content, documents, weights, model_card(content)), left_out


def evaluate(
    bundle: Bundle,
    manifest: Manifest,
    *,
    cache: Path | None = None,
    progress: Progress = silent,
    readers: Path | None = None,
) -> dict[str, Any]:
    """Judge a model on a manifest's labelled cases: the evaluation of every sub-model, failures, warnings.

    readers: a CSV file of readers' answers about the same patients, see `readers_table`, to stand beside the model's.
    Raises InputError when a label is not one of the model's classes or a class is missing, and as `readers_table`.
    """
    from .evaluation.readers import beside_readers

    module = recipe_module(str(bundle.manifest["recipe"]))
    settings, fitted = module.unpack(bundle)
    kept = bundle.manifest["radiomics"]
    radiomics = parse_settings(bundle.name, kept) if kept else None
    engine = _engine(settings)
    if readers is not None and len(fitted.classes) != 2:
        raise InputError(f"Readers are compared in two classes, but {bundle.name} has {len(fitted.classes)}.")
    watch = Stopwatch()
    with watch.stage("measuring"):
        wanted = module.measure_settings(settings, radiomics)
        cohort = measure_cohort(manifest.entries, wanted, engine, cache, progress)
    _check_any(cohort)
    labels_of(cohort.cases, fitted.classes)
    with watch.stage("judging"):
        judged, found, failures = predictions_of(module, fitted, cohort.cases, settings, progress)
    part = _part(EXTERNAL, module, judged, fitted.classes, found, settings)
    if readers is not None:
        seconds = None if cache is not None else sum(watch.seconds.values()) / part["patients"]  # a cache saves some
        patients = np.array([case.patient_id for case in judged])
        part["readers"] = beside_readers(readers, part, patients, bundle.name, seconds)
    return {
        "model": {"name": bundle.name, "version": bundle.manifest["version"], "sha256": bundle.sha256},
        "manifest": manifest.sha256,
        "patients": part["patients"],
        "cases": len(judged),
        "failures": {**cohort.failures, **failures},
        "metrics": part["metrics"],
        "cohorts": [part],
        "warnings": _seen_before(bundle, manifest),
        "versions": versions(),
    }


def _part(
    name: str,
    module: ModuleType,
    cases: Sequence[CaseMeasures],
    classes: Sequence[str],
    found: OutOfFold,
    settings: Any,
) -> dict[str, Any]:
    """One cohort's part of the evaluation document, with the spread over repeats where there are several."""
    from .evaluation.judgement import called_by_patient, judge_predictions
    from .explain.focus_cases import focus_document

    y, patients = labels_of(cases, classes), np.array([case.patient_id for case in cases])
    part = judge_predictions(
        name,
        y,
        found.probabilities,
        patients,
        tuple(classes),
        module.MAIN,
        thresholds=found.thresholds,
        sets=found.sets,
        level=settings.trust.level,
        own_training=False,
        seed=settings.seed,
    )
    called = called_by_patient(part, patients)
    focus = focus_document(found.focus, patients.tolist(), y.tolist(), called, classes) if found.focus else None
    return {**part, "repeats": found.by_repeat, "focus": focus}


def _measured(
    module: ModuleType, entries: Sequence[CaseEntry], settings: Any, cache: Path | None, progress: Progress
) -> MeasuredCohort:
    cohort = measure_cohort(entries, module.measure_settings(settings), _engine(settings), cache, progress)
    _check_any(cohort)
    return cohort


def _engine(settings: Any) -> RadiomicsEngine:
    """The engine that a recipe's settings name; any serves a recipe that measures no radiomics features."""
    return get_engine(getattr(settings, "engine", "auto"))


def _seen_before(bundle: Bundle, manifest: Manifest) -> list[str]:
    if bundle.manifest.get("cohort", {}).get("manifest") != manifest.sha256:
        return []
    return [
        "The model was trained on this very manifest, so these figures are too good; its card has those of "
        "cross-validation."
    ]


def _check_any(cohort: MeasuredCohort) -> None:
    if not cohort.cases:
        case_id, reason = next(iter(cohort.failures.items()))
        raise InputError(f"None of the {len(cohort.failures)} cases could be measured; the first, {case_id}: {reason}")


def _clinical(fitted: Any) -> list[dict[str, Any]]:
    """Every clinical variable that any class's nomogram has, or a model without nomogram, once."""
    known = [*(v for nomogram in fitted.nomograms for v in nomogram.variables), *getattr(fitted, "variables", ())]
    return list({v.name: v.to_json() for v in known}.values())


def _without_folders(settings: Any) -> dict[str, Any]:
    """Settings as a bundle keeps them: files by name, for folders name people and differ by computer."""
    values = plain(settings)
    if given := values.get("weights"):
        values["weights"] = (
            _without_folder(given) if isinstance(given, str) else [_without_folder(one) for one in given]
        )
    for name in ("radiomics", "stable_features"):
        if values.get(name):
            values[name] = Path(values[name]).name
    return values


def _without_folder(weights: str) -> str:
    parsed = parse_weights(weights)
    return f"file:{Path(parsed.value).name}#{parsed.sha256}" if parsed.kind == "file" else weights


def _summary(cohort: MeasuredCohort, manifest_sha256: str) -> dict[str, Any]:
    """What a bundle says of its cohort: counts and a hash, nothing that names a patient."""
    label_of = {case.patient_id: str(case.label) for case in cohort.cases}
    labels = sorted(label_of.values())
    return {
        "patients": len(label_of),
        "cases": len(cohort.cases),
        "patients_by_class": {label: labels.count(label) for label in dict.fromkeys(labels)},
        "failures": len(cohort.failures),
        "second_reader": sum(case.second is not None for case in cohort.cases),
        "manifest": manifest_sha256,
    }
