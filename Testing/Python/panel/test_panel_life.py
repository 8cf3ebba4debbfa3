"""The TumorClassifier panel's life: opened where things are missing, left and reloaded; grey buttons say why."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

OPTIONAL = ("torch", "torchvision", "sklearn", "pandas", "matplotlib", "radiomics", "pywt", "highdicom", "reportlab")


@pytest.fixture
def panel(module: Callable[[str], Any]) -> Any:
    """The open panel."""
    return module("TumorClassifier").panel


def add_outlined(name: str = "head") -> tuple[Any, Any]:
    """A small volume, and a segmentation with an empty segment called Tumour."""
    import SimpleITK as sitk
    import slicer

    from TumorClassifierLib.scene.volumes import add_volume

    volume = add_volume(slicer.mrmlScene, sitk.Image(12, 11, 10, sitk.sitkFloat32) + 1.0, name)
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", f"{name} outline")
    segmentation.CreateDefaultDisplayNodes()
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    segmentation.GetSegmentation().AddEmptySegment("", "Tumour")
    return volume, segmentation


def paint(segmentation: Any, volume: Any) -> None:
    """Write into the first segment's labelmap, as an effect of the Segment Editor does."""
    import numpy as np
    import slicer
    from vtk.util.numpy_support import numpy_to_vtk

    segment_id = segmentation.GetSegmentation().GetNthSegmentID(0)
    image = slicer.vtkSlicerSegmentationsModuleLogic.CreateOrientedImageDataFromVolumeNode(volume)
    array = np.zeros(slicer.util.arrayFromVolume(volume).shape, np.uint8)
    array[4:7, 4:7, 4:7] = 1
    image.GetPointData().SetScalars(numpy_to_vtk(array.ravel(), deep=True))
    slicer.vtkSlicerSegmentationsModuleLogic.SetBinaryLabelmapToSegment(image, segmentation, segment_id)


def state(panel: Any, step: str) -> str:
    return str(getattr(panel.ui, f"{step}Step").text).partition("    ")[2]


def test_what_is_painted_is_noticed(panel: Any) -> None:
    volume, segmentation = add_outlined()
    panel.chooseMissing()
    assert panel.ui.segmentHint.text == "The segment is empty; draw the tumour."
    assert "needs the tumour's outline" in panel.ui.classifyButton.toolTip
    paint(segmentation, volume)
    assert panel.ui.segmentHint.text == ""
    assert panel.ui.classifyButton.enabled
    assert panel.ui.classifyButton.toolTip == "Classify the tumour."


def test_every_grey_button_says_why(panel: Any, standin: Any) -> None:
    ui = panel.ui
    expected = {
        ui.editButton: "Choose an image in step 1 first",
        ui.correctButton: "Choose an image in step 1 first",
        ui.originalButton: "Correct an image first",
        ui.useCorrected: "Correct an image first",
        ui.removeButton: "comes with the extension and stays",
        ui.classifyButton: "needs a T1C image",
    }
    for button, reason in expected.items():
        assert not button.enabled
        assert reason in button.toolTip
    explained = {button.name for button in expected}
    step_buttons = [
        button
        for step in ("image", "segment", "correct", "model", "classify")
        for kind in ("QPushButton", "QCheckBox", "QComboBox")
        for button in getattr(ui, f"{step}Step").findChildren(kind)
    ]
    assert {button.name for button in step_buttons if not button.enabled} == explained
    add_outlined()
    panel.chooseMissing()
    assert "without a window" in ui.editButton.toolTip
    panel.parameterNode.model = "of another computer"
    assert not ui.classifyButton.enabled
    assert ui.classifyButton.toolTip == "The model of another computer is not installed here; install it in step 4."
    assert ui.removeButton.toolTip == "Choose a model first."
    assert state(panel, "model") == "! of another computer is not installed here"


def test_every_visible_control_has_a_tooltip(panel: Any) -> None:
    kinds = ("QPushButton", "QCheckBox", "QListWidget", "QTextBrowser", "QProgressBar", "QLabel")
    steps = [panel.ui.__dict__[f"{step}Step"] for step in ("image", "segment", "correct", "model", "classify")]
    named = [child for step in steps for kind in kinds for child in step.findChildren(kind) if child.name]
    assert len(named) > 20
    ours = [child for child in named if not child.name.startswith("qt_")]
    assert [child.name for child in ours if not child.toolTip] == []
    assert all(selector.toolTip for selector in panel.imageStep.selectors.values())


