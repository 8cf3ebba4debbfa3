"""Measuring the segments of a scene from the panel: in the real worker process, and what then is in the scene."""

import csv
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest


def columns_of(node: Any) -> dict[str, list[Any]]:
    """The columns of a table node by name."""
    table = node.GetTable()
    columns = [table.GetColumn(i) for i in range(table.GetNumberOfColumns())]
    return {column.GetName(): [column.GetValue(k) for k in range(column.GetNumberOfValues())] for column in columns}


def shown_rows(table: Any) -> list[str]:
    """The first cells of the rows that are not filtered away."""
    return [table.item(i, 0).text() for i in range(table.rowCount) if not table.isRowHidden(i)]


def outcomes(panel: Any) -> dict[str, str]:
    """What became of each segment or case, as the table has it."""
    table = panel.ui.rowsTable
    return {table.item(i, 0).text(): table.item(i, 1).text() for i in range(table.rowCount)}


def test_values_equal_those_of_the_command_line(
    panel: Any, standin: Any, measure: Callable[[Any], None], data_dir: Path, run_cli: Any, tmp_path: Path
) -> None:
    """brain1, from the nodes of the scene through the worker and into the exported file."""
    import SimpleITK as sitk

    from FeatureExtractorLib.table import read_table
    from TumorClassifierLib.scene.volumes import add_segmentation, add_volume

    folder = data_dir / "pyradiomics_cases"
    files = {name: next(folder.rglob(f"brain1_{name}.nrrd")) for name in ("image", "label")}
    image, mask = (sitk.ReadImage(str(path)) for path in files.values())
    volume = add_volume(standin.scene, image, "brain1")
    add_segmentation(standin.scene, sitk.Cast(mask == 1, sitk.sitkUInt8), volume, "Outline", "tumour")
    measure(panel)
    assert panel.results.export(tmp_path / "panel")
    code, _out, err = run_cli(
        *("extract", "--image", f"T1C={files['image']}", "--mask", files["label"], "--segment", "1"),
        *("--out", tmp_path / "cli.csv"),
    )
    assert code == 0, err
    ours, theirs = read_table(tmp_path / "panel.csv"), read_table(tmp_path / "cli.csv")
    assert ours.names == theirs.names and len(ours.names) == 107
    np.testing.assert_allclose(ours.values, theirs.values, rtol=1e-12)
    assert ours.keys[0][:3] == ("brain1", "tumour", "ok")


def test_results_are_in_the_scene_and_can_be_sorted_filtered_charted(
    panel: Any, head: Any, standin: Any, measure: Callable[[Any], None], tmp_path: Path
) -> None:
    import SimpleITK as sitk

    from TumorClassifierLib.scene.hierarchy import parent_name
    from TumorClassifierLib.scene.volumes import add_segment

    speck = head.mask * 0
    speck[5, 5, 2] = 1
    add_segment(head.segmentation, sitk.Cast(speck, sitk.sitkUInt8), "speck")
    measure(panel)
    table = panel.parameters.resultTable
    columns = columns_of(table)
    row = columns["Name"].index("T1C.original_shape_VoxelVolume")
    voxels = int(np.count_nonzero(sitk.GetArrayViewFromImage(head.mask)))
    assert columns["whole"][row] == pytest.approx(voxels * math.prod(head.image.GetSpacing()))
    assert columns["Unit"][row] == "mm³"
    assert parent_name(standin.scene, table) == parent_name(standin.scene, head.volume)
    # A segment that failed has a row that says why, in the panel, in the table and in the file.
    assert "single voxel" in outcomes(panel)["speck"]
    assert outcomes(panel)["whole"] == "107 features"
    assert list(outcomes(panel)) == ["speck", "whole", "core"]
    assert panel.ui.resultsStep.text.endswith("! 1 failed")
    assert all(math.isnan(value) for value in columns["speck"])
    assert "single voxel" in table.GetDescription()
    assert panel.results.export(tmp_path / "out.csv")
    with open(tmp_path / "out.csv", newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["segment"], row["status"]) for row in rows] == [("whole", "ok"), ("core", "ok"), ("speck", "failed")]

    values = panel.ui.valuesTable
    values.sortItems(2)
    numbers = [float(values.item(i, 2).text()) for i in range(values.rowCount) if values.item(i, 2).text()]
    assert numbers == sorted(numbers) and numbers != sorted(numbers, key=str)
    panel.ui.filter.text = "glcm CONTRAST"
    assert shown_rows(values) == ["Contrast"]
    assert panel.ui.filterCount.text == "1 of 107 features"
    assert "Select one feature or more" in panel.ui.chartButton.toolTip
    values.selectAll()
    panel.ui.chartButton.click()
    (chart,) = charts(standin)
    assert chart.GetTitle() == "T1C.original_glcm_Contrast"
    series = [chart.GetNthPlotSeriesNode(i) for i in range(chart.GetNumberOfPlotSeriesNodes())]
    assert [one.GetYColumnName() for one in series] == ["whole", "core"]
    assert tuple(series[1].GetColor()) == pytest.approx((0.9, 0.4, 0.1))
    panel.ui.filter.text = "firstorder"
    values.selectAll()
    assert panel.ui.chartButton.enabled
    panel.ui.chartButton.click()
    several = charts(standin)[-1]
    shares = columns_of(several.GetNthPlotSeriesNode(0).GetTableNode())
    assert len(shares["Feature"]) == 18
    assert max(max(abs(v) for v in shares["whole"]), max(abs(v) for v in shares["core"])) == 1.0
    panel.ui.filter.text = ""
    values.selectAll()
    assert "Select at most 24" in panel.ui.chartButton.toolTip


