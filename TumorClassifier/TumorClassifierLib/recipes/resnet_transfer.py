"""Transfer learning on one slice (Chen et al. 2022, haemangiopericytoma against meningioma).

The publication's steps, in its own order; what is fitted is fitted on the cases given to `fit` and nothing else:

1. the modalities on one grid, resliced to 0.52 × 0.52 × 4.74 mm                       (measures.py)
2. agreement of two readers' outlines (ICC), where there is a second reader
3. a logistic model of the radiological factors that readers note                       (clinical variables)
4. the axial slice at the centre of the tumour, in Jet colours, 3 × 224 × 224           (measures.py)
5. five augmentations: flip, noise, motion, blur, ghosting
6. a ResNet-50 with ImageNet weights, its convolution layers frozen, the classifying layer trained: SGD with momentum
   0.9, weight decay 4e-5, rate 1e-5 times 0.9 every four epochs, batches of 16, 300 epochs, cross entropy, 4:1
7. the same for each other modality, to compare them
8. t-SNE of the pooled features and of the radiological factors; Smooth Grad-CAM++ of the case

Where the trunk is frozen its features of each image, and of a number of augmented copies, are computed once and only
the head is trained on them. The publication reports the split that its training watched; here every figure is of
patients that the networks had not seen, by five-fold cross-validation, each fold of which is a 4:1 split, and the
validation curves choose nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from FeatureExtractorLib.case import Case
from FeatureExtractorLib.deep.backbones import parse_weights
from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.progress import Progress, silent
from FeatureExtractorLib.radiomics.engine import get_engine
from FeatureExtractorLib.radiomics.presets import RadiomicsSettings

from ..blocks import crops_of, labels_of
from ..bundle import Bundle
from ..clinical import encode_clinical
from ..explain.cam import METHODS, cam_volume
from ..explain.embedding import embedding_document
from ..explain.focus_cases import CaseMap
from ..findings import Findings
from ..folds import Folds, grouped_folds
from ..measures import CaseMeasures, MeasureSettings, measure
from ..results import ClassificationResult
from ..stopwatch import Stopwatch
from ..trust import fit_trust
from .class_nomogram import binary_threshold, shared_out
from .crop_maps import map_of_crop
from .factor_model import fit_factors
from .prediction import called_class, map_told, plain_prediction, provenance_of
from .resnet_transfer_model import FACTORS, MAIN, Fitted, Settings, evidence_names, model_name, unpack
from .resnet_transfer_model import pack as pack_model
from .resnet_transfer_networks import fit_modality, logits_of, pooled_of, probabilities_of, readers_agreement
from .training_cases import embed_cases

__all__ = [
    "MAIN",
    "PUBLICATION",
    "Settings",
    "activations",
    "case_maps",
    "classify",
    "describe",
    "fit",
    "measure_settings",
    "networks",
    "pack",
    "probabilities",
    "unpack",
]

PUBLICATION = (
    "Chen Z et al. Deep learning model for intracranial hemangiopericytoma and meningioma classification. Front Oncol "
    "2022;12:839567"
)


def fit(
    cases: Sequence[CaseMeasures],
    classes: tuple[str, ...],
    settings: Settings,
    progress: Progress = silent,
    levels: Mapping[str, Sequence[str]] | None = None,
) -> Fitted:
    """Fit every step of the recipe on these cases only.

    classes: (negative, positive), or any number of them. levels: of categorical clinical variables, where these cases
    need not show all of them. The order of the cases changes nothing. Raises InputError when a class has too few
    patients, a case has another label, or a factor that the settings name is in no case.
    """
    cases = sorted(cases, key=lambda case: (case.patient_id, case.case_id))
    y, patients = labels_of(cases, classes), np.array([case.patient_id for case in cases])
    folds = grouped_folds(y, patients, settings.inner_folds, settings.seed)
    rows = [case.clinical for case in cases]
    factors, warnings = fit_factors(rows, y, patients, classes, settings.factors, levels)
    trained = {
        modality: fit_modality(
            cases, y, len(classes), modality, model_name(modality, settings), folds, settings, progress
        )
        for modality in settings.modalities
    }
    main = trained[settings.modalities[0]]
    P = probabilities_of(main.logits)
    names = evidence_names(classes)
    trust = fit_trust(P, y, patients, main.logits, names, settings.trust, settings.seed, classes)
    told = {
        "curves": {name: curve for one in trained.values() for name, curve in one.curves.items()},
        "agreement": readers_agreement(main.network, cases, settings.modalities[0], settings),
        "embedded": (cases, y, folds, main.features),
    }
    return Fitted(
        classes=tuple(classes),
        settings=settings,
        networks={modality: one.network for modality, one in trained.items()},
        factors=factors,
        trust=trust,
        threshold=binary_threshold(y, trust.calibrated(P), patients, settings.threshold),
        warnings=tuple(dict.fromkeys([*folds.warnings, *warnings, *trust.notes])),
        told=told,
    )


def probabilities(fitted: Fitted, cases: Sequence[CaseMeasures]) -> dict[str, np.ndarray]:
    """(n, K) probabilities by the deciding network, by each other modality's and by the factors' logistic model.

    A modality that was not measured, as when a single case is classified, is left out. Raises InputError at a
    clinical level that the model has not seen.
    """
    found = {}
    for modality, network in fitted.networks.items():
        if modality in cases[0].first:
            logits = logits_of(network, crops_of(cases, modality), fitted.settings)
            found[model_name(modality, fitted.settings)] = probabilities_of(logits)
    if fitted.factors:
        rows = [case.clinical for case in cases]
        found[FACTORS] = shared_out([model.probability(rows) for model in fitted.factors], fitted.classes)
    return {**found, MAIN: fitted.trust.calibrated(found[MAIN])}


def measure_settings(settings: Settings, radiomics: RadiomicsSettings | None = None) -> MeasureSettings:
    """Steps 1 and 4 as settings; radiomics are not measured."""
    return MeasureSettings(
        modalities=settings.modalities,
        preparation=settings.preparation,
        radiomics=None,
        crop=settings.crop,
        slice_spacing=settings.slice_spacing,
        alignment=settings.alignment,
    )


def networks(settings: Settings) -> str:
    """What the card says of the networks."""
    how = "frozen but for its classifying layer" if settings.only_head else "trained here"
    each = f", one for each of {', '.join(settings.modalities)}" if len(settings.modalities) > 1 else ""
    return f"{settings.backbone}, {how}, with {parse_weights(settings.weights).describe()}{each}"


def case_maps(
    fitted: Fitted, settings: Settings, cases: Sequence[CaseMeasures], called: Sequence[int], progress: Progress
) -> list[CaseMap | None]:
    """Of each outlined case the map of the class that it was called, in the slice that the network sees."""
    main = settings.modalities[0]
    network, maps = fitted.network(main), []
    for i, (case, k) in enumerate(zip(cases, called, strict=True)):
        progress("maps", i / len(cases))
        maps.append(map_of_crop(network, case, main, k, settings.activation, settings.smoothing))
    return maps


def activations(bundle: Bundle) -> tuple[str, ...]:
    """How a map can be made."""
    return METHODS


def describe(fitted: Fitted) -> dict[str, Any]:
    """What a report says of the fitted recipe: factors, training curves, readers, and where cases lie."""
    tables = [model.description() for model in fitted.factors]
    told = fitted.told
    return {
        "flow": {},
        "signatures": [],
        "clinical": [clinical for clinical, _ in tables],
        "regressions": [regression for _, regression in tables],
        "nomograms": {},
        "curves": told.get("curves", {}),
        "agreement": told.get("agreement"),
        "embeddings": _embeddings(fitted, *told["embedded"]) if "embedded" in told else {},
    }


def pack(fitted: Fitted) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The fitted recipe as a bundle's documents and weights, with the points of the training cases."""
    if "embedded" in fitted.told:
        settings, (cases, y, _, _) = fitted.settings, fitted.told["embedded"]
        main = settings.modalities[0]
        features = pooled_of(fitted.networks[main], crops_of(cases, main), settings)
        names = [case.case_id for case in cases] if settings.name_cases else None
        labels = [fitted.classes[k] for k in y]
        fitted = replace(fitted, cases=embed_cases(features, labels, names, settings.perplexity, settings.seed))
    return pack_model(fitted)


