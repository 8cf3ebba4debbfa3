"""What holds of every .ui file and every panel file of both modules: the scene, tooltips, letters, translation."""

import ast
import re
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
FILES = sorted(REPOSITORY.glob("*/Resources/UI/*.ui"))
SOURCES = [
    path
    for module in ("FeatureExtractor", "TumorClassifier")
    for path in (REPOSITORY / module / f"{module}.py", *sorted((REPOSITORY / module).glob("*Lib/panel/*.py")))
]
SELECTORS = re.compile(r"qMRML\w*(ComboBox|SelectorWidget)")
UNTOUCHED = {"QWidget", "qMRMLWidget", "QFrame", "QStackedWidget", "QScrollArea"}
INTERNAL = {"SlicerParameterName", "nodeTypes", "settingKey", "baseName"}


@pytest.fixture(params=FILES, ids=[path.stem for path in FILES])
def root(request: pytest.FixtureRequest) -> ElementTree.Element:
    return ElementTree.parse(request.param).getroot()


def properties(widget: ElementTree.Element) -> dict[str, str]:
    return {prop.get("name", ""): "".join(prop.itertext()).strip() for prop in widget.findall("property")}


def test_both_modules_have_a_panel() -> None:
    assert {"FeatureExtractor", "TumorClassifier"} <= {path.stem for path in FILES}


def test_every_selector_is_given_the_scene(root: ElementTree.Element) -> None:
    fed = {
        connection.findtext("receiver")
        for connection in root.iter("connection")
        if connection.findtext("sender") == root.findtext("class")
        and connection.findtext("signal") == "mrmlSceneChanged(vtkMRMLScene*)"
        and connection.findtext("slot") == "setMRMLScene(vtkMRMLScene*)"
    }
    assert fed == {w.get("name") for w in root.iter("widget") if SELECTORS.fullmatch(w.get("class", ""))}


def test_every_control_has_a_tooltip(root: ElementTree.Element) -> None:
    bare = [
        widget.get("name")
        for widget in root.iter("widget")
        if widget.get("class") not in UNTOUCHED and not properties(widget).get("toolTip")
    ]
    assert bare == []


def test_letters_that_move_the_keyboard_are_used_once_and_have_a_buddy(root: ElementTree.Element) -> None:
    widgets = list(root.iter("widget"))
    names = {widget.get("name") for widget in widgets}
    letters: Counter[str] = Counter()
    for widget in widgets:
        known = properties(widget)
        found = re.search(r"&(\w)", known.get("text", ""))
        if found:
            letters[found.group(1).lower()] += 1
            assert widget.get("class") != "QLabel" or known.get("buddy") in names, widget.get("name")
    assert [letter for letter, times in letters.items() if times > 1] == []


def test_the_keyboard_goes_through_the_panel_as_it_is_drawn(root: ElementTree.Element) -> None:
    drawn = [widget.get("name") for widget in root.iter("widget")]
    stops = [element.text for element in root.iter("tabstop")]
    assert stops == sorted(stops, key=drawn.index)
    buttons = {widget.get("name") for widget in root.iter("widget") if widget.get("class") == "QPushButton"}
    assert buttons <= set(stops)


def test_names_for_the_program_are_not_given_to_translators(root: ElementTree.Element) -> None:
    for prop in root.iter("property"):
        if prop.get("name") in INTERNAL:
            texts = [prop[0]] if prop[0].get("notr") else list(prop.iter("string"))
            assert {text.get("notr") for text in texts} == {"true"}, ElementTree.tostring(prop)
        if prop.get("name") == "SlicerParameterName":
            assert prop.get("stdset") == "0"


def test_parameters_of_the_feature_panel_exist(standin: Any) -> None:
    from FeatureExtractorLib.panel.parameters import FeatureExtractorParameters

    root = ElementTree.parse(next(path for path in FILES if path.stem == "FeatureExtractor")).getroot()
    named = [prop[0].text for prop in root.iter("property") if prop.get("name") == "SlicerParameterName"]
    assert len(named) > 15
    assert set(named) <= set(FeatureExtractorParameters.allParameters)
    assert [name for name, times in Counter(named).items() if times > 1] == []


def translated(path: Path) -> Iterator[ast.Call]:
    """Calls of _ in a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_":
            yield node


@pytest.mark.parametrize("path", SOURCES, ids=[path.name for path in SOURCES])
def test_texts_can_be_translated(path: Path) -> None:
    """Translators get whole texts from the file that shows them; values are filled in afterwards."""
    for call in translated(path):
        assert len(call.args) == 1 and not call.keywords
        text = call.args[0]
        assert isinstance(text, ast.Constant) and isinstance(text.value, str), f"{path.name}, line {call.lineno}"
        fields = re.findall(r"\{(.*?)\}", text.value)
        assert all(re.fullmatch(r"\w+(![rs])?(:[^{}]*)?", field) for field in fields), text.value


@pytest.mark.parametrize("path", SOURCES, ids=[path.name for path in SOURCES])
def test_underscore_is_translation_and_nothing_else(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if not any(translated(path)):
        return
    names = [alias for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert [alias.name for alias in names if (alias.asname or alias.name) == "_"] == ["tr"]
    stored = [n for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id == "_" and isinstance(n.ctx, ast.Store)]
    assert stored == []
    assert not any(isinstance(node, ast.arg) and node.arg == "_" for node in ast.walk(tree))


def test_what_these_tests_forbid_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "file.py"
    path.write_text('name = "x"\nprint(_(f"hello {name}"))\n', encoding="utf-8")
    with pytest.raises(AssertionError):
        test_texts_can_be_translated(path)
