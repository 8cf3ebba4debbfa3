"""The panel's life: reloaded, closed, without windows, with packages that are missing or declined."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def test_reload_reads_the_panel_anew(panel: Any, head: Any, standin: Any) -> None:
    """Choices stay, for they are in the scene; the old panel hears of nothing any more."""

    import slicer

    panel.ui.modality1.text = "CE"
    before = sys.modules["FeatureExtractorLib.panel.panel"]
    slicer.modules.FeatureExtractorWidget.onReload()
    again = slicer.modules.FeatureExtractorWidget.panel
    assert sys.modules["FeatureExtractorLib.panel.panel"] is not before
    assert again is not panel and again.ui.modality1.text == "CE"
    assert again.parameters.volume1 is head.volume
    assert panel.parameters is None
    standin.scene.RemoveNode(head.volume)
    assert "Choose an image" in again.ui.applyButton.toolTip


def test_cleanup_ends_a_run_and_removes_its_files(module: Callable[[str], Any], standin: Any, head: Any) -> None:
    panel = module("FeatureExtractor").panel
    panel.ui.applyButton.click()
    job = panel.run.button._job
    folder = job.folder
    assert folder.is_dir()
    panel.cleanup()
    standin.wait(lambda: not job.running, 60)
    assert not (folder / "out").exists()


def test_without_a_window_charts_and_tables_go_into_the_scene(panel: Any, head: Any, standin: Any) -> None:
    import slicer

    from FeatureExtractorLib.panel.measured import Measured, MeasuredSegment

    assert slicer.app.layoutManager() is None
    features = {"T1C.original_shape_MeshVolume": 12.5, "T1C.original_glcm_Contrast": 3.0}
    panel.results.take(Measured("Head", (MeasuredSegment("a", "whole", features),)), head.volume.GetID())
    panel.ui.valuesTable.selectRow(0)
    panel.ui.chartButton.click()
    assert "there is no window to show it in" in panel.ui.statusLabel.text
    assert not panel.ui.statusLabel.isHidden()
    panel.ui.showTableButton.click()
    assert "no Segment Editor to go to" in panel.ui.editSegments.toolTip


def test_with_a_window_they_are_shown(panel: Any, head: Any, standin: Any, window: Any) -> None:
    import slicer

    from FeatureExtractorLib.panel.measured import Measured, MeasuredSegment

    features = {"T1C.original_shape_MeshVolume": 12.5, "T1C.original_glcm_Contrast": 3.0}
    panel.results.take(Measured("Head", (MeasuredSegment("a", "whole", features),)), head.volume.GetID())
    panel.ui.showTableButton.click()
    selection = slicer.app.applicationLogic().GetSelectionNode()
    assert selection.GetActiveTableID() == panel.parameters.resultTable.GetID()


def test_a_result_that_cannot_be_read_is_said(panel: Any, head: Any, standin: Any) -> None:
    text = standin.scene.AddNewNodeByClass("vtkMRMLTextNode", "Spoilt")
    text.SetText('{"format": "FeatureExtractor result 1", "segments": 5}')
    panel.parameters.resultText = text
    assert "cannot be read" in panel.ui.resultsHint.text and "measure again" in panel.ui.resultsHint.text
    assert panel.results.result is None
    text.SetText("[]")
    assert "cannot be read" in panel.ui.resultsHint.text


def test_a_declined_package_is_a_decision(
    panel: Any, head: Any, standin: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing starts, nothing fails: the line of words says what was not installed."""
    from FeatureExtractorLib.panel.measured import Measured, MeasuredSegment

    monkeypatch.setattr(standin.packaging, "declines", True)
    monkeypatch.setattr(standin.packaging, "pretends_missing", {"PyWavelets", "pyarrow"})
    panel.ui.applyButton.click()
    assert not panel.run.button.busy
    assert "PyWavelets was not installed" in panel.ui.statusLabel.text
    assert panel.ui.detailsButton.isHidden()
    panel.results.take(Measured("Head", (MeasuredSegment("a", "whole", {"x": 1.0}),)), head.volume.GetID())
    assert not panel.results.export(tmp_path / "table.parquet")
    assert "A .csv file can be written without it." in panel.ui.statusLabel.text
    assert panel.results.export(tmp_path / "table.csv")


def test_export_asks_for_a_file(panel: Any, head: Any, standin: Any, tmp_path: Path) -> None:
    from FeatureExtractorLib.panel.measured import Measured, MeasuredSegment

    panel.results.take(Measured("Head", (MeasuredSegment("a", "whole", {"x": 1.0}),)), head.volume.GetID())
    standin.questions.files[:] = [str(tmp_path / "mine.csv")]
    panel.ui.exportButton.click()
    assert (tmp_path / "mine.csv").is_file()
    assert "Written: " in panel.ui.statusLabel.text
    standin.questions.files[:] = [""]  # the user thinks better of it
    panel.ui.exportButton.click()


def test_renamed_nodes_are_shown_by_their_names(panel: Any, head: Any) -> None:
    head.volume.SetName("Renamed")
    head.segmentation.GetSegmentation().GetNthSegment(1).SetName("centre")
    assert "Renamed · T1C" in panel.ui.imagesStep.text
    assert panel.ui.segmentsStep.text.endswith("2 of 2: whole, centre")
    assert panel.ui.segmentList.item(1).text() == "centre"


def test_what_was_set_to_none_stays_so_until_there_is_another(panel: Any, head: Any, standin: Any) -> None:
    node = panel.parameters
    assert node.volume1 is head.volume and node.segmentation is head.segmentation
    node.volume1 = None
    standin.scene.AddNewNodeByClass("vtkMRMLTableNode")
    standin.scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    assert node.volume1 is None
    standin.scene.RemoveNode(head.volume)
    added = standin.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    assert node.volume1 is added


def test_without_the_other_module_it_says_which_folder_to_add(
    module: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("FeatureExtractorLib.panel")]:
        monkeypatch.delitem(sys.modules, name)
    for name in [name for name in sys.modules if name.partition(".")[0] == "TumorClassifierLib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [NoTumorClassifier(), *sys.meta_path])
    widget = module("FeatureExtractor")
    assert widget.panel is None
    said = [label.text for label in slicer_labels(widget)]
    assert any("Add the folder TumorClassifier" in text for text in said), said
    widget.enter()
    widget.exit()


class NoTumorClassifier:
    """Finds nothing where TumorClassifierLib would be."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name.partition(".")[0] == "TumorClassifierLib":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def slicer_labels(widget: Any) -> list[Any]:
    import qt

    return list(widget.parent.findChildren(qt.QLabel))
