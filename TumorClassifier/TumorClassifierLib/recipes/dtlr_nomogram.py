"""Deep transfer learning radiomics nomogram (Li et al. 2025, an MRI-based nomogram for meningioma grade).

The publication's steps, in its own order; what is fitted is fitted on the cases given to `fit` and nothing else:

1. N4 bias field correction, bin width 25, 1×1×1 mm, radiomics of the tumour          (measures.py)
2. crop of the maximum-area axial slice, 224×224                                     (measures.py)
3. fine-tuning of a ResNet on the crops; its pooled features
4. features that two readers agree on (ICC ≥ 0.8), where there is a second reader or a list of stable features
5. z-score, Spearman redundancy 0.9, LASSO → Rad-score and DTL-score
6. clinical variables by univariate, then multivariate regression
7. SVM models: clinical, radiomics, deep
8. nomogram: logistic regression of the clinical variables and both scores

Two things differ, both for honesty. The publication fine-tuned its network on training and test images together;
here it sees training images only. And the nomogram's coefficients are fitted on scores of cases that the scores'
own models had not seen (cross-fitting over `inner_folds`, by patient), because a network tells its own training
images apart almost perfectly, which would make every probability extreme.

Three or more classes share the network; steps 5 to 8 are done for each class against the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from FeatureExtractorLib.case import Case
from FeatureExtractorLib.deep.backbones import parse_weights
from FeatureExtractorLib.progress import Progress, silent
from FeatureExtractorLib.radiomics.engine import get_engine
from FeatureExtractorLib.radiomics.presets import RadiomicsSettings, load_settings, parse_settings

from ..blocks import agreed_features, deep_columns, deep_features, labels_of, listed_features, matrix, usable_features
from ..bundle import Bundle
from ..clinical import encode_clinical
from ..explain.cam import METHODS, cam_volume
from ..explain.focus_cases import CaseMap
from ..folds import grouped_folds
from ..measures import CaseMeasures, MeasureSettings, measure, radiomics_of
from ..networks.curves import curves_json
from ..results import ClassificationResult
from ..signature import SignatureScore
from ..stopwatch import Stopwatch
from ..svm import fit_svm, recalibrated
from ..trust import fit_trust
from .class_nomogram import (
    binary_threshold,
    fit_class_nomogram,
    modelled_classes,
    one_against_rest,
    share_shift,
    shared_out,
)
from .crop_maps import map_of_crop
from .dtlr_model import ClassModel, Fitted, Settings, pack, unpack
from .dtlr_scores import SCORES, Scores, both_scores, cross_fit, fit_scores, fit_svms, svm_inputs
from .machines import as_stored, of_patients
from .prediction import Scored, called_class, map_told, prediction_document, provenance_of

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

MAIN = "nomogram"
PUBLICATION = (
    "Li N et al. An MRI-based deep transfer learning radiomics nomogram for predicting meningioma grade. Sci Rep 2025"
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
    need not show all of them; a variable that lacks one is left out. Raises InputError when a class has too few
    patients, a case has another label, or no feature is left.
    """
    y, patients = labels_of(cases, classes), np.array([case.patient_id for case in cases])
    rows = [case.clinical for case in cases]
    names = usable_features(cases)
    stable = _stable_features(cases, names, settings)
    scores, pooled = fit_scores(cases, y, patients, stable, classes, settings, "network", progress)
    svms = fit_svms(scores, cases, pooled, y, patients, classes, settings)
    folds = grouped_folds(y, patients, settings.inner_folds, settings.seed)
    held_out = cross_fit(cases, y, patients, stable, classes, settings, folds, progress)

    models, cross_fitted, warnings = [], [], list(folds.warnings)
    for i, (name, y_class) in enumerate(zip(modelled_classes(classes), one_against_rest(y, classes), strict=True)):
        nomogram, p, told = fit_class_nomogram(
            name,
            rows,
            y_class,
            patients,
            held_out.scores[i],
            SCORES,
            folds.splits,
            settings.clinical_p,
            settings.clinical_p,
            levels,
        )
        svm = {block: recalibrated(svms[i][block], held_out.decisions[block][i], y_class) for block in svms[i]}
        if nomogram.variables:
            clinical, columns = encode_clinical(rows, nomogram.variables)
            svm["clinical"] = fit_svm(clinical, y_class, patients, columns, seed=settings.seed)
        radiomics, deep, shift = scores.radiomics[i], scores.deep[i], share_shift(y_class, patients)
        svm = {block: as_stored(of_patients(one, shift)) for block, one in svm.items()}
        models.append(ClassModel(radiomics, deep, svm, nomogram))
        cross_fitted.append(p)
        warnings += [*radiomics.warnings, *deep.warnings, *told]

    used = list(dict.fromkeys(name for model in models for name in model.radiomics.features))
    P = shared_out(cross_fitted, classes)
    trust = fit_trust(P, y, patients, matrix(cases, used), used, settings.trust, settings.seed, classes)
    threshold = binary_threshold(y, trust.calibrated(P), patients, settings.threshold)
    warnings += trust.notes
    flow = {
        "radiomics": {
            "measured": len(radiomics_of(cases[0].first)),
            "usable": len(names),
            "stable": len(stable),
            "selected": len(used),
        },
        "deep": {
            "stable": scores.stable,
            "selected": len({name for model in models for name in model.deep.features}),
        },
    }
    told = tuple(dict.fromkeys(warnings))
    return Fitted(classes, scores.network, tuple(models), trust, threshold, flow, told, scores.curves)


