"""Codes of what a report says: IBSI for features it defines, a private scheme for the rest, UCUM for units.

A feature of the unfiltered image whose definition is the initiative's (IBSI) has the code of its manual. Features of
filtered images, those that IBSI does not have and those that PyRadiomics defines otherwise (kurtosis; axis lengths,
unless the settings say `definition: ibsi`) have a private code, whose meaning is the feature's PyRadiomics name.
"""

import re
from typing import TYPE_CHECKING

from FeatureExtractorLib.files import sha256_of_bytes
from FeatureExtractorLib.radiomics.native.engine import CLASSES
from FeatureExtractorLib.radiomics.native.feature import Feature

if TYPE_CHECKING:
    from highdicom.coding_schemes import CodingSchemeIdentificationItem
    from pydicom.sr.coding import Code

PRIVATE = "99TUMORCLASS"  # a designator has at most 16 characters; 99 marks private ones (PS3.3 8.2)
IBSI = "IBSI"
LONGEST_VALUE, LONGEST_MEANING = 16, 64

ARBITRARY, HOUNSFIELD = "[arb'U]", "[hnsf'U]"

_FAMILIES = {"firstorder": "First-order", "shape": "Shape", "shape2D": "Shape 2D"}
_UNIT_MEANINGS = {
    "1": "no units",
    "mm": "millimeter",
    "mm2": "square millimeter",
    "mm3": "cubic millimeter",
    "mm-1": "per millimeter",
    ARBITRARY: "arbitrary unit",
    HOUNSFIELD: "Hounsfield unit",
    "{not_stated}": "unit not stated",
}


def private_code(value: str, meaning: str = "") -> "Code":
    """A code of this software; meaning: the value by default, cut to 64 characters.

    A value that is not ASCII or longer than 16 characters is coded by its SHA-256: LongCodeValue would hold it, but
    readers fail on it. The standard counts characters, validators count bytes: meanings are cut by these.
    """
    from pydicom.sr.coding import Code

    value = _plain(value)
    short = (
        value if value.isascii() and len(value) <= LONGEST_VALUE else sha256_of_bytes(value.encode())[:LONGEST_VALUE]
    )
    shown = _plain(meaning or value).encode()[:LONGEST_MEANING].decode(errors="ignore").strip()
    return Code(short, PRIVATE, shown)


def feature_code(name: str, ibsi_definitions: bool = False) -> "Code":
    """The code of a feature by its PyRadiomics name; ibsi_definitions: whether they were asked for in the settings."""
    from pydicom.sr.coding import Code

    image, family, short, feature = _parts(name)
    if image == "original" and feature and feature.ibsi and (ibsi_definitions or feature.standard is None):
        return Code(feature.ibsi, IBSI, _readable(family, short))
    return private_code(name)


def feature_unit(name: str, intensity: str = ARBITRARY) -> "Code":
    """The UCUM unit of a feature; intensity: UCUM of the unfiltered image's values, ARBITRARY after a filter."""
    image, _, _, feature = _parts(name)
    return unit_code(ucum(feature.unit if feature else "", intensity if image == "original" else ARBITRARY))


def unit_code(unit: str) -> "Code":
    """A UCUM unit as a code."""
    from pydicom.sr.coding import Code

    return Code(unit, "UCUM", _UNIT_MEANINGS.get(unit, unit.strip("{}").replace("_", " ")))


def ucum(unit: str, intensity: str) -> str:
    """A `Feature.unit` in UCUM; grey levels are counted, which UCUM leaves to an annotation."""
    if not unit:
        return "{not_stated}"
    if "grey level" in unit:
        return "{" + unit.replace(" ", "_") + "}"
    return unit.replace("intensity", intensity).replace(" ", ".")


def coding_schemes() -> "list[CodingSchemeIdentificationItem]":
    """What a reader needs to know of the schemes that DICOM does not define."""
    from highdicom.coding_schemes import CodingSchemeIdentificationItem

    return [
        CodingSchemeIdentificationItem(
            designator=PRIVATE,
            name="TumorClassifier: features by PyRadiomics' names, and predictions",
            responsible_organization="TumorClassifier",
        ),
        CodingSchemeIdentificationItem(
            designator=IBSI,
            name="Image Biomarker Standardisation Initiative",
            responsible_organization="https://ibsi.readthedocs.io",
        ),
    ]


def _parts(name: str) -> tuple[str, str, str, Feature | None]:
    """Image, class and feature of "original_glcm_Contrast", and what the native engine knows of it."""
    image, family, short = name.rsplit("_", 2) if name.count("_") >= 2 else ("", "", name)
    known = CLASSES[family].features.get(short) if family in CLASSES else None
    return image, family, short, known


def _readable(family: str, short: str) -> str:
    words = re.sub(r"(?<=[a-z])(?=[A-Z0-9])|(?<=[0-9D])(?=[A-Z][a-z])", " ", short)
    return f"{_FAMILIES.get(family, family.upper())} {words}"


def _plain(text: str) -> str:
    """Text without the backslash, which parts values in DICOM, and without control characters."""
    return re.sub(r"[\\\x00-\x1f\x7f]", "/", text).strip() or "unnamed"
