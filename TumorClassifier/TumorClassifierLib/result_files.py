"""A classification's result as files in a folder: written by the process that classified, read by whoever shows it."""

from collections.abc import Mapping
from math import isfinite, nan
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.files import atomic_folder, copied_to, json_text
from FeatureExtractorLib.reading import read_image

from .findings import Findings
from .results import ClassificationResult
from .strict_json import parse_json

PREDICTION, MAP, NOMOGRAM = "prediction.json", "cam.nrrd", "nomogram.json"
FEATURES, FINDINGS = "case_features.json", "findings.json"
DOCUMENTS = (PREDICTION, NOMOGRAM, FEATURES, FINDINGS)


def write_result(result: ClassificationResult, folder: Path) -> None:
    """Write a result into a folder, all of it or nothing; `read_result` reads it back.

    Raises InputError when the folder cannot be written to.
    """
    documents = {
        PREDICTION: dict(result.prediction),
        NOMOGRAM: {"nomograms": _plain(result.nomograms), "values": _plain(result.nomogram_values)},
        FEATURES: {name: value if isfinite(value) else None for name, value in result.features.items()},
        FINDINGS: result.findings.to_json(),
    }
    with atomic_folder(folder) as unfinished:
        for name, document in documents.items():
            (unfinished / name).write_text(json_text(document), encoding="utf-8")
        if result.cam is not None:
            with copied_to(unfinished / MAP) as written:
                sitk.WriteImage(result.cam, str(written), useCompression=True)
    if result.cam is None:
        (folder / MAP).unlink(missing_ok=True)


def read_result(folder: Path) -> ClassificationResult:
    """The result that a folder holds; raises InputError when a file is missing or damaged."""
    folder = Path(folder)
    prediction, nomogram, features, findings = (_document(folder / name) for name in DOCUMENTS)
    try:
        return ClassificationResult(
            prediction,
            read_image(folder / MAP) if (folder / MAP).is_file() else None,
            nomogram["nomograms"],
            nomogram["values"],
            {name: nan if value is None else float(value) for name, value in features.items()},
            Findings.from_json(findings),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{folder} does not hold a whole result ({type(error).__name__}: {error}); classify the case again."
        ) from error


def _document(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise InputError(f"{path} is missing, so there is no result to show; classify the case again.")
    try:
        document = parse_json(path.read_bytes())
    except (ValueError, OSError) as error:
        raise InputError(f"{path} cannot be read ({error}); classify the case again.") from error
    if not isinstance(document, dict):
        raise InputError(f"{path} is not what classifying writes; classify the case again.")
    return document


def _plain(by_class: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    return {name: dict(content) for name, content in by_class.items()}
