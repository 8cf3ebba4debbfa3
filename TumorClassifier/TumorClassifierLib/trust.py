"""How far an answer for one case can be trusted: calibration, prediction sets, likeness to the training cases."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from FeatureExtractorLib.errors import InputError

from .calibrator import METHODS, Calibrator, fit_calibrator
from .conformal import PredictionSets, fit_sets
from .novelty import Novelty, fit_novelty
from .plain import fields_of


@dataclass(frozen=True)
class TrustSettings:
    """calibration: "none", "platt" or "isotonic"; level: share of patients whose true class prediction sets hold."""

    calibration: str = "none"
    level: float = 0.9

    def __post_init__(self) -> None:
        if self.calibration not in METHODS:
            raise InputError(
                f"The setting calibration cannot be {self.calibration!r}; choose one of {', '.join(METHODS)}."
            )
        if not 0.5 <= self.level < 1:
            raise InputError(f"The setting level cannot be {self.level}; choose a share from 0.5 up to below 1.")


@dataclass(frozen=True)
class Trust:
    """What is fitted. A threshold on a probability must be chosen on calibrated ones, for those are shown."""

    calibrator: Calibrator
    sets: PredictionSets
    novelty: Novelty

    @property
    def notes(self) -> tuple[str, ...]:
        """What was found wanting while fitting, in sentences."""
        return (*self.calibrator.warnings, *self.sets.warnings)

    @property
    def level(self) -> float:
        """Share of patients whose true class prediction sets hold."""
        return self.sets.level

    def calibrated(self, P: np.ndarray) -> np.ndarray:
        """(n, K) calibrated probabilities of the model's own P (n, K); rows sum to 1."""
        return self.calibrator(P)

    def prediction_set(self, p: np.ndarray) -> tuple[int, ...]:
        """Indices of the classes that cannot be ruled out for calibrated probabilities p (K,); may be all or none."""
        return self.sets(p)

    def set_in_words(self, kept: Sequence[int], classes: Sequence[str]) -> str:
        """What a prediction set means, in a sentence or two."""
        return self.sets.in_words(kept, classes)

    def set_warnings(self, kept: Sequence[int], predicted: int, classes: Sequence[str]) -> list[dict[str, str]]:
        """{"code", "text"} where the set is empty or full or rules out the predicted class (an index)."""
        words = self.sets.in_words(kept, classes)
        if not kept:
            return [{"code": "no-class-fits", "text": words}]
        if predicted not in kept:
            text = f"The called class, {classes[predicted]}, is not among those that fit at this level. {words}"
            return [{"code": "called-class-ruled-out", "text": text}]
        if len(kept) == len(classes):
            return [{"code": "no-class-ruled-out", "text": words}]
        return []

    def warnings(self, values: Mapping[str, float]) -> list[dict[str, str]]:
        """{"code", "text"} where the features of a case are unlike those of the training cases.

        values: by feature name, at least those that the model uses. Raises InputError at a missing one.
        """
        return self.novelty.warnings(values)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values from which `from_json` restores every number exactly."""
        return {
            "calibrator": self.calibrator.to_json(),
            "sets": self.sets.to_json(),
            "novelty": self.novelty.to_json(),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Restore from `to_json`; raises BundleRejected when it is none."""
        fields_of(cls, document)
        return cls(
            Calibrator.from_json(document["calibrator"]),
            PredictionSets.from_json(document["sets"]),
            Novelty.from_json(document["novelty"]),
        )


def fit_trust(
    held_out: np.ndarray,
    y: np.ndarray,
    patients: np.ndarray,
    X: np.ndarray,
    names: Sequence[str],
    settings: TrustSettings | None = None,
    seed: int = 0,
    classes: Sequence[str] | None = None,
) -> Trust:
    """Fit calibration, prediction sets and training ranges.

    held_out: (n, K) probabilities of the training cases by models that had not seen their patients; y: (n,) index of
    the class; patients: (n,); X: (n, p) the features that count, columns `names`; classes: their names, for notes.
    Uses nothing but what it is given, so called inside a fold it leaks nothing. Prediction sets rest on calibrated
    probabilities. That the curve saw the same patients is harmless: it rises, so of two classes it changes no set.
    Raises InputError as `fit_calibrator`, `fit_sets` and `fit_novelty`.
    """
    chosen = settings or TrustSettings()
    calibrator = fit_calibrator(held_out, y, patients, chosen.calibration, classes)
    sets = fit_sets(calibrator(held_out), y, patients, chosen.level)
    return Trust(calibrator, sets, fit_novelty(X, patients, names, seed))
