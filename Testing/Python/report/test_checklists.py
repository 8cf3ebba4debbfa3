"""The checklists claim what the model file shows, and nothing else."""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from TumorClassifierLib.bundle import Bundle
from TumorClassifierLib.report.clear import ITEMS as CLEAR
from TumorClassifierLib.report.clear import clear
from TumorClassifierLib.report.content import Checklist, Entry, Figure, Text
from TumorClassifierLib.report.evidence import evidence_of
from TumorClassifierLib.report.metrics_score import ITEMS as METRICS
from TumorClassifierLib.report.metrics_score import metrics_checklist, metrics_score, quality
from TumorClassifierLib.report.model import model_section

CATEGORIES = {  # the sums of the published weights by category
    "Study design": 0.2022,
    "Imaging data": 0.1460,
    "Segmentation": 0.0674,
    "Image processing and feature extraction": 0.1348,
    "Feature processing": 0.0900,
    "Preparation for modelling": 0.0899,
    "Metrics and comparison": 0.1348,
    "Testing": 0.1124,
    "Open science": 0.0225,
}


def answers(checklist: Checklist) -> dict[int, Entry]:
    return {entry.number: entry for entry in checklist.entries}


def of(bundle: Bundle, others: tuple[dict[str, Any], ...] = ()) -> tuple[dict[int, Entry], dict[int, Entry]]:
    evidence = evidence_of(bundle, others)
    return answers(clear(evidence)), answers(metrics_checklist(evidence))


def changed(bundle: Bundle, change: Callable[[dict[str, Any]], None]) -> Bundle:
    held = copy.deepcopy({"manifest": dict(bundle.manifest), **dict(bundle.documents)})
    change(held)
    return replace(bundle, manifest=held.pop("manifest"), documents=held)


def external(bundle: Bundle) -> dict[str, Any]:
    return {**bundle.documents["evaluation"]["cohorts"][0], "name": "external cohort (north)"}


def test_items_are_as_many_as_published_and_weights_sum_to_one() -> None:
    assert [item.number for item in CLEAR] == list(range(1, 59))
    assert [item.number for item in METRICS] == list(range(1, 31))
    assert sum(item.weight for item in METRICS) == pytest.approx(1, abs=1e-9)
    for name, whole in CATEGORIES.items():
        found = sum(item.weight for item in METRICS if item.section == name)
        assert found == pytest.approx(whole, abs=1e-9), name
    assert {item.section for item in METRICS} == set(CATEGORIES)
    assert len({item.text for item in METRICS}) == 30 and len({item.text for item in CLEAR}) == 58


def test_what_no_software_can_know_is_left_to_the_authors(made_model) -> None:
    reporting, method = of(made_model())
    for number in (1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 14, 16, 18, 19, 20, 36, 49, 50, 51, 52, 53, 54, 57, 58):
        assert reporting[number].verdict == "authors", number
    for number in (2, 3, 4, 5, 6, 7, 8, 9, 10, 19, 28, 30):
        assert method[number].verdict == "authors", number
    assert all(entry.note for entry in (*reporting.values(), *method.values()))


def test_testing_is_claimed_where_there_was_some_only(made_model) -> None:
    inside = made_model()
    reporting, method = of(inside)
    assert (method[26].verdict, method[27].verdict) == ("no", "no")
    assert reporting[38].note.startswith("5-fold cross-validation by patient. ")
    reporting, method = of(made_model(held_back=True))
    assert (method[26].verdict, method[27].verdict) == ("yes", "authors") and "60 held-back" in method[26].note
    reporting, method = of(inside, (external(inside),))
    assert (method[26].verdict, method[27].verdict) == ("no", "authors")
    assert "120 patients (external cohort (north)) were judged" in method[27].note and "(north)" in reporting[38].note


def test_the_score_is_the_share_of_what_applies(made_model) -> None:
    bundle = made_model(held_back=True)
    evidence = evidence_of(bundle)
    entries = metrics_checklist(evidence).entries
    score = metrics_score(evidence)
    weight = dict.fromkeys(("yes", "no", "authors", "not applicable"), 0.0)
    for entry in entries:
        weight[entry.verdict] += float(entry.weight)
    whole = 1 - weight["not applicable"]
    assert score.low == pytest.approx(weight["yes"] / whole, abs=1e-9)
    assert score.high == pytest.approx(1 - weight["no"] / whole, abs=1e-9)
    assert score.open == sum(entry.verdict == "authors" for entry in entries)
    assert 0 < score.low < score.high < 1
    assert metrics_score(evidence_of(made_model())).high < score.high, "a test cohort can only help"
    assert [quality(x) for x in (0, 0.2, 0.39, 0.4, 0.6, 0.8, 1)] == [
        "very low", "low", "low", "moderate", "good", "excellent", "excellent",
    ]  # fmt: skip


