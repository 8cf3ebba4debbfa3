"""What classifying a case gives."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import SimpleITK as sitk


@dataclass(frozen=True)
class ClassificationResult:
    """A case's class with its reasons.

    prediction: the content of `prediction.json`: case, model, classes, positive, probabilities by class, predicted,
    threshold, scores, nomogram_points by axis with their total, interval (low, high, level) of the positive class's
    probability, warnings (code, text), provenance. cam: class-activation volume, float32, 0–1, on the input's own
    grid. nomogram: its JSON form. nomogram_values: this patient's value on each axis.
    """

    prediction: Mapping[str, Any]
    cam: sitk.Image | None
    nomogram: Mapping[str, Any] | None
    nomogram_values: Mapping[str, float | str]
