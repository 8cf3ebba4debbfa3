"""Settings of a recipe from YAML: what is taken, and what is refused by name."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from FeatureExtractorLib.errors import InputError
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
