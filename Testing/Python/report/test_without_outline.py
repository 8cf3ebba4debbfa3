"""The patient report of a model that measures no tumour: no outline, no nomogram, no interval."""

import io
import re
from functools import cache

import numpy as np
import pytest
import SimpleITK as sitk

from FeatureExtractorLib.phantom import head_phantom
from TumorClassifierLib.report import patient_pdf, patient_report, tumour_picture
from TumorClassifierLib.results import ClassificationResult

MODEL = {
    "recipe": "volume-cnn",
    "publication": "Someone 2021",
    "cohort": {"patients": 9, "cases": 9, "patients_by_class": {"healthy": 3, "glioma": 3, "meningioma": 3}},
    "metrics": {"network": {"auc": {"value": 0.5, "low": 0.3, "high": 0.7}}},
}


@cache
def phantom() -> tuple[sitk.Image, sitk.Image]:
    """One drawing for all."""
    return head_phantom()


def result(cam: sitk.Image | None = None, focus: dict | None = None) -> ClassificationResult:
    chances = {"healthy": 0.2, "glioma": 0.7, "meningioma": 0.1}
    prediction = {
        "case": {"case_id": "a", "segment": ""},
        "model": {"name": "m", "version": "1", "sha256": "0" * 64},
        "classes": list(chances),
        "positive": "glioma",
        "probabilities": chances,
        "predicted": "glioma",
        "threshold": None,
        "scores": {},
        "by_class": {},
        "model_probabilities": {"network": chances},
        "nomogram_points": {},
        "interval": None,
        "prediction_set": {"classes": ["glioma"], "level": 0.9, "text": "Only glioma fits."},
        "contributions": [],
        "warnings": [],
        "provenance": {"inputs": {}, "seconds": {}, "versions": {}, "engine": None, "settings": {}},
        **({"focus": focus} if focus else {}),
    }
    return ClassificationResult(prediction, cam, {}, {}, {})


def pixels(png: bytes) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def test_it_claims_no_interval_score_or_engine() -> None:
    image = phantom()[0]
    report = patient_report(result(), MODEL, tumour_picture(image, None, None), outlined=False)
    text = re.sub(r"<style.*?</style>", "", report, flags=re.DOTALL)
    assert "Probability of glioma: 0.700. The class with the largest probability is called." in text
    assert "The middle axial slice." in text
    for word in ("interval 0", "Nomogram", "<h2>Scores", "radiomics engine", "outline"):
        assert word not in text, word


def test_the_share_of_the_map_in_the_tumour_is_told() -> None:
    image, mask = phantom()
    cam = sitk.Cast(mask, sitk.sitkFloat32)
    made = result(cam, {"inside": 0.42, "dice": 0.318})
    report = patient_report(made, MODEL, tumour_picture(image, mask, cam))
    assert "42 % of the map lies in the outlined tumour" in report.replace("\N{NO-BREAK SPACE}", " ")
    assert "0.32" in report


def test_the_picture_shows_the_slice_of_the_strongest_activation() -> None:
    """The map's own slice is drawn, and its colours in one of the two pictures alone."""
    image = phantom()[0]
    cam = sitk.Image(image.GetSize(), sitk.sitkFloat32)
    cam.CopyInformation(image)
    empty = pixels(tumour_picture(image, None, cam))
    z = image.GetSize()[2] // 3
    for i in range(-8, 9):
        for j in range(-8, 9):
            cam[image.GetSize()[0] // 2 + i, image.GetSize()[1] // 2 + j, z] = 1.0
    drawn = pixels(tumour_picture(image, None, cam))
    assert drawn.shape == empty.shape
    half = drawn.shape[1] // 2
    coloured = np.ptp(drawn, axis=2) > 40
    assert not coloured[:, : half - 60].any() and coloured[:, half:].any()


def test_it_can_be_printed() -> None:
    pytest.importorskip("reportlab")
    image = phantom()[0]
    assert patient_pdf(result(), MODEL, tumour_picture(image, None, None), outlined=False).startswith(b"%PDF")
