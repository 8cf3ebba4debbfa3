"""Why the signature says what it says of a case: what each feature adds, and where its network looked."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import SimpleITK as sitk

from FeatureExtractorLib.case import Case
from FeatureExtractorLib.deep.inputs import SliceSettings
from FeatureExtractorLib.preparation import PreparedImage
from FeatureExtractorLib.progress import Progress

from ..clinical import encode_clinical
from ..explain.cam import volume_of_slices, weighted_maps
from ..explain.contributions import linear_contributions, permutation_contributions
from ..measures import CaseMeasures, MeasureSettings, frozen_network
from ..svm import SvmModel
from .multimodal_features import RADIOMICS, columns_of, origin_of
from .multimodal_model import SCORES, ClassModel, Fitted


def contributions(measured: CaseMeasures, fitted: Fitted, predicted: str) -> list[dict[str, Any]]:
    """What each feature adds to the logit, before calibration, of the class that the prediction is about.

    Compared with a patient who has the training mean of every feature and clinical column. The clinical part is exact;
    the signature's is shared out among its features by Shapley values of the machine's decision.
    """
    model = fitted.models[0] if len(fitted.classes) == 2 else _of_class(fitted, predicted)
    assert model is not None
    (score,), svm = SCORES, model.signature
    variables = model.nomogram.variables
    design, columns = encode_clinical([measured.clinical], variables)
    values, mean = columns_of([measured], svm.features), np.asarray(svm.mean)[None]
    linear = linear_contributions(
        model.nomogram.regression,
        {},
        {},
        {**dict(zip(columns, design[0].tolist(), strict=True)), score: float(svm.decision(values)[0])},
        {**dict(zip(columns, model.nomogram.averages, strict=True)), score: float(svm.decision(mean)[0])},
        {column: variable.name for variable in variables for column in variable.columns},
    )
    weight = model.nomogram.regression.coefficients[model.nomogram.regression.names.index(score)]
    shared = permutation_contributions(lambda X: weight * svm.decision(X), values[0], mean, svm.features, block=score)
    found = [*(item for item in linear.to_json() if item["feature"] != score), *shared.to_json()]
    return sorted(found, key=lambda item: -abs(item["contribution"]))


def class_map(
    case: Case,
    measured: CaseMeasures,
    prepared: Mapping[str, PreparedImage],
    wanted: MeasureSettings,
    fitted: Fitted,
    target: str,
    progress: Progress,
) -> tuple[str, sitk.Image | None]:
    """Where the signature's network saw what speaks for a class, and in which modality.

    Grad-CAM of the machine's decision, in the modality whose features change it most at this case's values. No map
    for a signature of radiomics.
    """
    of_target = _of_class(fitted, target)
    svm, sign = (of_target.signature, 1.0) if of_target else (fitted.models[0].signature, -1.0)
    if origin_of(svm.features[0])[1] == RADIOMICS:
        return origin_of(svm.features[0])[0], None
    values = columns_of([measured], svm.features)
    modality, backbone, weights = strongest_channels(svm, values[0], sign)
    network = frozen_network(backbone, dict(wanted.backbones)[backbone])

    def maps(images: np.ndarray) -> np.ndarray:
        full = np.zeros(len(measured.first[modality].deep[backbone]))
        full[list(weights)] = list(weights.values())
        return weighted_maps(network, images, full, progress)

    image = prepared[modality]
    slices = wanted.crop or SliceSettings()
    return modality, volume_of_slices(maps, image.working_image, image.working_mask, slices, case.image(modality))


def strongest_channels(svm: SvmModel, values: np.ndarray, sign: float = 1.0) -> tuple[str, str, dict[int, float]]:
    """(modality, network, gradient of sign × decision by the network's outputs) where a change counts most.

    values: (k,) of the machine's features. A gradient counts per standard deviation of its feature.
    """
    slopes = sign * svm.gradient(values[None])[0]
    strength: dict[tuple[str, str], float] = {}
    for feature, slope, scale in zip(svm.features, slopes, svm.scale, strict=True):
        origin = origin_of(feature)
        strength[origin] = strength.get(origin, 0.0) + abs(slope) * scale
    modality, backbone = max(strength, key=lambda origin: strength[origin])
    prefix = f"{modality}.{backbone}_"
    weights = {
        int(feature.removeprefix(prefix)): float(slope)
        for feature, slope in zip(svm.features, slopes, strict=True)
        if feature.startswith(prefix)
    }
    return modality, backbone, weights


def _of_class(fitted: Fitted, name: str) -> ClassModel | None:
    """The model of a class; None for the negative one of two."""
    return next((model for model in fitted.models if model.nomogram.name == name), None)
