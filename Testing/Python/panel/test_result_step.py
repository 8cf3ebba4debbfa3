"""Step 6 of the panel: what it says, how the map follows, what comes back, and why something cannot be pressed."""

import runpy
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

MADE = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("made_results.py"))))


@pytest.fixture
def step(module: Callable[[str], Any]) -> Any:
    """The open panel's sixth step."""
    return module("TumorClassifier").panel.resultStep


def answer(step: Any) -> str:
    return str(step.ui.answerLabel.text)


def test_without_a_result_it_says_what_to_do(step: Any) -> None:
    assert not step.ui.emptyLabel.isHidden() and step.ui.resultBody.isHidden()
    assert "press Classify" in step.ui.emptyLabel.text
    assert step.state().text == "no result yet"


def test_a_result_is_told_in_words(step: Any, standin: Any) -> None:
    MADE.show_in(step, standin.scene)
    assert step.ui.emptyLabel.isHidden() and not step.ui.resultBody.isHidden()
    for said in (
        "glioma",
        "70.0 %",
        "95 % interval 0.600 to 0.800",
        "At a level of 90 % it may be glioma or meningioma.",
        "The tumour is unlike those of the training.",
    ):
        assert said in answer(step), said
    assert "research use only" in step.ui.resultUseLabel.text.lower()
    assert "+0.80" in step.ui.contributionsLabel.text and "−0.40" in step.ui.contributionsLabel.text
    assert "Rad-score: T1C first-order mean =" in step.ui.contributionsLabel.text
    assert "deep feature 206: DTL_206" in step.ui.contributionsLabel.toolTip
    assert "T1C first-order mean: T1C.original_firstorder_Mean" in step.ui.contributionsLabel.toolTip
    assert "against the rest" in step.ui.nomogramHint.text
    assert step.nomogram.there
    assert step.state().text == "glioma" and "glioma" in step._header.text


def test_names_are_no_markup(step: Any, standin: Any) -> None:
    name = "<b>high & low</b>"
    MADE.show_in(
        step,
        standin.scene,
        classes=["other", name],
        positive=name,
        predicted=name,
        probabilities={"other": 0.2, name: 0.8},
        prediction_set=None,
        contributions=[],
    )
    assert "&lt;b&gt;high &amp; low&lt;/b&gt;" in answer(step) and name not in answer(step)
    assert "does not tell" in step.ui.contributionsLabel.text


def test_long_names_do_not_widen_the_panel(step: Any, standin: Any) -> None:
    name = "astrocytoma, IDH-mutant, CNS WHO grade 4 (glioblastoma-like appearance in contrast-enhanced images)"
    feature = "T1C.log-sigma-5-0-mm-3D_gldm_LargeDependenceHighGrayLevelEmphasis"
    moved = {"block": "Rad-score", "feature": feature, "value": 6568.0, "contribution": 0.28}
    MADE.show_in(
        step,
        standin.scene,
        classes=["other", name],
        positive=name,
        predicted=name,
        probabilities={"other": 0.2, name: 0.8},
        contributions=[moved],
    )
    step.exports.tell("")
    assert step.widget.minimumSizeHint.width() < 340  # pixels; Slicer's module panel is rarely narrower


def test_the_text_for_the_clipboard_has_everything(step: Any, standin: Any) -> None:
    import slicer

    MADE.show_in(step, standin.scene)
    step.ui.copyButton.click()
    text = slicer.app.clipboard().text()
    assert text.startswith("For research use only.") and text.endswith("treatment decisions.")
    for said in (
        "Case 1",
        MADE.MODEL,
        "glioma: 70.0 %",
        "Warning: The tumour",
        "Grad-CAM map for glioma",
        "Rad-score",
    ):
        assert said in text, said
    assert "<" not in text
    assert "copied" in step.ui.exportStatus.text


# --- the map


