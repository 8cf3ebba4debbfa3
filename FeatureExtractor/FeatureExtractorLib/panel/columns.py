"""What is computed from the features of several outlines: the agreement of two readers, feature by feature."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from FeatureExtractorLib.agreement import intraclass_correlation

from .measured import Measured, MeasuredSegment

FORM = "ICC(2,1)"


@dataclass(frozen=True)
class ExtraColumn:
    """A column beside the segments' own; values: one a feature, NaN where there is none."""

    title: str
    values: tuple[float, ...]
    unit: str = ""
    meaning: str = ""


def extra_columns(measured: Measured) -> tuple[ExtraColumn, ...]:
    """Of two readers: the ICC with its interval from two segments on; of a single segment the readers' difference.

    The ICC of a few segments of one patient says how far these readers agree on them, not how stable a feature is in
    a cohort; its interval shows how little is known.
    """
    pairs = measured.pairs()
    if not pairs:
        return ()
    values = _values(pairs, measured.names)
    if len(pairs) == 1:
        return (ExtraColumn("Difference", _differences(values[0]), "%", "of the second outline from the first"),)
    usable = np.isfinite(values).all(axis=(0, 1))
    with np.errstate(over="ignore"):  # the interval of a feature that both readers agree on almost exactly
        found = intraclass_correlation(values[:, :, usable], FORM)
    columns = []
    for title, numbers, meaning in (
        (FORM, found.icc, "agreement of both outlines, 1 at best"),
        ("ICC low", found.low, "lower end of its 95 % interval"),
        ("ICC high", found.high, "upper end of its 95 % interval"),
    ):
        whole = np.full(values.shape[2], math.nan)
        whole[usable] = numbers
        columns.append(ExtraColumn(title, tuple(whole.tolist()), "", meaning))
    return tuple(columns)


def _values(pairs: Sequence[tuple[MeasuredSegment, MeasuredSegment]], names: Sequence[str]) -> np.ndarray:
    """(segments, 2, features)"""
    return np.array([[[one.features.get(name, math.nan) for name in names] for one in pair] for pair in pairs])


def _differences(values: np.ndarray) -> tuple[float, ...]:
    """Of (2, features), in per cent of the first; NaN where the first is 0."""
    first, second = values
    with np.errstate(divide="ignore", invalid="ignore"):
        percent = 100 * (second - first) / np.abs(first)
    return tuple(np.where(np.isfinite(percent), percent, np.where(first == second, 0.0, math.nan)).tolist())
