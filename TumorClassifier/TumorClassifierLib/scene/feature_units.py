"""Units of radiomics features, where they have one: shape is measured in millimetres, texture in pure numbers."""

from FeatureExtractorLib.radiomics.native.engine import CLASSES

WRITTEN = {"mm": "mm", "mm2": "mm²", "mm3": "mm³", "mm-1": "1/mm"}


def feature_unit(name: str) -> str:
    """The unit of a feature such as "original_shape_MeshVolume"; empty where it has none or the image's own."""
    _, family, feature = name.rsplit("_", 2) if name.count("_") >= 2 else ("", "", name)
    if not family.startswith("shape") or family not in CLASSES or feature not in CLASSES[family].features:
        return ""
    return WRITTEN.get(CLASSES[family].features[feature].unit, "")