def test_opacity_and_threshold_are_those_of_the_map(step: Any, standin: Any, window: Any) -> None:
    MADE.show_in(step, standin.scene)
    shown = step.kept.shownMap
    display = shown.GetDisplayNode()
    assert (step.ui.opacitySlider.value, step.ui.thresholdSlider.value) == pytest.approx((0.5, 0.3))
    step.ui.opacitySlider.value = 0.8
    step.ui.thresholdSlider.value = 0.6
    assert (display.GetOpacity(), display.GetLowerThreshold()) == pytest.approx((0.8, 0.6))
    composites = [
        standin.scene.GetNthNodeByClass(i, "vtkMRMLSliceCompositeNode")
        for i in range(standin.scene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode"))
    ]
    assert composites
    for composite in composites:
        assert composite.GetForegroundVolumeID() == shown.GetID()
        assert composite.GetForegroundOpacity() == pytest.approx(0.8)
    display.SetThreshold(0.2, 1.0)  # in another module
    assert step.ui.thresholdSlider.value == pytest.approx(0.2)


OBLIQUE = np.array([[0.8, -0.6, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])
GEOMETRIES = {
    "as scanned": np.eye(3),
    "oblique": OBLIQUE,
    "flipped": np.diag([-1.0, 1.0, 1.0]),
    "sagittal": np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]),
}


@pytest.mark.parametrize("direction", GEOMETRIES.values(), ids=GEOMETRIES)
@pytest.mark.parametrize("moved", [False, True], ids=["", "transformed"])
def test_the_slices_jump_to_the_marked_voxel(
    direction: np.ndarray, moved: bool, step: Any, standin: Any, window: Any
) -> None:
    import slicer
    import vtk

    image = MADE.made_image(direction)
    volume, _segmentation, _result = MADE.show_in(step, standin.scene, image=image)
    expected = np.array(image.TransformIndexToPhysicalPoint(MADE.PEAK)) * (-1, -1, 1)
    if moved:
        transform = standin.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        matrix = vtk.vtkMatrix4x4()
        matrix.SetElement(0, 3, 11.0)
        transform.SetMatrixTransformToParent(matrix)
        step.kept.shownMap.SetAndObserveTransformNodeID(transform.GetID())
        expected = expected + (11.0, 0.0, 0.0)
    step.ui.jumpButton.click()
    for i in range(standin.scene.GetNumberOfNodesByClass("vtkMRMLSliceNode")):
        node = standin.scene.GetNthNodeByClass(i, "vtkMRMLSliceNode")
        to_ras = slicer.util.arrayFromVTKMatrix(node.GetSliceToRAS())
        distance = float((expected - to_ras[:3, 3]) @ to_ras[:3, 2])
        assert distance == pytest.approx(0.0, abs=1e-3), node.GetName()


def test_where_the_map_points_is_said(step: Any, standin: Any) -> None:
    MADE.show_in(step, standin.scene)
    assert "100 % of it is inside the tumour" in step.ui.mapHint.text
    assert "0.0 mm from the centre, inside" in step.ui.mapHint.text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"probabilities": {"glioma": 0.2, "meningioma": 0.75, "pituitary": 0.05}}, "was changed since"),
        ({"model": {"name": "brain-t1c-3class", "version": "1", "sha256": "0" * 64}}, "was replaced since"),
    ],
)
def test_a_map_that_belongs_to_another_answer_is_refused(
    changes: dict[str, Any], said: str, step: Any, standin: Any, tmp_path: Path
) -> None:
    from FeatureExtractorLib.errors import TumorClassifierError
    from TumorClassifierLib.result_files import write_result

    MADE.show_in(step, standin.scene)
    image = MADE.made_image()
    write_result(MADE.made_result(image, MADE.made_mask(image), **changes), tmp_path / "out")
    step.map._asked = step.kept
    with pytest.raises(TumorClassifierError, match=said):
        step.map._onDone(tmp_path)
    assert len(step.kept.maps) == 1


# --- the table


