"""Feature blocks of measured cases: what varies, what readers agree on, what is refused."""

from types import MappingProxyType

import numpy as np
import pytest

from FeatureExtractorLib.errors import InputError
from TumorClassifierLib.blocks import agreed_features, finite_in_every_case, labels_of, matrix, usable_features
from TumorClassifierLib.measures import CaseMeasures, Measures


def measured(features: dict[str, float], second: dict[str, float] | None = None, label: str = "a") -> CaseMeasures:
    other = None if second is None else {"T1": Measures(MappingProxyType(second))}
    return CaseMeasures("c", "p", label, {}, {"T1": Measures(MappingProxyType(features))}, other)


def test_only_finite_and_varying_features_are_usable() -> None:
    cases = [
        measured({"same": 1.0, "varies": 1.0, "broken": 1.0}),
        measured({"same": 1.0, "varies": 2.0, "broken": np.nan}),
    ]
    assert usable_features(cases) == ["T1.varies"]
    with pytest.raises(InputError, match="No radiomics feature is finite"):
        usable_features([measured({"same": 1.0}), measured({"same": 1.0})])


def test_a_case_that_lacks_a_feature_makes_it_unusable() -> None:
    assert np.isnan(matrix([measured({"x": 1.0})], ["T1.x", "T1.y"])[0, 1])


def test_features_on_which_readers_disagree_are_dropped() -> None:
    rng = np.random.default_rng(0)
    cases = []
    for _ in range(20):
        value = rng.normal()
        first = {"stable": value, "unstable": rng.normal()}
        cases.append(measured(first, {"stable": value + 0.01 * rng.normal(), "unstable": rng.normal()}))
    assert agreed_features(cases, ["T1.stable", "T1.unstable"], 0.8) == ["T1.stable"]


def test_without_a_second_reader_every_feature_stays() -> None:
    assert agreed_features([measured({"x": 1.0})] * 3, ["x", "y"], 0.8) == ["x", "y"]


def test_a_label_that_the_model_does_not_know_is_refused() -> None:
    assert labels_of([measured({}, label="a"), measured({}, label="b")], ("a", "b")).tolist() == [0, 1]
    with pytest.raises(InputError, match="'c'; this model knows a, b"):
        labels_of([measured({}, label="c")], ("a", "b"))


def test_a_feature_that_one_case_lacks_is_dropped_for_all() -> None:
    cases = [measured({"x": value, "y": 1.0}) for value in (0.1, np.nan, 0.3)]
    kept, warnings = finite_in_every_case(cases)
    assert [dict(case.first["T1"].radiomics) for case in kept] == [{"y": 1.0}] * 3
    assert warnings == ("1 of 2 radiomics features are not finite in every case.",)
    assert finite_in_every_case(cases[:1]) == ((cases[0],), ())