def classify(
    case: Case,
    bundle: Bundle,
    progress: Progress = silent,
    activation: str | None = None,
    target: str | None = None,
) -> ClassificationResult:
    """Classify one case with a trained bundle of this recipe.

    activation: how its map is made, where not as trained. target: the class that it is for, where not the called one.
    Modalities that only stand beside the deciding one may be absent. Raises InputError when the case lacks the
    deciding modality, the mask or has a clinical level that the model has not seen, WeightsUnavailable when a
    published trunk cannot be had.
    """
    watch = Stopwatch()
    with watch.stage("model"):
        settings, fitted = unpack(bundle)
        settings = replace(settings, activation=activation or settings.activation)
        main, *others = settings.modalities
        network = fitted.network(main)
        there = (main, *(modality for modality in others if modality in case.images))
        wanted = replace(measure_settings(settings), modalities=there)
    with watch.stage("measuring"):
        prepared, measures = measure(case, wanted, get_engine("auto"), progress)
    measured = CaseMeasures(case.case_id, case.patient_id, None, case.clinical, measures)
    with watch.stage("scores"):
        sub_models = {name: p[0] for name, p in probabilities(fitted, [measured]).items()}
        crop = crops_of([measured], main)
        evidence = logits_of(fitted.networks[main], crop, settings)[0]
        findings = Findings()
        if fitted.cases is not None:
            pooled = pooled_of(fitted.networks[main], crop, settings)[0]
            findings = Findings(embedding=fitted.cases.with_case(pooled))
        target = target or called_class(sub_models[MAIN], fitted.classes, fitted.threshold)
    image = prepared[main]
    with watch.stage("class activation"):
        cam = cam_volume(
            network,
            image.working_image,
            image.working_mask,
            settings.crop,
            fitted.classes.index(target),
            case.image(main),
            progress,
            settings.activation,
            settings.smoothing,
        )
    named = dict(zip(evidence_names(fitted.classes), evidence.tolist(), strict=True))
    prediction = plain_prediction(
        case,
        bundle,
        fitted.classes,
        fitted.threshold,
        fitted.trust,
        sub_models,
        MAIN,
        [
            *({"code": "preparation", "text": f"{m}: {text}"} for m in there for text in prepared[m].warnings),
            *fitted.trust.warnings(named),
        ],
        provenance_of(case, settings, None, None, watch.seconds),
        variables=fitted.variables,
    )
    prediction |= map_told(cam, case.required_mask(main), target, settings.activation)
    return ClassificationResult(prediction, cam, {}, {}, {}, findings)


def _embeddings(
    fitted: Fitted, cases: Sequence[CaseMeasures], y: np.ndarray, folds: Folds, features: np.ndarray
) -> dict[str, Any]:
    """t-SNE of pooled features and of standardised factors, by part of the first inner split; none of few cases."""
    held_back = set(folds.splits[0][1].tolist())
    parts = ["validation" if i in held_back else "training" for i in range(len(cases))]
    labels = [fitted.classes[k] for k in y]
    given = {"features": features.astype(np.float64)}
    if fitted.factors:
        X = encode_clinical([case.clinical for case in cases], fitted.variables)[0]
        given["factors"] = (X - X.mean(axis=0)) / np.where(X.std(axis=0) > 0, X.std(axis=0), 1.0)
    found = {}
    for name, X in given.items():
        try:
            found[name] = embedding_document(X, labels, parts, fitted.settings.perplexity, fitted.settings.seed)
        except InputError:  # too few cases, or all alike: nothing to show
            continue
    return found
