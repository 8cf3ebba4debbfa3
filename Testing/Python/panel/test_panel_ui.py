"""The .ui file of the TumorClassifier panel: what Qt Designer writes, and what Slicer needs of it."""

import re
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

CONTROLS = {"QPushButton", "QCheckBox", "QComboBox", "QListWidget", "QTextBrowser", "QProgressBar", "QLineEdit"}
CONTROLS |= {"qMRMLSegmentSelectorWidget", "ctkCollapsibleButton", "QGroupBox", "QTabWidget", "QLabel"}
SELECTORS = re.compile(r"qMRML\w*(ComboBox|SelectorWidget)")


@pytest.fixture(scope="module")
def root(repository: Path) -> ElementTree.Element:
    path = repository / "TumorClassifier" / "Resources" / "UI" / "TumorClassifier.ui"
    return ElementTree.parse(path).getroot()


def properties(widget: ElementTree.Element) -> dict[str, str]:
    return {prop.get("name", ""): "".join(prop.itertext()).strip() for prop in widget.findall("property")}


def test_every_selector_is_given_the_scene(root: ElementTree.Element) -> None:
    fed = {
        connection.findtext("receiver")
        for connection in root.iter("connection")
        if connection.findtext("sender") == root.findtext("class")
        and connection.findtext("signal") == "mrmlSceneChanged(vtkMRMLScene*)"
        and connection.findtext("slot") == "setMRMLScene(vtkMRMLScene*)"
    }
    selectors = {widget.get("name") for widget in root.iter("widget") if SELECTORS.fullmatch(widget.get("class", ""))}
    assert selectors
    assert fed == selectors


def test_every_control_has_a_tooltip(root: ElementTree.Element) -> None:
    bare = [
        widget.get("name")
        for widget in root.iter("widget")
        if widget.get("class") in CONTROLS and not properties(widget).get("toolTip")
    ]
    assert bare == []


def test_widgets_of_slicer_and_ctk_are_declared(root: ElementTree.Element) -> None:
    used = {widget.get("class", "") for widget in root.iter("widget")}
    declared = {element.findtext("class") for element in root.iter("customwidget")}
    assert {name for name in used if not name.startswith("Q")} == declared


def test_letters_that_move_the_keyboard_are_used_once(root: ElementTree.Element) -> None:
    texts = [properties(widget).get("text", "") for widget in root.iter("widget")]
    letters = Counter(found.group(1).lower() for text in texts if (found := re.search(r"&(\w)", text)))
    assert letters
    assert [letter for letter, times in letters.items() if times > 1] == []


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


def test_parameters_that_widgets_name_exist_and_are_not_translated(root: ElementTree.Element, standin: Any) -> None:
    from TumorClassifierLib.panel.parameters import TumorClassifierParameterNode

    named = [prop for prop in root.iter("property") if prop.get("name") == "SlicerParameterName"]
    assert named
    for prop in named:
        assert prop.get("stdset") == "0"
        text = prop.find("string")
        assert text is not None and text.get("notr") == "true"
        assert text.text in TumorClassifierParameterNode.allParameters
