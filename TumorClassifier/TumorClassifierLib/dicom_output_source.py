"""The DICOM series that a case was read from: what new objects are derived from.

No message names a patient.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import SimpleITK as sitk

from FeatureExtractorLib.dicom import Stack, read_stack
from FeatureExtractorLib.dicom_series import is_dicom, readable, split_series
from FeatureExtractorLib.errors import EngineUnavailable, InputError

if TYPE_CHECKING:
    from pydicom import Dataset

# Attributes that derived objects must have, if empty (type 2), and that archives do leave out.
_OFTEN_MISSING = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
)
_NEEDED = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "FrameOfReferenceUID")
_SEXES = ("M", "F", "O")


@dataclass(frozen=True)
class Source:
    """A series as it lies on the disk.

    stack: its slices and grid. headers: without pixels, one a slice from the first to the last, or a single one of a
    multi-frame file. frames: of a multi-frame file, the frame number (from 0) of each slice; else empty.
    """

    path: Path
    stack: Stack
    headers: "tuple[Dataset, ...]"
    frames: tuple[int, ...]

    @property
    def first(self) -> "Dataset":
        """The header whose patient and study derived objects share."""
        return self.headers[0]

    def grid(self) -> sitk.Image:
        """An empty uint8 volume on the grid of the slices."""
        rows, columns = (int(n) for n in self.stack.planes[0].grid[8:10])
        image = sitk.Image(columns, rows, len(self.stack.planes), sitk.sitkUInt8)
        self.stack.place(image)
        return image


def check_can_write_dicom() -> None:
    """Raises EngineUnavailable where the optional packages are not installed; imports nothing."""
    missing = [name for name in ("pydicom", "highdicom") if find_spec(name) is None]
    if missing:
        raise EngineUnavailable(
            f"Writing DICOM needs {' and '.join(missing)}, which is not installed; run pip install "
            "'tumorclassifier[dicom]'."
        )


def names_dicom(path: Path) -> bool:
    """Whether an image's path, as `read_image` takes it, names DICOM: a folder, FOLDER#SERIES or a marked file."""
    folder, _ = split_series(Path(path))
    return folder.is_dir() or (folder.is_file() and is_dicom(folder))


def read_source(path: Path) -> Source:
    """The headers of a DICOM series in the order of its slices; path: as `read_series`.

    Raises InputError as `read_stack`, where `path` is not DICOM, where the series lacks what ties other objects to it,
    or where a volume is spread over several multi-frame files; EngineUnavailable as `check_can_write_dicom`.
    """
    check_can_write_dicom()
    if not names_dicom(path):
        raise InputError(f"{path} is not DICOM, so there is no series to refer to; leave --dicom out.")
    stack = read_stack(path)
    with readable(path):
        import pydicom

        files = list(dict.fromkeys(plane.file for plane in stack.planes))
        headers = tuple(_tidy(pydicom.dcmread(file, stop_before_pixels=True)) for file in files)
        missing = [key for key in _NEEDED if not all(header.get(key) for header in headers)]
        several = any("PerFrameFunctionalGroupsSequence" in header for header in headers)
    if missing:
        raise InputError(f"{path} does not state its {missing[0]}, which a DICOM segment refers to; export it again.")
    if several and len(headers) > 1:
        raise InputError(
            f"{path} is spread over {len(headers)} multi-frame files, to which no single segment can refer; export it "
            "as one file or as single slices."
        )
    return Source(Path(path), stack, headers, tuple(plane.frame for plane in stack.planes) if several else ())


def read_sources(paths: Mapping[str, Path]) -> dict[str, Source]:
    """`read_source` of every modality; raises InputError as that, and when they are of different patients."""
    sources = {name: read_source(path) for name, path in paths.items()}
    patients = {str(source.first.PatientID) for source in sources.values()} - {""}
    if len(patients) > 1:
        raise InputError(
            f"The series of {' and '.join(sources)} belong to {len(patients)} different patients; give those of one."
        )
    return sources


def moment(header: "Dataset", now: datetime | None = None) -> datetime:
    """Now, in the time zone that the series states, or in this machine's where it states none."""
    now = now or datetime.now().astimezone()
    text = str(header.get("TimezoneOffsetFromUTC") or "").strip()
    try:
        sign = {"+": 1, "-": -1}[text[:1]]
        return now.astimezone(timezone(sign * timedelta(hours=int(text[1:3]), minutes=int(text[3:5]))))
    except (KeyError, ValueError):
        return now


def stamp(dataset: "Dataset", when: datetime, header: "Dataset") -> None:
    """Date an object: made, its content and its series begun at `when`.

    The time zone is stated only where the source states one: study dates are copied, and nobody knows theirs else.
    """
    date, time = when.strftime("%Y%m%d"), when.strftime("%H%M%S.%f")
    for kind in ("InstanceCreation", "Series", "Content"):
        setattr(dataset, f"{kind}Date", date)
        setattr(dataset, f"{kind}Time", time)
    if header.get("TimezoneOffsetFromUTC"):
        dataset.TimezoneOffsetFromUTC = when.strftime("%z")


def series_number(headers: "Sequence[Dataset]", added: int) -> int:
    """A number for a new series: the source's and `added`, within what DICOM's integers hold."""
    return max(0, int(headers[0].get("SeriesNumber") or 0)) % (2**31 - 1 - added) + added


def _tidy(header: "Dataset") -> "Dataset":
    """The header with every text decoded, missing attributes empty, and dates and sexes that are none emptied."""
    from pydicom.valuerep import DA, TM

    header.decode()
    for key in _OFTEN_MISSING:
        if header.get(key) is None:
            setattr(header, key, "")
    for key, kind in {"PatientBirthDate": DA, "StudyDate": DA, "StudyTime": TM}.items():
        try:
            kind(header.get(key))
        except ValueError:
            setattr(header, key, "")
    if header.PatientSex not in _SEXES:
        header.PatientSex = ""
    return header
