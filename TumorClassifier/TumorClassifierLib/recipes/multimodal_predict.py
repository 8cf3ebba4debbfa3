"""What the fitted multimodality signature says of measured cases."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..clinical import encode_clinical
from ..measures import CaseMeasures
from .class_nomogram import shared_out
from .multimodal_features import columns_of, values_of
from .multimodal_model import MAIN, Fitted


def signature_values(fitted: Fitted, cases: Sequence[CaseMeasures]) -> np.ndarray:
    """(models, n, 1) value of every class's signature; raises InputError at a missing feature."""
    return np.stack(
        [model.signature.decision(columns_of(cases, model.signature.features))[:, None] for model in fitted.models]
    )


def probabilities(fitted: Fitted, cases: Sequence[CaseMeasures]) -> dict[str, np.ndarray]:
    """(n, K) probabilities by the nomogram, the signature, the clinical model and each imaging model.

    An imaging model whose features were not measured, as when a single case is classified, is left out. Raises
    InputError when a feature of the signature is missing or a clinical level is unknown.
    """
    rows = [case.clinical for case in cases]
    measured = set(values_of(cases[0].first))
    found: dict[str, list[np.ndarray]] = {MAIN: [], "signature": []}
    for model, values in zip(fitted.models, signature_values(fitted, cases), strict=True):
        found[MAIN].append(model.nomogram.probability(rows, values))
        X = columns_of(cases, model.signature.features)
        found["signature"].append(replace(model.signature, platt=model.platt).probability(X))
        if model.clinical is not None:
            design, names = encode_clinical(rows, model.nomogram.variables)
            found.setdefault("clinical", []).append(model.clinical.probability(design, names))
        for name, svm in model.imaging.items():
            if measured.issuperset(svm.features):
                found.setdefault(name, []).append(svm.probability(columns_of(cases, svm.features)))
    whole = {name: shared_out(p, fitted.classes) for name, p in found.items() if len(p) == len(fitted.models)}
    return {**whole, MAIN: fitted.trust.calibrated(whole[MAIN])}
