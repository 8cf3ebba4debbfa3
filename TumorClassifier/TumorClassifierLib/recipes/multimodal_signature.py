"""Multimodality imaging signature with a clinical-radiological nomogram (Yang et al. 2022, Orphanet J Rare Dis).

The publication's steps, in its own order; what is fitted is fitted on the cases given to `fit` and nothing else:

1. per modality, 851 radiomics features (original and wavelet) of the tumour           (measures.py)
2. per modality, pooled features of six frozen networks from the tumour's bounding box  (measures.py)
3. features that two readers agree on (ICC of at least 0.85), where there is a second reader or a list of stable ones
4. for radiomics and for each network, of each modality and of all together: the F-test's top 20 %, recursive
   elimination, an RBF-SVM; their settings by five inner folds, judged by ten times five outer ones
5. the imaging model with the highest cross-validated AUC gives the signature
6. clinical variables with p < 0.10 alone and p < 0.05 beside the others; the clinical model
7. nomogram: logistic regression of these and the signature

Three things differ, for honesty. The publication chose its signature by the external cohort; here inner folds of the
training part choose. The nomogram's coefficients and every SVM's probabilities rest on decisions on cases that the
machine, its features, its settings and the choice between the models had not seen (cross-fitting over `inner_folds`,
by patient). And readers' agreement counts for deep features, too, for the bounding box is a reader's.

With three or more classes steps 4 to 7 are done for each class against the rest.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from FeatureExtractorLib.deep.backbones import parse_weights
from FeatureExtractorLib.progress import Progress, silent

from ..blocks import labels_of
from ..clinical import encode_clinical
from ..folds import grouped_folds
from ..measures import CaseMeasures
from ..regression import fit_logistic
from ..svm import platt_sigmoid
from ..trust import fit_trust
from .class_nomogram import (
    binary_threshold,
    fit_class_nomogram,
    modelled_classes,
    one_against_rest,
    shared_out,
)
from .multimodal_blocks import Block, blocks_of
from .multimodal_case import activations, classify, measure_settings
from .multimodal_describe import describe
from .multimodal_features import columns_of
from .multimodal_model import MAIN, SCORES, ClassModel, Fitted, Settings, pack, unpack
from .multimodal_predict import probabilities
from .multimodal_scores import calibrated, cross_fit, fit_imaging

__all__ = [
    "MAIN",
    "PUBLICATION",
    "Settings",
    "activations",
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
    "Yang Y et al. Novel computer aided diagnostic models on multimodality medical images to differentiate well "
    "differentiated liposarcomas from lipomas approached by deep learning methods. Orphanet J Rare Dis 2022"
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
    need not show all of them; a variable that lacks one is left out. The order of the cases changes nothing.
    Raises InputError when a class has too few patients, a case has another label, or no feature is left.
    """
    cases = sorted(cases, key=lambda case: (case.patient_id, case.case_id))  # rounding must not depend on the order
    y, patients = labels_of(cases, classes), np.array([case.patient_id for case in cases])
    rows = [case.clinical for case in cases]
    blocks, left_out = blocks_of(cases, settings)
    folds = grouped_folds(y, patients, settings.inner_folds, settings.seed)
    held_out = cross_fit(cases, y, patients, classes, settings, folds, progress)

    models, cross_fitted, warnings = [], [], [*left_out, *folds.warnings]
    for m, (name, y_class) in enumerate(zip(modelled_classes(classes), one_against_rest(y, classes), strict=True)):
        imaging = fit_imaging(blocks, y_class, patients, settings, "selection", progress)
        values = held_out.signature[m]
        nomogram, p, told = fit_class_nomogram(
            name,
            rows,
            y_class,
            patients,
            values[:, None],
            SCORES,
            folds.splits,
            settings.univariate_p,
            settings.multivariate_p,
            levels,
        )
        X, columns = encode_clinical(rows, nomogram.variables)
        clinical = fit_logistic(X, y_class, columns, patients) if columns else None
        svms = calibrated(imaging, held_out, m, y_class)
        platt = platt_sigmoid(values, y_class)
        models.append(ClassModel(svms, imaging.best, platt, clinical, nomogram))
        cross_fitted.append(p)
        warnings += [*imaging.signature.warnings, *told]

    used = tuple(dict.fromkeys(feature for model in models for feature in model.signature.features))
    P = shared_out(cross_fitted, classes)
    trust = fit_trust(P, y, patients, columns_of(cases, used), used, settings.trust, settings.seed, classes)
    threshold = binary_threshold(y, trust.calibrated(P), patients, settings.threshold)
    warnings += trust.notes
    flow = _flow(blocks, models)
    return Fitted(tuple(classes), tuple(models), trust, threshold, flow, tuple(dict.fromkeys(warnings)))


def networks(settings: Settings) -> str:
    """What the card says of the networks."""
    named = [f"{name} ({parse_weights(weights).describe()})" for name, weights in settings.networks]
    return f"frozen: {', '.join(named)}" if named else "none"


def _flow(blocks: Mapping[str, Block], models: Sequence[ClassModel]) -> dict[str, dict[str, int]]:
    return {
        name: {
            "measured": block.measured,
            "usable": block.usable,
            "stable": len(block.names),
            "selected": len({feature for model in models for feature in model.imaging[name].features}),
        }
        for name, block in blocks.items()
    }