def charts(standin: Any) -> list[Any]:
    scene = standin.scene
    kind = "vtkMRMLPlotChartNode"
    return [scene.GetNthNodeByClass(i, kind) for i in range(scene.GetNumberOfNodesByClass(kind))]


def test_when_nothing_can_be_measured_every_segment_says_why(
    panel: Any, head: Any, measure: Callable[[Any], None]
) -> None:
    segmentation = head.segmentation.GetSegmentation()
    for segment_id in head.ids:
        segmentation.RemoveSegment(segment_id)
    for name in ("first", "second"):
        segmentation.AddEmptySegment("", name)
    measure(panel)
    assert set(outcomes(panel)) == {"first", "second"}
    assert all("is empty; outline the tumour first" in reason for reason in outcomes(panel).values())
    assert "is empty" in panel.ui.statusLabel.text
    assert panel.parameters.resultTable is None
    for button in (panel.ui.chartButton, panel.ui.showTableButton, panel.ui.exportButton):
        assert not button.enabled and "No segment could be measured" in button.toolTip


def test_everything_comes_back_with_the_scene(
    panel: Any, head: Any, standin: Any, measure: Callable[[Any], None], tmp_path: Path
) -> None:
    """Choices, numbers in full, failures: after saving, closing, opening; and a second run stands beside the first."""
    import qt

    from FeatureExtractorLib.panel.parameters import BiasField, Engine, Weights
    from TumorClassifierLib.scene.storage import load_mrb, save_mrb

    panel.parameters.engine = Engine.NATIVE
    panel.parameters.weights = Weights.SEED
    panel.ui.modality1.text = "CE"
    panel.ui.segmentList.item(0).setCheckState(qt.Qt.Unchecked)
    measure(panel)
    first = panel.results.result
    panel.parameters.n4 = BiasField.FAST
    panel.ui.resample.checked = True
    panel.ui.spacingZ.value = 2.5
    save_mrb(standin.scene, tmp_path / "scene.mrb")

    standin.scene.Clear()
    standin.process()
    assert panel.results.result is None
    assert "Nothing is measured yet" in panel.ui.resultsHint.text
    assert panel.ui.valuesTable.rowCount == 0
    assert panel.parameters.modality1 == "T1C"

    load_mrb(standin.scene, tmp_path / "scene.mrb")
    standin.process()
    node = panel.parameters
    assert (node.engine, node.weights, node.n4) == (Engine.NATIVE, Weights.SEED, BiasField.FAST)
    assert (node.resample, node.spacingX, node.spacingZ) == (True, 1.0, 2.5)
    assert node.volume1.GetName() == "Head" and panel.ui.modality1.text == "CE"
    assert list(panel.segments.chosen().values()) == ["core"]
    assert panel.results.result == first  # every digit
    assert panel.ui.valuesTable.rowCount == 107
    assert panel.ui.showTableButton.enabled

    node.resample = False
    node.n4 = BiasField.NONE
    measure(panel)
    again, before = (dict(result.segments[0].features) for result in (panel.results.result, first))
    assert again == pytest.approx(before, rel=1e-9)  # a file rounds the image's geometry
    tables = [standin.scene.GetNthNodeByClass(i, "vtkMRMLTableNode").GetName() for i in range(2)]
    assert len(set(tables)) == 2


def test_nodes_that_go_while_they_are_chosen_or_measured(
    panel: Any, head: Any, standin: Any, measure: Callable[[Any], None]
) -> None:
    panel.ui.applyButton.click()
    assert panel.ui.applyButton.text == "Cancel"
    standin.scene.RemoveNode(head.segmentation)
    standin.scene.RemoveNode(head.volume)
    assert panel.ui.applyButton.enabled  # to cancel
    standin.wait(lambda: not panel.run.button.busy, 120)
    assert panel.results.result is not None and outcomes(panel)["core"] == "107 features"
    assert not panel.ui.applyButton.enabled
    assert "Choose an image in step 1." in panel.ui.applyButton.toolTip
    standin.scene.RemoveNode(panel.parameters.resultTable)
    assert "The table was removed from the scene" in panel.ui.showTableButton.toolTip
    standin.scene.RemoveNode(panel.parameters.resultText)
    assert panel.results.result is None


