"""Classify one case by a multimodality signature, measuring no more than the signature needs."""

from dataclasses import replace

from FeatureExtractorLib.case import Case
from FeatureExtractorLib.progress import Progress, silent
from FeatureExtractorLib.radiomics.engine import get_engine
from FeatureExtractorLib.radiomics.presets import RadiomicsSettings, load_settings, parse_settings

from ..bundle import Bundle
from ..explain.cam import GRAD_CAM
from ..measures import CaseMeasures, MeasureSettings, measure, radiomics_of
from ..results import ClassificationResult
from ..stopwatch import Stopwatch
from .multimodal_explain import class_map, contributions
from .multimodal_features import RADIOMICS, origin_of, values_of
from .multimodal_model import MAIN, NO_RADIOMICS, Fitted, Settings, unpack
from .multimodal_predict import probabilities, signature_values
from .prediction import Scored, called_class, map_told, prediction_document, provenance_of


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


def activations(bundle: Bundle) -> tuple[str, ...]:
    """How a map can be made; none where every signature is of radiomics features."""
    _, fitted = unpack(bundle)
    deep = [model for model in fitted.models if origin_of(model.signature.features[0])[1] != RADIOMICS]
    return (GRAD_CAM,) if deep else ()


def classify(
    case: Case,
    bundle: Bundle,
    progress: Progress = silent,
    activation: str | None = None,
    target: str | None = None,
) -> ClassificationResult:
    """Classify one case with a trained bundle of this recipe.

    activation: of the map, Grad-CAM whatever is given. target: the class that it is for, where not the called one.
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
        target = target or predicted
        modality, cam = class_map(case, measured, prepared, wanted, fitted, target, progress)
    prediction = prediction_document(
        case,
        bundle,
        fitted.classes,
        scored,
        fitted.threshold,
        fitted.trust,
        sub_models,
        MAIN,
        contributions(measured, fitted, predicted),
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
    prediction |= map_told(cam, case.required_mask(modality), target, GRAD_CAM)
    nomograms = {one.name: one.nomogram.to_json() for one in fitted.nomograms}
    return ClassificationResult(prediction, cam, nomograms, scored.values(case), radiomics_of(measures))
