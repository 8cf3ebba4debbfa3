"""A feature's full name taken apart, for tables that are sorted and filtered."""

from dataclasses import dataclass

from FeatureExtractorLib.deep.backbones import BACKBONES


@dataclass(frozen=True)
class FeatureName:
    """full: as in tables, such as "T1C.wavelet-LLH_glcm_Contrast". image: what the image is, empty where not said."""

    full: str
    image: str
    image_type: str
    family: str
    feature: str


def parse_feature(full: str) -> FeatureName:
    """Image, image type, class and feature; a deep feature has the type "deep" and its network as class."""
    image, point, name = full.partition(".")
    if not point:
        image, name = "", full
    network, _, index = name.rpartition("_")
    if network in BACKBONES and index.isdigit():
        return FeatureName(full, image, "deep", network, index)
    parts = name.rsplit("_", 2)
    image_type, family, feature = parts if len(parts) == 3 else ("", "", name)
    return FeatureName(full, image, image_type, family, feature)


def matches(name: FeatureName, words: str) -> bool:
    """Whether every word of a filter is somewhere in the name or in its words, whatever the case."""
    from TumorClassifierLib.feature_words import feature_in_words

    text = f"{name.full} {feature_in_words(name.full)}".casefold()
    return all(word in text for word in words.casefold().split())
