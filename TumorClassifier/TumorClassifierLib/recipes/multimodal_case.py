"""Classify one case by a multimodality signature, measuring no more than the signature needs."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import SimpleITK as sitk

from FeatureExtractorLib.case import Case
from FeatureExtractorLib.preparation import PreparedImage
from FeatureExtractorLib.progress import Progress, silent
from FeatureExtractorLib.radiomics.engine import get_engine
from FeatureExtractorLib.radiomics.presets import RadiomicsSettings, load_settings, parse_settings

from ..bundle import Bundle
from ..explain.cam import volume_of_slices, weighted_maps
from ..measures import CaseMeasures, MeasureSettings, frozen_network, measure, radiomics_of
from ..results import ClassificationResult
from ..stopwatch import Stopwatch
from ..svm import SvmModel
from .multimodal_blocks import RADIOMICS, columns_of, origin_of, values_of
from .multimodal_model import MAIN, NO_RADIOMICS, Fitted, Settings, unpack
from .multimodal_predict import probabilities, signature_values
from .prediction import Scored, called_class, prediction_document, provenance_of


def measure_settings(settings: Settings, radiomics: RadiomicsSettings | None = None) -> MeasureSettings:
    """Steps 1 and 2 as settings; radiomics: those kept in a bundle, by default the ones that `settings` names."""
    if radiomics is None and settings.radiomics != NO_RADIOMICS:
        radiomics = load_settings(settings.radiomics)
    return MeasureSettings(
        modalities=settings.modalities,
        preparation=settings.preparation,
        radiomics=radiomics,
        crop=settings.crop,
        slice_spacing=settings.slice_spacing,
        backbones=settings.networks,
        alignment=settings.alignment,
    )


def needed_measures(wanted: MeasureSettings, fitted: Fitted) -> MeasureSettings:
    """Of what training measured, the modalities, networks and radiomics that the signatures have features of."""
    origins = {origin_of(feature) for feature in fitted.features}
    modalities, families = ({origin[i] for origin in origins} for i in (0, 1))
    return replace(
        wanted,
        modalities=tuple(name for name in wanted.modalities if name in modalities),
        radiomics=wanted.radiomics if RADIOMICS in families else None,
        backbones=tuple(network for network in wanted.backbones if network[0] in families),
    )


def classify(case: Case, bundle: Bundle, progress: Progress = silent) -> ClassificationResult:
    """Classify one case with a trained bundle of this recipe.

    Raises InputError when the case lacks a modality that the signature needs, the mask or has a clinical level that
    the model has not seen, WeightsUnavailable when a network's weights cannot be had.
    """
    watch = Stopwatch()
    with watch.stage("model"):
        settings, fitted = unpack(bundle)
        engine = get_engine(settings.engine)
        kept = bundle.manifest["radiomics"]
        radiomics = parse_settings(bundle.name, kept) if kept else None
        wanted = needed_measures(measure_settings(settings, radiomics), fitted)
    with watch.stage("measuring"):
        prepared, measures = measure(case, wanted, engine, progress)
    measured = CaseMeasures(case.case_id, case.patient_id, None, case.clinical, measures)
    with watch.stage("scores"):
        scored = Scored(fitted.nomograms, tuple(signature_values(fitted, [measured])[:, 0]))
        sub_models = {name: p[0] for name, p in probabilities(fitted, [measured]).items()}
    predicted = called_class(sub_models[MAIN], fitted.classes, fitted.threshold)
    with watch.stage("class activation"):
        cam = _activation(case, measured, prepared, wanted, fitted, predicted, progress)
    prediction = prediction_document(
        case,
        bundle,
        fitted.classes,
        scored,
        fitted.threshold,
        fitted.trust,
        sub_models,
        MAIN,
        [],
        [
            *(
                {"code": "preparation", "text": f"{modality}: {text}"}
                for modality, image in prepared.items()
                for text in image.warnings
            ),
            *fitted.trust.warnings(values_of(measures)),
        ],
        provenance_of(case, settings, kept, engine, watch.seconds),
    )
    nomograms = {one.name: one.nomogram.to_json() for one in fitted.nomograms}
    return ClassificationResult(prediction, cam, nomograms, scored.values(case), radiomics_of(measures))


def _activation(
    case: Case,
    measured: CaseMeasures,
    prepared: Mapping[str, PreparedImage],
    wanted: MeasureSettings,
    fitted: Fitted,
    predicted: str,
    progress: Progress,
) -> sitk.Image | None:
    """Where the signature's network saw what speaks for the called class; None for a signature of radiomics.

    Grad-CAM of the machine's decision, in the modality whose features change it most at this case's values.
    """
    of_predicted = [model for model in fitted.models if model.nomogram.name == predicted]
    model, sign = (of_predicted[0], 1.0) if of_predicted else (fitted.models[0], -1.0)
    svm = model.signature
    if origin_of(svm.features[0])[1] == RADIOMICS:
        return None
    values = columns_of([measured], svm.features)
    modality, backbone, weights = strongest_channels(svm, values[0], sign)
    network = frozen_network(backbone, dict(wanted.backbones)[backbone])

    def maps(images: np.ndarray) -> np.ndarray:
        full = np.zeros(len(measured.first[modality].deep[backbone]))
        full[list(weights)] = list(weights.values())
        return weighted_maps(network, images, full, progress)

    image = prepared[modality]
    return volume_of_slices(maps, image.working_image, image.working_mask, wanted.crop, case.image(modality))


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
