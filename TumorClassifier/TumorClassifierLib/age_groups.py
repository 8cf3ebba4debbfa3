"""How likely each class is at an age: the shares of the classes in groups of age, smoothed where a group is small."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from FeatureExtractorLib.errors import InputError

EDGES = (10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0)  # decades, as in figure 5 of Liu et al. 2022
OLDEST = 130.0


@dataclass(frozen=True)
class AgeStatistics:
    """Patients of each class by group of age.

    edges: in years, ascending; an age at an edge belongs to the group above it. counts: per group, one more than
    there are edges, the patients of each of K classes. pseudo_count: so many patients, divided as all patients are,
    are added to each group, so that a small group does not say more than it knows.
    """

    edges: tuple[float, ...]
    counts: tuple[tuple[int, ...], ...]
    pseudo_count: float

    @property
    def shares(self) -> np.ndarray:
        """(K,) shares of the classes among all patients."""
        totals = np.asarray(self.counts, dtype=np.float64).sum(axis=0)
        return np.asarray(totals / totals.sum())

    @property
    def table(self) -> np.ndarray:
        """(groups, K) probabilities (n_gk + a · share_k) / (n_g + a); an empty group has the shares of all."""
        counts = np.asarray(self.counts, dtype=np.float64)
        n = counts.sum(axis=1, keepdims=True)
        mix = np.where(n > 0, self.pseudo_count / (np.maximum(n, 1) + self.pseudo_count), 1.0)
        return np.asarray((1 - mix) * counts / np.maximum(n, 1) + mix * self.shares)

    def probability(self, ages: np.ndarray) -> np.ndarray:
        """(n, K) probabilities at (n,) ages in years; NaN rows where the age is not known (NaN)."""
        ages = _checked(ages)
        known = np.isfinite(ages)
        found = np.full((len(ages), len(self.shares)), np.nan)
        found[known] = self.table[np.searchsorted(self.edges, ages[known], side="right")]
        return found

    def labels(self) -> tuple[str, ...]:
        """The groups in words, "below 10", "10 to below 20", …, "80 and above"."""
        edges = [f"{edge:g}" for edge in self.edges]
        between = [f"{low} to below {high}" for low, high in zip(edges, edges[1:], strict=False)]
        return (f"below {edges[0]}", *between, f"{edges[-1]} and above")


def age_statistics(
    ages: np.ndarray,
    y: np.ndarray,
    n_classes: int,
    edges: Sequence[float] = EDGES,
    pseudo_count: float = 2.0,
) -> AgeStatistics:
    """Count patients by group of age.

    ages: (n,) years, one a patient, NaN where unknown; y: (n,) class index. Patients without an age are not counted.
    Raises InputError when the edges do not ascend, the pseudo-count is negative or a class has nobody of known age.
    """
    ages, y = _checked(ages), np.asarray(y, dtype=np.int64)
    if len(ages) != len(y):
        raise InputError(f"There are {len(ages)} ages for {len(y)} patients; give one a patient.")
    if not edges or any(not math.isfinite(edge) for edge in edges) or np.any(np.diff(edges) <= 0):
        raise InputError(f"The groups of age cannot be cut at {tuple(edges)}; give one year or more, ascending.")
    if not 0 <= pseudo_count < math.inf:
        raise InputError(f"The pseudo-count of the age groups cannot be {pseudo_count}; choose 0 or more.")
    known = np.isfinite(ages)
    counts = np.zeros((len(edges) + 1, n_classes), dtype=np.int64)
    np.add.at(counts, (np.searchsorted(edges, ages[known], side="right"), y[known]), 1)
    lacking = np.flatnonzero(counts.sum(axis=0) == 0)
    if len(lacking):
        raise InputError(f"Class {lacking[0]} has no patient of known age; give ages or leave the age out.")
    return AgeStatistics(tuple(map(float, edges)), tuple(map(tuple, counts.tolist())), float(pseudo_count))


def _checked(ages: np.ndarray) -> np.ndarray:
    ages = np.asarray(ages, dtype=np.float64)
    odd = np.isinf(ages) | (ages < 0) | (ages > OLDEST)
    if odd.any():
        raise InputError(f"{ages[odd][0]:g} is no age in years; give one from 0 to {OLDEST:g}, or none.")
    return ages
