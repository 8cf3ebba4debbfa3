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
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from FeatureExtractorLib.case import Case, ClinicalValue
from FeatureExtractorLib.progress import Progress, silent
from FeatureExtractorLib.provenance import versions
from FeatureExtractorLib.radiomics.engine import get_engine
from FeatureExtractorLib.radiomics.presets import RadiomicsSettings, load_settings, parse_settings

from ..blocks import agreed_features, deep_columns, deep_features, labels_of, listed_features, matrix, usable_features
from ..bundle import Bundle
from ..clinical import clinical_variables, encode_clinical, select_clinical
from ..evaluation.discrimination import youden_threshold
from ..explain.cam import cam_volume
from ..measures import CaseMeasures, MeasureSettings, measure
from ..nomogram import Nomogram
from ..regression import fit_logistic
from ..results import ClassificationResult
from ..settings import plain
from ..stopwatch import Stopwatch
from ..svm import fit_svm
from .dtlr_model import Fitted, Settings, pack, unpack
from .dtlr_scores import SCORES, both_scores, cross_fitted_scores, fit_scores

__all__ = ["PUBLICATION", "Settings", "classify", "fit", "measure_settings", "pack", "probabilities", "unpack"]

PUBLICATION = (
    "Li N et al. An MRI-based deep transfer learning radiomics nomogram for predicting meningioma grade. 2025"
)


def fit(
    cases: Sequence[CaseMeasures],
    classes: tuple[str, str],
    settings: Settings,
    progress: Progress = silent,
    levels: Mapping[str, Sequence[str]] | None = None,
) -> Fitted:
    """Fit every step of the recipe on these cases only.

    classes: (negative, positive). levels: of categorical clinical variables, where these cases need not show all of
    them; a variable that lacks one is left out. Raises InputError when a class has too few patients, a case has
    another label, or no feature is left.
    """
    y, patients = labels_of(cases, classes), np.array([case.patient_id for case in cases])
    names = usable_features(cases)
    stable = _stable_features(cases, names, settings)
    scores, flow = fit_scores(cases, y, patients, stable, settings, "network", progress)
    flow["radiomics"] = {"measured": len(cases[0].first.radiomics), "usable": len(names), **flow["radiomics"]}

    rows = [case.clinical for case in cases]
    known = clinical_variables(rows, levels)
    chosen = select_clinical(rows, y, known, patients, settings.clinical_p, settings.clinical_p) if known else None
    variables = chosen.selected if chosen else ()
    clinical, clinical_names = encode_clinical(rows, variables)

    X = matrix(cases, scores.radiomics.features)
    deep = deep_features(scores.network, cases)[:, deep_columns(scores.deep.features)]
    svm = {
        "radiomics": fit_svm(X, y, patients, scores.radiomics.features, seed=settings.seed),
        "deep": fit_svm(deep, y, patients, scores.deep.features, seed=settings.seed),
    }
    if variables:
        svm["clinical"] = fit_svm(clinical, y, patients, clinical_names, seed=settings.seed)

    held_out, warnings = cross_fitted_scores(cases, y, patients, stable, settings, progress)
    design = np.hstack([clinical, held_out])
    regression = fit_logistic(design, y, [*clinical_names, *SCORES], patients)
    return Fitted(
        classes=classes,
        scores=scores,
        variables=variables,
        svm=svm,
        regression=regression,
        nomogram=Nomogram.from_regression(regression, variables, design, f"Probability of {classes[1]}"),
        threshold=youden_threshold(y, regression.probability(design)),
        ranges={n: (float(c.min()), float(c.max())) for n, c in zip(scores.radiomics.features, X.T, strict=True)},
        selection=chosen,
        flow=flow,
        warnings=tuple(
            dict.fromkeys(
                [
                    *scores.radiomics.warnings,
                    *scores.deep.warnings,
                    *(chosen.warnings if chosen else ()),
                    *warnings,
                    *regression.warnings,
                ]
            )
        ),
    )


def probabilities(fitted: Fitted, cases: Sequence[CaseMeasures]) -> dict[str, np.ndarray]:
    """(n,) probabilities of the positive class by the nomogram and by each SVM model."""
    clinical, names = encode_clinical([case.clinical for case in cases], fitted.variables)
    design = np.hstack([clinical, both_scores(fitted.scores, cases)])
    pooled = deep_features(fitted.scores.network, cases)[:, deep_columns(fitted.scores.deep.features)]
    found = {
        "nomogram": fitted.regression.probability(design),
        "radiomics": fitted.svm["radiomics"].probability(matrix(cases, fitted.scores.radiomics.features)),
        "deep": fitted.svm["deep"].probability(pooled),
    }
    if fitted.variables:
        found["clinical"] = fitted.svm["clinical"].probability(clinical, names)
    return found


