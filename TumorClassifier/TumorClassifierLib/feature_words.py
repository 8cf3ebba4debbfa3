"""Names of features in words that a reader of images knows."""

import re

FAMILIES = {
    "firstorder": "first-order",
    "shape": "shape",
    "shape2D": "2D shape",
    "glcm": "GLCM",
    "gldm": "GLDM",
    "glrlm": "GLRLM",
    "glszm": "GLSZM",
    "ngtdm": "NGTDM",
}
ABBREVIATED = {
    "Id": "inverse difference",
    "Idn": "inverse difference, normalised",
    "Idm": "inverse difference moment",
    "Idmn": "inverse difference moment, normalised",
    "Imc1": "informational measure of correlation 1",
    "Imc2": "informational measure of correlation 2",
    "MCC": "maximal correlation coefficient",
    "10Percentile": "10th percentile",
    "90Percentile": "90th percentile",
}
SPELT = {"gray": "grey", "normalized": "normalised", "non": "non-", "num": "number", "2d": "2D", "3d": "3D"}
FILTERED = {
    "squareroot": "square root",
    "lbp-2D": "LBP 2D",
    "lbp-3D-k": "LBP 3D kurtosis",
}
RADIOMICS = re.compile(rf"(?P<image>[A-Za-z0-9-]+)_(?P<family>{'|'.join(FAMILIES)})_(?P<feature>\w+)")
DIAGNOSTIC = re.compile(r"diagnostics_(?P<what>Image|Mask)-(?P<state>\w+)_(?P<feature>[\w:]+)")
LOG = re.compile(r"log-sigma-(\d+)-(\d+)-mm-([23]D)")
DEEP = re.compile(r"(?P<network>[A-Za-z]\w*?)[_.:](?P<index>\d+)")
CAMEL = re.compile(r"\dD(?=[A-Z])|[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")


def feature_in_words(name: str) -> str:
    """A feature such as "T1C.wavelet-LLH_glcm_Contrast" in words: "T1C GLCM contrast (wavelet LLH)".

    Knows PyRadiomics' names of every filter, its diagnostics and deep features ("DTL_17", "T1C.resnet50_17"), each
    with or without its image's name before a point; any other name, a clinical variable's say, is given back as it is.
    """
    modality, point, rest = name.partition(".")
    if point:
        words = _measured(rest)
        if words:
            return f"{modality} {words}"
    return _measured(name) or name


def _measured(name: str) -> str:
    """In words, or empty for what is neither a radiomics nor a deep feature."""
    if match := RADIOMICS.fullmatch(name):
        image = _image(match["image"])
        return f"{FAMILIES[match['family']]} {_words(match['feature'])}" + (f" ({image})" if image else "")
    if match := DIAGNOSTIC.fullmatch(name):
        return f"{match['state']} {match['what'].lower()}'s {_words(match['feature'])}"
    if match := DEEP.fullmatch(name):
        network = "" if match["network"] == "DTL" else f"{match['network']} "
        return f"{network}deep feature {match['index']}"
    return ""


def _image(prefix: str) -> str:
    """The filter that the image went through; empty for the original."""
    if prefix == "original":
        return ""
    if match := LOG.fullmatch(prefix):
        flat = " in 2D" if match[3] == "2D" else ""
        return f"LoG {match[1]}.{match[2]} mm{flat}"
    if prefix.startswith("lbp-3D-m"):
        return f"LBP 3D level {prefix.removeprefix('lbp-3D-m')}"
    return FILTERED.get(prefix, prefix.replace("-", " "))


def _words(feature: str) -> str:
    """CamelCase as words."""
    if feature in ABBREVIATED:
        return ABBREVIATED[feature]
    return " ".join(SPELT.get(word.lower(), word.lower()) for word in CAMEL.findall(feature)).replace("- ", "-")
