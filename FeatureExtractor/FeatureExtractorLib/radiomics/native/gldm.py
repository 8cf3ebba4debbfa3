"""Grey level dependence (Sun & Wee 1983): voxels of level i with j - 1 neighbours of about the same level."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from . import level_size as ls
from . import matrices
from .feature import Feature, FeatureClass
from .roi import Roi


def measure(roi: Roi, settings: Mapping[str, Any]) -> ls.LevelSize:
    """Dependences at the settings' `distances`, levels counting as the same within `gldm_a`."""
    counts = matrices.dependence(roi.levels, roi.grey_levels, roi.far, settings.get("gldm_a", 0))
    return ls.level_size(counts[None], roi.grey_levels, np.arange(1, counts.shape[1] + 1))


FEATURES = {
    "DependenceEntropy": Feature(ls.entropy, "FCBV"),
    "DependenceNonUniformity": Feature(ls.size_non_uniformity, "Z87G"),
    "DependenceNonUniformityNormalized": Feature(ls.size_non_uniformity_normalised, "OKJI"),
    "DependenceVariance": Feature(ls.size_variance, "DNX2"),
    "GrayLevelNonUniformity": Feature(ls.level_non_uniformity, "FP8K"),
    "GrayLevelVariance": Feature(ls.level_variance, "1PR9", "grey level2"),
    "HighGrayLevelEmphasis": Feature(ls.high_level_emphasis, "OAE7", "grey level2"),
    "LargeDependenceEmphasis": Feature(ls.large_emphasis, "IMOQ"),
    "LargeDependenceHighGrayLevelEmphasis": Feature(ls.large_high_emphasis, "9QMG", "grey level2"),
    "LargeDependenceLowGrayLevelEmphasis": Feature(ls.large_low_emphasis, "NBZI", "grey level-2"),
    "LowGrayLevelEmphasis": Feature(ls.low_level_emphasis, "TL9H", "grey level-2"),
    "SmallDependenceEmphasis": Feature(ls.small_emphasis, "SODN"),
    "SmallDependenceHighGrayLevelEmphasis": Feature(ls.small_high_emphasis, "JA6D", "grey level2"),
    "SmallDependenceLowGrayLevelEmphasis": Feature(ls.small_low_emphasis, "EQ3F", "grey level-2"),
}
CLASS = FeatureClass(measure, FEATURES)
