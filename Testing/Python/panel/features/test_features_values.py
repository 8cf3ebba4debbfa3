"""What was measured, as plain values: names, titles, texts that keep every digit, agreement."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.fixture(autouse=True)
def _slicer(standin: Any) -> None:
    """The modules under test import Slicer's translation."""


NUMBERS = st.floats(allow_nan=False) | st.just(math.inf) | st.just(-math.inf)
FEATURES = st.dictionaries(st.text("abcXYZ_.-0123456789", min_size=1, max_size=12), NUMBERS, max_size=6)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.text(max_size=8), FEATURES, st.text(max_size=20)), max_size=4), st.text(max_size=10))
def test_a_result_comes_back_from_its_text(given_segments: list[tuple[str, dict[str, float], str]], case: str) -> None:
    from FeatureExtractorLib.panel.measured import Measured, MeasuredSegment, Overlap, from_text, to_text

    segments = tuple(
        MeasuredSegment(str(i), name, {} if error else features, error, "reader", (0.1, 0.2, 0.3))
        for i, (name, features, error) in enumerate(given_segments)
    )
    measured = Measured(case, segments, "note", {"engine": "native"}, (Overlap("a", 0.5, 1.0, 0.1 + 0.2),))
    assert from_text(to_text(measured)) == measured


def test_what_is_not_a_number_comes_back_as_such() -> None:
    from FeatureExtractorLib.panel.measured import Measured, MeasuredSegment, Overlap, from_text, to_text

    measured = Measured("c", (MeasuredSegment("1", "a", {"x": math.nan}),), overlaps=(Overlap("a", error="empty"),))
    again = from_text(to_text(measured))
    assert math.isnan(again.segments[0].features["x"])
    assert math.isnan(again.overlaps[0].dice) and again.overlaps[0].error == "empty"


@pytest.mark.parametrize(
    ("full", "parts"),
    [
        ("T1C.wavelet-LLH_glcm_Contrast", ("T1C", "wavelet-LLH", "glcm", "Contrast")),
        ("original_shape_MeshVolume", ("", "original", "shape", "MeshVolume")),
        ("FLAIR.resnext101_32x8d_17", ("FLAIR", "deep", "resnext101_32x8d", "17")),
        ("T1C.legacy_xception_0", ("T1C", "deep", "legacy_xception", "0")),
        ("T1.diagnostics_Image-original_Mean", ("T1", "diagnostics", "Image-original", "Mean")),
        ("T1.log-sigma-1-0-mm-3D_firstorder_Mean", ("T1", "log-sigma-1-0-mm-3D", "firstorder", "Mean")),
        ("odd", ("", "", "", "odd")),
    ],
)
def test_names_are_taken_apart(full: str, parts: tuple[str, ...]) -> None:
    from FeatureExtractorLib.panel.feature_names import parse_feature

    name = parse_feature(full)
    assert (name.image, name.image_type, name.family, name.feature) == parts


def test_a_filter_knows_names_and_words() -> None:
    from FeatureExtractorLib.panel.feature_names import matches, parse_feature

    name = parse_feature("T1C.wavelet-LLH_glszm_SizeZoneNonUniformity")
    for words in ("", "GLSZM", "wavelet zone", "t1c non-uniformity", "llh size"):
        assert matches(name, words), words
    assert not matches(name, "glszm glcm")


def test_two_segments_of_one_name_keep_a_column_each() -> None:
    from FeatureExtractorLib.panel.measured import Measured, MeasuredSegment

    one, two, other = (MeasuredSegment(key, name) for key, name in (("a", "rim"), ("b", "rim"), ("c", "core")))
    assert Measured("case", (one, two, other)).titles() == {"a": "rim (a)", "b": "rim (b)", "c": "core"}


def test_agreement_of_one_pair_and_of_several() -> None:
    from FeatureExtractorLib.agreement import intraclass_correlation
    from FeatureExtractorLib.panel.columns import extra_columns
    from FeatureExtractorLib.panel.measured import Measured, MeasuredSegment

    def pair(key: str, name: str, first: dict[str, float], second: dict[str, float]) -> list[MeasuredSegment]:
        return [MeasuredSegment(f"{r}{key}", name, f, reader=r) for r, f in (("A", first), ("B", second))]

    single = pair("1", "rim", {"x": 2.0, "zero": 0.0, "gone": 1.0}, {"x": 3.0, "zero": 0.0, "gone": math.nan})
    (difference,) = extra_columns(Measured("case", tuple(single)))
    assert difference.values[:2] == (50.0, 0.0) and math.isnan(difference.values[2])
    rng = np.random.default_rng(0)
    values = rng.normal(size=(4, 2, 1))
    several = [one for i, v in enumerate(values) for one in pair(str(i), f"s{i}", {"x": v[0, 0]}, {"x": v[1, 0]})]
    icc, low, high = extra_columns(Measured("case", tuple(several)))
    expected = intraclass_correlation(values)
    assert (icc.values, low.values, high.values) == tuple(
        tuple(part.tolist()) for part in (expected.icc, expected.low, expected.high)
    )
    assert extra_columns(Measured("case", (MeasuredSegment("1", "rim", {"x": 1.0}),))) == ()


def test_a_list_result_that_lacks_a_part_is_refused() -> None:
    import json

    from FeatureExtractorLib.errors import InputError
    from FeatureExtractorLib.panel.results import COHORT, result_of

    for text in ("", "[]", "{}", json.dumps({"format": COHORT, "document": {"table": "x.csv"}})):
        with pytest.raises(InputError, match="measure again"):
            result_of(text)