def test_the_segment_editor_opens_with_image_and_outline(
    panel: Any, window: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import slicer

    volume, segmentation = add_outlined()
    panel.chooseMissing()
    editor = slicer.qMRMLSegmentEditorWidget()
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentEditorNode")
    editor.setMRMLSegmentEditorNode(node)
    editor.setMRMLScene(slicer.mrmlScene)
    selected: list[str] = []
    monkeypatch.setattr(slicer.util, "selectModule", selected.append)
    monkeypatch.setattr(slicer.modules, "SegmentEditorWidget", SimpleNamespace(editor=editor), raising=False)
    panel.update()
    panel.ui.editButton.click()
    assert selected == ["SegmentEditor"]
    assert (editor.segmentationNode(), editor.sourceVolumeNode()) == (segmentation, volume)
    assert editor.currentSegmentID() == panel.outline()[1]


def test_the_embedded_editor_is_made_when_opened_and_let_go(panel: Any, standin: Any) -> None:
    import slicer

    from TumorClassifierLib.panel.segment_editor import EFFECTS

    volume, segmentation = add_outlined()
    panel.chooseMissing()
    embedded = panel.segmentStep.editor
    assert embedded.widget is None
    panel.ui.editorSection.collapsed = False
    editor = embedded.widget
    assert (editor.segmentationNode(), editor.sourceVolumeNode()) == (segmentation, volume)
    assert editor._object._order == list(EFFECTS)
    assert not editor.unorderedEffectsVisible
    assert editor.mrmlSegmentEditorNode().GetSingletonTag() == "TumorClassifier"
    editor.setActiveEffectByName("Paint")
    representation = slicer.modules.tumorclassifier.widgetRepresentation()
    representation.exit()
    assert editor.activeEffect() is None
    assert not editor._object._watched
    representation.enter()
    assert editor._object._watched
    other, outline = add_outlined("other")
    panel.imageStep.selectors["T1C"].setCurrentNode(other)
    panel.ui.segmentSelector.setCurrentNode(outline)
    assert (editor.segmentationNode(), editor.sourceVolumeNode()) == (outline, other)
    standin.scene.Clear()
    assert editor.segmentationNode() is None
    assert not editor._object._watched
    panel.ui.editorSection.collapsed = True
    again, _outline = add_outlined("again")
    panel.chooseMissing()
    panel.ui.editorSection.collapsed = False
    assert editor.sourceVolumeNode() is again
    panel.ui.editorSection.collapsed = True
    assert not editor._object._watched


def test_buttons_work_where_the_scene_was_closed_and_the_panel_not_entered(panel: Any, standin: Any) -> None:
    import slicer

    slicer.modules.tumorclassifier.widgetRepresentation().exit()
    standin.scene.Clear()
    assert panel.parameterNode is None
    assert panel.ui.classifyButton.toolTip.startswith("The scene was closed")
    panel.ui.sampleDataButton.click()
    assert panel.ui.classifyButton.enabled, panel.ui.classifyButton.toolTip
    standin.scene.Clear()
    panel.ui.modelList.setCurrentRow(1)
    assert panel.modelName() == "meningioma-vs-glioma"


def test_long_names_do_not_widen_the_panel(panel: Any) -> None:
    page = panel.owner.parent._object
    before = page.minimumSizeHint().width()
    volume, segmentation = add_outlined("a long name " * 9)
    segmentation.GetSegmentation().GetNthSegment(0).SetName("Tumour of the left temporal lobe " * 5)
    panel.chooseMissing()
    assert panel.images() == {"T1C": volume}
    assert panel.outline()[1]
    assert page.minimumSizeHint().width() == before


def test_what_failed_is_forgotten_with_its_scene(panel: Any, standin: Any) -> None:
    for run in (panel.classifyStep.run, panel.correctStep.run):
        run._fail("It is broken.", "log")
    assert not panel.ui.detailsButton.isHidden()
    standin.scene.Clear()
    assert (panel.ui.classifyLabel.text, panel.ui.correctLabel.text) == ("", "")
    assert panel.ui.detailsButton.isHidden()
    assert panel.correctStep.run.details.button.isHidden()


def test_the_embedded_editor_goes_with_the_panel(panel: Any, standin: Any) -> None:
    from shiboken6 import isValid

    add_outlined()
    panel.chooseMissing()
    panel.ui.editorSection.collapsed = False
    editor, node = panel.segmentStep.editor.widget, panel.segmentStep.editor.widget.mrmlSegmentEditorNode()
    panel.cleanup()
    assert editor.mrmlSegmentEditorNode() is None
    assert not editor._object._watched
    assert (node.GetSegmentationNode(), node.GetActiveEffectName()) == (None, None)
    assert panel.segmentStep.editor.widget is None
    standin.process()
    assert not isValid(editor._object)


def test_drawing_starts_with_a_segment_that_is_marked_as_a_tumour(panel: Any) -> None:
    from TumorClassifierLib.scene.case_nodes import tumour_segment

    volume, segmentation = add_outlined()
    import slicer

    slicer.mrmlScene.RemoveNode(segmentation)
    panel.chooseMissing()
    panel.ui.editorSection.collapsed = False
    outline, segment_id = panel.outline()
    assert outline.GetSegmentation().GetSegment(segment_id).GetName() == "Tumour"
    outline.GetSegmentation().GetSegment(segment_id).SetName("x")
    outline.GetSegmentation().AddEmptySegment("", "y")
    assert tumour_segment(outline) == segment_id
    assert outline.GetNodeReference(outline.GetReferenceImageGeometryReferenceRole()) is volume


def test_models_are_installed_and_removed(
    panel: Any, standin: Any, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import qt

    from TumorClassifierLib.bundle import Bundle, read_bundle, write_bundle

    monkeypatch.setenv("TUMORCLASSIFIER_MODELS", str(tmp_path / "models"))
    shipped = read_bundle(repository / "TumorClassifier/Resources/Models/meningioma-vs-glioma.tcmodel")
    own = Bundle({**shipped.manifest, "name": "own"}, shipped.documents, shipped.weights, shipped.card)
    write_bundle(own, tmp_path / "own.tcmodel")
    standin.questions.files.append(str(tmp_path / "own.tcmodel"))
    panel.ui.installButton.click()
    assert panel.parameterNode.model == "own"
    assert panel.ui.modelList.count == 3
    assert panel.ui.removeButton.enabled
    newer = Bundle({**own.manifest, "version": "2"}, own.documents, own.weights, own.card)
    write_bundle(newer, tmp_path / "own.tcmodel")
    standin.testing(False)  # in which Slicer asks nobody
    standin.questions.answers += [qt.QMessageBox.No, qt.QMessageBox.Yes, qt.QMessageBox.Yes]
    panel.modelStep.install(tmp_path / "own.tcmodel")
    assert panel.modelStep.chosen().version == "1"
    panel.modelStep.install(tmp_path / "own.tcmodel")
    assert standin.questions.asked[-1].endswith("Put it in that place?")
    assert panel.modelStep.chosen().version == "2"
    (tmp_path / "bad.tcmodel").write_bytes(b"no model")
    panel.modelStep.install(tmp_path / "bad.tcmodel")
    assert panel.ui.modelList.count == 3
    panel.ui.removeButton.click()
    assert panel.ui.modelList.count == 2
    assert panel.parameterNode.model == "brain-t1c-3class"
    assert not (tmp_path / "models" / "own.tcmodel").exists()


def test_reloading_reads_the_library_anew_and_keeps_the_choices(panel: Any) -> None:
    import slicer

    volume, _segmentation = add_outlined()
    panel.chooseMissing()
    panel.ui.modelList.setCurrentRow(1)
    old = sys.modules["TumorClassifierLib.panel.widget"]
    panel.owner.onReload()
    assert sys.modules["TumorClassifierLib.panel.widget"] is not old
    again = slicer.modules.TumorClassifierWidget.panel
    assert again is not panel
    assert again.images() == {"T1C": volume}
    assert again.modelName() == "meningioma-vs-glioma"
    assert panel.parameterNode is None
    assert not panel.Observations


def test_cleaning_up_leaves_no_files_and_no_observers(panel: Any) -> None:
    folder = panel.newFolder()
    (folder / "image.nrrd").write_bytes(b"x")
    panel.cleanup()
    assert not folder.parent.exists()
    assert not panel.Observations


def test_a_panel_without_models_says_how_to_get_one(
    module: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("TumorClassifierLib.model_choice.installed_models", list)
    panel = module("TumorClassifier").panel
    assert state(panel, "model") == "○ install a model"
    assert panel.ui.classifyButton.toolTip == "Choose a model in step 4."
    assert panel.ui.imageHint.text.startswith("Choose a model in step 4 first")
    panel.ui.sampleDataButton.click()
    assert state(panel, "segment").startswith("✓ ")


@pytest.mark.slow
def test_opening_the_panel_imports_nothing_optional(repository: Path, tmp_path: Path) -> None:
    """In a process of its own: what other tests have imported does not count."""
    script = tmp_path / "open.py"
    script.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        f"sys.path.insert(0, {str(repository / 'Testing' / 'Standin')!r})\n"
        "from start import start\n"
        "standin = start()\n"
        f"standin.load(Path({str(repository / 'TumorClassifier' / 'TumorClassifier.py')!r}))\n"
        "panel = standin.open('TumorClassifier').panel\n"
        "import problems\n"
        "print(problems.take())\n"
        f"print([name for name in {OPTIONAL!r} if name in sys.modules])\n",
        encoding="utf-8",
    )
    assert shutil.which(sys.executable)
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.split() == ["[]", "[]"], done.stderr
