"""Blocks of features: radiomics and each frozen network, of each modality and of all modalities together."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.stable_features import read_stable_features

from ..blocks import agreed
from ..estimator import is_constant
from ..measures import CaseMeasures, Measures
from .multimodal_features import RADIOMICS
from .multimodal_model import Settings


@dataclass(frozen=True, eq=False)
class Block:
    """names: (p,) features that may be used, of X (n, p). measured: how many there were before anything was left out.

    usable: how many of them are finite in every case and vary.
    """

    name: str
    names: tuple[str, ...]
    X: np.ndarray
    measured: int
    usable: int


def blocks_of(cases: Sequence[CaseMeasures], settings: Settings) -> tuple[dict[str, Block], tuple[str, ...]]:
    """The blocks of training cases by name, with the features that two readers agree on, and warnings.

    Readers count where at least two cases have a second one. A block without such a feature is left out with a
    warning. Raises InputError when none is left.
    """
    single = {
        (family, modality): _one(cases, settings, family, modality)
        for family in _families(cases)
        for modality in settings.modalities
    }
    blocks, warnings = {}, []
    for name, family, modalities in _named(settings, _families(cases)):
        parts = [single[family, modality] for modality in modalities]
        block = Block(
            name=name,
            names=tuple(feature for part in parts for feature in part.names),
            X=np.hstack([part.X for part in parts]),
            measured=sum(part.measured for part in parts),
            usable=sum(part.usable for part in parts),
        )
        if block.names:
            blocks[name] = block
        else:
            warnings.append(f"{name} was left out: none of its {block.measured} features varies and is stable.")
    if not blocks:
        raise InputError("No feature varies and is stable between the readers; compare their masks, or lower icc.")
    return blocks, tuple(warnings)


def _families(cases: Sequence[CaseMeasures]) -> list[str]:
    measures = next(iter(cases[0].first.values()))
    return [*([RADIOMICS] if measures.radiomics else []), *measures.deep]


def _named(settings: Settings, families: Sequence[str]) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """(name, family, modalities) of every block; with one modality there is nothing to put together."""
    for family in families:
        for modality in settings.modalities:
            yield f"{family} {modality}", family, (modality,)
        if len(settings.modalities) > 1:
            yield f"{family} {'+'.join(settings.modalities)}", family, settings.modalities


def _one(cases: Sequence[CaseMeasures], settings: Settings, family: str, modality: str) -> Block:
    names, X = _measured([case.first for case in cases], family, modality)
    usable = np.isfinite(X).all(axis=0)
    usable[usable] = ~is_constant(X[:, usable])
    stable = usable.copy()
    twice = [case for case in cases if case.second is not None]
    if family == RADIOMICS and settings.stable_features is not None:
        listed = set(read_stable_features(Path(settings.stable_features)))  # with or without their modality
        stable &= np.array([name in listed or name.split(".", 1)[1] in listed for name in names])
    elif len(twice) >= 2:
        first = _values([case.first for case in twice], family, modality, names)
        second = _values([case.second for case in twice if case.second is not None], family, modality, names)
        stable &= agreed(np.stack([first, second], axis=1), settings.icc)
    kept = np.flatnonzero(stable)
    return Block(f"{family} {modality}", tuple(names[i] for i in kept), X[:, kept], len(names), int(usable.sum()))


def _measured(measures: Sequence[Mapping[str, Measures]], family: str, modality: str) -> tuple[list[str], np.ndarray]:
    """(names, (n, p) values) of one family and modality, as the first case has them; NaN where a case lacks one."""
    one = measures[0][modality]
    names = (
        [f"{modality}.{name}" for name in one.radiomics]
        if family == RADIOMICS
        else [f"{modality}.{family}_{i}" for i in range(len(one.deep[family]))]
    )
    return names, _values(measures, family, modality, names)


def _values(
    measures: Sequence[Mapping[str, Measures]], family: str, modality: str, names: Sequence[str]
) -> np.ndarray:
    if family != RADIOMICS:
        return np.stack([m[modality].deep[family] for m in measures]).astype(np.float64)
    plain = [name.split(".", 1)[1] for name in names]
    return np.array([[m[modality].radiomics.get(name, np.nan) for name in plain] for m in measures])
