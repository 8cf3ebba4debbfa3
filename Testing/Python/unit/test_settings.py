"""Settings of a recipe from YAML: what is taken, and what is refused by name."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from FeatureExtractorLib.errors import InputError
from TumorClassifierLib.recipes import RECIPES, multimodal_signature, recipe_module
from TumorClassifierLib.settings import plain, read_settings, settings_of


@dataclass(frozen=True)
class Inner:
    rate: float = 0.1
    name: str = "a"


@dataclass(frozen=True)
class Outer:
    inner: Inner = field(default_factory=Inner)
    count: int = 3
    spacing: tuple[float, float, float] | None = None
    notes: tuple[str, ...] = ()
    flag: bool = True


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    return path


def test_what_is_written_is_read_and_comes_back(tmp_path: Path) -> None:
    text = "inner: {rate: 1e-4}\ncount: 5\nspacing: [1, 1, 0.5]\nnotes: [x, y, z]\n"
    settings = read_settings(Outer, written(tmp_path, text))
    assert settings == Outer(Inner(1e-4, "a"), 5, (1.0, 1.0, 0.5), ("x", "y", "z"))
    assert settings_of(Outer, plain(settings)) == settings
    assert read_settings(Outer, None) == Outer()


@dataclass(frozen=True)
class Middle:
    inner: Inner = field(default_factory=lambda: Inner(rate=0.5, name="of the middle"))
    other: Inner | None = field(default_factory=lambda: Inner(name="of the other"))
    none: Inner | None = None


@dataclass(frozen=True)
class Whole:
    middle: Middle = field(default_factory=lambda: Middle(inner=Inner(name="of the whole")))


def test_nested_settings_that_are_given_in_part_keep_the_outer_ones_defaults(tmp_path: Path) -> None:
    settings = read_settings(Middle, written(tmp_path, "inner: {rate: 2}\nother: {rate: 3}\nnone: {rate: 4}\n"))
    assert settings == Middle(Inner(2.0, "of the middle"), Inner(3.0, "of the other"), Inner(4.0, "a"))
    whole = read_settings(Whole, written(tmp_path, "middle: {inner: {rate: 7}, other: null}\n"))
    assert whole == Whole(Middle(Inner(7.0, "of the whole"), None, None))
    assert settings_of(Whole, plain(whole)) == whole
    assert settings_of(Whole, {}) == Whole()


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_that_is_given_its_own_values_one_by_one_stays_what_it_is(recipe: str) -> None:
    cls = recipe_module(recipe).Settings
    settings = cls()
    for name, values in plain(settings).items():
        if isinstance(values, dict):
            for inner, value in values.items():
                if value is not None:
                    assert settings_of(cls, {name: {inner: value}}) == settings, f"{name}.{inner}"


def test_the_multimodality_signature_keeps_its_voxels_where_its_bias_field_is_set() -> None:
    settings = settings_of(multimodal_signature.Settings, {"preparation": {"n4": "itk"}})
    assert settings.preparation.n4 == "itk"
    assert settings.preparation.spacing == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("counts: 5", "has no 'counts'; known are inner, count"),
        ("1: 5\na: 2", "has no 1; known"),
        ("count: 5.5", "settings.yaml.count is 5.5, which is not a whole number"),
        ("count: true", "which is not a whole number"),
        ("flag: 1", "which is not true or false"),
        ("inner: 3", "must hold names and values"),
        ("inner: {rate: .nan}", "settings.yaml.inner.rate is nan, which is not a number"),
        ("inner: {rate: .inf}", "which is not a number"),
        ("inner: {rate: fast}", "which is not a number"),
        ("inner: {rate: true}", "which is not a number"),
        ("spacing: [1, 1]", "must have 3 values, not 2"),
        ("spacing: 1", "must be a list"),
        ("- 1", "does not hold names and values"),
        ("", "does not hold names and values"),
        ("a: [", "cannot be read as YAML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        read_settings(Outer, written(tmp_path, text))
    assert sentence in str(caught.value) and "\n" not in str(caught.value)
