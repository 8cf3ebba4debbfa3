"""`slicer.cli` with one command line module, N4, computed by SimpleITK on a quarter of the grid."""

import types
from typing import Any

import slicer

N4 = "N4ITKBiasFieldCorrection"


def command_line() -> types.ModuleType:
    """The functions of `slicer.cli`."""
    module = types.ModuleType("slicer.cli")
    for function in (createNode, setNodeParameters, run, runSync, cancel):
        setattr(module, function.__name__, function)
    return module


def n4_module() -> Any:
    """What `slicer.modules.n4itkbiasfieldcorrection` is asked for."""
    return types.SimpleNamespace(name=N4, title="N4ITK MRI Bias correction", path="N4", logic=lambda: None)


def createNode(module: Any, parameters: dict[str, Any] | None = None) -> Any:
    """The node of one run."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLCommandLineModuleNode", module.name)
    setNodeParameters(node, parameters or {})
    return node


def setNodeParameters(node: Any, parameters: dict[str, Any]) -> None:
    """As in Slicer, a value of a type that it does not know is left out with no more than a printed line."""
    for name, value in parameters.items():
        if isinstance(value, slicer.vtkMRMLNode):
            value = value.GetID()
        if isinstance(value, (list, tuple)):
            value = ",".join(str(item) for item in value)
        if type(value).__module__ == "numpy" and not isinstance(value, float):
            print(f"parameter {name} has a type that Slicer's command line does not take: {type(value)}")
            continue
        node.SetAttribute(f"parameter {name}", str(value))


def run(
    module: Any,
    node: Any = None,
    parameters: dict[str, Any] | None = None,
    wait_for_completion: bool = False,
    delete_temporary_files: bool = True,
    update_display: bool = True,
) -> Any:
    """Start a module; without waiting it is done when the event loop runs again, unless it is cancelled before."""
    if node is None:
        node = createNode(module, parameters)
    else:
        setNodeParameters(node, parameters or {})
    node.SetStatus(node.Scheduled)
    if wait_for_completion:
        _compute(node)
    else:
        import qt

        qt.QTimer.singleShot(0, lambda: _compute(node))
    return node


def runSync(module: Any, node: Any = None, parameters: dict[str, Any] | None = None, **_options: Any) -> Any:
    """Run a module and wait for it."""
    return run(module, node, parameters, wait_for_completion=True)


def cancel(node: Any) -> None:
    """Stop a run."""
    node.Cancel()


def _compute(node: Any) -> None:
    import SimpleITK as sitk

    from TumorClassifierLib.scene.volumes import add_volume, image_of

    if node.GetStatus() != node.Scheduled:
        node.SetStatus(node.Cancelled)
        return
    node.SetStatus(node.Running)
    source, output = (
        slicer.mrmlScene.GetNodeByID(node.GetAttribute(f"parameter {name}") or "")
        for name in ("inputImageName", "outputImageName")
    )
    if source is None or output is None:
        node.SetErrorText("input and output image are needed", False)
        node.SetStatus(node.CompletedWithErrors)
        return
    image = sitk.Cast(image_of(source), sitk.sitkFloat32)
    small = sitk.Shrink(image, [4 if size >= 16 else 1 for size in image.GetSize()])
    correction = sitk.N4BiasFieldCorrectionImageFilter()
    correction.SetMaximumNumberOfIterations([10, 10])
    correction.Execute(small, sitk.OtsuThreshold(small, 0, 1))
    made = add_volume(slicer.mrmlScene, image / sitk.Exp(correction.GetLogBiasFieldAsImage(image)), "made by N4")
    output.SetAndObserveImageData(made.GetImageData())
    output.CopyOrientation(made)
    output.CreateDefaultDisplayNodes()
    for i in reversed(range(made.GetNumberOfDisplayNodes())):
        slicer.mrmlScene.RemoveNode(made.GetNthDisplayNode(i))
    slicer.mrmlScene.RemoveNode(made)
    node.SetStatus(node.Completed)