def test_every_number_is_in_the_table_and_can_be_found(step: Any, standin: Any) -> None:
    import qt

    MADE.show_in(step, standin.scene)
    table = step.ui.valuesTable
    names = [table.item(i, 0).text() for i in range(table.rowCount)]
    assert "Probability of glioma" in names and "T1C.original_firstorder_Mean" in names
    step.ui.tableFilter.text = "sphericity"
    shown = [names[i] for i in range(table.rowCount) if not table.isRowHidden(i)]
    assert shown == ["T1C.original_shape_Sphericity"]
    row = names.index("T1C.original_shape_Sphericity")
    assert table.item(row, 1).text() == "–" and "Not defined" in table.item(row, 1).toolTip()
    step.ui.tableFilter.text = ""
    table.sortByColumn(1, qt.Qt.AscendingOrder)
    values = [table.item(i, 1).data(qt.Qt.DisplayRole) for i in range(table.rowCount)]
    numbers = [value for value in values if isinstance(value, float)]
    assert numbers == sorted(numbers) and len(numbers) == len(values) - 1


# --- what comes back


def test_it_comes_back_from_a_saved_scene(step: Any, standin: Any, tmp_path: Path) -> None:
    from TumorClassifierLib.scene.storage import load_mrb

    volume, _segmentation, _result = MADE.show_in(step, standin.scene)
    step.ui.thresholdSlider.value = 0.7
    before = answer(step), step.ui.mapHint.text, step.ui.valuesTable.rowCount, step.kept.features
    for node in (step.kept.node, step.kept.shownMap, step.kept.figure, volume):
        node.SetName(f"Renamed {node.GetClassName()}")
    step.exports.saveScene(tmp_path / "kept.mrb")
    standin.scene.Clear(0)
    standin.process()
    assert step.kept is None and not step.ui.emptyLabel.isHidden()
    load_mrb(standin.scene, tmp_path / "kept.mrb")
    standin.process()
    assert step.kept is not None
    after = answer(step), step.ui.mapHint.text, step.ui.valuesTable.rowCount, step.kept.features
    assert after[:3] == before[:3]
    assert after[3] == pytest.approx(before[3], nan_ok=True)
    assert step.ui.thresholdSlider.value == pytest.approx(0.7)
    assert step.nomogram.there
    inputs = step.kept.inputs
    assert list(inputs.volumes) == ["T1C"] and inputs.volumes["T1C"].GetName().startswith("Renamed")
    assert inputs.segmentation is not None and inputs.segmentId


def test_of_two_results_one_is_chosen(step: Any, standin: Any) -> None:
    MADE.show_in(step, standin.scene)
    assert step.ui.resultSelector.isHidden()
    first = step.kept.node
    MADE.show_in(step, standin.scene, predicted="meningioma", warnings=[])
    assert not step.ui.resultSelector.isHidden()
    assert "meningioma</span>" in answer(step)
    step.ui.resultSelector.setCurrentNode(first)
    assert "glioma</span>" in answer(step)
    standin.scene.RemoveNode(first)
    assert "meningioma</span>" in answer(step) and step.ui.resultSelector.isHidden()


def test_the_chosen_result_is_the_one_that_comes_back(step: Any, standin: Any, tmp_path: Path) -> None:
    from TumorClassifierLib.scene.storage import load_mrb

    MADE.show_in(step, standin.scene)
    first = step.kept.node
    MADE.show_in(step, standin.scene, predicted="meningioma")
    step.ui.resultSelector.setCurrentNode(first)
    step.exports.saveScene(tmp_path / "two.mrb")
    standin.scene.Clear(0)
    load_mrb(standin.scene, tmp_path / "two.mrb")
    standin.process()
    assert "glioma</span>" in answer(step)


