"""What a report says of a fitted multimodality signature."""

from typing import Any

import numpy as np

from ..svm import SvmModel
from .multimodal_model import SCORES, Fitted


def describe(fitted: Fitted) -> dict[str, Any]:
    """Selection, signatures, imaging models, clinical tables, regressions and nomograms, as plain JSON."""
    clinical, regressions = zip(*(model.nomogram.description() for model in fitted.models), strict=True)
    return {
        "flow": fitted.flow,
        "signatures": [_signature(m.nomogram.name, m.best, m.signature) for m in fitted.models],
        "imaging": [
            {
                "class": model.nomogram.name,
                "name": name,
                "features": len(svm.features),
                "cost": svm.cost,
                "gamma": svm.gamma,
                "auc": svm.auc,
                "chosen": name == model.best,
            }
            for model in fitted.models
            for name, svm in model.imaging.items()
        ],
        "clinical": list(clinical),
        "regressions": list(regressions),
        "nomograms": {one.name: one.nomogram.to_json() for one in fitted.nomograms},
    }


def _signature(of_class: str, block: str, svm: SvmModel) -> dict[str, Any]:
    """The machine has no coefficients: what stands for them is its tangent at the training cases' mean."""
    mean = np.asarray(svm.mean)[None]
    slopes = svm.gradient(mean)[0] * np.asarray(svm.scale)
    terms = [
        {"feature": feature, "coefficient": float(slope), "mean": centre, "scale": scale}
        for feature, slope, centre, scale in zip(svm.features, slopes, svm.mean, svm.scale, strict=True)
    ]
    return {
        "class": of_class,
        "name": SCORES[0],
        "formula": (
            f"{SCORES[0]} = decision of an RBF-SVM (cost {svm.cost:g}, gamma {svm.gamma:g}, {len(svm.dual)} support "
            f"vectors) of {len(svm.features)} features of {block}, AUC {svm.auc:.3f} over inner folds; the "
            "coefficients are its slopes at the mean of the training cases, per standard deviation"
        ),
        "intercept": float(svm.decision(mean)[0]),
        "terms": sorted(terms, key=lambda term: -abs(float(str(term["coefficient"])))),
        "penalty": None,
    }
