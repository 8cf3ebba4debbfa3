"""The steps of the TumorClassifier panel: what they choose, say and keep."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

MODALITIES = ("T1", "T1C")


@pytest.fixture
def panel(module: Callable[[str], Any]) -> Any:
    """The open panel."""
    return module("TumorClassifier").panel


@pytest.fixture
def two_images(panel: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The panel with a model that asks for two images, an outline, the age and the sex."""
    from TumorClassifierLib.model_choice import ClinicalField, ModelSummary

    age = ClinicalField("age", "number", unit="years", low=18.0, high=80.0, required=True)
    sex = ClinicalField("sex", "choice", levels=("female", "male"), unknown="Unknown counts as female.")
    made = [
        ModelSummary(
            "two-images",
            "installed",
            Path("two-images.tcmodel"),
            "1",
            "dtlr-nomogram",
            "",
            ("low", "high"),
            MODALITIES,
            True,
            "AUC 0.9",
            ("few",),
            "# two-images",
            (age, sex),
        ),
        ModelSummary(
            "broken", "installed", Path("broken.tcmodel"), damaged="broken.tcmodel is damaged; get it again."
        ),
    ]
    monkeypatch.setattr("TumorClassifierLib.panel.step_model.model_summaries", lambda: made)
    panel.modelStep.read()
    panel.parameterNode.model = "two-images"
    return panel


def add_volume(name: str) -> Any:
    """A small volume in the scene."""
    import SimpleITK as sitk
    import slicer

    from TumorClassifierLib.scene.volumes import add_volume as add

    return add(slicer.mrmlScene, sitk.Image(6, 5, 4, sitk.sitkFloat32) + 1.0, name)


def add_outline(volume: Any, *segments: str, name: str = "Outline") -> Any:
    """A segmentation of these segments, each a box."""
    import slicer

    from TumorClassifierLib.scene.volumes import add_segment, image_of

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    mask = image_of(volume) * 0
    mask[1:3, 1:3, 1:3] = 1
    for segment in segments:
        add_segment(node, mask, segment)
    return node


def state(panel: Any, step: str) -> str:
    return str(getattr(panel.ui, f"{step}Step").text).partition("    ")[2]


def test_an_empty_panel_says_what_to_do(panel: Any) -> None:
    assert state(panel, "image") == "○ choose T1C"
    assert state(panel, "segment") == "○ needs an outline"
    assert state(panel, "correct") == "– not corrected"
    assert state(panel, "model") == "✓ brain-t1c-3class"
    assert state(panel, "classify") == "○ not ready"
    assert "needs a T1C image" in panel.ui.classifyHint.text
    assert panel.ui.researchLabel.text.startswith("For research use only")
    assert panel.ui.statusLabel.text


def test_sample_data_fill_the_first_two_steps(panel: Any) -> None:
    panel.ui.sampleDataButton.click()
    assert state(panel, "image").startswith("✓ ")
    assert state(panel, "segment").startswith("✓ ")
    assert state(panel, "classify") == "○ ready"
    assert panel.ui.classifyButton.enabled
    assert not panel.ui.classifyHint.text


def test_loaded_images_are_chosen_when_the_panel_is_opened(module: Callable[[str], Any]) -> None:
    volume = add_volume("head")
    outline = add_outline(volume, "Edema", "Tumour core")
    panel = module("TumorClassifier").panel
    assert panel.images() == {"T1C": volume}
    assert panel.outline()[0] is outline
    assert state(panel, "segment") == "✓ Outline · Tumour core"


def test_what_is_loaded_while_the_panel_is_open_is_chosen(panel: Any, standin: Any) -> None:
    volume = add_volume("head")
    add_outline(volume, "Edema", "Tumour")
    standin.process()
    assert panel.images() == {"T1C": volume}
    assert state(panel, "segment") == "✓ Outline · Tumour"
    enhanced = add_volume("head T1 gd")
    standin.process()
    assert panel.images() == {"T1C": enhanced}
    add_volume("later T1 gd")
    standin.process()
    assert panel.images() == {"T1C": enhanced}


def test_what_the_user_set_to_none_stays_none(panel: Any, standin: Any) -> None:
    import slicer

    volume = add_volume("head")
    add_outline(volume, "Tumour")
    standin.process()
    panel.imageStep.selectors["T1C"].setCurrentNode(None)
    panel.ui.segmentSelector.setCurrentNode(None)
    standin.process()
    add_volume("other head")
    standin.process()
    panel.enter()
    assert panel.images() == {}
    assert panel.outline() == (None, "")
    panel.imageStep.selectors["T1C"].setCurrentNode(volume)
    slicer.mrmlScene.RemoveNode(volume)
    standin.process()
    third = add_volume("t1 gd")
    standin.process()
    assert panel.images() == {"T1C": third}


