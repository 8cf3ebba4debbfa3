"""Blocks of features of measured cases, as matrices that selectors and models take."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from FeatureExtractorLib.agreement import intraclass_correlation
from FeatureExtractorLib.deep.inputs import grey_channels
from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.stable_features import read_stable_features

from .measures import CaseMeasures

if TYPE_CHECKING:
    from torch import nn

DEEP_PREFIX = "DTL_"


def labels_of(cases: Sequence[CaseMeasures], classes: tuple[str, str]) -> np.ndarray:
    """(n,) 0 for the negative and 1 for the positive class; raises InputError for a case without either label."""
    for case in cases:
        if case.label not in classes:
            raise InputError(
                f"Case {case.case_id} has the label {case.label!r}; this model knows {', '.join(classes)}."
            )
    return np.array([int(case.label == classes[1]) for case in cases])


def matrix(cases: Sequence[CaseMeasures], names: Sequence[str], second: bool = False) -> np.ndarray:
    """(n, features) radiomics values, NaN where a case lacks one; of the second reader's masks on request."""
    measures = [case.second if second else case.first for case in cases]
    return np.array([[m.radiomics.get(name, np.nan) for name in names] for m in measures if m is not None])


def usable_features(cases: Sequence[CaseMeasures]) -> list[str]:
    """Names of the radiomics features that every case has and that are not the same in all of them."""
    names = list(cases[0].first.radiomics)
    X = matrix(cases, names)
    usable = np.isfinite(X).all(axis=0) & _varying(X)
    if not usable.any():
        raise InputError("No radiomics feature is finite in every case and varies between cases; check the masks.")
    return [name for name, keep in zip(names, usable, strict=True) if keep]


def agreed_features(cases: Sequence[CaseMeasures], names: Sequence[str], threshold: float) -> list[str]:
    """Step 4: features whose ICC(2,1) between both readers is at least `threshold`; all without a second reader."""
    twice = [case for case in cases if case.second is not None]
    if len(twice) < 2:
        return list(names)
    pairs = np.stack([matrix(twice, names), matrix(twice, names, second=True)], axis=1)
    keep = _agreed(pairs, threshold)
    if not keep.any():
        raise InputError(f"No radiomics feature has an ICC of {threshold} between the readers; compare their masks.")
    return [name for name, kept in zip(names, keep, strict=True) if kept]


def listed_features(names: Sequence[str], path: Path, modality: str) -> list[str]:
    """Step 4 by a list that `agree` has written: the features on it, with or without their modality."""
    listed = set(read_stable_features(path))
    kept = [name for name in names if name in listed or f"{modality}.{name}" in listed]
    if not kept:
        raise InputError(f"{path} names none of the {len(names)} {modality} features measured; use one preset.")
    return kept


def crops_of(cases: Sequence[CaseMeasures]) -> np.ndarray:
    """(n, 3, size, size) network inputs."""
    crops = np.stack([case.first.crop for case in cases])
    return crops if crops.ndim == 4 else grey_channels(crops)


def deep_features(network: "nn.Sequential", cases: Sequence[CaseMeasures]) -> np.ndarray:
    """(n, width) pooled features of the fine-tuned network."""
    from FeatureExtractorLib.deep.features import pooled_features

    return pooled_features(network, crops_of(cases))


def deep_name(index: int) -> str:
    """The name of a pooled feature."""
    return f"{DEEP_PREFIX}{index}"


def deep_columns(names: Sequence[str]) -> list[int]:
    """The network's outputs that features named by `deep_name` are."""
    return [int(name.removeprefix(DEEP_PREFIX)) for name in names]


def agreed_deep_features(
    network: "nn.Sequential", cases: Sequence[CaseMeasures], threshold: float
) -> tuple[np.ndarray, list[str]]:
    """(n, kept) pooled features that vary and, where there is a second reader, agree; and their names."""
    X = deep_features(network, cases)
    keep = _varying(X) & _agreed_between_crops(network, cases, threshold, X.shape[1])
    if not keep.any():
        raise InputError(
            "No deep feature varies and is stable between the readers; compare their masks, or lower icc."
        )
    return X[:, keep], [deep_name(int(i)) for i in np.flatnonzero(keep)]


def _agreed_between_crops(
    network: "nn.Sequential", cases: Sequence[CaseMeasures], threshold: float, width: int
) -> np.ndarray:
    twice = [case for case in cases if case.second is not None]
    if len(twice) < 2:
        return np.ones(width, dtype=bool)
    other = [replace(case, first=case.second) for case in twice if case.second is not None]
    return _agreed(np.stack([deep_features(network, twice), deep_features(network, other)], axis=1), threshold)


def _agreed(pairs: np.ndarray, threshold: float) -> np.ndarray:
    """Which features of (cases, 2, features) have an ICC(2,1) of at least `threshold`; NaN ones have not."""
    finite = np.isfinite(pairs).all(axis=(0, 1))
    keep = np.zeros(pairs.shape[2], dtype=bool)
    keep[finite] = intraclass_correlation(pairs[:, :, finite]).icc >= threshold
    return keep


def _varying(X: np.ndarray) -> np.ndarray:
    return np.asarray(np.ptp(X, axis=0) > 0)