def measure_settings(settings: Settings, radiomics: RadiomicsSettings | None = None) -> MeasureSettings:
    """Steps 1 and 2 as settings; radiomics: those kept in a bundle, by default the ones that `settings` names."""
    return MeasureSettings(
        modality=settings.modality,
        preparation=settings.preparation,
        radiomics=radiomics or load_settings(settings.radiomics),
        crop=settings.crop,
        slice_spacing=settings.slice_spacing,
    )


def classify(case: Case, bundle: Bundle, progress: Progress = silent) -> ClassificationResult:
    """Classify one case with a trained bundle of this recipe.

    Raises InputError when the case lacks the modality, the mask or has a clinical level that the model has not seen.
    """
    watch = Stopwatch()
    with watch.stage("model"):
        settings, fitted = unpack(bundle)
        engine = get_engine(settings.engine)
        radiomics = parse_settings(bundle.name, bundle.manifest["radiomics"])
    with watch.stage("measuring"):
        prepared, measures = measure(case, measure_settings(settings, radiomics), engine, progress)
    measured = CaseMeasures(case.case_id, case.patient_id, None, case.clinical, measures)
    with watch.stage("scores"):
        clinical, _ = encode_clinical([case.clinical], fitted.variables)
        scores = both_scores(fitted.scores, [measured])
        design = np.hstack([clinical, scores])
        low, high = fitted.regression.probability_interval(design)
        models = {name: float(p[0]) for name, p in probabilities(fitted, [measured]).items()}
    values = {v.name: _or_missing(case.clinical.get(v.name), v.missing) for v in fitted.variables}
    values |= dict(zip(SCORES, scores[0].tolist(), strict=True))
    points = fitted.nomogram.points(values)
    negative, positive = fitted.classes
    p = models["nomogram"]
    predicted = positive if p >= fitted.threshold else negative
    with watch.stage("class activation"):
        cam = cam_volume(
            fitted.scores.network,
            prepared.working_image,
            prepared.working_mask,
            settings.crop,
            fitted.classes.index(predicted),
            case.image(settings.modality),
            progress,
        )
    prediction = {
        "case": {"case_id": case.case_id, "segment": case.segment},
        "model": {"name": bundle.name, "version": bundle.manifest["version"], "sha256": bundle.sha256},
        "classes": list(fitted.classes),
        "positive": positive,
        "probabilities": {negative: 1.0 - p, positive: p},
        "predicted": predicted,
        "threshold": fitted.threshold,
        "scores": values,
        "model_probabilities": models,
        "nomogram_points": {**points, "total": sum(points.values())},
        "interval": {"low": float(low[0]), "high": float(high[0]), "level": 0.95},
        "warnings": [
            *({"code": "preparation", "text": text} for text in prepared.warnings),
            *_unlike_training(measures.radiomics, fitted),
            *_missing_values(case, fitted),
            *_unused_values(case, fitted),
        ],
        "provenance": {
            "inputs": dict(case.hashes) or {"image": sitk.Hash(case.image(settings.modality))},
            "settings": plain(settings),
            "radiomics": radiomics.to_dict(),
            "engine": f"{engine.name} {engine.version}",
            "versions": versions(),
            "seconds": watch.seconds,
        },
    }
    return ClassificationResult(prediction, cam, fitted.nomogram.to_json(), values)


def _stable_features(cases: Sequence[CaseMeasures], names: Sequence[str], settings: Settings) -> list[str]:
    if settings.stable_features is not None:
        return listed_features(names, Path(settings.stable_features), settings.modality)
    return agreed_features(cases, names, settings.icc)


def _unlike_training(radiomics: Mapping[str, float], fitted: Fitted) -> list[dict[str, str]]:
    """A warning where radiomics features that count lie outside what the model has seen."""
    outside = [name for name, (low, high) in fitted.ranges.items() if not low <= radiomics[name] <= high]
    if not outside:
        return []
    shown = ", ".join(outside[:3]) + (" and others" if len(outside) > 3 else "")
    text = (
        f"{len(outside)} of the {len(fitted.ranges)} radiomics features that count are outside what the model has "
        f"seen ({shown}); its probability may not hold for this image."
    )
    return [{"code": "outside-training-range", "text": text}]


def _missing_values(case: Case, fitted: Fitted) -> list[dict[str, str]]:
    return [
        {
            "code": "clinical-value-missing",
            "text": f"{variable.name} is not given; the training cases' usual value, {variable.missing}, was used.",
        }
        for variable in fitted.variables
        if case.clinical.get(variable.name) is None
    ]


def _unused_values(case: Case, fitted: Fitted) -> list[dict[str, str]]:
    """A warning where a value is given that the model has no use for, its name perhaps mistyped."""
    known = {variable.name for variable in fitted.variables}
    unused = [name for name, value in case.clinical.items() if value is not None and name not in known]
    if not unused:
        return []
    has = f"has {', '.join(sorted(known))}" if known else "has no clinical variable"
    return [{"code": "clinical-value-unused", "text": f"{', '.join(unused)} was not used: the model {has}."}]


def _or_missing(value: ClinicalValue, missing: float | str) -> float | str:
    return missing if value is None else value
