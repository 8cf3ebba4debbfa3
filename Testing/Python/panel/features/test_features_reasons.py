"""Why a control is grey: each reason is in its tooltip, and is gone when it is mended."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def reasons(panel: Any) -> str:
    """The tooltip of the greyed button."""
    assert not panel.ui.applyButton.enabled
    return str(panel.ui.applyButton.toolTip)


def ready(panel: Any) -> bool:
    return bool(panel.ui.applyButton.enabled) and "process of its own" in panel.ui.applyButton.toolTip


def test_an_empty_scene_says_what_to_do_first(panel: Any) -> None:
    assert "Choose an image in step 1." in reasons(panel)
    assert "Choose a segmentation in step 2" in reasons(panel)
    assert "Load an image" in panel.ui.imagesHint.text
    assert "Nothing is measured yet" in panel.ui.resultsHint.text
    assert not panel.ui.editSegments.enabled
    assert "Choose an image" in panel.ui.editSegments.toolTip
    assert "no segment to tick" in panel.ui.allSegments.toolTip
    assert "No segment is ticked" in panel.ui.noSegments.toolTip
    assert panel.ui.imagesStep.text.endswith("○ choose an image")
    assert panel.ui.reasonsLabel.text == reasons(panel)  # for whoever does not hover
    assert panel.ui.measureStep.text.endswith("○ not ready")


def test_sample_data_make_the_panel_ready(panel: Any) -> None:
    panel.ui.sampleDataButton.click()
    assert ready(panel)
    assert panel.ui.imagesStep.text == "1 Images    ✓ Drawn head · T1C"
    assert panel.ui.segmentsStep.text == "2 Segments    ✓ 1 of 1: Tumour"
    assert panel.ui.sampleDataButton.isHidden() and panel.ui.reasonsLabel.isHidden()


def test_the_only_image_and_segmentation_are_chosen_and_all_segments_ticked(panel: Any, head: Any) -> None:
    assert panel.parameters.volume1 is head.volume
    assert panel.parameters.segmentation is head.segmentation
    assert panel.parameters.segmentIds == head.ids
    assert ready(panel)
    assert panel.ui.segmentsStep.text.endswith("✓ 2 of 2: whole, core")
    assert panel.ui.applyButton.text == "Measure 2 segments"


def test_segments_must_be_ticked(panel: Any, head: Any) -> None:
    panel.ui.noSegments.click()
    assert "Tick one segment or more" in reasons(panel)
    assert not panel.ui.noSegments.enabled
    panel.ui.allSegments.click()
    assert ready(panel)


def test_a_tick_in_the_list_counts(panel: Any, head: Any) -> None:
    import qt

    panel.ui.segmentList.item(0).setCheckState(qt.Qt.Unchecked)
    assert panel.parameters.segmentIds == head.ids[1:]
    panel.parameters.segmentIds = head.ids[:1]
    states = [panel.ui.segmentList.item(i).checkState() == qt.Qt.Checked for i in range(panel.ui.segmentList.count)]
    assert states == [True, False]


def test_a_segmentation_without_a_segment(panel: Any, head: Any, standin: Any) -> None:
    empty = standin.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Nothing drawn")
    panel.ui.segmentation.setCurrentNode(empty)
    assert "Nothing drawn has no segment" in reasons(panel)
    assert "no segment yet" in panel.ui.segmentsHint.text
    added = empty.GetSegmentation().AddEmptySegment("", "new")
    assert panel.parameters.segmentIds == [added]  # one that is drawn now is to be measured


def test_image_names(panel: Any, head: Any, standin: Any) -> None:
    from TumorClassifierLib.scene.volumes import add_volume

    panel.ui.modality1.text = "T1 C"
    assert "letters, digits and _" in reasons(panel)
    panel.ui.modality1.text = "T1"
    other = add_volume(standin.scene, head.image, "Other")
    panel.ui.volume2.setCurrentNode(other)
    assert "Two images are called T1" in reasons(panel)
    panel.ui.modality1.text = "T1C"
    assert ready(panel)
    panel.ui.volume2.setCurrentNode(head.volume)
    assert "Head is chosen twice" in reasons(panel)


def test_an_image_without_voxels(panel: Any, head: Any, standin: Any) -> None:
    empty = standin.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty")
    panel.ui.volume1.setCurrentNode(empty)
    assert "Image Empty has no voxels" in reasons(panel)


def test_rows_for_images_appear_as_they_are_needed(panel: Any, head: Any) -> None:
    shown = [not getattr(panel.ui, f"volume{i}").isHidden() for i in range(1, 5)]
    assert shown == [True, True, False, False]


def test_transforms_that_cannot_be_followed(panel: Any, head: Any, standin: Any) -> None:
    import slicer

    bent = standin.scene.AddNewNodeByClass("vtkMRMLBSplineTransformNode", "Bent")
    bent.SetAndObserveTransformFromParent(slicer.vtkOrientedBSplineTransform())
    head.segmentation.SetAndObserveTransformNodeID(bent.GetID())
    assert "different transforms" in reasons(panel) and "Bent" in reasons(panel)
    head.volume.SetAndObserveTransformNodeID(bent.GetID())  # a shared one changes nothing
    assert ready(panel)


def test_a_second_outline(panel: Any, head: Any, standin: Any) -> None:
    from TumorClassifierLib.scene.volumes import add_segmentation

    panel.ui.secondSegmentation.setCurrentNode(head.segmentation)
    assert "The second outline is the first one" in reasons(panel)
    other = add_segmentation(standin.scene, head.mask, head.volume, "Reader B", "something else")
    panel.ui.secondSegmentation.setCurrentNode(other)
    assert "Reader B has no segment called as one that is ticked" in reasons(panel)
    other.GetSegmentation().GetNthSegment(0).SetName("whole")
    assert panel.ui.applyButton.enabled
    assert panel.ui.applyButton.text == "Measure and compare"
    assert "Compared: whole." in panel.ui.secondHint.text


def test_a_settings_file(panel: Any, head: Any, tmp_path: Path) -> None:
    from FeatureExtractorLib.panel.parameters import Preset

    panel.parameters.preset = Preset.FILE
    assert "Choose a PyRadiomics settings file" in reasons(panel)
    path = tmp_path / "mine.yaml"
    path.write_text("setting:\n  binWdth: 25\n", encoding="utf-8")
    panel.ui.settingsFile.currentPath = str(path)
    assert "unknown setting 'binWdth'" in reasons(panel)
    assert "unknown setting 'binWdth'" in panel.ui.presetHint.text
    path.write_text("setting:\n  binWidth: 25.0\nimageType:\n  Square:\n", encoding="utf-8")
    panel.update()
    assert ready(panel)
    assert "Square" in panel.ui.presetHint.text
    assert panel.ui.featuresStep.text.endswith("✓ mine.yaml")
    panel.ui.settingsFile.currentPath = str(tmp_path / "gone.yaml")
    assert "gone.yaml" in reasons(panel)


def test_engines(panel: Any, head: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from FeatureExtractorLib.panel import features_step
    from FeatureExtractorLib.panel.parameters import Engine, Preset

    monkeypatch.setattr(features_step, "pyradiomics_version", lambda: "3.0.1")
    panel.parameters.engine = Engine.PYRADIOMICS
    assert ready(panel)
    assert "PyRadiomics 3.0.1 measures" in panel.ui.engineHint.text
    panel.parameters.preset = Preset.IBSI_C
    assert "PyRadiomics cannot follow these settings" in reasons(panel)
    panel.parameters.preset = Preset.ORIGINAL
    monkeypatch.setattr(features_step, "pyradiomics_version", lambda: None)
    panel.update()
    assert "PyRadiomics is not installed; choose the engine Native" in reasons(panel)
    panel.parameters.engine = Engine.AUTO
    assert ready(panel)
    assert "the native engine measures" in panel.ui.engineHint.text


def test_bias_field(panel: Any, head: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import slicer

    from FeatureExtractorLib.panel.parameters import BiasField

    panel.parameters.n4 = BiasField.SLICER
    assert ready(panel)
    monkeypatch.delattr(slicer.modules, "n4itkbiasfieldcorrection")
    panel.update()
    assert "Slicer's N4 module is not loaded" in reasons(panel)
    panel.ui.sourceTabs.currentIndex = 1
    assert "corrects images of the scene only" in reasons(panel)


def test_resampling(panel: Any, head: Any) -> None:
    assert not panel.ui.spacingX.enabled
    assert "Tick Resample" in panel.ui.spacingX.toolTip
    panel.ui.resample.checked = True
    assert panel.ui.spacingX.enabled
    for axis in "XYZ":
        getattr(panel.ui, f"spacing{axis}").value = 0.0
    assert "Give a spacing above 0" in reasons(panel)


def test_networks(panel: Any, head: Any, tmp_path: Path) -> None:
    import qt

    from FeatureExtractorLib.panel.parameters import Weights

    assert "Tick a network first" in panel.ui.weights.toolTip
    panel.ui.networks.item(0).setCheckState(qt.Qt.Checked)
    panel.ui.networks.item(1).setCheckState(qt.Qt.Checked)
    assert panel.parameters.networks == ["resnet14", "resnet18"]
    assert "768 features" in panel.ui.networksHint.text
    panel.parameters.weights = Weights.SEED
    assert ready(panel)
    assert "Random weights" in panel.ui.networksHint.text
    panel.parameters.weights = Weights.FILE
    assert "A weights file fits one network" in reasons(panel)
    assert "Choose the file with the network's weights" in reasons(panel)
    panel.parameters.networks = ["resnet18"]
    panel.ui.weightsFile.currentPath = str(tmp_path / "gone.pth")
    assert "The weights file gone.pth does not exist" in reasons(panel)
    panel.parameters.networks = ["resnet14", "resnet18"]
    panel.ui.sourceTabs.currentIndex = 1
    assert "one network at a time" in reasons(panel)
    panel.parameters.readers = True
    assert "Two readers are compared by radiomics features" in reasons(panel)


def test_a_list(panel: Any, manifest: Callable[..., Path], tmp_path: Path) -> None:
    panel.ui.sourceTabs.currentIndex = 1
    assert "Choose a manifest in step 1." in reasons(panel)
    assert "Choose in step 2 where the table is written." in reasons(panel)
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("a,b\n1,2\n", encoding="utf-8")
    panel.ui.manifest.currentPath = str(wrong)
    assert "no case_id" in reasons(panel) and "no case_id" in panel.ui.manifestHint.text
    panel.ui.manifest.currentPath = str(manifest(3))
    assert "3 cases of 3 patients; images: T1C." in panel.ui.manifestHint.text
    panel.ui.output.currentPath = str(tmp_path / "table.txt")
    assert "table.txt is no table's name" in reasons(panel)
    panel.ui.output.currentPath = str(tmp_path / "nowhere" / "table.csv")
    assert "nowhere does not exist" in reasons(panel)
    panel.ui.output.currentPath = panel.ui.manifest.currentPath
    assert "would replace the manifest" in reasons(panel)
    panel.ui.output.currentPath = str(tmp_path / "table")  # a name without an ending becomes .csv
    assert panel.ui.applyButton.enabled
    assert panel.ui.tableStep.text.endswith("✓ table.csv")
    assert "no two cases" in panel.ui.readers.toolTip
    panel.parameters.readers = True
    assert "fewer than two cases with mask and mask_second_reader" in reasons(panel)
    panel.ui.manifest.currentPath = str(manifest(3, second=True))
    panel.update()
    assert panel.ui.applyButton.enabled
    assert "3 of them were outlined by two readers" in panel.ui.manifestHint.text
    assert "one case after the other" in panel.ui.jobs.toolTip
    panel.ui.output.currentPath = str(tmp_path / "table.parquet")
    assert "end it in .csv." in reasons(panel)


def test_no_package_is_imported_for_the_panel(repository: Path) -> None:
    """Neither torch nor PyRadiomics nor a plotting library comes with the panel's modules."""
    import subprocess
    import sys

    program = (
        "import sys; sys.path.insert(0, 'Testing/Standin'); from start import start; start()\n"
        "import FeatureExtractorLib.panel.panel\n"
        "print([name for name in ('torch', 'radiomics', 'matplotlib', 'pandas', 'sklearn') if name in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=repository, timeout=120, check=False
    )
    assert found.stdout.strip() == "[]", found.stderr[-2000:]
