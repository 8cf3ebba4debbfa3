"""A model that was not shown to be better than chance says so, at training and with every case."""

from types import MappingProxyType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from FeatureExtractorLib.case import Case, make_case
from FeatureExtractorLib.phantom import head_phantom
from TumorClassifierLib.bundle import Bundle
from TumorClassifierLib.chance import chance_warning
from TumorClassifierLib.recipes.prediction import plain_prediction


def of(low: Any, value: Any = 0.6, high: Any = 0.8) -> dict[str, Any]:
    return {"nomogram": {"auc": {"value": value, "low": low, "high": high}}}


@pytest.mark.parametrize(("low", "told"), [(0.3, True), (0.5, True), (0.501, False), (0.9, False)])
def test_what_counts_is_the_lower_limit(low: float, told: bool) -> None:
    found = chance_warning(of(low), "nomogram")
    assert (found is not None) is told
    assert not found or f"0.600 (95 % interval {low:.3f}–0.800)" in found


@pytest.mark.parametrize("metrics", [{}, of(None), of("0.3"), {"nomogram": 3}, {"nomogram": {"auc": []}}])
def test_metrics_that_do_not_tell_give_no_warning(metrics: dict[str, Any]) -> None:
    assert chance_warning(metrics, "nomogram") is None
    assert chance_warning(of(0.3), "another") is None


@pytest.fixture(scope="module")
def case() -> Case:
    image, mask = head_phantom()
    return make_case("a", {"T1": image}, mask, clinical={"age": 60.0, "sex": "F"})


@pytest.mark.parametrize(("low", "told"), [(0.4, True), (0.6, False)])
def test_every_case_is_told(case: Case, low: float, told: bool) -> None:
    trust: Any = SimpleNamespace(
        level=0.9, prediction_set=lambda p: (1,), set_in_words=lambda *_: "", set_warnings=lambda *_: []
    )
    bundle = Bundle(MappingProxyType({"name": "m", "version": "1", "metrics": of(low)}), {}, {}, "")
    found = plain_prediction(
        case, bundle, ("low", "high"), 0.5, trust, {"nomogram": np.array([0.2, 0.8])}, "nomogram", [], {}
    )
    codes = [warning["code"] for warning in found["warnings"]]
    assert ("no-better-than-chance" in codes) is told
    unused = next(w["text"] for w in found["warnings"] if w["code"] == "clinical-value-unused")
    assert unused == "age, sex were not used: the model has no clinical variable."
