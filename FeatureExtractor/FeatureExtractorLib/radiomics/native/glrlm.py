"""Grey level run lengths (Galloway 1975): runs of j voxels of level i along each direction."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from . import level_size as ls
from . import matrices
from .feature import Feature, FeatureClass
from .roi import Roi


def measure(roi: Roi, settings: Mapping[str, Any]) -> ls.LevelSize:
    """Runs by level and length; `weightingNorm` merges the directions, weighted by the step's length in mm."""
    counts = matrices.run_lengths(roi.levels, len(roi.grey_levels), roi.near)
    norm = settings.get("weightingNorm")
    if norm is not None:
        weights = 1.0 if norm == "no_weighting" else matrices.norms(roi.near, roi.spacing, norm)
        counts = np.sum(counts * np.reshape(weights, (-1, 1, 1)), axis=0, keepdims=True)
    return ls.level_size(counts, roi.grey_levels, np.arange(1, counts.shape[2] + 1))


FEATURES = {
    "GrayLevelNonUniformity": Feature(ls.level_non_uniformity, "R5YN"),
    "GrayLevelNonUniformityNormalized": Feature(ls.level_non_uniformity_normalised, "OVBL"),
    "GrayLevelVariance": Feature(ls.level_variance, "8CE5", "grey level2"),
    "HighGrayLevelRunEmphasis": Feature(ls.high_level_emphasis, "G3QZ", "grey level2"),
    "LongRunEmphasis": Feature(ls.large_emphasis, "W4KF"),
    "LongRunHighGrayLevelEmphasis": Feature(ls.large_high_emphasis, "3KUM", "grey level2"),
    "LongRunLowGrayLevelEmphasis": Feature(ls.large_low_emphasis, "IVPO", "grey level-2"),
    "LowGrayLevelRunEmphasis": Feature(ls.low_level_emphasis, "V3SW", "grey level-2"),
    "RunEntropy": Feature(ls.entropy, "HJ9O"),
    "RunLengthNonUniformity": Feature(ls.size_non_uniformity, "W92Y"),
    "RunLengthNonUniformityNormalized": Feature(ls.size_non_uniformity_normalised, "IC23"),
    "RunPercentage": Feature(ls.percentage, "9ZK5"),
    "RunVariance": Feature(ls.size_variance, "SXLW"),
    "ShortRunEmphasis": Feature(ls.small_emphasis, "22OV"),
    "ShortRunHighGrayLevelEmphasis": Feature(ls.small_high_emphasis, "GD3A", "grey level2"),
    "ShortRunLowGrayLevelEmphasis": Feature(ls.small_low_emphasis, "HTZT", "grey level-2"),
}
CLASS = FeatureClass(measure, FEATURES)
