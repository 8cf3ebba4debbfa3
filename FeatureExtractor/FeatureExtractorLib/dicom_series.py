"""DICOM files to the headers of one series.

No message names a patient or a file inside the folder: a series is shown by its number, description and size alone.
"""

import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import InputError

if TYPE_CHECKING:
    from pydicom import Dataset

_MAXIMUM_LISTED = 12
_HEADER_TAGS = (
    "SOPClassUID",
    "SOPInstanceUID",
    "Modality",
    "SeriesDescription",
    "PatientName",
    "PatientID",
    "SeriesInstanceUID",
    "SeriesNumber",
    "FrameOfReferenceUID",
    "SliceThickness",
    "SpacingBetweenSlices",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "SamplesPerPixel",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "RescaleIntercept",
    "RescaleSlope",
    "ModalityLUTSequence",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
)


def split_series(path: Path) -> tuple[Path, str]:
    """FOLDER#SERIES to its two parts; the series is empty where `path` exists as it stands or names no folder."""
    text = str(path)
    if not os.path.exists(text):  # unlike Path.exists it also knows names that are too long for a file
        for i, letter in enumerate(text):
            if letter == "#" and os.path.isdir(text[:i]):
                return Path(text[:i]), text[i + 1 :]
    return Path(path), ""


def is_dicom(path: Path) -> bool:
    """Whether a file carries the DICOM mark, DICM after 128 bytes; raises InputError when it cannot be opened."""
    try:
        with open(path, "rb") as stream:
            return stream.read(132)[128:] == b"DICM"
    except OSError as error:
        raise InputError(f"{path} cannot be opened ({error.strerror}); check that you may read it.") from error


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn whatever pydicom and highdicom raise into a sentence without header values; nothing is warned or logged."""
    loggers = [logging.getLogger(name) for name in ("pydicom", "highdicom")]
    levels = [logger.level for logger in loggers]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for logger in loggers:
                logger.setLevel(logging.CRITICAL + 1)
            yield
    except (InputError, MemoryError):
        raise
    except ImportError as error:
        raise InputError(
            f"Reading {path} needs the packages pydicom and highdicom; install them or convert it to NRRD."
        ) from error
    except Exception as error:  # noqa: BLE001 - pydicom lets through whatever its parts raise
        reason = type(error).__name__  # not the text, which may quote the header
        raise InputError(f"{path} is damaged or no valid DICOM ({reason}); export it again.") from None
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def series_headers(path: Path) -> "list[Dataset]":
    """The headers of the one series that `path` names, in any order, each SOP instance once.

    path: a folder (searched with its sub-folders), FOLDER#SERIES when it holds several series (SERIES is a
    SeriesInstanceUID, SeriesNumber or SeriesDescription), or one file.
    Raises InputError when there is no series, several or none of that name, or a file is damaged.
    """
    folder, wanted = split_series(path)
    files = [folder] if folder.is_file() else [f for f in sorted(folder.rglob("*")) if f.is_file() and is_dicom(f)]
    headers = [_header(file) for file in files]
    if damaged := headers.count(None):
        raise InputError(f"{damaged} of the {len(files)} DICOM files in {folder} are damaged; export them again.")
    with readable(folder):
        series: dict[str, dict[str, Dataset]] = {}
        for header in headers:
            if header is not None and "Image Storage" in header.SOPClassUID.name:
                series.setdefault(str(header.SeriesInstanceUID), {})[str(header.SOPInstanceUID)] = header
        return _chosen([list(group.values()) for group in series.values()], wanted, folder)


def _chosen(groups: "Sequence[list[Dataset]]", wanted: str, folder: Path) -> "list[Dataset]":
    if not groups:
        raise InputError(
            f"{folder} is not a file and holds no DICOM images; name an image file or the folder of a DICOM series."
            if folder.is_dir()
            else f"{folder} holds DICOM, but no image; name an image file or the folder of a DICOM series."
        )
    chosen = [group for group in groups if not wanted or wanted in _names(group[0])]
    if len(chosen) == 1:
        return chosen[0]
    what = f"no series {wanted!r}" if not chosen else f"{len(chosen)} series" + (f" {wanted!r}" if wanted else "")
    raise InputError(
        f"{folder} holds {what} (it has: {_listed(groups)}); name one as FOLDER#SERIES by its SeriesNumber, "
        "SeriesDescription or SeriesInstanceUID."
    )


def _header(file: Path) -> "Dataset | None":
    """What is used of a file's header; None for a damaged one."""
    try:
        with readable(file):
            import pydicom

            header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=list(_HEADER_TAGS))
            header.SOPClassUID = header.file_meta.MediaStorageSOPClassUID
            whole = "Image Storage" not in header.SOPClassUID.name or (
                "Columns" in header and "SeriesInstanceUID" in header and "SOPInstanceUID" in header
            )
            return header if whole else None
    except InputError as error:
        if isinstance(error.__cause__, ImportError):
            raise
        return None


def _names(header: "Dataset") -> tuple[str, ...]:
    return tuple(
        str(header.get(key) or "").strip() for key in ("SeriesInstanceUID", "SeriesNumber", "SeriesDescription")
    )


def _listed(groups: "Sequence[Sequence[Dataset]]") -> str:
    def text(group: "Sequence[Dataset]") -> str:
        _, number, description = _names(group[0])
        # Some scanners copy the patient's name into free text.
        patient = f"{group[0].get('PatientName') or ''} {group[0].get('PatientID') or ''}".replace("^", " ").lower()
        shown = description and not any(part in description.lower() for part in patient.split() if len(part) > 2)
        title = f' "{description}"' if shown else ""
        return f"number {number or '?'}{title} ({group[0].get('Modality') or '?'}, {len(group)} files)"

    rows = sorted(text(group) for group in groups)
    more = len(rows) - _MAXIMUM_LISTED
    return "; ".join(rows[:_MAXIMUM_LISTED]) + (f"; and {more} more" if more > 0 else "")
