"""A result as the shipped three-class model gives it, made at once: its own nomograms, a map with a marked voxel."""

from functools import lru_cache
from typing import Any

import numpy as np
import SimpleITK as sitk

MODEL = "brain-t1c-3class"
PEAK = (5, 7, 4)  # the voxel (x, y, z) where the map is largest
SIZE = (20, 16, 12)


def made_image(direction: Any = None, spacing: tuple[float, float, float] = (1.0, 1.5, 3.0)) -> sitk.Image:
    """A grey volume of some geometry."""
    image = sitk.Image(SIZE, sitk.sitkFloat32) + 100.0
    image.SetSpacing(spacing)
    image.SetOrigin((-12.0, 30.0, 7.0))
    if direction is not None:
        image.SetDirection(np.asarray(direction, dtype=float).ravel().tolist())
    return image


def made_mask(image: sitk.Image) -> sitk.Image:
    """A box around the marked voxel."""
    mask = sitk.Image(image.GetSize(), sitk.sitkUInt8)
    mask.CopyInformation(image)
    x, y, z = PEAK
    mask[x - 3 : x + 4, y - 3 : y + 4, z - 2 : z + 3] = 1
    return mask


@lru_cache(maxsize=1)
def model() -> Any:
    """The shipped model, read once."""
    from TumorClassifierLib.store import load_model

    return load_model(MODEL)


def made_result(image: sitk.Image, mask: sitk.Image | None, **changes: Any) -> Any:
    """changes: of the prediction."""
    from TumorClassifierLib.explain.focus import focus_of
    from TumorClassifierLib.results import ClassificationResult

    bundle = model()
    nomograms = bundle.documents["description"]["nomograms"]
    cam = sitk.Image(image.GetSize(), sitk.sitkFloat32)
    cam.CopyInformation(image)
    x, y, z = PEAK
    cam[x - 1 : x + 2, y, z] = 0.5
    cam[PEAK] = 1.0
    scores = {"Rad-score": 0.5, "DTL-score": 0.6}
    prediction = {
        "case": {"case_id": "Case 1", "segment": "Tumour"},
        "model": {"name": MODEL, "version": bundle.manifest["version"], "sha256": bundle.sha256},
        "classes": list(bundle.manifest["classes"]),
        "positive": "glioma",
        "probabilities": {"glioma": 0.7, "meningioma": 0.25, "pituitary": 0.05},
        "predicted": "glioma",
        "threshold": None,
        "scores": scores,
        "by_class": {},
        "model_probabilities": {},
        "nomogram_points": {"Rad-score": 30.0, "DTL-score": 50.0, "total": 80.0},
        "interval": {"low": 0.6, "high": 0.8, "level": 0.95},
        "prediction_set": {"classes": ["glioma", "meningioma"], "level": 0.9, "text": ""},
        "contributions": [
            {"block": "Rad-score", "feature": "T1C.original_firstorder_Mean", "value": 12.5, "contribution": 0.8},
            {"block": "DTL-score", "feature": "DTL_206", "value": 0.25, "contribution": -0.4},
        ],
        "warnings": [{"code": "unlike", "text": "The tumour is unlike those of the training."}],
        "map": {"class": "glioma", "method": "grad-cam"},
        "provenance": {"seconds": {"measuring": 1.5}, "inputs": {}, "versions": {}, "engine": None},
        **({"focus": focus_of(cam, mask)} if mask is not None else {}),
        **changes,
    }
    values = dict.fromkeys(nomograms, scores)
    features = {"T1C.original_firstorder_Mean": 12.5, "T1C.original_shape_Sphericity": float("nan")}
    return ClassificationResult(prediction, cam, nomograms, values, features)


def shown_case(scene: Any, image: sitk.Image | None = None, outlined: bool = True, **changes: Any) -> Any:
    """(shown, result, volume node, segmentation node or None) of a made result in the scene."""
    from TumorClassifierLib.scene import results
    from TumorClassifierLib.scene.explanation import evidence_of
    from TumorClassifierLib.scene.volumes import add_segmentation, add_volume

    image = made_image() if image is None else image
    mask = made_mask(image) if outlined else None
    volume = add_volume(scene, image, "MRHead")
    segmentation = add_segmentation(scene, mask, volume, "Outline") if mask is not None else None
    result = made_result(image, mask, **changes)
    drawn, results.nomogram_figure = results.nomogram_figure, small_picture
    try:
        shown = results.show_result(
            scene, volume, segmentation, result.prediction, result.cam, result.nomogram, evidence_of(result)
        )
    finally:
        results.nomogram_figure = drawn
    return shown, result, volume, segmentation


def small_picture(scene: Any, *_others: Any) -> Any:
    """A picture in the place of the nomogram's, whose drawing takes a second."""
    import vtk

    data = vtk.vtkImageData()
    data.SetDimensions(60, 20, 1)
    data.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 3)
    data.GetPointData().GetScalars().Fill(200)
    node = scene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "Nomogram (figure)")
    node.SetAndObserveImageData(data)
    node.CreateDefaultDisplayNodes()
    return node


def inputs_of(volume: Any, segmentation: Any | None, modality: str = "T1C") -> Any:
    """What was classified, as step 5 says it."""
    from TumorClassifierLib.panel.result_nodes import Inputs

    segment = segmentation.GetSegmentation().GetNthSegmentID(0) if segmentation is not None else ""
    return Inputs({modality: volume}, segmentation, segment)


def show_in(step: Any, scene: Any, **changes: Any) -> tuple[Any, Any, Any]:
    """Show a made result in the step; returns its volume, segmentation and result."""
    shown, result, volume, segmentation = shown_case(scene, **changes)
    step.show(shown, result, volume, inputs_of(volume, segmentation))
    return volume, segmentation, result
