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
from FeatureExtractorLib.radiomics.engine import get_engine
from FeatureExtractorLib.radiomics.presets import parse_settings

from .blocks import labels_of
from .bundle import Bundle
from .card import model_card
from .evaluation.metrics import Metrics, binary_metrics, by_patient
from .folds import grouped_folds
from .measures import CaseMeasures, MeasuredCohort, measure_cohort
from .recipes import recipe_module
from .settings import plain

COUNTED = ("accuracy", "sensitivity", "specificity", "ppv", "npv", "f1")


def train(
    recipe: str,
    manifest: Manifest,
    settings: Any,
    *,
    name: str,
    version: str = "1",
    cache: Path | None = None,
    progress: Progress = silent,
) -> Bundle:
    """Train a recipe on a manifest's cases of cohort `train`, `validation` or none; those of `test` only judge it.

    cache: a folder that keeps each case's measures. Raises InputError when no case can be measured, labels are
    missing or not of two classes, or a class has too few patients.
    """
    module = recipe_module(recipe)
    entries = manifest.of_cohort("train", "validation", "")
    classes = _two_classes(entries, settings.positive)
    cohort = _measured(module, entries, settings, cache, progress)
    metrics, warnings = cross_validate(module, cohort.cases, classes, settings, progress)
    fitted = module.fit(cohort.cases, classes, settings, progress)
    test = manifest.of_cohort("test")
    test_metrics = None
    if test:
        held_back = _measured(module, test, settings, cache, progress)
        test_metrics = judge(module, fitted, held_back.cases)
    documents, weights = module.pack(fitted)
    measured = module.measure_settings(settings)
    content = {
        "recipe": recipe,
        "publication": module.PUBLICATION,
        "name": name,
        "version": version,
        "classes": list(classes),
        "positive": classes[1],
        "modalities": [settings.modality],
        "settings": plain(settings),
        "radiomics": measured.radiomics.to_dict(),
        "engine": get_engine(settings.engine).name,
        "clinical": [variable.to_json() for variable in fitted.variables],
        "weights_origin": f"trained here, starting from {parse_weights(settings.weights).describe()}",
        "cohort": _summary(cohort, manifest.sha256),
        "folds": settings.folds,
        "metrics": metrics,
        "test_metrics": test_metrics,
        "about": plain(settings.about),
        "warnings": list(dict.fromkeys([*warnings, *fitted.warnings])),
        "versions": versions(),
    }
    return Bundle(content, documents, weights, model_card(content))


def cross_validate(
    module: ModuleType,
    cases: Sequence[CaseMeasures],
    classes: tuple[str, str],
    settings: Any,
    progress: Progress = silent,
) -> tuple[dict[str, Metrics], tuple[str, ...]]:
    """Out-of-fold metrics of every sub-model, by patient, and warnings.

    Each fold fits the whole recipe, its threshold included, without the patients it is judged on.
    """
    y, patients = labels_of(cases, classes), np.array([case.patient_id for case in cases])
    folds = grouped_folds(y, patients, settings.folds, settings.seed)
    found: dict[str, np.ndarray] = {}
    thresholds = np.empty(len(cases))
    for i, (training, test) in enumerate(folds.splits):

        def told(stage: str, fraction: float, fold: int = i) -> None:
            progress(f"fold {fold + 1}/{len(folds.splits)}: {stage}", fraction)

        fitted = module.fit([cases[j] for j in training], classes, settings, told)
        for model, p in module.probabilities(fitted, [cases[j] for j in test]).items():
            found.setdefault(model, np.full(len(cases), np.nan))[test] = p
        thresholds[test] = fitted.threshold
    whole = {model: p for model, p in found.items() if np.isfinite(p).all()}
    return {
        model: patient_metrics(y, p, patients, _cuts(model, thresholds)) for model, p in whole.items()
    }, folds.warnings


def judge(module: ModuleType, fitted: Any, cases: Sequence[CaseMeasures]) -> dict[str, Metrics]:
    """Metrics of a fitted recipe and its sub-models on cases that it has not seen, by patient."""
    y, patients = labels_of(cases, fitted.classes), np.array([case.patient_id for case in cases])
    thresholds = np.full(len(cases), fitted.threshold)
    return {
        model: patient_metrics(y, p, patients, _cuts(model, thresholds))
        for model, p in module.probabilities(fitted, cases).items()
    }


