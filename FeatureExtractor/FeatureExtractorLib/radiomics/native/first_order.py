"""First-order statistics of the region's intensities x_1 ... x_n, and of the histogram p of their grey levels."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import xlogy

from .feature import Feature, FeatureClass
from .roi import Roi


@dataclass(frozen=True)
class FirstOrder:
    """x: (n,) float64; p: (g,) share of each grey level; shift: added to x where squares are taken; voxel: mm3."""

    x: np.ndarray
    p: np.ndarray
    shift: float
    voxel: float

    @cached_property
    def mean(self) -> float:
        return float(self.x.mean())

    @cached_property
    def deviation(self) -> np.ndarray:
        return self.x - self.mean

    @cached_property
    def squared_deviation(self) -> np.ndarray:
        return self.deviation**2

    @cached_property
    def variance(self) -> float:
        return float(self.squared_deviation.mean())

    @cached_property
    def percentiles(self) -> dict[int, float]:
        ranks = (10, 25, 50, 75, 90)
        return dict(zip(ranks, np.percentile(self.x, ranks).tolist(), strict=True))


def measure(roi: Roi, settings: Mapping[str, Any]) -> FirstOrder:
    """Intensities with the settings' `voxelArrayShift`, and the shares of the grey levels."""
    p = np.bincount(roi.levels) / len(roi.levels)
    return FirstOrder(roi.values, p, settings.get("voxelArrayShift", 0), float(roi.spacing.prod()))


def energy(f: FirstOrder) -> float:
    """sum (x + shift)^2."""
    return float(np.sum((f.x + f.shift) ** 2))


def total_energy(f: FirstOrder) -> float:
    """Voxel volume times sum (x + shift)^2."""
    return f.voxel * energy(f)


def entropy(f: FirstOrder) -> float:
    """- sum p log2 p."""
    return float(-xlogy(f.p, f.p).sum() / np.log(2))


def uniformity(f: FirstOrder) -> float:
    """sum p^2."""
    return float(np.sum(f.p**2))


def minimum(f: FirstOrder) -> float:
    """min x."""
    return float(f.x.min())


def maximum(f: FirstOrder) -> float:
    """max x."""
    return float(f.x.max())


def value_range(f: FirstOrder) -> float:
    """max x - min x."""
    return maximum(f) - minimum(f)


def percentile_10(f: FirstOrder) -> float:
    """10th percentile of x, interpolated linearly."""
    return f.percentiles[10]


def percentile_90(f: FirstOrder) -> float:
    """90th percentile of x, interpolated linearly."""
    return f.percentiles[90]


def median(f: FirstOrder) -> float:
    """50th percentile of x."""
    return f.percentiles[50]


def interquartile_range(f: FirstOrder) -> float:
    """75th - 25th percentile of x."""
    return f.percentiles[75] - f.percentiles[25]


def mean(f: FirstOrder) -> float:
    """m = sum x / n."""
    return f.mean


def variance(f: FirstOrder) -> float:
    """sum (x - m)^2 / n."""
    return f.variance


def standard_deviation(f: FirstOrder) -> float:
    """sqrt(variance)."""
    return float(np.sqrt(f.variance))


def mean_absolute_deviation(f: FirstOrder) -> float:
    """sum |x - m| / n."""
    return float(np.mean(np.abs(f.deviation)))


def robust_mean_absolute_deviation(f: FirstOrder) -> float:
    """Mean absolute deviation of the values from the 10th to the 90th percentile, both included."""
    inner = f.x[(f.x >= f.percentiles[10]) & (f.x <= f.percentiles[90])]
    return float(np.mean(np.abs(inner - inner.mean()))) if len(inner) else float("nan")


def root_mean_squared(f: FirstOrder) -> float:
    """sqrt(sum (x + shift)^2 / n)."""
    return float(np.sqrt(np.mean((f.x + f.shift) ** 2)))


def skewness(f: FirstOrder) -> float:
    """(sum (x - m)^3 / n) / variance^(3/2); 0 where all values are equal."""
    return float(np.mean(f.squared_deviation * f.deviation) / f.variance**1.5) if f.variance else 0.0


def kurtosis(f: FirstOrder) -> float:
    """(sum (x - m)^4 / n) / variance^2, 3 for a normal distribution; 0 where all are equal."""
    return float(np.mean(f.squared_deviation**2) / f.variance**2) if f.variance else 0.0


def excess_kurtosis(f: FirstOrder) -> float:
    """(sum (x - m)^4 / n) / variance^2 - 3, 0 for a normal distribution and where all are equal."""
    return kurtosis(f) - 3 if f.variance else 0.0


FEATURES = {
    "10Percentile": Feature(percentile_10, "QG58", "intensity"),
    "90Percentile": Feature(percentile_90, "8DWT", "intensity"),
    "Energy": Feature(energy, "N8CA", "intensity2"),
    "Entropy": Feature(entropy, "TLU2"),
    "InterquartileRange": Feature(interquartile_range, "SALO", "intensity"),
    "Kurtosis": Feature(kurtosis, "IPH6", standard=excess_kurtosis),
    "Maximum": Feature(maximum, "84IY", "intensity"),
    "MeanAbsoluteDeviation": Feature(mean_absolute_deviation, "4FUA", "intensity"),
    "Mean": Feature(mean, "Q4LE", "intensity"),
    "Median": Feature(median, "Y12H", "intensity"),
    "Minimum": Feature(minimum, "1GSF", "intensity"),
    "Range": Feature(value_range, "2OJQ", "intensity"),
    "RobustMeanAbsoluteDeviation": Feature(robust_mean_absolute_deviation, "1128", "intensity"),
    "RootMeanSquared": Feature(root_mean_squared, "5ZWQ", "intensity"),
    "Skewness": Feature(skewness, "KE2A"),
    "StandardDeviation": Feature(standard_deviation, unit="intensity", by_name_only=True),
    "TotalEnergy": Feature(total_energy, unit="mm3 intensity2"),
    "Uniformity": Feature(uniformity, "BJ5W"),
    "Variance": Feature(variance, "ECT3", "intensity2"),
}
CLASS = FeatureClass(measure, FEATURES)