def test_a_comparison_without_radiomics_needs_a_clinical_model(made_model) -> None:
    reporting, method = of(made_model())
    assert reporting[42].verdict == reporting[48].verdict == method[24].verdict == "yes"
    reporting, method = of(made_model(clinical=False))
    assert reporting[42].verdict == reporting[48].verdict == method[24].verdict == "no"
    assert reporting[17].verdict == "not applicable" and reporting[44].verdict == "no"


def test_stable_features_need_a_second_reader_or_a_list(made_model) -> None:
    def second_reader(held: dict[str, Any]) -> None:
        held["description"]["flow"]["radiomics"]["stable"] = 80

    def given_list(held: dict[str, Any]) -> None:
        held["manifest"]["settings"]["stable_features"] = "stable.csv"

    bundle = made_model()
    assert of(bundle)[0][31].verdict == of(bundle)[1][14].verdict == "no"

    def counted(held: dict[str, Any]) -> None:
        held["manifest"]["cohort"]["second_reader"] = 30

    def too_few(held: dict[str, Any]) -> None:
        second_reader(held)
        held["manifest"]["cohort"]["second_reader"] = 1

    for change in (second_reader, given_list, counted):
        reporting, method = of(changed(bundle, change))
        assert reporting[31].verdict == method[14].verdict == "yes"
    assert "30 cases outlined by a second reader, ICC at least 0.8" in of(changed(bundle, counted))[0][31].note
    reporting, method = of(changed(bundle, too_few))
    assert reporting[31].verdict == method[14].verdict == "no", "agreement takes two cases at least"


def test_stability_is_a_step_only_where_it_was_tested(made_model) -> None:
    def shown(count: int) -> str:
        held = changed(made_model(), lambda held: held["manifest"]["cohort"].update(second_reader=count))
        return " ".join(block.caption for block in model_section(evidence_of(held)) if isinstance(block, Figure))

    assert "107 measured → 90 finite and varying → 4 selected" in shown(0)
    assert "90 finite and varying → 90 stable between readers → 4 selected" in shown(30)


def test_signs_of_an_equation_have_room(made_model) -> None:
    def equation(held: dict[str, Any]) -> None:
        held["description"]["signatures"][0]["formula"] = "s = -0.5\n    -2e-05 × z(a-b)\n    +3 × z(c)\nwhere z is"

    section = model_section(evidence_of(changed(made_model(), equation)))
    assert "s = −0.5 − 2e-05 × z(a-b) + 3 × z(c)" in [block.text for block in section if isinstance(block, Text)]


def test_preparation_is_claimed_where_something_was_done(made_model) -> None:
    def nothing(held: dict[str, Any]) -> None:
        held["manifest"]["settings"]["preparation"] |= {"n4": "none", "intensity": "none"}
        del held["manifest"]["radiomics"]["setting"]["resampledPixelSpacing"]

    bundle = made_model()
    assert of(bundle)[1][11].verdict == "yes" and "N4" in of(bundle)[1][11].note
    reporting, method = of(changed(bundle, nothing))
    assert reporting[21].verdict == method[11].verdict == "no"
    assert reporting[22].note == "Features are measured on the images' own grid."


def test_without_hand_crafted_features_their_items_do_not_apply(made_model) -> None:
    reporting, method = of(changed(made_model(), lambda held: held["manifest"].update(radiomics=None)))
    assert {reporting[number].verdict for number in (22, 23, 24, 25, 26)} == {"not applicable"}
    assert method[12].verdict == "not applicable"


def test_ten_patients_a_feature(made_model) -> None:
    def longer(held: dict[str, Any]) -> None:
        held["description"]["signatures"][0]["terms"] *= 10

    bundle = made_model()
    most = max(len(signature["terms"]) for signature in bundle.documents["description"]["signatures"])
    assert 10 * most <= 120 and of(bundle)[1][16].verdict == "yes"
    assert of(changed(bundle, longer))[1][16].verdict == "no"


def test_several_images_need_models_of_one(made_model) -> None:
    def two_images(held: dict[str, Any]) -> None:
        held["manifest"]["modalities"] = ["T1C", "T2"]

    def alone(held: dict[str, Any]) -> None:
        two_images(held)
        part = held["evaluation"]["cohorts"][0]
        part["metrics"]["T2 radiomics"] = part["metrics"]["radiomics"]

    bundle = made_model()
    assert of(bundle)[1][23].verdict == "yes"
    assert of(changed(bundle, two_images))[1][23].verdict == "no"
    assert of(changed(bundle, alone))[1][23].verdict == "yes"


def test_no_test_no_calibration_no_claim(made_model) -> None:
    def bare(held: dict[str, Any]) -> None:
        held.pop("evaluation")
        held.pop("description")
        held["manifest"]["metrics"] = {}

    reporting, method = of(changed(made_model(), bare))
    for number in (12, 27, 40, 41, 42, 43, 44, 46, 47, 48):
        assert reporting[number].verdict == "no", number
    for number in (20, 21, 22, 24, 25, 26, 27):
        assert method[number].verdict == "no", number
