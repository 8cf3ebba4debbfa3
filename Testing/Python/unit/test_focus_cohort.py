"""Focal points of a cohort: who is compared with whom, by which test, and the figure of it."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from FeatureExtractorLib.errors import InputError
from TumorClassifierLib.explain.focus_cases import CaseMap, focus_document, rows_of
from TumorClassifierLib.explain.focus_cohort import GROUPS, MEASURES, FocusRow, compare_focus, focus_samples
from TumorClassifierLib.explain.focus_figure import draw_focus

CLASSES = ("meningioma", "solitary fibrous tumour")


def row(actual: str, called: str, to_centre: float, to_edge: float, mass: float = 0.5) -> FocusRow:
    point = {"position_mm": [0.0] * 3, "to_centre_mm": to_centre, "to_edge_mm": to_edge, "inside": to_edge < 0}
    other = {**point, "to_centre_mm": to_centre / 2, "to_edge_mm": -1.0, "inside": True}
    return FocusRow({"peak": point, "centroid": other, "mass_inside": mass, "centre_mm": [0.0] * 3}, actual, called)


def cohort(seed: int = 0, n: int = 60) -> list[FocusRow]:
    """Focal points that lie farther out where the call is wrong, and a little farther out in the second class."""
    rng, rows = np.random.default_rng(seed), []
    for i in range(n):
        actual = CLASSES[i % 2]
        wrong = rng.random() < 0.25
        distance = rng.gamma(3.0, 3.0) + 15 * wrong + 2 * (i % 2)
        rows.append(
            row(
                actual, CLASSES[(i + wrong) % 2], distance, distance - 12 + rng.normal(), float(rng.beta(2, 1 + wrong))
            )
        )
    return rows


def test_each_test_is_scipys_rank_sum_of_the_right_groups() -> None:
    rows = cohort()
    found = {(t["measure"], t["between"], t["group"]): t for t in compare_focus(rows, CLASSES)["tests"]}
    assert len(found) == len(MEASURES) * (len(GROUPS) + len(CLASSES))

    def values(wanted: str, actual: str, called: str) -> list[float]:
        chosen = [
            r for r in rows if r.actual == actual and (called == "any" or (r.called == actual) == (called == "right"))
        ]
        if wanted == "to_centre_mm":
            return [r.focus["peak"]["to_centre_mm"] for r in chosen]
        if wanted == "to_edge_outside_mm":
            return [r.focus["peak"]["to_edge_mm"] for r in chosen if r.focus["peak"]["to_edge_mm"] > 0]
        return [r.focus["mass_inside"] for r in chosen]

    for measure in MEASURES:
        for group in GROUPS:
            a, b = (values(measure, label, "any" if group == "all" else group) for label in CLASSES)
            test = found[measure, "classes", group]
            assert test["n"] == {CLASSES[0]: len(a), CLASSES[1]: len(b)}
            assert test["test"] == "Wilcoxon rank-sum"
            assert test["p"] == pytest.approx(stats.mannwhitneyu(a, b).pvalue, rel=1e-12)
            assert test["p"] == pytest.approx(stats.ranksums(a, b).pvalue, rel=0.3), "the same test without correction"
            assert test["median"][CLASSES[0]] == pytest.approx(np.median(a))
        for label in CLASSES:
            a, b = values(measure, label, "right"), values(measure, label, "wrong")
            assert found[measure, "right and wrong", label]["p"] == pytest.approx(stats.mannwhitneyu(a, b).pvalue)
    assert found["to_centre_mm", "right and wrong", CLASSES[0]]["p"] < 0.01, "as the cohort was made"


def test_correction_is_holms_over_all_tests_and_the_document_is_plain() -> None:
    document = json.loads(json.dumps(compare_focus(cohort(), CLASSES)))
    known = [t for t in document["tests"] if t["p"] is not None]
    smallest = min(known, key=lambda t: t["p"])
    assert smallest["p_corrected"] == pytest.approx(min(1.0, smallest["p"] * len(known)))
    assert all(t["p_corrected"] >= t["p"] for t in known)


def test_false_alarms_are_as_rare_as_promised() -> None:
    """Of cohorts without a difference about one in twenty has p < 0.05 between the classes."""
    alarms, rng = 0, np.random.default_rng(0)
    for _ in range(300):
        rows = [row(CLASSES[i % 2], CLASSES[i % 2], float(rng.gamma(3.0)), -1.0) for i in range(40)]
        p = next(t["p"] for t in compare_focus(rows, CLASSES)["tests"] if t["group"] == "all")
        alarms += p < 0.05
    assert 5 <= alarms <= 27, "0.05·300 ± 3 standard deviations"


def test_the_centroid_is_compared_on_request() -> None:
    rows = cohort()
    peak, centroid = (focus_samples(rows, CLASSES, "to_centre_mm", "all", p) for p in ("peak", "centroid"))
    np.testing.assert_allclose(centroid[0], peak[0] / 2)
    assert compare_focus(rows, CLASSES, "centroid")["point"] == "centroid"


def test_groups_of_nobody_give_no_p() -> None:
    rows = [row(CLASSES[i % 2], CLASSES[i % 2], 5.0 + i, -2.0) for i in range(8)]
    tests = {(t["measure"], t["group"]): t for t in compare_focus(rows, CLASSES)["tests"] if t["between"] == "classes"}
    assert tests["to_centre_mm", "wrong"]["p"] is None
    assert tests["to_centre_mm", "wrong"]["test"] == "none"
    assert tests["to_edge_outside_mm", "all"]["n"] == {CLASSES[0]: 0, CLASSES[1]: 0}
    assert tests["to_centre_mm", "all"]["p"] > 0.05


def test_three_classes_are_compared_by_kruskal_wallis() -> None:
    labels = ("a", "b", "c")
    rows = [row(labels[i % 3], labels[i % 3], float(i % 7 + i % 3), -1.0) for i in range(30)]
    test = compare_focus(rows, labels)["tests"][0]
    expected = stats.kruskal(*focus_samples(rows, labels, "to_centre_mm", "all")).pvalue
    assert (test["test"], test["p"]) == ("Kruskal-Wallis", pytest.approx(expected))


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(InputError, match="choose one of peak, centroid"):
        compare_focus(cohort(), CLASSES, "corner")
    with pytest.raises(InputError, match="none of the classes"):
        compare_focus(cohort(), ("meningioma", "lipoma"))
    with pytest.raises(InputError, match="two or more"):
        compare_focus([], ("meningioma",))


def test_the_figure_says_how_many_and_the_p(tmp_path: Path) -> None:
    rows = cohort()
    text = draw_focus(rows, CLASSES, tmp_path / "focus.svg").read_text(encoding="utf-8")
    assert text == draw_focus(rows, CLASSES, tmp_path / "again.svg").read_text(encoding="utf-8")
    tests = compare_focus(rows, CLASSES)["tests"]
    p = next(t["p"] for t in tests if t["group"] == "all" and t["measure"] == "to_centre_mm")
    for words in (f"p = {p:.3f}", "Called right", "Called wrong", "n = 30"):
        assert f"<!-- {words} -->" in text
    few = [row(CLASSES[i % 2], CLASSES[i % 2], 5.0 + i, -2.0) for i in range(4)]
    assert "<!-- too few -->" in draw_focus(few, CLASSES, tmp_path / "few.svg").read_text(encoding="utf-8")


def spot(at: tuple[int, int], spacing: tuple[float, float] = (0.5, 2.0)) -> CaseMap:
    """A map of one bright pixel and a square tumour of rows and columns 4 to 7."""
    values, outline = np.zeros((12, 12)), np.zeros((12, 12), np.uint8)
    values[at] = 1.0
    outline[4:8, 4:8] = 1
    return CaseMap(values, outline, spacing)


def test_a_maps_focus_is_in_mm_and_names_no_place() -> None:
    focus = spot((5, 9)).focus()
    assert focus is not None and set(focus) == {"peak", "centroid", "mass_inside", "inside", "dice"}
    # x: 9 − 5.5 columns of 0.5 mm; y: 5 − 5.5 rows of 2 mm; the edge is at column 7.5.
    assert focus["peak"]["to_centre_mm"] == pytest.approx(np.hypot(3.5 * 0.5, 0.5 * 2.0))
    assert focus["peak"]["to_edge_mm"] == pytest.approx(1.5 * 0.5) and not focus["peak"]["inside"]
    assert focus["inside"] == focus["mass_inside"] == focus["dice"] == 0.0
    assert "position_mm" not in focus["peak"]
    within = spot((5, 5)).focus()
    assert within is not None and within["inside"] == 1.0 and within["dice"] == pytest.approx(2 / 17)
    bare = spot((5, 5))
    assert CaseMap(0 * bare.values, bare.outline, bare.spacing).focus() is None
    assert CaseMap(bare.values, 0 * bare.outline, bare.spacing).focus() is None


def test_a_patient_counts_once_and_the_rows_name_nobody() -> None:
    inside, outside = spot((5, 5)).focus(), spot((5, 9)).focus()
    focuses = [None, inside, outside, outside, None]
    patients, y = ["a", "a", "a", "b", "c"], [0, 0, 0, 1, 1]
    found = focus_document(focuses, patients, y, {"a": 0, "b": 0, "c": 1}, CLASSES)
    assert found is not None
    assert (found["patients"], found["pointing"], found["inside"]) == (2, 0.5, 0.5)
    rows = [(row.actual, row.called, row.focus["inside"]) for row in rows_of(found)]
    assert sorted(rows) == sorted([(CLASSES[0], CLASSES[0], 1.0), (CLASSES[1], CLASSES[0], 0.0)])
    again = focus_document(focuses[::-1], patients[::-1], y[::-1], {"a": 0, "b": 0, "c": 1}, CLASSES)
    assert again is not None and again["patients"] == 2
    assert focus_document([None] * 5, patients, y, {"a": 0, "b": 0, "c": 1}, CLASSES) is None
