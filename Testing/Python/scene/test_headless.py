"""The scene without Slicer, and that its complaints are heard."""

from typing import Any


def test_there_is_one_scene_a_process(headless: Any) -> None:
    import slicer

    from TumorClassifierLib.scene.headless import start

    assert start() is headless
    assert slicer.mrmlScene is headless.scene
    assert slicer.app.applicationLogic() is headless.application_logic


def test_logics_answer_as_in_slicer(headless: Any) -> None:
    import slicer

    for name in ("segmentations", "volumes", "tables", "plots", "colors", "subjecthierarchy"):
        assert getattr(slicer.modules, name).logic().GetMRMLScene() is headless.scene


def test_default_nodes_survive_closing_the_scene(scene: Any) -> None:
    scene.Clear()
    assert scene.GetFirstNodeByClass("vtkMRMLSelectionNode") is not None
    assert scene.GetNodeByID("vtkMRMLColorTableNodeGrey") is not None


def test_what_vtk_complains_about_is_caught(headless: Any) -> None:
    """Without this the other tests could pass over errors."""
    import vtk
    from vtk_messages import captured

    with captured() as window:
        vtk.vtkPNGReader().Update()
    assert "vtkPNGReader" in window.GetOutput()
