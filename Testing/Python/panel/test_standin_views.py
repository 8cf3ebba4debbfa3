"""The main window and its views draw the scene; without them there is no layout manager, as in Slicer's own tests."""

from pathlib import Path
from typing import Any

import numpy as np


def test_views_show_a_volume_and_a_segmentation(window: Any, standin: Any) -> None:
    import slicer

    from FeatureExtractorLib.phantom import head_phantom
    from TumorClassifierLib.scene.volumes import add_segmentation, add_volume

    image, mask = head_phantom()
    volume = add_volume(standin.scene, image, "Phantom")
    manager = slicer.app.layoutManager()
    assert manager.sliceViewNames() == ("Red", "Green", "Yellow")
    slicer.util.setSliceViewerLayers(background=volume, fit=True)
    standin.process(0.1)
    canvas = manager.sliceWidget("Red").sliceView()
    grey = np.asarray(canvas._object._view.pixels())
    assert grey.max() > 150
    assert np.ptp(grey.astype(int), axis=2).max() == 0
    segmentation = add_segmentation(standin.scene, mask, volume, "Outline")
    segmentation.GetDisplayNode().SetVisibility2DFill(True)
    standin.process(0.1)
    assert np.ptp(np.asarray(canvas._object._view.pixels()).astype(int), axis=2).max() > 100


def test_modules_are_shown_one_after_the_other(window: Any, standin: Any) -> None:
    import slicer

    standin.load(Path(__file__).parent / "modules" / "Sample.py")
    slicer.util.selectModule("Sample")
    assert slicer.util.selectedModule() == "Sample"
    panel = slicer.modules.SampleWidget
    assert panel.parent.isEntered
    slicer.util.selectModule("Data")
    assert not panel.parent.isEntered
    standin.close("Sample")
    assert panel.cleaned


def test_layouts_are_told(window: Any) -> None:
    import slicer

    manager, told = slicer.app.layoutManager(), []
    manager.layout = 3
    manager.connect("layoutChanged(int)", lambda layout: told.append(layout))
    manager.setLayout(34)
    assert told == [34] and manager.layout == 34


def test_without_a_window_there_is_no_layout_manager(standin: Any) -> None:
    import slicer

    assert slicer.app.layoutManager() is None
    assert slicer.util.mainWindow() is None