def probabilities(fitted: Fitted, cases: Sequence[CaseMeasures]) -> dict[str, np.ndarray]:
    """(n, K) probabilities by the nomogram and by each SVM model, columns in the order of `classes`."""
    rows, scores = [case.clinical for case in cases], _scores(fitted)
    pooled = deep_features(fitted.network, cases, _modality(cases))
    found: dict[str, list[np.ndarray]] = {MAIN: []}
    for i, (model, both) in enumerate(zip(fitted.models, both_scores(scores, cases, pooled), strict=True)):
        found[MAIN].append(model.nomogram.probability(rows, both))
        for block, X in svm_inputs(scores, cases, pooled, i).items():
            found.setdefault(block, []).append(model.svm[block].probability(X))
        if model.nomogram.variables:
            clinical, names = encode_clinical(rows, model.nomogram.variables)
            found.setdefault("clinical", []).append(model.svm["clinical"].probability(clinical, names))
    whole = {name: shared_out(p, fitted.classes) for name, p in found.items() if len(p) == len(fitted.models)}
    return {**whole, MAIN: fitted.trust.calibrated(whole[MAIN])}


def measure_settings(settings: Settings, radiomics: RadiomicsSettings | None = None) -> MeasureSettings:
    """Steps 1 and 2 as settings; radiomics: those kept in a bundle, by default the ones that `settings` names."""
    return MeasureSettings(
        modalities=(settings.modality,),
        preparation=settings.preparation,
        radiomics=radiomics or load_settings(settings.radiomics),
        crop=settings.crop,
        slice_spacing=settings.slice_spacing,
        alignment=settings.alignment,
    )


def networks(settings: Settings) -> str:
    """What the card says of the network."""
    return f"{settings.backbone}, trained here, starting from {parse_weights(settings.weights).describe()}"


def case_maps(
    fitted: Fitted, settings: Settings, cases: Sequence[CaseMeasures], called: Sequence[int], progress: Progress
) -> list[CaseMap | None]:
    """Of each outlined case the map of the class that it was called, in the slice that the network sees."""
    return [
        map_of_crop(fitted.network, case, settings.modality, k, settings.activation)
        for case, k in zip(cases, called, strict=True)
    ]


def activations(bundle: Bundle) -> tuple[str, ...]:
    """How a map can be made."""
    return METHODS


def describe(fitted: Fitted) -> dict[str, Any]:
    """What a report says of the fitted recipe: selection, signatures, clinical tables, regressions, nomograms."""
    clinical, regressions = zip(*(model.nomogram.description() for model in fitted.models), strict=True)
    return {
        "flow": fitted.flow,
        "signatures": [
            _signature(model.nomogram.name, name, signature)
            for model in fitted.models
            for name, signature in zip(SCORES, (model.radiomics, model.deep), strict=True)
        ],
        "clinical": list(clinical),
        "regressions": list(regressions),
        "nomograms": {one.name: one.nomogram.to_json() for one in fitted.nomograms},
        "curves": {"network": curves_json(fitted.curves)} if fitted.curves else {},
    }


