"""Train any recipe on a cohort and judge it: measure, cross-validate by patient, fit on all, pack."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
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
from .bundle import MODEL_NAME, Bundle
from .card import model_card
from .clinical import clinical_variables
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
) -> tuple[Bundle, dict[str, str]]:
    """Train a recipe on a manifest's cases of cohort `train`, `validation` or none; those of `test` only judge it.

    cache: a folder that keeps each case's measures. Returns the model, and the reason for every case that was left
    out. Raises InputError, before anything is fitted, when no model can have the name, no case can be measured,
    labels are missing or not of two classes, or a class has too few patients.
    """
    module = recipe_module(recipe)
    if not MODEL_NAME.fullmatch(name):
        raise InputError(f"A model cannot be called {name!r}; use letters, digits, '.', '_' and '-' only.")
    entries, test = manifest.of_cohort("train", "validation", ""), manifest.of_cohort("test")
    classes = _two_classes(entries, settings.positive)
    _check_test_labels(test, classes)
    _check_one_class_a_patient([*entries, *test])
    _check_enough_patients(entries, settings)
    cohort = _measured(module, entries, settings, cache, progress)
    held_back = _measured(module, test, settings, cache, progress) if test else None
    cases, warnings = _finite_in_every_case(cohort.cases)
    metrics, fold_warnings = cross_validate(module, cases, classes, settings, progress)
    fitted = module.fit(cases, classes, settings, progress)
    left_out = dict(cohort.failures)
    if left_out:
        warnings += (f"{len(left_out)} of {len(entries)} cases could not be measured and were left out.",)
    test_metrics = None
    if held_back is not None:
        judged, test_metrics, failures = judge(module, fitted, held_back.cases)
        left_out |= {**held_back.failures, **failures}
        if len(judged) < len(test):
            warnings += (f"{len(test) - len(judged)} of {len(test)} test cases could not be judged.",)
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
        "settings": _without_folders(settings),
        "radiomics": measured.radiomics.to_dict(),
        "engine": get_engine(settings.engine).name,
        "clinical": [variable.to_json() for variable in fitted.variables],
        "weights_origin": f"trained here, starting from {parse_weights(settings.weights).describe()}",
        "cohort": _summary(cohort, manifest.sha256),
        "folds": settings.folds,
        "metrics": metrics,
        "test_metrics": test_metrics,
        "about": plain(settings.about),
        "warnings": list(dict.fromkeys([*warnings, *fold_warnings, *fitted.warnings])),
        "versions": versions(),
    }
    return Bundle(content, documents, weights, model_card(content)), left_out


def cross_validate(
    module: ModuleType,
    cases: Sequence[CaseMeasures],
    classes: tuple[str, str],
    settings: Any,
    progress: Progress = silent,
) -> tuple[dict[str, Metrics], tuple[str, ...]]:
    """Out-of-fold metrics of every sub-model, by patient, and warnings.

    Each fold fits the whole recipe, its threshold included, without the patients it is judged on. Which levels a
    clinical variable has is known from all cases, so that a fold leaves it out where it lacks one.
    """
    y, patients = labels_of(cases, classes), np.array([case.patient_id for case in cases])
    folds = grouped_folds(y, patients, settings.folds, settings.seed)
    found: dict[str, np.ndarray] = {}
    thresholds = np.empty(len(cases))
    levels = {v.name: v.levels for v in clinical_variables([case.clinical for case in cases]) if v.levels}
    for i, (training, test) in enumerate(folds.splits):

        def told(stage: str, fraction: float, fold: int = i) -> None:
            progress(f"fold {fold + 1}/{len(folds.splits)}: {stage}", fraction)

        fitted = module.fit([cases[j] for j in training], classes, settings, told, levels)
        for model, p in module.probabilities(fitted, [cases[j] for j in test]).items():
            found.setdefault(model, np.full(len(cases), np.nan))[test] = p
        thresholds[test] = fitted.threshold
    whole = {model: p for model, p in found.items() if np.isfinite(p).all()}
    return {
        model: patient_metrics(y, p, patients, _cuts(model, thresholds)) for model, p in whole.items()
    }, folds.warnings


def judge(
    module: ModuleType, fitted: Any, cases: Sequence[CaseMeasures]
) -> tuple[list[CaseMeasures], dict[str, Metrics], dict[str, str]]:
    """Judge a fitted recipe and its sub-models, by patient, on cases that it has not seen.

    Returns the cases that count, metrics by sub-model, and the reasons why other cases do not count: a feature that is
    not finite, a clinical level that the model does not know. Raises InputError at a label that is not the model's,
    when no case counts and when a class is missing.
    """
    labels_of(cases, fitted.classes)
    judged, found, failures = [], [], {}
    for case in cases:
        try:
            found.append(module.probabilities(fitted, [case]))
            judged.append(case)
        except InputError as error:
            failures[case.case_id] = str(error)
    if not judged:
        raise InputError(f"None of the {len(cases)} cases could be judged; the first: {next(iter(failures.values()))}")
    y, patients = labels_of(judged, fitted.classes), np.array([case.patient_id for case in judged])
    thresholds = np.full(len(judged), fitted.threshold)
    metrics = {
        model: patient_metrics(y, np.concatenate([p[model] for p in found]), patients, _cuts(model, thresholds))
        for model in found[0]
    }
    return judged, metrics, failures


def evaluate(
    bundle: Bundle, manifest: Manifest, *, cache: Path | None = None, progress: Progress = silent
) -> dict[str, Any]:
    """Judge a model on a manifest's labelled cases: metrics by sub-model, patients, failures, warnings.

    Raises InputError when a label is not one of the model's classes or a class is missing.
    """
    module = recipe_module(str(bundle.manifest["recipe"]))
    settings, fitted = module.unpack(bundle)
    radiomics = parse_settings(bundle.name, bundle.manifest["radiomics"])
    engine = get_engine(settings.engine)
    cohort = measure_cohort(manifest.entries, module.measure_settings(settings, radiomics), engine, cache, progress)
    _check_any(cohort)
    judged, metrics, failures = judge(module, fitted, cohort.cases)
    return {
        "model": {"name": bundle.name, "version": bundle.manifest["version"], "sha256": bundle.sha256},
        "manifest": manifest.sha256,
        "patients": len({case.patient_id for case in judged}),
        "cases": len(judged),
        "failures": {**cohort.failures, **failures},
        "metrics": metrics,
        "warnings": _seen_before(bundle, manifest),
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


def _seen_before(bundle: Bundle, manifest: Manifest) -> list[str]:
    if bundle.manifest.get("cohort", {}).get("manifest") != manifest.sha256:
        return []
    return [
        "The model was trained on this very manifest, so these figures are too good; its card has those of "
        "cross-validation."
    ]


def _finite_in_every_case(cases: Sequence[CaseMeasures]) -> tuple[tuple[CaseMeasures, ...], tuple[str, ...]]:
    """The cases with only those radiomics features that all of them have, and a sentence where some are dropped.

    A feature that a fold's training part has and its test part lacks would end the cross-validation. Classes play no
    part in this, so nothing leaks.
    """
    measured = cases[0].first.radiomics
    names = [name for name in measured if all(math.isfinite(c.first.radiomics.get(name, math.nan)) for c in cases)]
    if len(names) == len(measured):
        return tuple(cases), ()
    kept = tuple(
        replace(case, first=replace(case.first, radiomics={name: case.first.radiomics[name] for name in names}))
        for case in cases
    )
    return kept, (f"{len(measured) - len(names)} of {len(measured)} radiomics features are not finite in every case.",)


def _check_any(cohort: MeasuredCohort) -> None:
    if not cohort.cases:
        case_id, reason = next(iter(cohort.failures.items()))
        raise InputError(f"None of the {len(cohort.failures)} cases could be measured; the first, {case_id}: {reason}")


def _two_classes(entries: Sequence[CaseEntry], positive: str | None) -> tuple[str, str]:
    unlabelled = [entry.case_id for entry in entries if entry.label is None]
    if unlabelled:
        raise InputError(f"Case {unlabelled[0]} has no label; give every case that is trained on a label.")
    classes = _labels(entries)
    if len(classes) != 2:
        raise InputError(
            f"The manifest has {len(classes)} classes ({', '.join(classes) or 'none'}); this recipe tells two apart."
        )
    if positive is not None and positive not in classes:
        raise InputError(f"The positive class {positive!r} is not in the manifest; choose {' or '.join(classes)}.")
    last = positive or classes[1]
    return (classes[0] if classes[1] == last else classes[1]), last


def _check_enough_patients(entries: Sequence[CaseEntry], settings: Any) -> None:
    """Refuse, before hours of measuring, a cohort that the folds within folds cannot be made of."""
    needed = fewest_patients(settings.folds, settings.inner_folds)
    patients = {label: {entry.patient_id for entry in entries if entry.label == label} for label in _labels(entries)}
    scarce = min(patients, key=lambda label: len(patients[label]))
    if len(patients[scarce]) < needed:
        raise InputError(
            f"Class {scarce} has {len(patients[scarce])} patients, but {settings.folds} folds with "
            f"{settings.inner_folds} inner folds need {needed} of each class; add patients or use fewer folds."
        )


def fewest_patients(folds: int, inner_folds: int) -> int:
    """The smallest class that leaves two patients to the innermost training part, as cross-validation needs them."""
    for patients in itertools.count(2):
        left = patients
        for k in (folds, inner_folds):
            left -= -(-left // min(k, left))
        if left >= 2:
            return patients
    raise AssertionError("unreachable")


def _labels(entries: Sequence[CaseEntry]) -> list[str]:
    return sorted({entry.label for entry in entries if entry.label is not None})


def _check_test_labels(entries: Sequence[CaseEntry], classes: tuple[str, str]) -> None:
    for entry in entries:
        if entry.label not in classes:
            raise InputError(
                f"Test case {entry.case_id} has the label {entry.label!r}; give it one of {', '.join(classes)}."
            )
    if entries and {entry.label for entry in entries} != set(classes):
        raise InputError(f"All test cases are {entries[0].label}; a test cohort needs cases of both classes.")


def _check_one_class_a_patient(entries: Sequence[CaseEntry]) -> None:
    label_of: dict[str, str | None] = {}
    for entry in entries:
        if label_of.setdefault(entry.patient_id, entry.label) != entry.label:
            raise InputError(
                f"Patient {entry.patient_id} has cases of both classes; correct the labels or the patient identifiers."
            )


def _without_folders(settings: Any) -> dict[str, Any]:
    """Settings as a bundle keeps them: files by name, for folders name people and differ by computer."""
    values = plain(settings)
    weights = parse_weights(settings.weights)
    if weights.kind == "file":
        values["weights"] = f"file:{Path(weights.value).name}#{weights.sha256}"
    for name in ("radiomics", "stable_features"):
        if values.get(name):
            values[name] = Path(values[name]).name
    return values


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
