"""The work on one case: classify it, correct its bias field, write it as DICOM."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from FeatureExtractorLib.case import ClinicalValue
from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.progress import Progress
from FeatureExtractorLib.reading import read_case, read_image, read_mask

from .works import Tell


def classify(
    folder: Path,
    progress: Progress,
    tell: Tell,
    *,
    model: str,
    images: Mapping[str, str],
    mask: str | None = None,
    masks: Mapping[str, str] | None = None,
    segment: str = "",
    case_id: str = "",
    clinical: Mapping[str, ClinicalValue] | None = None,
    activation: str | None = None,
    target: str | None = None,
    engine: str = "auto",
) -> dict[str, Any]:
    """Classify a case as `tumorclassifier classify` does, and write what `result_files.read_result` reads.

    Also report.html, report.pdf and nomogram.svg; no scene, for the host has one. model: a name or a file. masks: of
    modalities on which the tumour was outlined by itself. activation: how the map is made; target: the class that it
    is of, by default the called one. engine: "auto", the one that the model was trained with.
    """
    from ..classify import alignment_of, classify_case, slice_spacing_of
    from ..outputs import write_outputs
    from ..result_files import write_result
    from ..store import load_model

    if engine != "auto":
        raise InputError(
            f"A model measures with the engine that it was trained with, not with {engine}; ask for auto."
        )
    progress("reading", 0.0)
    bundle = load_model(model)
    case = read_case(
        {name: Path(path) for name, path in images.items()},
        Path(mask) if mask else None,
        case_id=case_id or "unnamed",
        segment=segment,
        clinical=clinical,
        slice_spacing=slice_spacing_of(bundle),
        masks={name: Path(path) for name, path in (masks or {}).items()},
        alignment=alignment_of(bundle),
    )
    progress("reading", 1.0)
    result = classify_case(case, bundle, progress, activation, target)
    _, _, notes = write_outputs(case, bundle, result, folder, progress, scene=False)
    write_result(result, folder)
    return {"predicted": result.prediction["predicted"], "notes": notes}


def correct(
    folder: Path, progress: Progress, tell: Tell, *, image: str, mask: str | None = None, engine: str = "fast"
) -> dict[str, Any]:
    """Correct the bias field of an image: corrected.nrrd and bias_field.nrrd, float32, on its own grid.

    mask: where the field is found, by default by Otsu's threshold. engine: "fast", or "itk" as Slicer's own module.
    """
    from FeatureExtractorLib.preprocessing.n4 import correct_bias_field

    progress("reading", 0.0)
    volume = read_image(Path(image))
    inside = read_mask(Path(mask), reference=volume) if mask else None
    progress("bias field", 0.0)
    found = correct_bias_field(volume, inside, method=engine)
    progress("writing", 0.0)
    sitk.WriteImage(found.corrected, str(folder / "corrected.nrrd"), useCompression=True)
    sitk.WriteImage(sitk.Exp(found.log_field), str(folder / "bias_field.nrrd"), useCompression=True)
    field = np.exp(sitk.GetArrayViewFromImage(found.log_field))
    return {
        "method": found.method,
        "warnings": list(found.warnings),
        "field": {"low": float(field.min()), "high": float(field.max())},
    }


def dicom(
    folder: Path,
    progress: Progress,
    tell: Tell,
    *,
    images: Mapping[str, str],
    mask: str,
    result: str,
    segment: str = "",
    deidentify: bool = False,
) -> dict[str, Any]:
    """Write the segment (segment.dcm) and a structured report (report.dcm) of a classified case.

    images: DICOM folders by modality, first the one that the mask was drawn on. mask, segment: as in `classify`.
    result: the folder that `classify` has left.
    """
    from ..dicom_output import dicom_series, write_dicom
    from ..dicom_output_segment import outline_of
    from ..result_files import read_result

    progress("reading", 0.0)
    series = dicom_series({name: Path(path) for name, path in images.items()})
    classified = read_result(Path(result))
    drawn = read_mask(Path(mask), segment, reference=read_image(next(iter(series.values()))))
    progress("writing", 0.0)
    outline = outline_of(Path(mask), segment)
    _, notes = write_dicom(series, drawn, classified.prediction, classified.features, folder, deidentify, outline)
    return {"files": ["segment.dcm", "report.dcm"], "notes": notes}
