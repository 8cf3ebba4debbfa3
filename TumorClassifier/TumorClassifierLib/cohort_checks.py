"""Whether a cohort can train and judge a recipe, before anything is measured."""

import itertools
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.manifest import CaseEntry, Manifest


def checked_cohort(
    module: ModuleType, manifest: Manifest, settings: Any
) -> tuple[tuple[CaseEntry, ...], tuple[CaseEntry, ...], tuple[str, ...]]:
    """The cases to train on, those that only judge, and the classes; raises InputError as `train`, with none read."""
    entries, test = manifest.of_cohort("train", "validation", ""), manifest.of_cohort("test")
    classes = _classes(entries, settings.positive)
    _check_test_labels(test, classes)
    _check_one_class_a_patient([*entries, *test])
    _check_enough_patients(entries, settings)
    _check_images([*entries, *test], module.measure_settings(settings).modalities)
    return entries, test, classes


def _classes(entries: Sequence[CaseEntry], positive: str | None) -> tuple[str, ...]:
    """The labels by name; of two, the positive one last."""
    unlabelled = [entry.case_id for entry in entries if entry.label is None]
    if unlabelled:
        raise InputError(f"Case {unlabelled[0]} has no label; give every case that is trained on a label.")
    classes = _labels(entries)
    if len(classes) < 2:
        raise InputError(
            f"All training cases have one label ({', '.join(classes) or 'none'}); a model needs two classes or more."
        )
    if positive is None:
        return tuple(classes)
    if len(classes) > 2:
        raise InputError(
            f"The setting positive is for two classes, but the manifest has {len(classes)}; leave it out."
        )
    if positive not in classes:
        raise InputError(f"The positive class {positive!r} is not in the manifest; choose {' or '.join(classes)}.")
    return (classes[0] if classes[1] == positive else classes[1]), positive


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


def _check_images(entries: Sequence[CaseEntry], modalities: Sequence[str]) -> None:
    """Refuse a manifest that has no image at all of a modality; single cases without one are left out later."""
    known = list(dict.fromkeys(name for entry in entries for name in entry.images))
    for name in modalities:
        if name not in known:
            raise InputError(
                f"The recipe needs {name} images, but the manifest has {', '.join(known) or 'none'} only; set "
                f"modality or modalities in the settings, or add a column image_{name}."
            )


def _labels(entries: Sequence[CaseEntry]) -> list[str]:
    return sorted({entry.label for entry in entries if entry.label is not None})


def _check_test_labels(entries: Sequence[CaseEntry], classes: tuple[str, ...]) -> None:
    for entry in entries:
        if entry.label not in classes:
            raise InputError(
                f"Test case {entry.case_id} has the label {entry.label!r}; give it one of {', '.join(classes)}."
            )
    lacking = set(classes) - {entry.label for entry in entries}
    if entries and lacking:
        raise InputError(f"No test case is {min(lacking)}; a test cohort needs cases of every class.")


def _check_one_class_a_patient(entries: Sequence[CaseEntry]) -> None:
    label_of: dict[str, str | None] = {}
    for entry in entries:
        if label_of.setdefault(entry.patient_id, entry.label) != entry.label:
            raise InputError(
                f"Patient {entry.patient_id} has cases of two classes; correct the labels or the patient identifiers."
            )
