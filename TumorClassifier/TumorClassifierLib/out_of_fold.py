"""What a recipe says of cases that it has not seen: out of fold, by patient, and of another cohort."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.progress import Progress, silent

from .blocks import labels_of
from .clinical import clinical_variables
from .evaluation.discrimination import auc
from .evaluation.metrics import by_patient
from .explain.focus_cases import Focus
from .folds import grouped_folds
from .measures import CaseMeasures


@dataclass(frozen=True)
class OutOfFold:
    """Predictions of n cases.

    probabilities: by sub-model (n, K), means over the repeats. thresholds: (n,) of the main model's probability, None
    for three or more classes. sets: per case the class indices of its patient's prediction set, in the first repeat.
    by_repeat: by sub-model the AUC (over patients; of several classes the macro average) of every repeat, where there
    are several. focus: per case where the map of its called class points, in the first repeat; None without a map or
    an outline, empty for a recipe that draws none of measured cases.
    """

    probabilities: Mapping[str, np.ndarray]
    thresholds: np.ndarray | None
    sets: list[tuple[int, ...]]
    by_repeat: Mapping[str, list[float]]
    warnings: tuple[str, ...] = ()
    focus: Sequence[Focus | None] = ()

    @property
    def cuts(self) -> np.ndarray:
        """(n,) thresholds of two classes."""
        assert self.thresholds is not None
        return self.thresholds


def out_of_fold(
    module: ModuleType,
    cases: Sequence[CaseMeasures],
    classes: tuple[str, ...],
    settings: Any,
    progress: Progress = silent,
) -> OutOfFold:
    """Cross-validate by patient, `settings.repeats` times over `settings.folds`.

    Each fold fits the whole recipe, its threshold and calibration included, without the patients it is judged on.
    Which levels a clinical variable has is known from all cases, so that a fold leaves it out where it lacks one.
    """
    y, patients = labels_of(cases, classes), np.array([case.patient_id for case in cases])
    levels = {v.name: v.levels for v in clinical_variables([case.clinical for case in cases]) if v.levels}
    repeats = [
        _once(module, cases, y, patients, classes, settings, levels, repeat, progress)
        for repeat in range(settings.repeats)
    ]
    models = [model for model in repeats[0].probabilities if all(model in one.probabilities for one in repeats)]
    stacked = {model: np.stack([one.probabilities[model] for one in repeats]) for model in models}
    return OutOfFold(
        probabilities={model: P.mean(axis=0) for model, P in stacked.items()},
        thresholds=None if len(classes) > 2 else np.stack([one.cuts for one in repeats]).mean(axis=0),
        sets=repeats[0].sets,
        by_repeat={
            model: [_auc(*by_patient(y, one, patients)) for one in P]
            for model, P in stacked.items()
            if settings.repeats > 1
        },
        focus=repeats[0].focus,
        warnings=tuple(dict.fromkeys(warning for one in repeats for warning in one.warnings)),
    )


def _once(
    module: ModuleType,
    cases: Sequence[CaseMeasures],
    y: np.ndarray,
    patients: np.ndarray,
    classes: tuple[str, ...],
    settings: Any,
    levels: Mapping[str, Sequence[str]],
    repeat: int,
    progress: Progress,
) -> OutOfFold:
    folds = grouped_folds(y, patients, settings.folds, settings.seed + repeat)
    found: dict[str, np.ndarray] = {}
    thresholds = np.full(len(cases), np.nan)
    sets: list[tuple[int, ...]] = [()] * len(cases)
    focus: list[Focus | None] = [None] * len(cases)
    again = f"repeat {repeat + 1}/{settings.repeats}, " if settings.repeats > 1 else ""
    for i, (training, test) in enumerate(folds.splits):

        def told(stage: str, fraction: float, fold: int = i) -> None:
            progress(f"{again}fold {fold + 1}/{len(folds.splits)}: {stage}", fraction)

        fitted = module.fit([cases[j] for j in training], classes, settings, told, levels)
        judged = module.probabilities(fitted, [cases[j] for j in test])
        for model, P in judged.items():
            found.setdefault(model, np.full((len(cases), len(classes)), np.nan))[test] = P
        if fitted.threshold is not None:
            thresholds[test] = fitted.threshold
        for j, members in zip(test, _sets_of_patients(fitted, judged[module.MAIN], patients[test]), strict=True):
            sets[j] = members
        if repeat == 0:
            tested = [cases[j] for j in test]
            for j, found_there in zip(test, _focus(module, fitted, settings, tested, judged, told), strict=True):
                focus[j] = found_there
    whole = {model: P for model, P in found.items() if np.isfinite(P).all()}
    return OutOfFold(whole, thresholds, sets, {}, folds.warnings, focus)


def predictions_of(
    module: ModuleType,
    fitted: Any,
    cases: Sequence[CaseMeasures],
    settings: Any = None,
    progress: Progress = silent,
) -> tuple[list[CaseMeasures], OutOfFold, dict[str, str]]:
    """Predictions of cases that a fitted recipe has not seen.

    Returns the cases that count, their predictions, and the reasons why other cases do not count: a feature that is
    not finite, a clinical level that the model does not know. Raises InputError at a label that is not the model's
    and when no case counts.
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
    P = {model: np.concatenate([one[model] for one in found]) for model in found[0]}
    threshold = fitted.threshold
    predictions = OutOfFold(
        probabilities=P,
        thresholds=None if threshold is None else np.full(len(judged), threshold),
        sets=_sets_of_patients(fitted, P[module.MAIN], np.array([case.patient_id for case in judged])),
        by_repeat={},
        focus=_focus(module, fitted, settings, judged, P, progress),
    )
    return judged, predictions, failures


def _focus(
    module: ModuleType,
    fitted: Any,
    settings: Any,
    cases: Sequence[CaseMeasures],
    judged: Mapping[str, np.ndarray],
    progress: Progress,
) -> list[Focus | None]:
    """Per case where the map of the class that it is called points; see `case_maps` in recipes."""
    if not hasattr(module, "case_maps"):
        return [None] * len(cases)
    P = judged[module.MAIN]
    called = P.argmax(axis=1) if fitted.threshold is None else (P[:, 1] >= fitted.threshold).astype(np.int64)
    maps = module.case_maps(fitted, settings, cases, called.tolist(), progress)
    return [None if one is None else one.focus() for one in maps]


def _sets_of_patients(fitted: Any, P: np.ndarray, patients: np.ndarray) -> list[tuple[int, ...]]:
    """Per case, the prediction set of its patient's mean probabilities."""
    of_patient = {
        patient: fitted.trust.prediction_set(P[patients == patient].mean(axis=0)) for patient in np.unique(patients)
    }
    return [of_patient[patient] for patient in patients]


def _auc(y: np.ndarray, P: np.ndarray) -> float:
    """Of the positive one of two classes, or the mean over several, each against the rest."""
    classes = [1] if P.shape[1] == 2 else range(P.shape[1])
    return float(np.mean([auc((y == k).astype(np.int64), P[:, k]) for k in classes]))
