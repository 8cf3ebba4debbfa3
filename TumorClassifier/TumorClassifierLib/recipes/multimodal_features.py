"""Features by name, as in a feature table: `<MODALITY>.<PyRadiomics name>` and `<MODALITY>.<backbone>_<0…>`."""

from collections.abc import Mapping, Sequence

import numpy as np

from FeatureExtractorLib.deep.backbones import BACKBONES
from FeatureExtractorLib.errors import InputError

from ..measures import CaseMeasures, Measures

RADIOMICS = "radiomics"


def values_of(measures: Mapping[str, Measures]) -> dict[str, float]:
    """All features of a case by name."""
    found: dict[str, float] = {}
    for modality, m in measures.items():
        found |= {f"{modality}.{name}": value for name, value in m.radiomics.items()}
        for backbone, deep in m.deep.items():
            found |= {f"{modality}.{backbone}_{i}": float(value) for i, value in enumerate(deep)}
    return found


def columns_of(cases: Sequence[CaseMeasures], names: Sequence[str]) -> np.ndarray:
    """(n, features) values by name; raises InputError naming the case and the feature or image that it lacks."""
    X = np.empty((len(cases), len(names)))
    places = [place_of(name) for name in names]
    for i, case in enumerate(cases):
        for j, (modality, family, index) in enumerate(places):
            measures = case.first.get(modality)
            if measures is None:
                raise InputError(f"Case {case.case_id} has no {modality} image, which the model needs; add it.")
            deep = measures.deep.get(family)
            value = measures.radiomics.get(family) if deep is None else float(deep[index])
            if value is None or not np.isfinite(value):
                raise InputError(
                    f"Case {case.case_id} has no value of {names[j]}, which the model needs; check its mask."
                )
            X[i, j] = value
    return X


def origin_of(feature: str) -> tuple[str, str]:
    """(modality, family) of a feature."""
    modality, family, index = place_of(feature)
    return modality, RADIOMICS if index < 0 else family


def place_of(feature: str) -> tuple[str, str, int]:
    """(modality, PyRadiomics name, -1), or (modality, backbone, its output)."""
    modality, name = feature.split(".", 1)
    backbone, _, index = name.rpartition("_")
    return (modality, backbone, int(index)) if backbone in BACKBONES else (modality, name, -1)
