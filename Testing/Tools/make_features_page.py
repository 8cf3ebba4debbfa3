"""Write docs/features.md: every feature and filter of the native engine, from their own docstrings.

.venv/bin/python Testing/Tools/make_features_page.py
"""

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from FeatureExtractorLib.radiomics.engine import NUMERIC_DIAGNOSTICS
from FeatureExtractorLib.radiomics.native.engine import CLASSES, INTENSITY_CLASSES
from FeatureExtractorLib.radiomics.native.feature import Feature, FeatureClass
from FeatureExtractorLib.radiomics.native.filters import FILTERS
from FeatureExtractorLib.radiomics.native.local_binary_pattern import local_binary_pattern

PAGE = Path(__file__).resolve().parents[2] / "docs" / "features.md"

INTRODUCTION = """# Radiomics features

Generated from the docstrings of the native engine by `Testing/Tools/make_features_page.py`; PyRadiomics computes the
same features by the same names. A feature's full name is the filtered image, the class and the feature, such as
`wavelet-LLH_glcm_Contrast`. IBSI is the tag of the Image Biomarker Standardisation Initiative, where it has the
feature; [how the values compare with its consensus](ibsi.md) is a page of its own. Features *by name only* are left
out unless the settings name them, because another feature says the same. A second formula holds with the setting
`definition: ibsi`.

The panel of Feature Extractor lists them by feature and class, and by filter and image where there are several; its
filter knows these names and their words, so that `glszm zone wavelet` finds what it says. Tables begin each name with
the image's own, such as `T1C.original_shape_MeshVolume`.

Intensities keep the image's own unit (after the filter, if there is one), and grey levels are whole numbers from 1.
"""


def page() -> str:
    """The whole page."""
    parts = [INTRODUCTION, "## Filters\n", _filters()]
    for name, family in CLASSES.items():
        module = inspect.getmodule(family.measure)
        options = [_text(family.measure)] if name in INTENSITY_CLASSES else []
        parts += [f"## Class `{name}`\n", _text(module), *options, _table(family)]
    parts += ["## Diagnostics\n", DIAGNOSTICS, "".join(f"- `{name}`\n" for name in NUMERIC_DIAGNOSTICS)]
    return "\n".join(parts)


DIAGNOSTICS = """With `additionalInfo: true` these numbers come first; the last eight exist only where the settings
resample. `VoxelNum` counts the mask's voxels and `VolumeNum` its parts, the rest are intensities.
"""


def _filters() -> str:
    rows = [f"| `{name}` | {_cell(function)} |" for name, function in FILTERS.items()]
    patterns = _text(local_binary_pattern)
    return "\n".join(["| image type | what it is |", "|---|---|", *rows, "", f"Local binary patterns. {patterns}"])


def _table(family: FeatureClass) -> str:
    head = ["| feature | definition | unit | IBSI |", "|---|---|---|---|"]
    return "\n".join([*head, *(_row(name, feature) for name, feature in family.features.items()), ""])


def _row(name: str, feature: Feature) -> str:
    return f"| `{name}` | {'; '.join(_definitions(feature))} | {_unit(feature.unit)} | {feature.ibsi} |"


def _definitions(feature: Feature) -> Iterator[str]:
    yield _cell(feature.compute)
    if feature.standard:
        yield f"by IBSI: {_cell(feature.standard)}"
    if feature.by_name_only:
        yield "*by name only*"


def _unit(unit: str) -> str:
    """A unit with its powers raised: "mm3 intensity2" is mm³ intensity²."""
    raised = str.maketrans("-1234", "⁻¹²³⁴")
    return "" if unit == "1" else re.sub(r"(?<=[a-z])-?\d", lambda power: power.group().translate(raised), unit)


def _cell(function: Callable[..., Any]) -> str:
    """A docstring on one line of a table, without its last point."""
    return " ".join(_text(function).split()).rstrip(".").replace("|", "\\|").replace("*", "\\*")


def _text(thing: Any) -> str:
    """A docstring without what it says to programmers of errors; the generator stops where there is none."""
    text = inspect.getdoc(thing)
    if not text:
        raise ValueError(f"{thing} has no docstring")
    return re.sub(r"\s*Raises [^.]*\.", "", text) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"{PAGE}: {sum(len(family.features) for family in CLASSES.values())} features, {len(FILTERS)} filters")
