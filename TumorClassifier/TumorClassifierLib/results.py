"""What classifying a case gives."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import SimpleITK as sitk

from .findings import Findings


@dataclass(frozen=True)
class ClassificationResult:
    """A case's class with its reasons.

    prediction: the content of `prediction.json`: case, model, classes, positive (the class that interval, scores and
    nomogram_points are about: the positive one of two, the called one of several), probabilities by class, predicted,
    threshold (None for several classes), scores, by_class (of several classes each one's scores, points and
    probability against the rest), model_probabilities by sub-model and class, nomogram_points by axis with their
    total, interval (low, high, level), prediction_set (classes, level), contributions (block, feature, value,
    contribution to the logit), warnings (code, text), map (the class that the map is for and the method; None without
    a map), focus (where it points, of an outlined case: see `focus_of` and `map_overlap`), provenance. cam:
    class-activation volume, float32, 0–1, on the input's own grid. nomograms, nomogram_values: by class the JSON form
    and this patient's value on each axis. features: the radiomics features of this case by
    `<MODALITY>.<PyRadiomics name>`. findings: boxes, slices and the case among others, of recipes that have them.
    """

    prediction: Mapping[str, Any]
    cam: sitk.Image | None
    nomograms: Mapping[str, Mapping[str, Any]]
    nomogram_values: Mapping[str, Mapping[str, float | str]]
    features: Mapping[str, float]
    findings: Findings = field(default_factory=Findings)

    @property
    def nomogram(self) -> Mapping[str, Any] | None:
        """The nomogram of the class that the prediction is about; None where the model has none."""
        return self.nomograms.get(self.prediction["positive"])

    @property
    def values(self) -> Mapping[str, float | str]:
        """This patient's values on that nomogram's axes."""
        return self.nomogram_values.get(self.prediction["positive"], {})
