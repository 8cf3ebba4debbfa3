"""Measuring a list of cases from the panel: bad cases, cancelled and resumed runs, two readers."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def list_panel(panel: Any, tmp_path: Path) -> Any:
    """The panel with the tab of lists in front, and a table chosen."""
    from FeatureExtractorLib.panel.parameters import Engine

    panel.ui.sourceTabs.currentIndex = 1
    panel.ui.output.currentPath = str(tmp_path / "features.csv")
    panel.parameters.engine = Engine.NATIVE
    return panel


def outcomes(panel: Any) -> dict[str, str]:
    table = panel.ui.rowsTable
    return {table.item(i, 0).text(): table.item(i, 1).text() for i in range(table.rowCount)}


def test_a_bad_case_has_its_reason_and_the_run_goes_on_where_it_was_cancelled(
    list_panel: Any, manifest: Callable[..., Path], standin: Any, measure: Callable[[Any], None], tmp_path: Path
) -> None:
    from FeatureExtractorLib.panel.parameters import Preset
    from FeatureExtractorLib.table import read_table

    list_panel.ui.manifest.currentPath = str(manifest(5, bad=True))
    list_panel.parameters.preset = Preset.ORIGINAL_WAVELET  # slow enough to be cancelled between two cases
    work = tmp_path / "features.csv.work"
    list_panel.ui.applyButton.click()
    standin.wait(lambda: len(list(work.glob("[!.]*.json"))) >= 2, 120)
    list_panel.ui.applyButton.click()
    standin.wait(lambda: not list_panel.run.button.busy, 60)
    assert not (tmp_path / "features.csv").exists()
    finished = len(list(work.glob("[!.]*.json")))
    assert f"Cancelled. {finished} cases are finished" in list_panel.ui.statusLabel.text
    assert f"{finished} cases of an earlier run are finished" in list_panel.ui.outputHint.text
    assert list_panel.ui.applyButton.text == "Go on measuring the list"

    measure(list_panel)
    table = read_table(tmp_path / "features.csv")
    assert [key[2] for key in table.keys] == ["ok", "failed", "ok", "ok", "ok", "ok"]
    assert len(table.names) == 851
    summary = list_panel.ui.resultsHint.text
    assert "6 rows × 851 features in features.csv; 1 failed" in summary
    assert f"{finished} cases had been measured before" in summary
    assert list(outcomes(list_panel)) == ["bad"] and "is empty" in outcomes(list_panel)["bad"]
    assert not work.exists()
    assert "will be replaced" in list_panel.ui.outputHint.text

    # The table can be looked at in Slicer, and comes back as Parquet.
    assert "Charts are drawn of the segments of a scene" in list_panel.ui.chartButton.toolTip
    list_panel.ui.showTableButton.click()
    node = list_panel.parameters.resultTable
    assert node.GetName() == "features" and node.GetTable().GetNumberOfRows() == 6
    pytest.importorskip("pyarrow")
    assert list_panel.results.export(tmp_path / "again.parquet")
    again = read_table(tmp_path / "again.parquet")
    assert again.keys == table.keys and (again.values[0] == table.values[0]).all()


def test_a_list_with_another_grid_keeps_its_settings_beside_the_table(
    list_panel: Any, manifest: Callable[..., Path], measure: Callable[[Any], None], tmp_path: Path
) -> None:
    list_panel.ui.manifest.currentPath = str(manifest(1))
    list_panel.ui.resample.checked = True
    for axis in "XYZ":
        getattr(list_panel.ui, f"spacing{axis}").value = 3.0
    measure(list_panel)
    settings = json.loads((tmp_path / "features-settings.json").read_text(encoding="utf-8"))
    assert settings["setting"]["resampledPixelSpacing"] == [3.0, 3.0, 3.0]
    made = json.loads((tmp_path / "features.csv.json").read_text(encoding="utf-8"))
    assert made["settings"]["radiomics"]["setting"]["resampledPixelSpacing"] == [3.0, 3.0, 3.0]


def test_a_list_of_which_nothing_can_be_measured(
    list_panel: Any, manifest: Callable[..., Path], measure: Callable[[Any], None], tmp_path: Path
) -> None:
    path = manifest(0, bad=True)
    path.write_text("case_id,image_T1C,mask\nbad,image.nrrd,empty.nrrd\n", encoding="utf-8")
    list_panel.ui.manifest.currentPath = str(path)
    measure(list_panel)
    assert "is empty" in list_panel.ui.statusLabel.text
    assert list_panel.results.result is None
    assert not (tmp_path / "features.csv").exists()


def test_two_readers_of_a_list(
    list_panel: Any, manifest: Callable[..., Path], measure: Callable[[Any], None], tmp_path: Path, run_cli: Any
) -> None:
    """The files equal those of `tumorclassifier agree`, and the panel shows what they hold."""
    path = manifest(3, second=True)
    list_panel.ui.manifest.currentPath = str(path)
    list_panel.ui.readers.checked = True
    assert list_panel.ui.applyButton.text == "Compare two readers"
    measure(list_panel)
    code, _out, err = run_cli("agree", "--manifest", path, "--engine", "native", "--out", tmp_path / "cli.csv")
    assert code == 0, err
    for ending in (".csv", "-stable.json", "-masks.csv"):
        ours, theirs = ((tmp_path / f"{name}{ending}").read_text(encoding="utf-8") for name in ("features", "cli"))
        assert ours == theirs, ending
    with open(tmp_path / "features.csv", newline="", encoding="utf-8") as stream:
        rows = {row["feature"]: row for row in csv.DictReader(stream)}
    assert list_panel.ui.valuesTable.rowCount == len(rows) == 107
    assert list_panel.ui.agreementTable.rowCount == 3
    stable = sum(row["stable"] == "1" for row in rows.values())
    assert f"{stable} of 107 features have an ICC(2,1) of at least 0.8 in 3 cases" in list_panel.ui.resultsHint.text
    assert "has been written" in list_panel.ui.exportButton.toolTip
    list_panel.ui.filter.text = "meshvolume"
    assert list_panel.ui.filterCount.text == "1 of 107 features"
