"""What the worker is asked for about a result that is in the scene: another map, its report, its DICOM form."""

import shutil
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from FeatureExtractorLib.errors import InputError

from ..result_files import write_result
from ..scene.case_nodes import write_case
from .result_nodes import Inputs, KeptResult

DICOM_UIDS = "DICOM.instanceUIDs"


def inputs_missing(kept: KeptResult | None) -> str:
    """Why nothing can be computed anew of a result; "" where it can."""
    if kept is None:
        return _("There is no result.")
    if kept.inputs is None:
        return _("The image or the outline that was classified is no longer in the scene; classify again in step 5.")
    return ""


def map_request(kept: KeptResult, model: str, label: str, method: str, folder: Path) -> dict[str, Any]:
    """Another map of the same case by the same model; raises TumorClassifierError where its nodes cannot be used."""
    inputs = _inputs(kept)
    return {
        "work": "classify",
        "model": model,
        **write_case(inputs.volumes, inputs.segmentation, inputs.segmentId, folder),
        "case_id": kept.prediction["case"]["case_id"],
        "clinical": dict(inputs.clinical),
        "target": label,
        "activation": method or None,
    }


def report_request(kept: KeptResult, model: str, pdf: bool, folder: Path) -> dict[str, Any]:
    """The report of a result with the map that is looked at."""
    inputs = _inputs(kept)
    write_result(kept.shownResult(), folder / "result")
    case = write_case(inputs.volumes, inputs.segmentation, inputs.segmentId, folder / "case")
    first = next(iter(case["images"].values()))
    return {
        "work": "case_report",
        "model": model,
        "result": str(folder / "result"),
        "image": first,
        "mask": case["mask"],
        "pdf": pdf,
    }


def dicom_missing(kept: KeptResult | None) -> str:
    """Why a result cannot be written as DICOM; "" where it can."""
    if reason := inputs_missing(kept):
        return reason
    assert kept is not None
    inputs = _inputs(kept)
    if inputs.segmentation is None:
        return _("DICOM is written of an outlined tumour, and this model needed no outline.")
    if getattr(slicer, "dicomDatabase", None) is None:
        return _("Slicer's DICOM database is not open; open it in the DICOM module.")
    first = next(iter(inputs.volumes.values()))
    uids = (first.GetAttribute(DICOM_UIDS) or "").split()
    if not uids:
        return _(
            "{image} was not loaded from DICOM, so there is no patient and study to write the result into; load the "
            "series with the DICOM module."
        ).format(image=first.GetName())
    if not all(slicer.dicomDatabase.fileForInstance(uid) for uid in uids):
        return _("The files of {image} are no longer in Slicer's DICOM database; import the series again.").format(
            image=first.GetName()
        )
    return ""


def dicom_request(kept: KeptResult, folder: Path) -> dict[str, Any]:
    """The segment and a structured report, beside the series that was classified.

    The series' files are copied: the database may keep those of several series in one folder.
    """
    inputs = _inputs(kept)
    write_result(kept.shownResult(), folder / "result")
    case = write_case(inputs.volumes, inputs.segmentation, inputs.segmentId, folder / "case")
    images = {}
    for i, (modality, volume) in enumerate(inputs.volumes.items()):
        uids = (volume.GetAttribute(DICOM_UIDS) or "").split()
        files = [slicer.dicomDatabase.fileForInstance(uid) for uid in uids]
        if files and all(files):
            images[modality] = str(_copied([Path(file) for file in files], folder / f"series{i}"))
    return {
        "work": "dicom",
        "images": images,
        "mask": case["mask"],
        "segment": case["segment"],
        "result": str(folder / "result"),
    }


def _inputs(kept: KeptResult) -> Inputs:
    if (inputs := kept.inputs) is None:
        raise InputError(inputs_missing(kept))
    return inputs


def _copied(files: list[Path], folder: Path) -> Path:
    folder.mkdir(parents=True)
    for i, file in enumerate(files):
        try:
            shutil.copyfile(file, folder / f"{i:05d}.dcm")
        except OSError as error:
            raise InputError(
                _("The series cannot be copied ({reason}); free some space, or import it again.").format(
                    reason=error.strerror or error
                )
            ) from error
    return folder
