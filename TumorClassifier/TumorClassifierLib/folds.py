"""Splits of a cohort that never put one patient on both sides."""

from dataclasses import dataclass

import numpy as np

from FeatureExtractorLib.errors import InputError

Split = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Folds:
    """Row indices (train, test) of each fold, and a sentence where there are fewer folds than asked for."""

    splits: tuple[Split, ...]
    warnings: tuple[str, ...] = ()


def grouped_folds(y: np.ndarray, groups: np.ndarray | None, n_folds: int = 5, seed: int = 0) -> Folds:
    """Stratified folds in which all rows of a patient are on one side.

    y: (n,) class of each row. groups: (n,) patient of each row; None makes every row a patient of its own. The folds
    depend on the patients' names, not on the order of the rows. Fewer folds than asked for are made, with a warning,
    where a class has too few patients for each fold to hold one out and still train on every class.
    Raises InputError when a class has fewer than two patients or no two folds can be made.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    y = np.asarray(y)
    patients = as_groups(groups, len(y))
    classes = np.unique(y)
    counts = {str(label): len(np.unique(patients[y == label])) for label in classes}
    scarce = min(counts, key=lambda label: counts[label])
    if len(classes) < 2 or counts[scarce] < 2:
        raise InputError(
            f"Class {scarce} has {counts[scarce]} patient(s) of {len(classes)} class(es); "
            "cross-validation needs two classes with at least two patients each."
        )
    for folds in range(min(n_folds, counts[scarce]), 1, -1):
        splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
        splits = tuple(splitter.split(np.zeros((len(y), 1)), y, patients))
        if all(len(test) and len(np.unique(y[train])) == len(classes) for train, test in splits):
            short = f"Cross-validation used {folds} folds instead of {n_folds}: class {scarce} has too few patients."
            return Folds(splits, (short,) if folds < n_folds else ())
    raise InputError(
        f"No two folds of patients both hold every class ({counts}); add patients or check the patient identifiers."
    )


def as_groups(groups: np.ndarray | None, rows: int) -> np.ndarray:
    """Patient of each row as integers 0, 1, … in the order of the patients' names.

    Raises InputError when there is not one patient a row.
    """
    if groups is None:
        return np.arange(rows)
    if len(groups) != rows:
        raise InputError(f"There are {len(groups)} patient identifiers for {rows} rows; give one a row.")
    return np.unique(np.asarray(groups), return_inverse=True)[1].reshape(-1)


def canonical_order(X: np.ndarray, y: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """Indices that sort the rows by patient, class and values, so that a fit does not depend on their order.

    X: (n, p). Without patients the order of the rows is all there is to split by, and it is kept.
    """
    if groups is None:
        return np.arange(len(y))
    return np.lexsort((*X.T[::-1], np.asarray(y), as_groups(groups, len(y))))