def test_an_image_that_is_removed_is_followed_by_the_next_one_loaded(panel: Any, standin: Any) -> None:
    import slicer

    first = add_volume("head")
    outline = add_outline(first, "Tumour")
    standin.process()
    slicer.mrmlScene.RemoveNode(outline)
    slicer.mrmlScene.RemoveNode(first)
    standin.process()
    assert panel.images() == {}
    second = add_volume("head")
    outline = add_outline(second, "Tumour", name="second")
    standin.process()
    assert panel.images() == {"T1C": second}
    assert panel.outline()[0] is outline


def test_what_is_hidden_or_made_here_is_not_chosen(panel: Any, standin: Any) -> None:
    import slicer

    from TumorClassifierLib.panel.parameters import CORRECTED_FROM

    volume = add_volume("head")
    hidden, corrected = add_volume("scratch t1c"), add_volume("head t1c corrected")
    hidden.SetHideFromEditors(True)
    corrected.SetNodeReferenceID(CORRECTED_FROM, volume.GetID())
    standin.process()
    assert panel.images() == {"T1C": volume}
    slicer.mrmlScene.StartState(slicer.mrmlScene.BatchProcessState)
    enhanced = add_volume("t1 gd")
    slicer.mrmlScene.EndState(slicer.mrmlScene.BatchProcessState)
    standin.process()
    assert panel.images() == {"T1C": enhanced}


def test_selectors_follow_the_model(two_images: Any) -> None:
    plain, enhanced, other = (add_volume(name) for name in ("t1 plain", "t1 gd", "t2"))
    assert list(two_images.imageStep.selectors) == list(MODALITIES)
    two_images.chooseMissing()
    assert two_images.images() == {"T1": plain, "T1C": enhanced}
    two_images.imageStep.selectors["T1"].setCurrentNode(other)
    assert two_images.images() == {"T1": other, "T1C": enhanced}
    enhanced.SetName("a & b")
    assert state(two_images, "image") == "✓ t2 · T1, a && b · T1C"


def test_a_choice_for_the_same_image_outlives_the_model(two_images: Any) -> None:
    enhanced = add_volume("t1 gd")
    two_images.imageStep.selectors["T1C"].setCurrentNode(enhanced)
    two_images.parameterNode.model = "broken"
    assert two_images.images() == {}
    assert state(two_images, "model") == "! broken is damaged"
    assert two_images.ui.classifyHint.text == "broken.tcmodel is damaged; get it again."
    assert "damaged" in two_images.ui.modelCard.plainText
    two_images.parameterNode.model = "two-images"
    assert two_images.images() == {"T1C": enhanced}


def test_clinical_variables_are_asked_for_with_units_and_levels(two_images: Any) -> None:
    age, sex = two_images.modelStep.form.editors["age"], two_images.modelStep.form.editors["sex"]
    labels = [label.text for label in two_images.ui.clinicalBox.findChildren("QLabel")]
    assert labels == ["age, years:", "sex:"]
    assert "from 18 to 80" in age.toolTip
    assert "Unknown counts as female." in sex.toolTip
    assert [sex.itemText(i) for i in range(sex.count)] == ["not known", "female", "male"]
    assert state(two_images, "model") == "○ two-images: fill in age"
    age.text = "forty"
    assert any("age" in reason for reason in two_images.classifyStep.reasons())
    age.text = "41,5"
    sex.currentIndex = 2
    assert two_images.clinicalValues() == {"age": 41.5, "sex": "male"}
    assert state(two_images, "model") == "✓ two-images"
    assert two_images.parameterNode.clinicalValues() == {"age": "41,5", "sex": "male"}
    two_images.parameterNode.setClinicalValues({"age": "7"})
    assert (age.text, sex.currentIndex) == ("7", 0)


def test_the_keyboard_goes_through_the_selectors_and_the_form(two_images: Any) -> None:
    def after(widget: Any, count: int) -> list[str]:
        names = []
        for _step in range(count):
            widget = widget.nextInFocusChain()
            names.append(widget.name)
        return names

    assert after(two_images.ui.imageStep, 12).index("renameButton") >= len(MODALITIES)
    assert after(two_images.ui.folderButton, 2) == ["clinicalage", "clinicalsex"]


def test_a_name_like_a_patients_is_warned_of_and_left_out_of_files(panel: Any) -> None:
    import slicer

    from TumorClassifierLib.panel.patient_names import safe_name

    volume = add_volume("DOE^JOHN")
    panel.chooseMissing()
    assert panel.ui.nameWarning.visible or not panel.widget.visible
    assert "DOE^JOHN" in panel.ui.nameWarning.text
    assert safe_name(slicer.mrmlScene, volume) == "Case"
    panel.ui.renameButton.click()
    assert volume.GetName() == "Case T1C"
    assert safe_name(slicer.mrmlScene, volume) == "Case T1C"


def test_the_patients_name_of_the_study_is_known(panel: Any) -> None:
    import slicer

    from TumorClassifierLib.panel.patient_names import patient_identifiers, resembles_patient
    from TumorClassifierLib.scene.hierarchy import item_of

    volume = add_volume("axial roe")
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "Roe, Jane")
    study = hierarchy.CreateStudyItem(patient, "MR")
    hierarchy.SetItemParent(item_of(slicer.mrmlScene, volume), study)
    assert patient_identifiers(slicer.mrmlScene, volume) == ("Roe, Jane",)
    assert resembles_patient("axial roe", ("Roe, Jane",))