def test_cancelling_and_closing_end_the_run(panel: Any, head: Any, standin: Any) -> None:
    panel.ui.applyButton.click()
    standin.process(0.3)
    panel.ui.applyButton.click()
    standin.wait(lambda: not panel.run.button.busy, 60)
    assert panel.ui.statusLabel.text == "Cancelled."
    assert panel.results.result is None
    assert list(standin.folder.glob("FeatureExtractor-*")) == []  # images of patients do not stay
    panel.ui.applyButton.click()
    standin.process(0.3)
    standin.scene.Clear()
    standin.wait(lambda: not panel.run.button.busy, 60)
    assert panel.results.result is None
    assert standin.scene.GetNumberOfNodesByClass("vtkMRMLTableNode") == 0


def test_two_outlines_are_compared(panel: Any, head: Any, standin: Any, measure: Callable[[Any], None]) -> None:
    """Overlap equals the command's own, the ICC that of the same values, and one pair gives differences."""
    import SimpleITK as sitk

    from FeatureExtractorLib.agreement import intraclass_correlation
    from FeatureExtractorLib.mask_agreement import mask_agreement
    from TumorClassifierLib.scene.volumes import add_segment, add_segmentation

    second = sitk.BinaryErode(head.mask, [1, 1, 0])
    other = add_segmentation(standin.scene, second, head.volume, "Reader B", "whole")
    add_segment(other, sitk.BinaryErode(head.mask, [3, 3, 0]), "core")
    panel.ui.secondSegmentation.setCurrentNode(other)
    measure(panel)
    result = panel.results.result
    expected = mask_agreement(head.mask, second)
    assert result.overlaps[0].dice == expected.dice
    assert result.overlaps[0].hausdorff_95 == expected.hausdorff_95
    assert float(panel.ui.agreementTable.item(0, 1).text()) == pytest.approx(expected.dice, abs=5e-4)
    columns = columns_of(panel.parameters.resultTable)
    titles = ["whole (Reader A)", "whole (Reader B)", "core (Reader A)", "core (Reader B)"]
    assert [title for title in columns if "(Reader" in title] == titles
    values = np.array([[columns[title] for title in pair] for pair in (titles[:2], titles[2:])])
    row = columns["Name"].index("T1C.original_shape_MeshVolume")
    icc = intraclass_correlation(values[:, :, [row]]).icc[0]
    assert columns["ICC(2,1)"][row] == pytest.approx(icc, rel=1e-12)

    panel.parameters.segmentIds = head.ids[:1]
    measure(panel)
    columns = columns_of(panel.parameters.resultTable)
    first, again = columns[titles[0]][row], columns[titles[1]][row]
    assert columns["Difference"][row] == pytest.approx(100 * (again - first) / first)
    assert "ICC(2,1)" not in columns


@pytest.mark.slow
def test_several_images_networks_and_another_grid(
    panel: Any, head: Any, standin: Any, measure: Callable[[Any], None]
) -> None:
    pytest.importorskip("torch")
    import SimpleITK as sitk

    from FeatureExtractorLib.panel.parameters import Weights
    from TumorClassifierLib.scene.volumes import add_volume

    other = add_volume(standin.scene, sitk.ShiftScale(head.image, 10.0, 2.0), "Second")
    panel.ui.volume2.setCurrentNode(other)
    panel.parameters.networks = ["resnet14"]
    panel.parameters.weights = Weights.SEED
    panel.parameters.segmentIds = head.ids[:1]
    panel.ui.resample.checked = True
    for axis in "XYZ":
        getattr(panel.ui, f"spacing{axis}").value = 3.0
    measure(panel)
    (segment,) = panel.results.result.segments
    assert len(segment.features) == 2 * (107 + 256)
    assert panel.results.result.metadata["settings"]["radiomics"]["setting"]["resampledPixelSpacing"] == [3, 3, 3]
    assert "resnet14 (random weights, seed 0)" in panel.ui.resultsHint.text
    assert "3 × 3 × 3 mm" in panel.ui.resultsHint.text
    panel.ui.filter.text = "deep t1c"
    assert panel.ui.filterCount.text == "256 of 726 features"


def test_slicers_own_n4_comes_before_the_worker(
    panel: Any, head: Any, standin: Any, measure: Callable[[Any], None]
) -> None:
    from FeatureExtractorLib.panel.parameters import BiasField

    panel.parameters.segmentIds = head.ids[:1]
    measure(panel)
    plain = panel.results.result.segments[0].features
    panel.parameters.n4 = BiasField.SLICER
    measure(panel)
    corrected = panel.results.result
    assert "N4 slicer" in corrected.note and corrected.metadata["n4"].startswith("Slicer's")
    mean = "T1C.original_firstorder_Mean"
    assert corrected.segments[0].features[mean] != plain[mean]
    kind = "vtkMRMLScalarVolumeNode"
    assert standin.scene.GetNumberOfNodesByClass(kind) == 1  # nothing is left behind
