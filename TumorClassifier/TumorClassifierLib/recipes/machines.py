"""Support vectors of SVM models as safetensors: as JSON those of a thousand cases would be most of a model file."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from FeatureExtractorLib.errors import BundleRejected

from ..bundle import Bundle
from ..svm import SvmModel

MEMBER = "machines"


def as_stored(model: SvmModel) -> SvmModel:
    """The machine with the support vectors that storing leaves it (float32); evaluate with this one."""
    return replace(model, support=model.support.astype(np.float32).astype(np.float64))


def of_patients(model: SvmModel, shift: float) -> SvmModel:
    """The machine with its sigmoid moved by `share_shift`, as the regressions are."""
    a, b = model.platt
    return replace(model, platt=(a, b - shift))


def without_supports(models: Sequence[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], dict[str, bytes]]:
    """Class models' documents without support vectors, and the member of the model file that holds them.

    models: documents with `svm`, SVM models' documents by block; their support vectors must be as `as_stored` has
    them. Equal models give equal bytes.
    """
    from safetensors.numpy import save

    documents, supports = [], {}
    for i, model in enumerate(models):
        machines = {}
        for block, machine in model["svm"].items():
            machines[block] = {name: value for name, value in machine.items() if name != "support"}
            supports[f"{i}.{block}"] = np.asarray(machine["support"], dtype=np.float32)
        documents.append({**model, "svm": machines})
    return documents, {MEMBER: save(supports)}


def with_supports(bundle: Bundle, models: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The documents as they were before `without_supports`; those of older models, which hold all, stay as they are.

    Raises BundleRejected where the member is not made of just these machines' support vectors, and KeyError,
    TypeError, AttributeError where the documents are none.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    if MEMBER not in bundle.weights:
        return [dict(model) for model in models]
    try:
        supports = load(bundle.weights[MEMBER])
    except (SafetensorError, KeyError, ValueError) as error:
        raise BundleRejected(f"The model {bundle.name} has damaged SVM models ({error}); get it again.") from error
    if set(supports) != {f"{i}.{block}" for i, model in enumerate(models) for block in model["svm"]}:
        raise BundleRejected(f"The model {bundle.name} has support vectors of other SVM models; get it again.")
    return [
        {
            **model,
            "svm": {
                block: {**one, "support": supports[f"{i}.{block}"].tolist()} for block, one in model["svm"].items()
            },
        }
        for i, model in enumerate(models)
    ]
