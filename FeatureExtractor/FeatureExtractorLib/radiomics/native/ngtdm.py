"""Neighbouring grey tone difference (Amadasun & King 1989).

p(i) is the share of voxels of level i, s(i) the sum over them of |i - mean level of the neighbours|, n the number
of voxels, g the number of levels that occur; sums over i and j run over the levels that occur.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import matrices
from .definition import is_ibsi
from .feature import Feature, FeatureClass
from .roi import Roi


@dataclass(frozen=True)
class ToneDifference:
    """i: (g,) grey levels; p: (g,) shares; s: (g,) summed differences; n: number of voxels."""

    i: np.ndarray
    p: np.ndarray
    s: np.ndarray
    n: float


def measure(roi: Roi, settings: Mapping[str, Any]) -> ToneDifference:
    """Tone differences to the neighbours at the settings' `distances`.

    By IBSI's definition a voxel without neighbours does not count at all.
    """
    counts, s = matrices.tone_difference(roi.levels, roi.grey_levels, roi.far, skip_isolated=is_ibsi(settings))
    occurs = counts > 0
    n = max(float(counts.sum()), 1.0)
    return ToneDifference(roi.grey_levels[occurs].astype(float), counts[occurs] / n, s[occurs], n)


def coarseness(t: ToneDifference) -> float:
    """1 / sum p(i) s(i); 10^6 in a homogeneous region."""
    busy = float(t.p @ t.s)
    return 1 / busy if busy else 1e6


def contrast(t: ToneDifference) -> float:
    """sum p(i) p(j) (i - j)^2 / (g (g - 1)) times sum s(i) / n; 0 where g = 1."""
    g = len(t.i)
    spread = 2 * float(t.p @ (t.i - t.p @ t.i) ** 2)
    return spread / (g * (g - 1)) * float(t.s.sum()) / t.n if g > 1 else 0.0


def busyness(t: ToneDifference) -> float:
    """sum p(i) s(i) / sum |i p(i) - j p(j)|; 0 where the denominator is."""
    ip = t.i * t.p
    change = float(np.abs(np.subtract.outer(ip, ip)).sum())
    return float(t.p @ t.s) / change if change else 0.0


def complexity(t: ToneDifference) -> float:
    """sum |i - j| (p(i) s(i) + p(j) s(j)) / (p(i) + p(j)) / n."""
    ps = t.p * t.s
    distance = np.abs(np.subtract.outer(t.i, t.i))
    return float(np.sum(distance * np.add.outer(ps, ps) / np.add.outer(t.p, t.p))) / t.n


def strength(t: ToneDifference) -> float:
    """sum (p(i) + p(j)) (i - j)^2 / sum s(i); 0 in a homogeneous region."""
    total = float(t.s.sum())
    primitives = float(np.sum(np.add.outer(t.p, t.p) * np.subtract.outer(t.i, t.i) ** 2))
    return primitives / total if total else 0.0


FEATURES = {
    "Busyness": Feature(busyness, "NQ30"),
    "Coarseness": Feature(coarseness, "QCDE"),
    "Complexity": Feature(complexity, "HDEZ"),
    "Contrast": Feature(contrast, "65HE"),
    "Strength": Feature(strength, "1X9X"),
}
CLASS = FeatureClass(measure, FEATURES)
