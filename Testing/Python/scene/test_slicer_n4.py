"""Slicer's own N4 as a choice: what it is asked, what comes back, and that it leaves nothing behind.

The command-line module itself is part of the desktop application; here ITK's filter stands in its place.
"""

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.phantom import head_phantom
from TumorClassifierLib.scene.slicer_n4 import MODULE, corrected_by_slicer
from TumorClassifierLib.scene.volumes import add_segmentation, add_volume, image_of


@pytest.fixture
def cli(headless: Any, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Slicer's N4 module in this scene; records what it was asked."""
    import slicer

    done, failed = slicer.vtkMRMLCommandLineModuleNode(), slicer.vtkMRMLCommandLineModuleNode()
    for node in (done, failed):
        slicer.mrmlScene.AddNode(node)
    asked: list[dict[str, Any]] = []

    def run_sync(module: Any, node: None, parameters: dict[str, Any]) -> Any:
        asked.append(parameters)
        source = sitk.Cast(image_of(parameters["inputImageName"]), sitk.sitkFloat32)
        if float(sitk.GetArrayViewFromImage(source).max()) < 1:
            return failed
        made = add_volume(slicer.mrmlScene, source * 2.0, "made")
        parameters["outputImageName"].SetAndObserveImageData(made.GetImageData())
        parameters["outputImageName"].CopyOrientation(made)
        parameters["outputImageName"].SetAndObserveDisplayNodeID(made.GetDisplayNode().GetID())
        slicer.mrmlScene.RemoveNode(made)
        return done

    failed.SetStatus(failed.CompletedWithErrors, False)
    failed.SetErrorText("mask is\nempty", False)
    module = ModuleType("slicer.cli")
    module.runSync = run_sync  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "slicer.cli", module)
    monkeypatch.setattr(slicer, "cli", module, raising=False)
    monkeypatch.setattr(slicer.modules, MODULE, SimpleNamespace(), raising=False)
    return asked


def nodes_of(scene: Any) -> set[str]:
    return {scene.GetNthNode(i).GetID() for i in range(scene.GetNumberOfNodes())}


def test_the_corrected_volume_comes_back_and_nothing_stays(scene: Any, cli: list[dict[str, Any]]) -> None:
    volume = add_volume(scene, head_phantom()[0], "T1C")
    before = nodes_of(scene)
    corrected = corrected_by_slicer(scene, volume)
    np.testing.assert_allclose(
        sitk.GetArrayViewFromImage(corrected), 2 * sitk.GetArrayFromImage(image_of(volume)), rtol=1e-6
    )
    assert nodes_of(scene) <= before
    assert set(cli[0]) == {"inputImageName", "outputImageName"}, "the module's own defaults are used"


def test_its_failure_is_a_sentence(scene: Any, cli: list[dict[str, Any]]) -> None:
    dark = sitk.GetImageFromArray(np.linspace(0, 0.5, 1000, dtype=np.float32).reshape(10, 10, 10))
    volume = add_volume(scene, dark, "dark")
    before = nodes_of(scene)
    with pytest.raises(InputError, match="Slicer's N4 failed .mask is empty"):
        corrected_by_slicer(scene, volume)
    assert nodes_of(scene) <= before


def test_without_the_module_the_remedy_is_named(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import slicer

    volume = add_volume(scene, head_phantom()[0], "T1C")
    monkeypatch.delattr(slicer.modules, MODULE, raising=False)
    with pytest.raises(InputError, match="choose the fast N4"):
        corrected_by_slicer(scene, volume)


def test_features_change_with_the_chosen_correction(scene: Any, cli: list[dict[str, Any]], slicer_module: Any) -> None:
    image, mask = head_phantom()
    volume = add_volume(scene, image, "T1C")
    segmentation = add_segmentation(scene, mask, volume, "outline")
    segment = segmentation.GetSegmentation().GetNthSegmentID(0)
    logic = slicer_module("FeatureExtractor").FeatureExtractorLogic()
    means = {}
    for n4 in ("none", "slicer"):
        table = logic.extract(volume, segmentation, [segment], n4=n4).GetTable()
        names = [table.GetColumnByName("Name").GetValue(i) for i in range(table.GetNumberOfRows())]
        column = table.GetColumnByName(segmentation.GetSegmentation().GetSegment(segment).GetName())
        means[n4] = column.GetValue(names.index("original_firstorder_Mean"))
    assert means["slicer"] == pytest.approx(2 * means["none"], rel=1e-6)
