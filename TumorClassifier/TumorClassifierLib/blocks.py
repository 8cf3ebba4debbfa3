"""Blocks of features of measured cases, as matrices that selectors and models take.

Radiomics features are called `<MODALITY>.<PyRadiomics name>`, as in a feature table.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from FeatureExtractorLib.agreement import intraclass_correlation
from FeatureExtractorLib.deep.inputs import grey_channels
from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.stable_features import read_stable_features

from .measures import CaseMeasures, Measures, radiomics_of

if TYPE_CHECKING:
    from torch import nn

DEEP_PREFIX = "DTL_"


def labels_of(cases: Sequence[CaseMeasures], classes: Sequence[str]) -> np.ndarray:
    """(n,) index of each case's class in `classes`; raises InputError for a case with another label or none."""
    for case in cases:
        if case.label not in classes:
            raise InputError(
                f"Case {case.case_id} has the label {case.label!r}; this model knows {', '.join(classes)}."
            )
    return np.array([list(classes).index(str(case.label)) for case in cases])


def matrix(cases: Sequence[CaseMeasures], names: Sequence[str], second: bool = False) -> np.ndarray:
    """(n, features) radiomics values, NaN where a case lacks one; of the second reader's masks on request."""
    measures = [case.second if second else case.first for case in cases]
    flat = [radiomics_of(m) for m in measures if m is not None]
    return np.array([[values.get(name, np.nan) for name in names] for values in flat])


def usable_features(cases: Sequence[CaseMeasures]) -> list[str]:
    """Names of the radiomics features that every case has and that are not the same in all of them."""
    names = list(radiomics_of(cases[0].first))
    X = matrix(cases, names)
    usable = np.isfinite(X).all(axis=0) & _varying(X)
    if not usable.any():
        raise InputError("No radiomics feature is finite in every case and varies between cases; check the masks.")
    return [name for name, keep in zip(names, usable, strict=True) if keep]


def agreed_features(cases: Sequence[CaseMeasures], names: Sequence[str], threshold: float) -> list[str]:
    """Features whose ICC(2,1) between both readers is at least `threshold`; all without a second reader."""
    twice = [case for case in cases if case.second is not None]
    if len(twice) < 2:
        return list(names)
    keep = agreed(np.stack([matrix(twice, names), matrix(twice, names, second=True)], axis=1), threshold)
    if not keep.any():
        raise InputError(f"No radiomics feature has an ICC of {threshold} between the readers; compare their masks.")
    return [name for name, kept in zip(names, keep, strict=True) if kept]


def listed_features(names: Sequence[str], path: Path) -> list[str]:
    """The features on a list that `agree` has written, with or without their modality."""
    listed = set(read_stable_features(path))
    kept = [name for name in names if name in listed or name.split(".", 1)[-1] in listed]
    if not kept:
        raise InputError(f"{path} names none of the {len(names)} features measured; use one preset and modality.")
    return kept


def crops_of(cases: Sequence[CaseMeasures], modality: str) -> np.ndarray:
    """(n, 3, size, size) network inputs."""
    crops = np.stack([_crop(case.first[modality]) for case in cases])
    return crops if crops.ndim == 4 else grey_channels(crops)


def deep_features(network: "nn.Sequential", cases: Sequence[CaseMeasures], modality: str) -> np.ndarray:
    """(n, width) pooled features of the fine-tuned network."""
    from FeatureExtractorLib.deep.features import pooled_features

    return pooled_features(network, crops_of(cases, modality))


def deep_name(index: int) -> str:
    """The name of a pooled feature."""
    return f"{DEEP_PREFIX}{index}"


def deep_columns(names: Sequence[str]) -> list[int]:
    """The network's outputs that features named by `deep_name` are."""
    return [int(name.removeprefix(DEEP_PREFIX)) for name in names]


def agreed_deep_features(
    X: np.ndarray,
    cases: Sequence[CaseMeasures],
    threshold: float,
    features: Callable[[Sequence[CaseMeasures]], np.ndarray],
) -> list[int]:
    """Columns of pooled features X (n, width) that vary and, where there is a second reader, agree.

    features: gives (m, width) pooled features of cases, for the two readers' outlines of the same tumours.
    """
    keep = _varying(X)
    twice = [case for case in cases if case.second is not None]
    if len(twice) >= 2:
        other = [replace(case, first=case.second) for case in twice if case.second is not None]
        keep &= agreed(np.stack([features(twice), features(other)], axis=1), threshold)
    if not keep.any():
        raise InputError(
            "No deep feature varies and is stable between the readers; compare their masks, or lower icc."
        )
    return np.flatnonzero(keep).tolist()


def agreed(pairs: np.ndarray, threshold: float) -> np.ndarray:
    """Which features of (cases, 2, features) have an ICC(2,1) of at least `threshold`; NaN ones have not."""
    finite = np.isfinite(pairs).all(axis=(0, 1))
    keep = np.zeros(pairs.shape[2], dtype=bool)
    keep[finite] = intraclass_correlation(pairs[:, :, finite]).icc >= threshold
    return keep


def finite_in_every_case(cases: Sequence[CaseMeasures]) -> tuple[tuple[CaseMeasures, ...], tuple[str, ...]]:
    """The cases with only those radiomics features that all of them have, and a sentence where some are dropped.

    A feature that a fold's training part has and its test part lacks would end the cross-validation. Classes play no
    part in this, so nothing leaks.
    """
    names = list(radiomics_of(cases[0].first))
    if not names:
        return tuple(cases), ()
    finite = np.isfinite(matrix(cases, names)).all(axis=0)
    if finite.all():
        return tuple(cases), ()
    kept = {name for name, keep in zip(names, finite, strict=True) if keep}
    warning = f"{len(names) - len(kept)} of {len(names)} radiomics features are not finite in every case."
    return tuple(replace(case, first=_only(case.first, kept)) for case in cases), (warning,)


def _only(measures: Mapping[str, Measures], kept: set[str]) -> dict[str, Measures]:
    return {
        modality: replace(m, radiomics={n: value for n, value in m.radiomics.items() if f"{modality}.{n}" in kept})
        for modality, m in measures.items()
    }


def _crop(measures: Measures) -> np.ndarray:
    if measures.crop is None:
        raise ValueError("These measures were made for frozen networks and keep no crop.")
    return measures.crop


def _varying(X: np.ndarray) -> np.ndarray:
    return np.asarray(np.ptp(X, axis=0) > 0)
