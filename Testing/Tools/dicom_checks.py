"""What the tests of written DICOM share: a prediction with features, a mask, and judges of the files."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

PREDICTION: dict[str, Any] = {
    "case": {"case_id": "visit-7", "segment": ""},
    "model": {"name": "menin-vs-glioma", "version": "3", "sha256": "0123abcd" * 8},
    "classes": ["Meningeom (Grad 1)", "högradigt gliom ≥ 3 \\ with a long name that goes on and on and on"],
    "positive": "Meningeom (Grad 1)",
    "probabilities": {
        "Meningeom (Grad 1)": 1 / 3,
        "högradigt gliom ≥ 3 \\ with a long name that goes on and on and on": 2 / 3,
    },
    "predicted": "Meningeom (Grad 1)",
    "threshold": 0.3,
    "interval": {"low": 0.1234567890123456, "high": 0.7, "level": 0.95},
    "prediction_set": {"classes": ["Meningeom (Grad 1)"], "level": 0.9},
    "warnings": [{"code": "outside-training-range", "text": "The age, 93, is outside what the model has seen."}],
    "provenance": {
        "engine": "native 1.0",
        "radiomics": {"setting": {"binWidth": 25}},
        "settings": {"preparation": {"intensity": "none", "n4": "none"}},
    },
}
FEATURES = {
    "T2.original_glcm_Contrast": 1 / 3,
    "T2.wavelet-LLH_glcm_Contrast": np.pi * 1e-300,
    "T2.original_firstorder_Kurtosis": 3.25,
    "T2.original_firstorder_Mean": -12.345678901234567,
    "T2.original_firstorder_Energy": 1e12 / 7,
    "T2.original_shape_MeshVolume": 123456.78901234567,
    "T2.log-sigma-10-5-mm-3D_gldm_LargeDependenceHighGrayLevelEmphasis": 2.0,
    "T2.diagnostics_Image-original_Mean": 17.0,
    "T1C.original_glcm_Contrast": 4e300,
    "T2.original_glcm_MCC": float("nan"),
    "T2.original_ngtdm_Coarseness": float("inf"),
}


def voxels(image: sitk.Image) -> np.ndarray:
    return sitk.GetArrayFromImage(image)


def drawn(image: sitk.Image, seed: int = 1) -> sitk.Image:
    """A scattered mask without any symmetry, empty in some slices."""
    rng = np.random.default_rng(seed)
    array = (rng.random(image.GetSize()[::-1]) < 0.1).astype(np.uint8)
    array[[0, 3]] = 0
    array[1, 2, 3] = array[-1, -1, -1] = 1
    mask = sitk.GetImageFromArray(array)
    mask.CopyInformation(image)
    return mask


def positions(dataset: Any) -> list[tuple[float, ...]]:
    """Where a SEG's inner voxels lie, mm, by PS3.3 equation C.7.6.2.1-1 and its headers alone."""
    shared = dataset.SharedFunctionalGroupsSequence[0]
    down, across = (float(v) for v in shared.PixelMeasuresSequence[0].PixelSpacing)
    found = []
    pixels = dataset.pixel_array.reshape(-1, dataset.Rows, dataset.Columns)
    for frame, plane in zip(dataset.PerFrameFunctionalGroupsSequence, pixels, strict=True):
        orientation = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float)
        origin = np.array(frame.PlanePositionSequence[0].ImagePositionPatient, float)
        for row, column in np.argwhere(plane):
            found.append(tuple(origin + orientation[:3] * across * column + orientation[3:] * down * row))
    return found


def errors_of(path: Path) -> list[str]:
    """What dciodvfy finds wrong."""
    told = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, errors="replace")
    lines = (told.stdout + told.stderr).splitlines()
    assert any(line in ("Segmentation", "Comprehensive3DSR") for line in lines), lines
    return [line for line in lines if line.startswith(("Error", "Abort"))]


def assert_valid(folder: Path) -> None:
    """Both files by dicom3tools and DCMTK, where they are installed."""
    if not all(shutil.which(tool) for tool in ("dciodvfy", "dsrdump", "dcmdump")):
        pytest.skip("dicom3tools or dcmtk is not installed, so nobody else judged the files")
    for name in ("segment.dcm", "report.dcm"):
        assert errors_of(folder / name) == []
        subprocess.run(["dcmdump", "-q", str(folder / name)], check=True, capture_output=True)
    dumped = subprocess.run(["dsrdump", "+Pl", str(folder / "report.dcm")], check=True, capture_output=True)
    text, told = (part.decode("utf-8", "replace") for part in (dumped.stdout, dumped.stderr))
    assert "Comprehensive 3D SR Document" in text and "For research use only" in text
    assert not [line for line in told.splitlines() if line.startswith(("E:", "F:"))]
