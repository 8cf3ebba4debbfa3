"""A module in the form of Slicer's template lives on the stand-in as it does in Slicer."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def panel(standin: Any) -> Iterator[Any]:
    """The panel of the sample module."""
    standin.load(Path(__file__).parent / "modules" / "Sample.py")
    yield standin.open("Sample")
    standin.close("Sample")


def volume(standin: Any, name: str = "T1C") -> Any:
    return standin.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)


def test_parameters_and_widgets_follow_each_other(panel: Any, standin: Any) -> None:
    from Sample import Correction

    assert (panel.ui.countBox.value, panel.ui.correctionBox.currentText) == (3, "Fast N4")
    assert (panel.ui.thresholdSlider.maximum, panel.ui.thresholdSlider.value) == (1, 0.25)
    panel.ui.thresholdSlider.value = 0.5
    panel.ui.nameEdit.text = "core"
    panel.ui.invertBox.checked = True
    panel.ui.correctionBox.currentIndex = 0
    panel.ui.presetBox.currentText = "full"
    panel.ui.folderEdit.currentPath = "folder/x"
    parameters = panel.logic.getParameterNode()
    assert (parameters.threshold, parameters.name, parameters.invert) == (0.5, "core", True)
    assert (parameters.correction, parameters.preset) == (Correction.NONE, "full")
    assert parameters.folder == Path("folder/x")
    parameters.classes = ["low", "high"]
    parameters.count = 8
    assert panel.ui.countBox.value == 8
    assert parameters.classes == ["low", "high"]
    with pytest.raises(ValueError, match="range"):
        parameters.threshold = 3.0
    assert parameters.threshold == 0.5


def test_a_node_is_chosen_removed_and_chosen_again(panel: Any, standin: Any) -> None:
    assert not panel.ui.applyButton.enabled
    assert panel.ui.applyButton.toolTip == "Choose a volume first."
    first, second = volume(standin), volume(standin, "T2")
    panel.ui.inputSelector.setCurrentNode(first)
    assert panel.parameters.inputVolume is first
    assert panel.ui.applyButton.enabled
    panel.ui.applyButton.click()
    assert panel.applied == 1
    standin.scene.RemoveNode(first)
    assert panel.parameters.inputVolume is None
    panel.parameters.inputVolume = second
    assert panel.ui.inputSelector.currentNode() is second
    second.SetName("renamed")
    assert panel.ui.inputSelector.findChild("QComboBox").currentText == "renamed"
    with pytest.raises(TypeError):
        panel.parameters.inputVolume = standin.scene.AddNewNodeByClass("vtkMRMLTableNode")


def test_closing_the_scene_and_reloading_the_module(panel: Any, standin: Any) -> None:
    import slicer

    panel.parameters.inputVolume = volume(standin)
    panel.parameters.name = "other"
    standin.scene.Clear()
    assert panel.parameters.inputVolume is None
    assert panel.parameters.name == "tumour"
    panel.onReload()
    assert panel.cleaned
    again = slicer.modules.SampleWidget
    assert again is not panel
    again.ui.nameEdit.text = "after reload"
    assert again.parameters.name == "after reload"


def test_choices_survive_a_saved_scene(panel: Any, standin: Any, tmp_path: Path) -> None:
    panel.parameters.inputVolume = volume(standin)
    panel.parameters.threshold = 0.75
    standin.scene.Commit(str(tmp_path / "scene.mrml"))
    standin.scene.Clear()
    assert panel.ui.thresholdSlider.value == 0.25
    standin.scene.SetURL(str(tmp_path / "scene.mrml"))
    standin.scene.Connect()
    assert panel.ui.thresholdSlider.value == 0.75


def test_the_modules_own_test_runs(panel: Any) -> None:
    import slicer
    from Sample import SampleTest

    slicer.selfTests["Sample"]()
    assert SampleTest.ran == 1


@pytest.mark.parametrize("name", ["TumorClassifier", "FeatureExtractor"])
def test_panel_opens_reloads_and_closes(name: str, module: Callable[[str], Any], standin: Any) -> None:
    import slicer

    panel = module(name)
    assert panel.moduleName == name
    assert getattr(slicer.modules, name.lower()).title
    panel.onReload()
    assert getattr(slicer.modules, f"{name}Widget") is not panel
    standin.process(0.05)
