"""Prediction sets: the classes that cannot be ruled out for a case, with a stated share of errors.

A patient's nonconformity is 1 - p(true class), by models that had not seen the patient. With n patients, a class is
kept for a new case when 1 - p(class) is not above the ⌈(n + 1) · level⌉-th smallest of theirs; where there are not so
many, no class can be ruled out (Vovk, Gammerman & Shafer 2005; Angelopoulos & Bates 2023, section 1).
For patients exchangeable with these, the set then holds the true class in at least `level` of them.

By class where it can be: each class has a threshold from its own patients (Mondrian), so the share of errors holds
for each class. A single threshold may keep its promise by being right about the common class alone and wrong about
most patients of the rare one, who are commonly the ones that matter. A class needs level / (1 - level) patients, nine
at 0.9, for its threshold to rule anything out; where one has fewer, a single threshold serves all.

Two limits: the promise is exact for a model that all these patients are strange to. Here each patient is strange to
the fold's model, while the case is classified by the model of all folds together, which is as good or better in
practice but not covered by the theorem. And it speaks of patients like those trained on.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from FeatureExtractorLib.errors import BundleRejected, InputError

from .calibrator import check_probabilities, patient_weights
from .folds import as_groups
from .plain import fields_of

KINDS = ("by class", "all classes")


@dataclass(frozen=True)
class PredictionSets:
    """thresholds: (K,) largest 1 - p with which a class is kept; None keeps it always.

    kind: "by class" or "all classes" (one threshold). patients: (K,) that the thresholds rest on.
    """

    level: float
    kind: str
    thresholds: tuple[float | None, ...]
    patients: tuple[int, ...]
    warnings: tuple[str, ...] = ()

    def __call__(self, p: np.ndarray) -> tuple[int, ...]:
        """Indices of the classes that are kept for the probabilities p (K,); all, one or none."""
        p = np.asarray(p, dtype=np.float64)
        if p.shape != (len(self.thresholds),):
            raise InputError(f"There are {p.shape} probabilities for {len(self.thresholds)} classes; give one each.")
        return tuple(k for k, limit in enumerate(self.thresholds) if limit is None or 1 - p[k] <= limit)

    def in_words(self, kept: Sequence[int], classes: Sequence[str]) -> str:
        """What a set means, in a sentence or two."""
        share = f"{100 * self.level:g} %"
        by_class = self.kind == "by class"
        whom = "of each class, if they are" if by_class else "who are"
        like = f"{share} of patients {whom} like those of the training"
        promise = f"Such sets are made to hold the true class in {like}."
        names = [classes[k] for k in kept]
        if not names:
            return (
                f"No class fits this case as well as the true class fits {share} of the training patients"
                f"{' of each class' if by_class else ''}: the case is unusual, and the called class should not be "
                "relied on."
            )
        if len(names) == len(classes):
            return f"No class can be ruled out: this case may be {_listed(names)}. {promise}"
        if len(names) == 1:
            return f"Only {names[0]} fits. {promise}"
        return f"It may be {_listed(names)}; the other classes are ruled out. {promise}"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values from which `from_json` restores every number exactly."""
        return dict(self.__dict__)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Restore the sets from `to_json`; raises BundleRejected when they are none."""
        sets = cls(**fields_of(cls, document))
        if sets.kind not in KINDS or not 0 < sets.level < 1 or len(sets.thresholds) < 2:
            raise BundleRejected("The stored prediction sets make no sense; get the model file again.")
        return sets


def fit_sets(
    held_out: np.ndarray, y: np.ndarray, patients: np.ndarray, level: float = 0.9, kind: str = "auto"
) -> PredictionSets:
    """Thresholds from held-out probabilities, as the head of this file tells.

    held_out: (n, K) by models that had not seen the case's patient; y: (n,) index of the class; patients: (n,), whose
    nonconformity is the mean over their rows. kind: "by class", "all classes", or "auto" for the first where every
    class has enough patients.
    Raises InputError at a level outside 0–1, an unknown kind, and as `check_probabilities`.
    """
    if not 0 < level < 1:
        raise InputError(f"The level of prediction sets cannot be {level}; choose a share between 0 and 1, say 0.9.")
    if kind not in ("auto", *KINDS):
        raise InputError(f"Prediction sets have no kind {kind!r}; choose auto, {' or '.join(KINDS)}.")
    P, labels = check_probabilities(held_out, y)
    groups = as_groups(patients, len(labels))
    by_class = [_patient_scores(1 - P[labels == k, k], groups[labels == k]) for k in range(P.shape[1])]
    counts = tuple(len(scores) for scores in by_class)
    enough = rank(min(counts), level) <= min(counts)
    if kind == "auto":
        kind = "by class" if enough else "all classes"
    warnings = []
    if kind == "by class":
        thresholds = tuple(conformal_quantile(scores, level) for scores in by_class)
    else:
        thresholds = (conformal_quantile(np.concatenate(by_class), level),) * P.shape[1]
        if not enough:
            warnings.append(
                f"A class has {min(counts)} patients, too few for prediction sets of its own at {100 * level:g} %: "
                "their promise holds for all classes together, not for each."
            )
    if None in thresholds:
        warnings.append(
            f"There are too few patients ({sum(counts)}) to rule a class out at {100 * level:g} %; use a lower level."
        )
    return PredictionSets(float(level), kind, thresholds, counts, tuple(warnings))


def conformal_quantile(scores: np.ndarray, level: float) -> float | None:
    """The ⌈(n + 1) · level⌉-th smallest of n scores; None where n is too small to have one."""
    k = rank(len(scores), level)
    return float(np.sort(scores)[k - 1]) if k <= len(scores) else None


def rank(n: int, level: float) -> int:
    """⌈(n + 1) · level⌉, at least 1, unharmed by products that rounding puts just above a whole number."""
    return max(1, math.ceil((n + 1) * level - 1e-9))


def _patient_scores(scores: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """(patients,) mean score of each patient, summed in an order that does not depend on that of the rows."""
    order = np.lexsort((scores, groups))
    index = np.unique(groups[order], return_inverse=True)[1].reshape(-1)
    return np.bincount(index, weights=(scores * patient_weights(groups))[order])


def _listed(names: Sequence[str]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
