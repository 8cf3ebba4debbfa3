"""Weighted fusion and majority votes: image → sequence → patient (Liu et al. 2022, eq. 1 and table 3)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from FeatureExtractorLib.errors import InputError

TERMS = ("detection", "sequence", "age")
# The rows of table 3, in its order: which of the three terms each way of fusing has.
ABLATIONS: Mapping[str, tuple[bool, bool, bool]] = {
    "Det": (True, False, False),
    "Det-Age": (True, False, True),
    "Seq": (False, True, False),
    "Seq-Age": (False, True, True),
    "Det-Seq": (True, True, False),
    "Det-Seq-Age": (True, True, True),
}
WHOLE = "Det-Seq-Age"
PUBLISHED = (0.45, 0.45, 0.1)
TIES = (
    "Where classes have as many votes, the one of the larger mean probability among the voters is called, and where "
    "that is equal too, the later of the classes, which of two is the positive one."
)
CHOICE = (
    "The weights are those of the highest balanced accuracy of the patients' votes on the validation patients; of "
    "equal ones the lowest mean -log of the true class's probability; of equal ones the nearest to "
    "equal weights; of equal ones the first in the grid."
)
DECIMALS = 12  # probabilities that differ by less are equal: sums in another order must not break a tie
SMALLEST = 1e-6  # a probability in a logarithm


@dataclass(frozen=True)
class Evidence:
    """What is known of n images, a row each.

    patients, sequences: (n,) names; a sequence is one of its patient's. detection, sequence, age: (n, K)
    probabilities by the detector (of this image's best box), by the classifier of the image's sequence and by the
    patient's age; NaN rows where there is none. A patient of whom nothing is known has a row of NaN.
    """

    patients: np.ndarray
    sequences: np.ndarray
    detection: np.ndarray
    sequence: np.ndarray
    age: np.ndarray

    def __post_init__(self) -> None:
        shapes = {self.detection.shape, self.sequence.shape, self.age.shape}
        n = len(self.patients)
        if len(shapes) != 1 or self.detection.shape != (n, self.detection.shape[-1]) or len(self.sequences) != n:
            raise InputError(f"Evidence of {n} images needs as many rows of each term, not {sorted(shapes)}.")
        for name in TERMS:
            sums = getattr(self, name).sum(axis=1)
            if np.any(np.abs(sums[~np.isnan(sums)] - 1) > 1e-6):
                raise InputError(f"The {name} probabilities of an image do not add up to 1; give shares.")

    def of(self, rows: np.ndarray) -> "Evidence":
        """The evidence of some rows: (m,) indices or (n,) booleans."""
        return Evidence(*(getattr(self, name)[rows] for name in ("patients", "sequences", *TERMS)))


@dataclass(frozen=True)
class Votes:
    """m patients, by name. called: (m,) class by vote; probabilities: (m, K) mean over sequences of the mean over
    the images that vote; ballots: (m, K) sequences that voted for each class; sequences: by (patient, sequence) its
    class; partial: by patient, in words, what was missing and so left out of the sum.
    """

    patients: tuple[str, ...]
    called: np.ndarray
    probabilities: np.ndarray
    ballots: np.ndarray
    sequences: Mapping[tuple[str, str], int]
    partial: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class GridPoint:
    """Weights (λ1, λ2, λ3) and how well they did on the validation patients."""

    weights: tuple[float, float, float]
    balanced_accuracy: float
    log_loss: float


@dataclass(frozen=True)
class WeightSearch:
    """The chosen weights and every point that was tried, in the grid's order."""

    weights: tuple[float, float, float]
    points: tuple[GridPoint, ...]


@dataclass(frozen=True)
class Ablation:
    """One way of fusing: accuracy and balanced accuracy of the patients' votes, and by class the share called right,
    which of two classes are specificity and sensitivity.
    """

    name: str
    weights: tuple[float, float, float]
    accuracy: float
    balanced_accuracy: float
    recalls: tuple[float, ...]


def fuse(evidence: Evidence, weights: Sequence[float], shares: np.ndarray) -> np.ndarray:
    """(n, K): P = λ1·D + λ2·M + λ3·A, divided by the weights of the terms that there are.

    weights: (λ1, λ2, λ3), not negative, their sum above 0. shares: (K,) what is said of an image of which no weighted
    term is known. Raises InputError for other weights.
    """
    if len(weights) != len(TERMS) or min(weights) < 0 or not 0 < sum(weights) < np.inf:
        raise InputError(f"The weights cannot be {tuple(weights)}; give three numbers, none below 0, one above it.")
    total, weight = np.zeros(evidence.age.shape), np.zeros((len(evidence.patients), 1))
    for name, share in zip(TERMS, weights, strict=True):
        term = getattr(evidence, name)
        known = np.isfinite(term).all(axis=1, keepdims=True)
        total += np.where(known, share * np.nan_to_num(term), 0.0)
        weight += np.where(known, share, 0.0)
    return np.where(weight > 0, total / np.where(weight > 0, weight, 1.0), shares)


def majority(called: np.ndarray, P: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each group's class by majority, its mean probabilities (m, K) and its votes (m, K); for ties see TIES.

    called: (n,) class that each row votes for; P: (n, K); groups: (n,) 0, 1, …, m - 1, none empty.
    """
    m, K = int(groups.max()) + 1, P.shape[1]
    ballots = np.bincount(groups * K + called, minlength=m * K).reshape(m, K)
    mean = np.column_stack([np.bincount(groups, P[:, k], m) for k in range(K)]) / ballots.sum(axis=1, keepdims=True)
    leading = ballots == ballots.max(axis=1, keepdims=True)
    return _last_largest(np.where(leading, mean, -1.0)), mean, ballots


def vote(evidence: Evidence, weights: Sequence[float], shares: np.ndarray) -> Votes:
    """Fuse each image, let images vote for their sequence's class and sequences for the patient's.

    Images without a box do not vote where any of the patient's images has one; where none has, all vote, by what is
    left: the age, or else `shares`, (K,), of the classes. Raises InputError as `fuse`.
    """
    used = [name for name, weight in zip(TERMS, weights, strict=True) if weight > 0]
    return _counted(evidence, weights, shares, _partial(evidence, used))


def _counted(
    evidence: Evidence, weights: Sequence[float], shares: np.ndarray, partial: Mapping[str, tuple[str, ...]]
) -> Votes:
    patients, of_patient = np.unique(np.asarray(evidence.patients).astype(str), return_inverse=True)
    P, votes = fuse(evidence, weights, shares), _voting(evidence, of_patient, len(patients))
    P, of_patient, sequences = P[votes], of_patient[votes], np.asarray(evidence.sequences).astype(str)[votes]
    names, of_sequence = np.unique(sequences, return_inverse=True)
    pairs, groups = np.unique(of_patient * len(names) + of_sequence, return_inverse=True)
    by_sequence, mean, _ = majority(_last_largest(P), P, groups)
    owner = pairs // len(names)
    called, probabilities, ballots = majority(by_sequence, mean, owner)
    found = {
        (str(patients[i]), str(names[j])): int(k)
        for i, j, k in zip(owner, pairs % len(names), by_sequence, strict=True)
    }
    return Votes(tuple(patients.tolist()), called, probabilities, ballots, found, partial)


def ablated(weights: Sequence[float], name: str) -> tuple[float, float, float]:
    """The weights of one of ABLATIONS: those of the terms that it has not are 0, as in table 3."""
    if name not in ABLATIONS:
        raise InputError(f"There is no way of fusing called {name!r}; choose one of {', '.join(ABLATIONS)}.")
    first, second, third = (w if kept else 0.0 for w, kept in zip(weights, ABLATIONS[name], strict=True))
    return first, second, third


def weight_grid(step: float = 0.05) -> tuple[tuple[float, float, float], ...]:
    """All weights in steps that add up to 1, none below one step, so that every ablation has something left.

    Raises InputError unless 1 is a whole number of steps, three or more.
    """
    steps = round(1 / step) if step > 0 else 0
    if steps < 3 or abs(steps * step - 1) > 1e-9:
        raise InputError(f"The step of the weights cannot be {step}; choose 1 divided by 3, 4, 5, …, such as 0.05.")
    return tuple(
        (i / steps, j / steps, (steps - i - j) / steps) for i in range(1, steps - 1) for j in range(1, steps - i)
    )


def search_weights(evidence: Evidence, y: np.ndarray, shares: np.ndarray, step: float = 0.05) -> WeightSearch:
    """Choose the weights on validation images; how: CHOICE.

    y: (n,) class index of each image's patient. Only pass patients that neither network nor the age statistics were
    fitted on, and none of the test. Raises InputError where fewer than two classes occur.
    """
    y = np.asarray(y, dtype=np.int64)
    if len(np.unique(y)) < 2:
        raise InputError("The validation patients are all of one class; the weights need two classes or more.")
    names, first = np.unique(np.asarray(evidence.patients).astype(str), return_index=True)
    truth = y[first]
    points = []
    for weights in weight_grid(step):
        votes = _counted(evidence, weights, shares, {})
        right = [float((votes.called[truth == k] == k).mean()) for k in np.unique(truth)]
        p = np.clip(votes.probabilities[np.arange(len(names)), truth], SMALLEST, 1.0)
        points.append(GridPoint(weights, float(np.mean(right)), float(-np.log(p).mean())))
    return WeightSearch(min(points, key=_preference).weights, tuple(points))


def ablation_table(
    evidence: Evidence, weights: Sequence[float], shares: np.ndarray, class_of: Mapping[str, int]
) -> tuple[Ablation, ...]:
    """The six rows of table 3, judged by the patients' votes on this evidence; class_of: patients' class indices."""
    rows = []
    for name in ABLATIONS:
        votes = vote(evidence, ablated(weights, name), shares)
        truth = np.array([class_of[patient] for patient in votes.patients])
        recalls = tuple(float((votes.called[truth == k] == k).mean()) for k in range(len(shares)))
        accuracy = float((votes.called == truth).mean())
        rows.append(Ablation(name, ablated(weights, name), accuracy, float(np.mean(recalls)), recalls))
    return tuple(rows)


def _preference(point: GridPoint) -> tuple[float, float, float]:
    unequal = sum((w - 1 / 3) ** 2 for w in point.weights)
    return -round(point.balanced_accuracy, DECIMALS), round(point.log_loss, DECIMALS), round(unequal, DECIMALS)


def _last_largest(P: np.ndarray) -> np.ndarray:
    """(n,) the class of the largest probability; of equal ones the later."""
    rounded = np.round(P, DECIMALS)
    return np.asarray(P.shape[1] - 1 - np.argmax(rounded[:, ::-1], axis=1))


def _voting(evidence: Evidence, of_patient: np.ndarray, m: int) -> np.ndarray:
    boxed = np.isfinite(evidence.detection).all(axis=1)
    any_box = np.bincount(of_patient, boxed, m) > 0
    return np.asarray(boxed | ~any_box[of_patient])


def _partial(evidence: Evidence, used: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """By patient, what was missing; patients of whom everything is known are left out."""
    told: dict[str, list[str]] = {}
    names = np.asarray(evidence.patients).astype(str)
    for patient in np.unique(names).tolist():
        own = evidence.of(names == patient)
        boxed = np.isfinite(own.detection).all(axis=1)
        without = sorted({str(s) for s in own.sequences} - {str(s) for s in own.sequences[boxed]})
        if set(used) & {"detection", "sequence"} and not boxed.any():
            told.setdefault(patient, []).append("no box was found in any image; the age or the classes' shares decide")
        elif without:
            told.setdefault(patient, []).append(f"no box was found in {', '.join(without)}, which did not vote")
        if "sequence" in used and np.any(boxed & ~np.isfinite(own.sequence).all(axis=1)):
            told.setdefault(patient, []).append("a sequence was not classified; the other terms decide")
        if "age" in used and not np.isfinite(own.age).all():
            told.setdefault(patient, []).append("the age is not known; the other terms decide")
    return {patient: tuple(texts) for patient, texts in told.items()}