def test_a_removed_image_is_no_longer_chosen(panel: Any, standin: Any) -> None:
    volume = add_volume("head")
    panel.chooseMissing()
    assert state(panel, "image") == "✓ head · T1C"
    standin.scene.RemoveNode(volume)
    assert state(panel, "image") == "○ choose T1C"
    assert panel.images() == {}


def test_a_removed_segmentation_is_no_longer_chosen(panel: Any, standin: Any) -> None:
    outline = add_outline(add_volume("head"), "Tumour")
    panel.chooseMissing()
    assert state(panel, "segment") == "✓ Outline · Tumour"
    standin.scene.RemoveNode(outline)
    assert state(panel, "segment") == "○ needs an outline"


def test_a_removed_segment_gives_way_to_a_tumour_and_to_nothing_else(panel: Any) -> None:
    import slicer

    outline = add_outline(add_volume("head"), "Brain", "Tumour", "Edema")
    panel.chooseMissing()
    segmentation, selector = outline.GetSegmentation(), panel.ui.segmentSelector
    brain, tumour = segmentation.GetNthSegmentID(0), segmentation.GetNthSegmentID(1)
    assert panel.outline()[1] == tumour
    # Slicer's own selector hears of it first, and goes to the first segment by itself.
    goes = segmentation.AddObserver(
        slicer.vtkSegmentation.SegmentRemoved, lambda *_: selector.currentSegmentChanged.emit(brain), 10.0
    )
    segmentation.RemoveSegment(tumour)
    segmentation.RemoveObserver(goes)
    assert panel.outline()[1] == ""
    assert state(panel, "segment") == "○ needs a segment"
    selector.setCurrentSegmentID(brain)
    assert panel.outline()[1] == brain
    segmentation.GetSegment(brain).SetName("Mass")
    assert state(panel, "segment") == "✓ Outline · Mass"


def test_another_segmentation_brings_its_own_tumour(panel: Any) -> None:
    volume = add_volume("head")
    add_outline(volume, "Tumour", name="first")
    panel.chooseMissing()
    second = add_outline(volume, "Brain", "Lesion", name="second")
    panel.ui.segmentSelector.setCurrentNode(second)
    assert state(panel, "segment") == "✓ second · Lesion"
    panel.ui.segmentSelector.setCurrentNode(None)
    assert panel.outline() == (None, "")


def test_an_empty_segment_does_not_count_as_an_outline(panel: Any) -> None:
    add_volume("head")
    panel.chooseMissing()
    panel.ui.editorSection.collapsed = False
    assert state(panel, "segment") == "✓ Outline · Tumour"
    assert panel.ui.segmentHint.text == "The segment is empty; draw the tumour."
    assert "outline" in panel.ui.classifyButton.toolTip


def test_choices_are_saved_and_opened_with_the_scene(two_images: Any, standin: Any, tmp_path: Path) -> None:
    from TumorClassifierLib.panel.parameters import CorrectionMethod
    from TumorClassifierLib.scene.storage import load_mrb, save_mrb

    plain, enhanced = add_volume("t1"), add_volume("t1 gd")
    add_outline(plain, "Brain", "Tumour")
    two_images.chooseMissing()
    two_images.modelStep.form.editors["age"].text = "50"
    two_images.parameterNode.correctionMethod = CorrectionMethod.SLICER
    before = [two_images.ui.__dict__[f"{step}Step"].text for step in ("image", "segment", "model", "classify")]
    save_mrb(standin.scene, tmp_path / "case.mrb")
    standin.scene.Clear()
    assert state(two_images, "image").startswith("○")
    load_mrb(standin.scene, tmp_path / "case.mrb")
    after = [two_images.ui.__dict__[f"{step}Step"].text for step in ("image", "segment", "model", "classify")]
    assert after == before
    assert two_images.images()["T1C"].GetName() == enhanced.GetName()
    assert two_images.modelStep.form.editors["age"].text == "50"
    assert two_images.ui.correctionMethod.currentIndex == 1


def test_a_scene_that_is_opened_elsewhere_is_there_when_the_panel_is(panel: Any, standin: Any, tmp_path: Path) -> None:
    import slicer

    from TumorClassifierLib.scene.storage import load_mrb, save_mrb

    add_volume("head")
    panel.chooseMissing()
    save_mrb(standin.scene, tmp_path / "case.mrb")
    representation = slicer.modules.tumorclassifier.widgetRepresentation()
    representation.exit()
    standin.scene.Clear()
    load_mrb(standin.scene, tmp_path / "case.mrb")
    representation.enter()
    assert state(panel, "image") == "✓ head · T1C"
    panel.ui.modelList.setCurrentRow(1)
    assert panel.parameterNode.model == "meningioma-vs-glioma"
