"""Grey level size zones (Thibault 2009): zones of j connected voxels of level i; corners connect."""

from collections.abc import Mapping
from typing import Any

from . import level_size as ls
from . import matrices
from .feature import Feature, FeatureClass
from .roi import Roi


def measure(roi: Roi, settings: Mapping[str, Any]) -> ls.LevelSize:
    """Zones by level and size, over the region as a whole."""
    counts, sizes = matrices.zones(roi.levels, len(roi.grey_levels), roi.near)
    return ls.level_size(counts[None], roi.grey_levels, sizes)


FEATURES = {
    "GrayLevelNonUniformity": Feature(ls.level_non_uniformity, "JNSA"),
    "GrayLevelNonUniformityNormalized": Feature(ls.level_non_uniformity_normalised, "Y1RO"),
    "GrayLevelVariance": Feature(ls.level_variance, "BYLV", "grey level2"),
    "HighGrayLevelZoneEmphasis": Feature(ls.high_level_emphasis, "5GN9", "grey level2"),
    "LargeAreaEmphasis": Feature(ls.large_emphasis, "48P8"),
    "LargeAreaHighGrayLevelEmphasis": Feature(ls.large_high_emphasis, "J17V", "grey level2"),
    "LargeAreaLowGrayLevelEmphasis": Feature(ls.large_low_emphasis, "YH51", "grey level-2"),
    "LowGrayLevelZoneEmphasis": Feature(ls.low_level_emphasis, "XMSY", "grey level-2"),
    "SizeZoneNonUniformity": Feature(ls.size_non_uniformity, "4JP3"),
    "SizeZoneNonUniformityNormalized": Feature(ls.size_non_uniformity_normalised, "VB3A"),
    "SmallAreaEmphasis": Feature(ls.small_emphasis, "5QRC"),
    "SmallAreaHighGrayLevelEmphasis": Feature(ls.small_high_emphasis, "HW1V", "grey level2"),
    "SmallAreaLowGrayLevelEmphasis": Feature(ls.small_low_emphasis, "5RAI", "grey level-2"),
    "ZoneEntropy": Feature(ls.entropy, "GU8N"),
    "ZonePercentage": Feature(ls.percentage, "P30P"),
    "ZoneVariance": Feature(ls.size_variance, "3NSA"),
}
CLASS = FeatureClass(measure, FEATURES)