def test_a_panel_that_is_opened_later_shows_it_too(step: Any, standin: Any) -> None:
    import ctk
    import qt

    from TumorClassifierLib.panel.result_step import ResultStep

    MADE.show_in(step, standin.scene)
    header = ctk.ctkCollapsibleButton()
    header.setLayout(qt.QVBoxLayout())
    again = ResultStep(header, step.logic)
    assert answer(again) == answer(step)
    again.cleanup()


# --- what was removed, and every grey button's reason


def test_a_removed_map_is_said(step: Any, standin: Any) -> None:
    MADE.show_in(step, standin.scene)
    standin.scene.RemoveNode(step.kept.shownMap)
    ui = step.ui
    assert "removed" in ui.mapHint.text
    for widget in (ui.opacitySlider, ui.thresholdSlider, ui.jumpButton):
        assert not widget.enabled and "removed from the scene" in widget.toolTip
    assert ui.drawMapButton.enabled  # it can be drawn again


def test_of_several_maps_another_takes_the_place_of_a_removed_one(step: Any, standin: Any) -> None:
    from TumorClassifierLib.scene.overlay import add_cam

    volume, _segmentation, result = MADE.show_in(step, standin.scene)
    first = step.kept.shownMap
    drawn = {**result.prediction, "map": {"class": "pituitary", "method": "grad-cam"}, "focus": None}
    step.kept.addMap(add_cam(standin.scene, result.cam, volume, "Another"), drawn, None)
    step.map.open(step.kept)
    assert "map for pituitary" in step.ui.mapHint.text and step.ui.mapClassBox.currentText == "pituitary"
    standin.scene.RemoveNode(step.kept.shownMap)
    assert "map for glioma" in step.ui.mapHint.text and step.kept.shownMap is first


def test_a_map_that_nobody_can_draw_again_is_said(step: Any, standin: Any) -> None:
    MADE.show_in(step, standin.scene, model={"name": "elsewhere", "version": "7", "sha256": "0" * 64})
    standin.scene.RemoveNode(step.kept.shownMap)
    assert "removed from the scene" in step.ui.mapHint.text and "elsewhere 7" in step.ui.mapHint.text


def test_removed_numbers_are_said(step: Any, standin: Any) -> None:
    MADE.show_in(step, standin.scene)
    standin.scene.RemoveNode(step.kept.node.GetNodeReference("prediction"))
    assert step.kept is None
    assert "removed from the scene" in step.ui.emptyLabel.text


def test_removed_pictures_are_said(step: Any, standin: Any) -> None:
    MADE.show_in(step, standin.scene)
    standin.scene.RemoveNode(step.kept.figure)
    assert not step.ui.enlargeButton.enabled
    assert step.ui.enlargeButton.toolTip == "There is no picture of the nomogram to enlarge."
    assert "no picture" in step.ui.nomogramHint.text
    standin.scene.RemoveNode(step.kept.chart)
    assert step.ui.chartButton.toolTip == "The chart of the nomogram was removed from the scene."


def test_a_chart_needs_views(step: Any, standin: Any) -> None:
    MADE.show_in(step, standin.scene)
    assert not step.ui.chartButton.enabled
    assert "without its main window" in step.ui.chartButton.toolTip


def test_nothing_is_computed_anew_of_an_image_that_has_gone(step: Any, standin: Any) -> None:
    volume, _segmentation, _result = MADE.show_in(step, standin.scene)
    step.ui.mapClassBox.currentIndex = 1
    assert step.ui.drawMapButton.enabled and step.ui.saveReportButton.enabled
    standin.scene.RemoveNode(volume)
    for button in (step.ui.drawMapButton, step.ui.saveReportButton, step.ui.dicomButton):
        assert not button.enabled and "no longer in the scene" in button.toolTip


def test_a_map_that_is_there_is_not_drawn_again(step: Any, standin: Any) -> None:
    MADE.show_in(step, standin.scene)
    assert not step.ui.drawMapButton.enabled
    assert "drawn already" in step.ui.drawMapButton.toolTip
    step.ui.mapMethodBox.currentIndex = 1
    assert step.ui.drawMapButton.enabled
    assert step.ui.drawMapButton.toolTip == "Draw the map of the chosen class by the chosen method."


