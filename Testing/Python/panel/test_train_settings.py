"""A recipe's settings as a form: every field is told, shown and read back."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

RECIPES = ("dtlr-nomogram", "multimodal-signature", "resnet-transfer", "volume-cnn", "weighted-fusion")


@dataclass(frozen=True)
class Inner:
    """How.

    rate: how fast it goes: 1 is usual. names: of the parts.
    """

    rate: float = 0.5
    names: tuple[str, ...] = ("a",)


@dataclass(frozen=True)
class Outer:
    """Everything.

    folds, repeats: of the judging. inner: what is inside. size: in mm. extra: of what may be left out.
    """

    folds: int = 5
    repeats: int = 1
    inner: Inner = field(default_factory=Inner)
    size: tuple[float, float, float] | None = None
    extra: Inner | None = field(default_factory=lambda: Inner(rate=2.0))
    exact: bool = True
    pairs: tuple[tuple[str, float], ...] = (("trunk", 1e-5),)


@pytest.fixture
def form(standin: Any) -> Any:
    """A form of `Outer`, with the number of edits that it told of."""
    import qt

    from TumorClassifierLib.panel.train_form import SettingsForm

    tree, label = qt.QTreeWidget(), qt.QLabel()
    tree.setColumnCount(2)
    edits: list[int] = []
    made = SettingsForm(tree, label, lambda: edits.append(1))
    made.edits, made.tree, made.label = edits, tree, label
    made.show(Outer)
    return made


def editor(form: Any, name: str) -> Any:
    return next(e for f, e in zip(form._fields, form._editors, strict=True) if ".".join(f.path) == name)


def row(form: Any, name: str) -> Any:
    return next(r for f, r in zip(form._fields, form._rows, strict=True) if ".".join(f.path) == name)


def test_docstrings_are_read_field_by_field(standin: Any) -> None:
    from TumorClassifierLib.panel.train_settings import explanations

    assert explanations(Outer)["repeats"] == explanations(Outer)["folds"] == "Of the judging."
    assert explanations(Inner)["rate"] == "How fast it goes: 1 is usual."
    assert "exact" not in explanations(Outer)


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_setting_of_every_recipe_is_told_and_read_back(recipe: str, standin: Any) -> None:
    from TumorClassifierLib.panel.train_settings import checked, form_of, leaves, nested, text_of, value_of
    from TumorClassifierLib.recipes import RECIPES as ALL
    from TumorClassifierLib.recipes import recipe_module

    assert set(ALL) == set(RECIPES)
    settings = recipe_module(recipe).Settings
    fields = leaves(form_of(settings()))
    untold = [
        ".".join(one.path) for one in fields if not one.explanation and one.name not in ("flips", "quarter_turns")
    ]
    assert untold == []
    for one in fields:
        assert one.free or one.default in one.choices, one.path
    values = {one.path: one.default if one.kind is bool else value_of(one, text_of(one.default)) for one in fields}
    assert checked(settings, nested(values)) == settings()


def test_what_differs_is_given_and_bold(form: Any) -> None:
    assert form.values() == {} and form.problem() == ""
    editor(form, "folds").text = "7"
    editor(form, "inner.rate").text = "0.25"
    editor(form, "size").text = "1, 1, 3"
    editor(form, "exact").checked = False
    editor(form, "pairs").text = "trunk, 1e-5; head, 0.1"
    assert form.values() == {
        "folds": 7,
        "inner": {"rate": 0.25},
        "size": [1.0, 1.0, 3.0],
        "exact": False,
        "pairs": [["trunk", 1e-5], ["head", 0.1]],
    }
    assert row(form, "folds").font(0).bold() and not row(form, "repeats").font(0).bold()
    assert len(form.edits) == 5
    editor(form, "folds").text = "5"
    assert "folds" not in form.values()


def test_text_that_is_no_value_is_a_problem(form: Any) -> None:
    editor(form, "folds").text = "many"
    assert form.problem() == "folds is 'many', which is no whole number; correct it."
    editor(form, "folds").text = "3"
    editor(form, "size").text = "1, 1"
    assert form.problem() == "size needs 3 values, separated by commas, not 2."


def test_a_group_can_be_left_out(form: Any) -> None:
    editor(form, "extra").checked = False
    assert form.values() == {"extra": None}
    form.show(Outer, {"extra": None})
    assert not editor(form, "extra").checked and form.values() == {"extra": None}


def test_settings_are_saved_loaded_and_reset(form: Any, tmp_path: Path) -> None:
    from FeatureExtractorLib.errors import InputError

    editor(form, "inner.names").text = "b, c"
    editor(form, "size").text = "1, 2, 3"
    given = form.values()
    form.save(tmp_path / "settings.yaml")
    form.reset()
    assert form.values() == {}
    form.load(tmp_path / "settings.yaml")
    assert form.values() == given
    (tmp_path / "wrong.yaml").write_text("fold: 3\n")
    with pytest.raises(InputError, match="no 'fold'"):
        form.load(tmp_path / "wrong.yaml")
    assert form.values() == given


def test_the_chosen_setting_is_explained(form: Any) -> None:
    form.tree.setCurrentItem(row(form, "inner.rate"))
    assert "inner.rate" in form.label.text and "How fast it goes" in form.label.text
    assert "by default 0.5" in form.label.text
    assert "How fast it goes" in editor(form, "inner.rate").toolTip


def test_settings_are_found_by_their_words(form: Any) -> None:
    form.filter("how fast")
    shown = {".".join(f.path) for f, r in zip(form._fields, form._rows, strict=True) if not r.isHidden()}
    assert shown == {"inner", "inner.rate", "extra", "extra.rate"}
    form.filter("")
    assert all(not r.isHidden() for r in form._rows)


def test_curves_keep_the_epochs_of_each_network(standin: Any) -> None:
    import qt

    from TumorClassifierLib.panel.train_curves import Curves, draw

    curves = Curves()
    for training in (1, 2):
        for epoch in (1, 2, 3):
            curves.add({"training": training, "epoch": epoch, "loss": 1 / epoch, "accuracy": 0.5 + epoch / 10})
    curves.add({"training": 2, "epoch": 2, "loss": 0.4, "accuracy": 0.8})  # gone on with from the second
    assert [epoch["epoch"] for epoch in curves.latest] == [1, 2]
    widget = qt.QWidget()
    picture = draw(curves, widget).toImage()
    colours = {picture.pixelColor(x, y).name() for x in range(picture.width()) for y in range(picture.height())}
    assert "#2a70b8" in colours and "#c2571a" not in colours  # there is no validation
    assert not draw(Curves(), widget).isNull()
