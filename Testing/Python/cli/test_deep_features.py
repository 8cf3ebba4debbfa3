"""Deep features from the command line, and colours on their way into a recipe's network."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from FeatureExtractorLib.deep.inputs import SliceSettings
from FeatureExtractorLib.manifest import read_manifest
from FeatureExtractorLib.preparation import Preparation
from FeatureExtractorLib.radiomics.engine import get_engine
from FeatureExtractorLib.radiomics.presets import load_settings
from FeatureExtractorLib.table import read_table
from TumorClassifierLib.blocks import crops_of
from TumorClassifierLib.measures import MeasureSettings, measure_cohort

Run = Callable[..., tuple[int, str, str]]


def test_features_of_a_network_are_columns_of_their_own(make_cohort, run_cli: Run, tmp_path: Path) -> None:
    manifest, tables = make_cohort(2), {}
    for view, colour in (("maximum-area", "grey"), ("centre", "jet"), ("bounding-box", "grey")):
        out = tmp_path / f"{view}.csv"
        options = ("--deep", "resnet18", "--weights", "seed:0", "--view", view, "--colour", colour, "--device", "cpu")
        code, text, err = run_cli("extract", "--manifest", manifest, "--out", out, "--json", *options)
        assert code == 0, err
        assert json.loads(text)["features"] == 107 + 512
        table = read_table(out)
        tables[view] = table.values[:, [table.names.index(f"T1C.resnet18_{i}") for i in range(512)]]
        assert table.metadata["weights"] == "random weights, seed 0"
    assert np.isfinite(list(tables.values())).all()
    assert len({values.tobytes() for values in tables.values()}) == 3


def test_offline_nothing_is_downloaded_and_nothing_measured(
    make_cohort, run_cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    out = tmp_path / "features.csv"
    code, _, err = run_cli("extract", "--manifest", make_cohort(2), "--out", out, "--deep", "vgg16", "--offline")
    assert code == 1
    (line,) = err.splitlines()
    assert line.startswith("The ImageNet weights of vgg16 are not on this computer")
    assert not out.exists()


@pytest.mark.parametrize(("colour", "same"), [("grey", True), ("jet", False)])
def test_a_recipes_network_sees_the_colours_that_were_chosen(make_cohort, colour: str, same: bool) -> None:
    settings = MeasureSettings(
        ("T1C",), Preparation(n4="none"), load_settings("original"), SliceSettings(size=32, colour=colour)
    )
    cohort = measure_cohort(read_manifest(make_cohort(2)).entries, settings, get_engine("native"))
    images = crops_of(cohort.cases, "T1C")
    assert images.shape == (2, 3, 32, 32)
    assert np.array_equal(images[:, 0], images[:, 2]) == same