def evaluate(
    bundle: Bundle, manifest: Manifest, *, cache: Path | None = None, progress: Progress = silent
) -> dict[str, Any]:
    """Judge a model on a manifest's labelled cases: metrics by sub-model, patients, failures.

    Raises InputError when a label is not one of the model's classes or a class is missing.
    """
    module = recipe_module(str(bundle.manifest["recipe"]))
    settings, fitted = module.unpack(bundle)
    radiomics = parse_settings(bundle.name, bundle.manifest["radiomics"])
    engine = get_engine(settings.engine)
    cohort = measure_cohort(manifest.entries, module.measure_settings(settings, radiomics), engine, cache, progress)
    _check_any(cohort)
    return {
        "model": {"name": bundle.name, "version": bundle.manifest["version"], "sha256": bundle.sha256},
        "manifest": manifest.sha256,
        "patients": len({case.patient_id for case in cohort.cases}),
        "cases": len(cohort.cases),
        "failures": dict(cohort.failures),
        "metrics": judge(module, fitted, cohort.cases),
        "versions": versions(),
    }


def patient_metrics(y: np.ndarray, p: np.ndarray, patients: np.ndarray, thresholds: np.ndarray) -> Metrics:
    """Metrics of patients' mean probabilities; a patient is called positive at his or her own fold's threshold.

    y: (n,) 0/1; p: (n,) probabilities; patients: (n,); thresholds: (n,), the same for all cases of a patient.
    """
    of_patient, mean = by_patient(y, p, patients)
    cut = np.array([thresholds[patients == patient][0] for patient in np.unique(patients)])
    called = (mean >= cut).astype(np.float64)
    counted = binary_metrics(of_patient, called)
    return {**binary_metrics(of_patient, mean), **{name: counted[name] for name in COUNTED}}


def _cuts(model: str, thresholds: np.ndarray) -> np.ndarray:
    """Only the nomogram has a threshold of its own; the SVM models' probabilities are cut at one half."""
    return thresholds if model == "nomogram" else np.full_like(thresholds, 0.5)


def _measured(
    module: ModuleType, entries: Sequence[CaseEntry], settings: Any, cache: Path | None, progress: Progress
) -> MeasuredCohort:
    engine = get_engine(settings.engine)
    cohort = measure_cohort(entries, module.measure_settings(settings), engine, cache, progress)
    _check_any(cohort)
    return cohort


def _check_any(cohort: MeasuredCohort) -> None:
    if not cohort.cases:
        case_id, reason = next(iter(cohort.failures.items()))
        raise InputError(f"None of the {len(cohort.failures)} cases could be measured; the first, {case_id}: {reason}")


def _two_classes(entries: Sequence[CaseEntry], positive: str | None) -> tuple[str, str]:
    unlabelled = [entry.case_id for entry in entries if entry.label is None]
    if unlabelled:
        raise InputError(f"Case {unlabelled[0]} has no label; give every case that is trained on a label.")
    classes = sorted({entry.label for entry in entries if entry.label is not None})
    if len(classes) != 2:
        raise InputError(
            f"The manifest has {len(classes)} classes ({', '.join(classes) or 'none'}); this recipe tells two apart."
        )
    if positive is not None and positive not in classes:
        raise InputError(f"The positive class {positive!r} is not in the manifest; choose {' or '.join(classes)}.")
    last = positive or classes[1]
    return (classes[0] if classes[1] == last else classes[1]), last


def _summary(cohort: MeasuredCohort, manifest_sha256: str) -> dict[str, Any]:
    """What a bundle says of its cohort: counts and a hash, nothing that names a patient."""
    label_of = {case.patient_id: str(case.label) for case in cohort.cases}
    labels = sorted(label_of.values())
    return {
        "patients": len(label_of),
        "cases": len(cohort.cases),
        "patients_by_class": {label: labels.count(label) for label in dict.fromkeys(labels)},
        "failures": len(cohort.failures),
        "manifest": manifest_sha256,
    }
