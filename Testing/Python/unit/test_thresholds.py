"""Thresholds by rule against a search over every cut, and the concordance of lifelines."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from FeatureExtractorLib.errors import InputError
from TumorClassifierLib.evaluation.discrimination import auc, average_precision, c_index, youden_threshold
from TumorClassifierLib.evaluation.metrics import by_patient
from TumorClassifierLib.evaluation.thresholds import choose_threshold

FIXTURES = Path(__file__).parent / "fixtures"
cohorts = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 20)), min_size=4, max_size=40).filter(
    lambda rows: 0 < sum(row[0] for row in rows) < len(rows)
)


@given(cohorts, st.sampled_from([0.0, 0.5, 0.8, 0.95, 1.0]))
def test_a_share_is_reached_with_the_fewest_mistakes(rows: list[tuple[int, int]], share: float) -> None:
    y, p = np.array(rows).T
    p = p / 20
    cuts = [*np.unique(p), 1.5]
    sensitivity = {cut: np.mean(p[y == 1] >= cut) for cut in cuts}
    specificity = {cut: np.mean(p[y == 0] < cut) for cut in cuts}
    cut = choose_threshold(y, p, f"sensitivity:{share}")
    assert np.mean(p[y == 1] >= cut) >= share
    best = max(specificity[c] for c in cuts if sensitivity[c] >= share)
    assert np.mean(p[y == 0] < cut) == best
    cut = choose_threshold(y, p, f"specificity:{share}")
    assert np.mean(p[y == 0] < cut) >= share
    best = max(sensitivity[c] for c in cuts if specificity[c] >= share)
    assert np.mean(p[y == 1] >= cut) == best


@given(cohorts)
def test_youden_is_the_best_of_all_cuts_and_fixed_is_fixed(rows: list[tuple[int, int]]) -> None:
    y, p = np.array(rows).T
    p = p / 20
    cut = choose_threshold(y, p, "youden")
    index = [np.mean(p[y == 1] >= c) + np.mean(p[y == 0] < c) for c in np.unique(p)]
    assert np.mean(p[y == 1] >= cut) + np.mean(p[y == 0] < cut) == pytest.approx(max(index), abs=1e-12)
    assert cut == youden_threshold(y, p)
    assert choose_threshold(y, p, "fixed:0.35") == 0.35


def test_patients_count_once() -> None:
    y, p = np.array([0, 0, 0, 0, 1, 1]), np.array([0.9, 0.1, 0.2, 0.3, 0.6, 0.4])
    patients = np.array(["a", "a", "b", "c", "d", "d"])
    own = by_patient(y, p, patients)
    assert own[1].tolist() == pytest.approx([0.5, 0.2, 0.3, 0.5])
    assert choose_threshold(y, p, "sensitivity:1", patients) == pytest.approx(0.5)
    assert choose_threshold(y, p, "sensitivity:1") == pytest.approx(0.4)


@pytest.mark.parametrize("rule", ["fixed:1.5", "fixed:", "sensitivity:high", "sensitivity:-1", "best", "youden:0.5"])
def test_rules_that_are_none_are_refused(rule: str) -> None:
    with pytest.raises(InputError, match="threshold rule"):
        choose_threshold(np.array([0, 1]), np.array([0.2, 0.7]), rule)


def test_the_c_index_is_that_of_lifelines() -> None:
    """The fixture was made by make_concordance_fixture.py with lifelines 0.30.3."""
    for expected in json.loads((FIXTURES / "concordance.json").read_text()):
        y, score = np.array(expected["y"]), np.array(expected["score"])
        assert c_index(y, score) == pytest.approx(expected["c_index"], abs=1e-12)


@given(cohorts)
def test_ranks_alone_count_for_auc_and_precision(rows: list[tuple[int, int]]) -> None:
    y, p = np.array(rows).T
    for transformed in (np.exp(p / 4), p**3 - 7.0, 2.0 * p + 1):
        assert auc(y, transformed) == auc(y, p)
        assert average_precision(y, transformed) == average_precision(y, p)
    assert auc(1 - y, -p) == pytest.approx(auc(y, p), abs=1e-12)
