"""Bias correction by Slicer's own command-line module, for whoever wants exactly what Slicer does."""

from typing import Any

import SimpleITK as sitk

from FeatureExtractorLib.errors import InputError

from .volumes import image_of

MODULE = "n4itkbiasfieldcorrection"


def corrected_by_slicer(scene: Any, volume_node: Any) -> sitk.Image:
    """The volume as Slicer's N4ITKBiasFieldCorrection corrects it with its defaults; no node is left behind.

    Raises InputError where Slicer runs without its command-line modules, and with the module's own words when it
    fails.
    """
    import slicer

    module = getattr(slicer.modules, MODULE, None)
    if module is None:
        raise InputError(
            "Slicer's N4ITKBiasFieldCorrection module is not loaded; start Slicer with its command-line modules, or "
            "choose the fast N4, which gives the same result."
        )
    import slicer.cli

    output = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", f"{volume_node.GetName()} corrected")
    run = None
    try:
        parameters = {"inputImageName": volume_node, "outputImageName": output}
        run = slicer.cli.runSync(module, None, parameters)
        if run.GetStatus() & run.ErrorsMask:
            raise InputError(f"Slicer's N4 failed ({' '.join(run.GetErrorText().split())[:300]}); use the fast N4.")
        return image_of(output)
    finally:
        if run is not None:
            scene.RemoveNode(run)
        for i in reversed(range(output.GetNumberOfDisplayNodes())):
            scene.RemoveNode(output.GetNthDisplayNode(i))
        scene.RemoveNode(output)
