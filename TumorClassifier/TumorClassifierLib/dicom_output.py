"""A classified case as DICOM: the segment (SEG), and measurements with the prediction (SR), beside the source series.

Both have the patient and the study of the series that the mask was drawn on, and series of their own. Neither a file's
name nor a message names the patient.
"""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import SimpleITK as sitk

from FeatureExtractorLib.case import Case
from FeatureExtractorLib.errors import InputError, TumorClassifierError
from FeatureExtractorLib.files import atomic_folder

from .deidentification import Profile, deidentify
from .dicom_output_report import make_report
from .dicom_output_segment import Outline, make_segment, mask_on, outline_of
from .dicom_output_source import Source, check_can_write_dicom, moment, names_dicom, read_sources
from .results import ClassificationResult

if TYPE_CHECKING:
    from pydicom import Dataset

SEGMENT_FILE, REPORT_FILE = "segment.dcm", "report.dcm"
FILES = (SEGMENT_FILE, REPORT_FILE)
RESAMPLED_NOTE = (
    "The mask was not drawn on the slices of the DICOM series: segment.dcm has the nearest voxels, while the "
    "measurements are those of the mask as it is."
)


@dataclass(frozen=True)
class DicomOutput:
    """What of a case is to be written as DICOM; series: by modality; outline: what is known of the mask's making."""

    series: Mapping[str, Path]
    outline: Outline
    deidentified: bool | Profile = False

    def write(self, case: Case, result: ClassificationResult, folder: Path) -> list[str]:
        """`write_dicom` of a classified case; returns its notes and raises as it and `drawn_on` do."""
        series = drawn_on(case, self.series)
        mask = case.required_mask(next(iter(series)))
        return write_dicom(series, mask, result.prediction, result.features, folder, self.deidentified, self.outline)[
            1
        ]


def dicom_output(images: Mapping[str, Path], mask: Path, segment: str = "", deidentified: bool = False) -> DicomOutput:
    """What `classify --dicom` writes; to be asked for before long work.

    images, mask, segment: as given to `read_case`. Raises InputError as `dicom_series` and `outline_of`.
    """
    return DicomOutput(dicom_series(images), outline_of(Path(mask), segment), deidentified)


def dicom_series(images: Mapping[str, Path]) -> dict[str, Path]:
    """Those of the images that are DICOM series, in their order.

    Raises InputError where there is none, and EngineUnavailable where DICOM cannot be written.
    """
    check_can_write_dicom()
    found = {name: Path(path) for name, path in images.items() if names_dicom(Path(path))}
    if not found:
        listed = ", ".join(str(path) for path in images.values())
        raise InputError(
            f"DICOM can only be written beside a DICOM series, and {listed} is none; name its folder, or leave "
            "--dicom out."
        )
    return found


def drawn_on(case: Case, series: Mapping[str, Path]) -> dict[str, Path]:
    """The series with one first whose own space the mask is in: the reference's, never one that was registered.

    Raises InputError where all DICOM series were registered to an image that is not DICOM.
    """
    lying = [name for name in case.images if name in series and name not in case.transforms]
    if not lying:
        raise InputError(
            f"The DICOM series of {', '.join(series)} were registered to another image, where the mask is; draw it on "
            "a DICOM series, or leave --dicom out."
        )
    return {lying[0]: series[lying[0]], **series}


def write_dicom(
    series: Mapping[str, Path],
    mask: sitk.Image,
    prediction: Mapping[str, Any],
    features: Mapping[str, float],
    folder: Path,
    deidentified: bool | Profile = False,
    outline: Outline | None = None,
) -> tuple[list[Path], list[str]]:
    """Write `segment.dcm` and `report.dcm` into a folder, both or none; returns them and sentences on what was done.

    series: DICOM paths by modality, first the one that the mask was drawn on. mask: uint8 0/1; on another grid it goes
    by nearest neighbour. prediction: the content of `prediction.json`; features: by `<MODALITY>.<PyRadiomics name>`.
    deidentified: True for the basic profile of PS3.15, or a profile with options.
    Raises InputError as `read_sources` and `mask_on`, where the headers cannot be carried over, and where the folder
    cannot be written to; EngineUnavailable where highdicom is not installed.
    """
    sources = read_sources(series)
    source = next(iter(sources.values()))
    inside, resampled = mask_on(source, mask)
    outline = outline or Outline()
    profile = Profile() if deidentified is True else deidentified or None
    if profile is not None:  # free text may tell of the patient
        outline = Outline(kind=outline.kind, algorithm=outline.algorithm, version=outline.version)
        prediction = {**prediction, "warnings": [{"code": w["code"], "text": ""} for w in prediction["warnings"]]}
    with _carried_over(source):
        when = moment(source.first)
        segment = make_segment(source, inside, outline, when)
        report = make_report(sources, segment, prediction, features, when)
        objects: list[Dataset] = [segment.dataset, report]
        if profile is not None:
            objects = deidentify([_as_read(made) for made in objects], profile)
    with atomic_folder(Path(folder)) as unfinished:
        for name, dataset in zip(FILES, objects, strict=True):
            dataset.save_as(unfinished / name, enforce_file_format=True)
    return [Path(folder) / name for name in FILES], [RESAMPLED_NOTE] if resampled else []


def _as_read(dataset: "Dataset") -> "Dataset":
    """A data set as a reader gets it, free of highdicom's own classes."""
    import pydicom

    stream = BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    stream.seek(0)
    read = pydicom.dcmread(stream)
    read.decode()
    return read


@contextmanager
def _carried_over(source: Source) -> Iterator[None]:
    """Turn what pydicom and highdicom raise over odd headers into a sentence; the text may quote them, so it goes."""
    loggers = [logging.getLogger(name) for name in ("pydicom", "highdicom")]
    levels = [logger.level for logger in loggers]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for logger in loggers:
                logger.setLevel(logging.CRITICAL + 1)
            yield
    except (TumorClassifierError, MemoryError, ImportError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever they find wrong with a header
        raise InputError(
            f"The headers of {source.path} cannot be carried over into new DICOM objects ({type(error).__name__}); "
            "export the series again, or leave --dicom out."
        ) from None
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