def test_a_model_that_is_not_installed_is_named(step: Any, standin: Any) -> None:
    MADE.show_in(step, standin.scene, model={"name": "elsewhere", "version": "7", "sha256": "0" * 64})
    for widget in (step.ui.drawMapButton, step.ui.saveReportButton, step.ui.mapClassBox, step.ui.mapMethodBox):
        assert not widget.enabled and "elsewhere 7" in widget.toolTip
    assert step.ui.jumpButton.enabled and step.ui.opacitySlider.enabled  # the map is there all the same


@pytest.mark.parametrize(("activations", "said"), [((), "draws no map"), (("grad-cam",), "in one way only")])
def test_a_model_without_a_choice_of_maps_says_so(
    activations: tuple[str, ...], said: str, step: Any, standin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from TumorClassifierLib.model_choice import model_summaries

    changed = [replace(one, activations=activations) for one in model_summaries()]
    monkeypatch.setattr("TumorClassifierLib.panel.result_map.model_summaries", lambda: changed)
    MADE.show_in(step, standin.scene)
    assert step.kept is not None
    if not activations:
        standin.scene.RemoveNode(step.kept.shownMap)
        assert not step.ui.drawMapButton.enabled and said in step.ui.drawMapButton.toolTip
        assert said in step.ui.mapHint.text
    assert not step.ui.mapMethodBox.enabled and said in step.ui.mapMethodBox.toolTip


def test_an_empty_map_points_nowhere(step: Any, standin: Any) -> None:
    shown, result, volume, segmentation = MADE.shown_case(standin.scene, outlined=False)
    empty = sitk.Image(MADE.made_image().GetSize(), sitk.sitkFloat32)
    from TumorClassifierLib.scene.overlay import add_cam

    empty.CopyInformation(MADE.made_image())
    step.show(shown, result, volume, MADE.inputs_of(volume, segmentation))
    step.kept.addMap(add_cam(standin.scene, empty, volume, "Empty"), result.prediction, None)
    step.map.open(step.kept)
    assert not step.ui.jumpButton.enabled and "This map is empty" in step.ui.jumpButton.toolTip


def test_dicom_needs_a_series(step: Any, standin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import slicer

    files = {"1.2": "/somewhere/1.dcm"}
    database = SimpleNamespace(fileForInstance=lambda uid: files.get(uid, ""))
    volume, _segmentation, _result = MADE.show_in(step, standin.scene)
    button = step.ui.dicomButton

    monkeypatch.setattr(slicer, "dicomDatabase", None, raising=False)
    step.exports.update()
    assert not button.enabled and "DICOM database is not open" in button.toolTip
    monkeypatch.setattr(slicer, "dicomDatabase", database, raising=False)
    step.exports.update()
    assert not button.enabled and "was not loaded from DICOM" in button.toolTip
    volume.SetAttribute("DICOM.instanceUIDs", "1.2 1.3")
    step.exports.update()
    assert not button.enabled and "no longer in Slicer's DICOM database" in button.toolTip
    files["1.3"] = "/somewhere/2.dcm"
    step.exports.update()
    assert button.enabled and "SEG" in button.toolTip


def test_dicom_needs_an_outline(step: Any, standin: Any) -> None:
    MADE.show_in(step, standin.scene, outlined=False)
    assert not step.ui.dicomButton.enabled and "outlined tumour" in step.ui.dicomButton.toolTip


def test_a_report_has_one_of_two_endings(step: Any, standin: Any, tmp_path: Path) -> None:
    from FeatureExtractorLib.errors import InputError

    MADE.show_in(step, standin.scene)
    with pytest.raises(InputError, match="end it in .html or .pdf"):
        step.exports.saveReport(tmp_path / "report.txt")