def classify(
    case: Case,
    bundle: Bundle,
    progress: Progress = silent,
    activation: str | None = None,
    target: str | None = None,
) -> ClassificationResult:
    """Classify one case with a trained bundle of this recipe.

    activation: how its map is made, where not as trained. target: the class that it is for, where not the called one.
    Raises InputError when the case lacks the modality, the mask or has a clinical level that the model has not seen.
    """
    watch = Stopwatch()
    with watch.stage("model"):
        settings, fitted = unpack(bundle)
        settings = replace(settings, activation=activation or settings.activation)
        engine = get_engine(settings.engine)
        radiomics = parse_settings(bundle.name, bundle.manifest["radiomics"])
    with watch.stage("measuring"):
        prepared, measures = measure(case, measure_settings(settings, radiomics), engine, progress)
    measured = CaseMeasures(case.case_id, case.patient_id, None, case.clinical, measures)
    features = radiomics_of(measures)
    image = prepared[settings.modality]
    with watch.stage("scores"):
        pooled = deep_features(fitted.network, [measured], settings.modality)
        scores = both_scores(_scores(fitted), [measured], pooled)[:, 0]
        scored = Scored(fitted.nomograms, tuple(scores))
        sub_models = {name: p[0] for name, p in probabilities(fitted, [measured]).items()}
        predicted = called_class(sub_models[MAIN], fitted.classes, fitted.threshold)
        target = target or predicted
        explained = _contributions(fitted, case, features, pooled[0], predicted)
    with watch.stage("class activation"):
        cam = cam_volume(
            fitted.network,
            image.working_image,
            image.working_mask,
            settings.crop,
            fitted.classes.index(target),
            case.image(settings.modality),
            progress,
            settings.activation,
        )
    prediction = prediction_document(
        case,
        bundle,
        fitted.classes,
        scored,
        fitted.threshold,
        fitted.trust,
        sub_models,
        MAIN,
        explained,
        [
            *({"code": "preparation", "text": text} for text in image.warnings),
            *fitted.trust.warnings(features),
        ],
        provenance_of(case, settings, radiomics.to_dict(), engine, watch.seconds),
    )
    prediction |= map_told(cam, case.required_mask(settings.modality), target, settings.activation)
    nomograms = {one.name: one.nomogram.to_json() for one in fitted.nomograms}
    return ClassificationResult(prediction, cam, nomograms, scored.values(case), features)


def _contributions(
    fitted: Fitted, case: Case, features: Mapping[str, float], pooled: np.ndarray, predicted: str
) -> list[dict[str, Any]]:
    """Of the model that the prediction is about: the called class's, or with two classes the positive one's."""
    model = next((one for one in fitted.models if one.nomogram.name == predicted), fitted.models[0])
    deep = model.deep.features
    values = {
        SCORES[0]: {name: features[name] for name in model.radiomics.features},
        SCORES[1]: dict(zip(deep, pooled[deep_columns(deep)].tolist(), strict=True)),
    }
    signatures = dict(zip(SCORES, (model.radiomics, model.deep), strict=True))
    return model.nomogram.contributions(case.clinical, signatures, values).to_json()


def _scores(fitted: Fitted) -> Scores:
    radiomics, deep = zip(*((model.radiomics, model.deep) for model in fitted.models), strict=True)
    return Scores(fitted.network, radiomics, deep, 0)


def _modality(cases: Sequence[CaseMeasures]) -> str:
    return next(iter(cases[0].first))


def _stable_features(cases: Sequence[CaseMeasures], names: Sequence[str], settings: Settings) -> list[str]:
    if settings.stable_features is not None:
        return listed_features(names, Path(settings.stable_features))
    return agreed_features(cases, names, settings.icc)


def _signature(of_class: str, name: str, signature: SignatureScore) -> dict[str, Any]:
    return {
        "class": of_class,
        "name": name,
        "formula": signature.formula(name),
        "intercept": signature.intercept,
        "terms": [
            {"feature": feature, "coefficient": weight, "mean": mean, "scale": scale}
            for feature, weight, mean, scale in zip(
                signature.features, signature.coefficients, signature.mean, signature.scale, strict=True
            )
        ],
        "penalty": {**asdict(signature.path), "alpha": signature.alpha},
    }
