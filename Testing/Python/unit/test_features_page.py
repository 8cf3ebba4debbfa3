"""docs/features.md is what the docstrings say."""

import re
import runpy
from pathlib import Path

import pytest

from FeatureExtractorLib.radiomics.native.engine import CLASSES
from FeatureExtractorLib.radiomics.native.filters import FILTERS
from FeatureExtractorLib.radiomics.presets import FEATURE_CLASSES, IMAGE_TYPES

TOOL = runpy.run_path(str(Path(__file__).parents[2] / "Tools" / "make_features_page.py"))


def test_the_page_is_up_to_date(repository):
    page = (repository / "docs" / "features.md").read_text(encoding="utf-8")
    assert page == TOOL["page"](), "run Testing/Tools/make_features_page.py"


def test_the_page_has_every_class_feature_and_filter():
    page = TOOL["page"]()
    assert set(CLASSES) == set(FEATURE_CLASSES)
    assert set(FILTERS) == set(IMAGE_TYPES)
    for name, family in CLASSES.items():
        section = page.split(f"## Class `{name}`")[1].split("\n## ")[0]
        rows = re.findall(r"^\| `(\w+)` \| (.+) \| (.*) \| (\w*) \|$", section, re.MULTILINE)
        assert {row[0]: row[3] for row in rows} == {f: feature.ibsi for f, feature in family.features.items()}
        assert all(definition for _, definition, _, _ in rows)
    for name in FILTERS:
        assert f"| `{name}` |" in page


@pytest.mark.parametrize(("unit", "text"), [("1", ""), ("mm3 intensity2", "mm³ intensity²"), ("mm-1", "mm⁻¹")])
def test_powers_are_raised(unit, text):
    assert TOOL["_unit"](unit) == text


def test_what_has_no_docstring_stops_the_generator():
    with pytest.raises(ValueError, match="has no docstring"):
        TOOL["_text"](lambda: None)
