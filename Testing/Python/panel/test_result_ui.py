"""The .ui files of the result step and of the Train tab: what Slicer needs of them, and the keyboard's way."""

import re
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

import pytest

FILES = ("Result", "Train")
UNTOLD = {"QWidget", "qMRMLWidget"}  # hold others, and are not touched


def root_of(repository: Path, name: str) -> ElementTree.Element:
    return ElementTree.parse(repository / "TumorClassifier" / "Resources" / "UI" / f"{name}.ui").getroot()


@pytest.fixture(params=FILES)
def root(request: pytest.FixtureRequest, repository: Path) -> ElementTree.Element:
    return root_of(repository, request.param)


def properties(widget: ElementTree.Element) -> dict[str, str]:
    return {prop.get("name", ""): "".join(prop.itertext()).strip() for prop in widget.findall("property")}


def letters(root: ElementTree.Element) -> Counter[str]:
    texts = [properties(widget).get("text", "") for widget in root.iter("widget")]
    return Counter(found.group(1).lower() for text in texts if (found := re.search(r"&(\w)", text)))


def test_every_control_has_a_tooltip(root: ElementTree.Element) -> None:
    bare = [
        widget.get("name")
        for widget in root.iter("widget")
        if widget.get("class") not in UNTOLD and not properties(widget).get("toolTip")
    ]
    assert bare == []


def test_widgets_of_slicer_and_ctk_are_declared(root: ElementTree.Element) -> None:
    used = {widget.get("class", "") for widget in root.iter("widget")}
    declared = {element.findtext("class") for element in root.iter("customwidget")}
    assert {name for name in used if not name.startswith("Q")} == declared


def test_the_scene_reaches_the_selector(repository: Path) -> None:
    found = [
        tuple(connection.findtext(part) for part in ("sender", "signal", "receiver", "slot"))
        for connection in root_of(repository, "Result").iter("connection")
    ]
    scene = "vtkMRMLScene*"
    assert found == [("ResultStep", f"mrmlSceneChanged({scene})", "resultSelector", f"setMRMLScene({scene})")]


def test_labels_with_a_letter_have_a_buddy(root: ElementTree.Element) -> None:
    names = {widget.get("name") for widget in root.iter("widget")}
    for widget in root.iter("widget"):
        known = properties(widget)
        if widget.get("class") == "QLabel" and "&" in known.get("text", ""):
            assert known.get("buddy") in names, widget.get("name")


def test_the_keyboard_reaches_every_button_in_order(root: ElementTree.Element) -> None:
    stops = [element.text for element in root.iter("tabstop")]
    drawn = [widget.get("name") for widget in root.iter("widget")]
    buttons = [widget.get("name") for widget in root.iter("widget") if widget.get("class") == "QPushButton"]
    assert set(buttons) - set(stops) == set()
    assert stops == sorted(stops, key=drawn.index)


@pytest.mark.parametrize("together", [("TumorClassifier", "Result"), ("Train",)])
def test_letters_that_move_the_keyboard_are_used_once(together: tuple[str, ...], repository: Path) -> None:
    counted = sum((letters(root_of(repository, name)) for name in together), Counter[str]())
    assert counted
    assert [letter for letter, times in counted.items() if times > 1] == []
