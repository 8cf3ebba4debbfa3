"""The figures that a publication's result table gives, each with its interval, by case and by patient."""

import numpy as np

from FeatureExtractorLib.errors import InputError

from ..folds import as_groups
from .calibration import check_probabilities
from .discrimination import auc_with_delong_interval, confusion_at
from .intervals import Interval, Statistic, bootstrap_by_patient, proportion_interval, with_open_side
from .resampled import (
    resampled_auc,
    resampled_average_precision,
    resampled_brier,
    resampled_share,
    share_of_counts,
)

SHARES = ("accuracy", "sensitivity", "specificity", "ppv", "npv", "f1")
Metrics = dict[str, dict[str, float | None]]


def binary_metrics(
    y: np.ndarray,
    probability: np.ndarray,
    patients: np.ndarray | None = None,
    threshold: float = 0.5,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
    interval: str = "Wilson",
) -> Metrics:
    """{"auc", "ap", "accuracy", "sensitivity", "specificity", "ppv", "npv", "f1", "brier"}: {"value", "low", "high"}.

    y: (n,) 0/1; probability: (n,) of class 1; patients: (n,). Where each patient has one row, the AUC has DeLong's
    interval, the proportions that of `interval` (see PROPORTIONS), the others a bootstrap's; where patients have
    several rows, all are bootstrapped by patient. A bootstrapped 0 or 1 has the exact bound for the smaller class. An
    undefined figure (such as the PPV when nobody is called positive) is None throughout.
    Raises InputError unless both classes occur and probabilities are within 0 to 1.
    """
    y, p = check_probabilities(y, probability)
    statistics: dict[str, Statistic] = {
        "auc": resampled_auc,
        "ap": resampled_average_precision,
        **{name: resampled_share(name, threshold) for name in SHARES},
        "brier": resampled_brier,
    }
    repeated = patients is not None and len(np.unique(patients)) < len(y)
    intervals = {} if repeated else _closed_intervals(y, p, threshold, level, interval)
    people = np.arange(len(y)) if patients is None else np.asarray(patients)
    fewest = min(len(np.unique(people[y == label])) for label in (0, 1))
    results: Metrics = {}
    for name, statistic in statistics.items():
        if not np.isfinite(statistic(y, p, np.ones((1, len(y))))[0]):
            results[name] = {"value": None, "low": None, "high": None}
            continue
        if name not in intervals:
            found = bootstrap_by_patient(statistic, y, p, patients, level=level, resamples=resamples, seed=seed)
            intervals[name] = found if name == "brier" else with_open_side(found, fewest, level)
        results[name] = {"value": intervals[name].value, "low": intervals[name].low, "high": intervals[name].high}
    return results


def called_metrics(
    y: np.ndarray,
    probability: np.ndarray,
    called: np.ndarray,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
    interval: str = "Wilson",
) -> Metrics:
    """As `binary_metrics` of one row a patient, where each patient is called by a threshold of his or her own.

    y: (n,) 0/1; probability: (n,) of class 1; called: (n,) 0/1. Raises InputError as `binary_metrics`.
    """
    ranked = binary_metrics(y, probability, level=level, resamples=resamples, seed=seed, interval=interval)
    counted = binary_metrics(
        y, np.asarray(called, dtype=np.float64), level=level, resamples=resamples, seed=seed, interval=interval
    )
    return {**ranked, **{name: counted[name] for name in SHARES}}


def by_patient(y: np.ndarray, probability: np.ndarray, patients: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Class and mean probability of each patient, in the order of the patients' names.

    y: (n,) class index; probability: (n,) or (n, K); patients: (n,). Raises InputError when a patient has rows of
    several classes.
    """
    y, p = np.asarray(y, dtype=np.int64), np.asarray(probability, dtype=np.float64)
    groups = as_groups(patients, len(y))
    order = np.argsort(groups, kind="stable")
    starts = np.unique(groups[order], return_index=True)[1]
    label = y[order][starts]
    mixed = groups[y != label[groups]]
    if len(mixed):
        name = np.unique(np.asarray(patients))[mixed.min()]
        raise InputError(f"Patient {name} has cases of both classes; correct the labels or the patient identifiers.")
    columns = [
        [np.sort(part).mean() for part in np.split(column, starts[1:])] for column in np.atleast_2d(p[order].T)
    ]  # sorted, so that the order of the rows does not show in the last digit
    return label, np.asarray(columns[0] if p.ndim == 1 else columns).T


def _closed_intervals(
    y: np.ndarray, p: np.ndarray, threshold: float, level: float, method: str
) -> dict[str, Interval]:
    counts = confusion_at(y, p, threshold)
    cells = [np.asarray(n) for n in (counts.true_positive, counts.false_positive)]
    cells += [np.asarray(n) for n in (counts.true_negative, counts.false_negative)]
    found = {}
    for name in SHARES[:-1]:  # F1 is no binomial proportion
        part, whole = share_of_counts(name, *cells)
        if whole:
            found[name] = proportion_interval(method)(int(part), int(whole), level)
    if min(y.sum(), (1 - y).sum()) >= 2:
        found["auc"] = Interval(*auc_with_delong_interval(y, p, level))
    return found
