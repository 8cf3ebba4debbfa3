"""A DICOM series to a volume.

The headers decide: slices are sorted along their common normal, and what would make a wrong volume (a missing slice,
a tilted gantry, several images at one place) is refused. The volume carries nothing of the headers but its grid and a
hash of its frame of reference.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from .dicom_series import readable, series_headers
from .errors import InputError
from .files import sha256_of_bytes

if TYPE_CHECKING:
    from pydicom import Dataset

# Metadata key of a volume: the SHA-256 of its FrameOfReferenceUID, by which a mask of another patient is noticed.
FRAME_OF_REFERENCE = "frame_of_reference_sha256"

# Share of the slice distance by which a slice may lie off a regular stack, and of a pixel that it may lie sideways.
STACK_TOLERANCE = 0.01
SIDEWAYS_TOLERANCE = 0.05

_PIXEL_TAGS = (
    "NumberOfFrames",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelData",
)


@dataclass(frozen=True)
class Plane:
    """One slice. position: of its first pixel's centre, mm; grid: row direction, column direction, mm down and
    across, rows, columns; slope and intercept: from stored to real values."""

    file: str
    frame: int
    position: tuple[float, ...]
    grid: tuple[float, ...]
    slope: float
    intercept: float


@dataclass(frozen=True)
class Stack:
    """The slices of a series from the first to the last along their normal, and the grid they make.

    origin, spacing and direction: as SimpleITK's, x, y, z in LPS mm, the direction row by row. frame_of_reference: its
    UID, empty where the series states none.
    """

    planes: tuple[Plane, ...]
    origin: tuple[float, ...]
    spacing: tuple[float, ...]
    direction: tuple[float, ...]
    frame_of_reference: str

    def place(self, image: sitk.Image) -> None:
        """Give an image of these slices its origin, spacing and direction."""
        image.SetOrigin(self.origin)
        image.SetSpacing(self.spacing)
        image.SetDirection(self.direction)


def read_series(path: Path) -> sitk.Image:
    """The volume of a DICOM series, x, y, z in LPS mm, rescale slope and intercept applied.

    path: a folder, FOLDER#SERIES or a file, as for `series_headers`. Integer values stay integers.
    Raises InputError as `read_stack`, and when a file is damaged.
    """
    stack = read_stack(path)
    image = sitk.GetImageFromArray(_values(stack.planes, path))
    stack.place(image)
    if stack.frame_of_reference:
        image.SetMetaData(FRAME_OF_REFERENCE, sha256_of_bytes(stack.frame_of_reference.encode()))
    return image


def read_stack(path: Path) -> Stack:
    """The slices of a DICOM series by their headers alone; path: as `read_series`.

    Raises InputError as `series_headers`, and when slices are coloured, differ in size or orientation, are missing,
    unevenly spaced, shifted sideways, or lie at the same place.
    """
    headers = series_headers(path)
    with readable(path):
        planes = [plane for header in headers for plane in _planes(header, path)]
        frame = str(headers[0].get("FrameOfReferenceUID") or "")
        thickness = float(headers[0].get("SpacingBetweenSlices") or headers[0].get("SliceThickness") or 1.0)
    planes = _stack(planes, path)
    first, last = np.array(planes[0].position), np.array(planes[-1].position)
    row, column, normal = _axes(planes[0])
    down, across = planes[0].grid[6:8]
    between = float((last - first) @ normal) / (len(planes) - 1) if len(planes) > 1 else thickness
    return Stack(
        planes=tuple(planes),
        origin=tuple(first.tolist()),
        spacing=(across, down, between),
        direction=tuple(np.column_stack([row, column, normal]).ravel().tolist()),
        frame_of_reference=frame,
    )


def _planes(header: "Dataset", path: Path) -> list[Plane]:
    """The slices of a file: one of a classic header, one a frame of an enhanced one (PS3.3 C.7.6.16)."""
    if int(header.get("SamplesPerPixel") or 1) != 1:
        raise InputError(f"{path} holds colour pictures; name a series of grey images.")
    if header.get("ModalityLUTSequence"):
        raise InputError(f"{path} stores its values through a look-up table; export it with a rescale slope.")
    frames = header.get("PerFrameFunctionalGroupsSequence") or ()
    shared = list(header.get("SharedFunctionalGroupsSequence") or ())
    if not frames and int(header.get("NumberOfFrames") or 1) > 1:
        raise InputError(f"{path} holds several frames in a file without positions; export single slices.")
    sources: list[list[Any]] = [[frame, *shared] for frame in frames] or [[header]]
    return [_plane(header, number, source, path) for number, source in enumerate(sources)]


def _plane(header: "Dataset", frame: int, sources: Sequence[Any], path: Path) -> Plane:
    def stated(sequence: str, keyword: str) -> Any:
        items = (item for source in sources for item in (source, *(source.get(sequence) or ())))
        return next((item.get(keyword) for item in items if item.get(keyword) is not None), None)

    def numbers(sequence: str, keyword: str, n: int) -> tuple[float, ...]:
        value = stated(sequence, keyword)
        if value is None or np.size(value) != n or not np.isfinite(np.array(value, float)).all():
            raise InputError(f"{path} holds images that do not state their {keyword}; name a series of slices.")
        return tuple(float(v) for v in value)

    spacing = numbers("PixelMeasuresSequence", "PixelSpacing", 2)
    if min(spacing) <= 0:
        raise InputError(f"{path} holds images whose PixelSpacing is not positive; export it again.")
    slope, intercept = (
        stated("PixelValueTransformationSequence", key) for key in ("RescaleSlope", "RescaleIntercept")
    )
    return Plane(
        file=str(header.filename),
        frame=frame,
        position=numbers("PlanePositionSequence", "ImagePositionPatient", 3),
        grid=(
            *numbers("PlaneOrientationSequence", "ImageOrientationPatient", 6),
            *spacing,
            float(header.Rows),
            float(header.Columns),
        ),
        slope=1.0 if slope is None else float(slope),
        intercept=0.0 if intercept is None else float(intercept),
    )


def _stack(planes: list[Plane], path: Path) -> list[Plane]:
    """The slices in the order of their normal; raises InputError unless they are a regular stack."""
    grids = np.array([plane.grid for plane in planes])
    if np.abs(grids - grids[0]).max() > 1e-4:
        raise InputError(f"{path} mixes slices of different size, spacing or orientation; name one volume's files.")
    row, column, normal = _axes(planes[0])
    if not np.isfinite(normal).all() or abs(row @ np.array(planes[0].grid[3:6])) > 1e-3:
        raise InputError(f"{path} states rows and columns that are not at right angles; export it again.")
    planes = sorted(planes, key=lambda plane: float(np.array(plane.position) @ normal))
    if len(planes) == 1:
        return planes
    offsets = np.array([plane.position for plane in planes]) - planes[0].position
    gaps = np.diff(offsets @ normal)
    usual = float(np.median(gaps))
    if gaps.min() < STACK_TOLERANCE * max(usual, 0.1):
        raise InputError(
            f"{path} holds several images at the same place (echoes, b-values or time points); export one of them."
        )
    sideways = np.abs(np.column_stack([offsets @ row, offsets @ column])).max()
    if sideways > SIDEWAYS_TOLERANCE * min(planes[0].grid[6:8]):
        raise InputError(
            f"{path} has slices shifted sideways by {sideways:.3g} mm (a tilted gantry); resample it first."
        )
    missing = np.round(gaps / usual).astype(int) - 1
    if np.abs(gaps - usual).max() <= STACK_TOLERANCE * usual + 1e-3:
        return planes
    if missing.max() > 0 and np.abs(gaps - (missing + 1) * usual).max() <= 0.1 * usual:
        raise InputError(f"{path} lacks {missing.sum()} of {len(planes) + missing.sum()} slices; export it again.")
    raise InputError(
        f"{path} has unevenly spaced slices ({gaps.min():.3g} to {gaps.max():.3g} mm apart); resample it first."
    )


def _axes(plane: Plane) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit vectors along a row, down a column and across the slices, a right-handed set."""
    with np.errstate(invalid="ignore", divide="ignore"):
        row = np.array(plane.grid[:3]) / np.linalg.norm(plane.grid[:3])
        normal = np.cross(row, plane.grid[3:6])
        normal = normal / np.linalg.norm(normal)
    return row, np.cross(normal, row), normal


def _values(planes: Sequence[Plane], path: Path) -> np.ndarray:
    """The real values (z, y, x) of the slices; each file is decoded once."""
    rescale = np.array([(plane.slope, plane.intercept) for plane in planes])
    kind: Any = None if (rescale == (1, 0)).all() else np.int32 if (rescale == np.round(rescale)).all() else np.float64
    volume = np.zeros((len(planes), int(planes[0].grid[8]), int(planes[0].grid[9])), dtype=kind or np.uint8)
    file, stored = "", np.empty(0)
    for k, plane in sorted(enumerate(planes), key=lambda item: (item[1].file, item[1].frame)):
        if plane.file != file:
            file, stored = plane.file, _stored_values(plane.file, path)
        pixels = stored[plane.frame] if stored.ndim == 3 else stored
        if kind is None:
            volume = volume.astype(np.result_type(volume.dtype, pixels.dtype), copy=False)
            volume[k] = pixels
        else:
            volume[k] = pixels * kind(plane.slope) + kind(plane.intercept)
    return volume


def _stored_values(file: str, path: Path) -> np.ndarray:
    """The stored values of a file: (rows, columns), or (frames, rows, columns)."""
    with readable(path):
        import pydicom
        from pydicom.pixels import get_decoder

        dataset = pydicom.dcmread(file)
        syntax = dataset.file_meta.TransferSyntaxUID
        if syntax.is_encapsulated and not get_decoder(syntax).is_available:
            return _decompressed(dataset, path)
        return np.asarray(dataset.pixel_array)


def _decompressed(dataset: "Dataset", path: Path) -> np.ndarray:
    """The stored values of a file in a compression that pydicom leaves to further packages, by SimpleITK's GDCM.

    GDCM would apply rescaling to some kinds of images and not to others, so it gets the bare pixels, without
    rescaling or patient, as a secondary capture.
    """
    from pydicom import Dataset
    from pydicom.uid import SecondaryCaptureImageStorage, generate_uid

    bare = Dataset()
    bare.SOPClassUID, bare.SOPInstanceUID, bare.Modality = SecondaryCaptureImageStorage, generate_uid(), "OT"
    for keyword in _PIXEL_TAGS:
        if keyword in dataset:
            setattr(bare, keyword, dataset[keyword].value)
    bare.file_meta = type(dataset.file_meta)()
    bare.file_meta.TransferSyntaxUID = dataset.file_meta.TransferSyntaxUID
    bare["PixelData"].is_undefined_length = True
    with TemporaryDirectory() as folder:
        file = f"{folder}/pixels.dcm"
        bare.save_as(file, enforce_file_format=True)
        try:
            values = sitk.GetArrayFromImage(sitk.ReadImage(file))
        except RuntimeError as error:
            syntax = dataset.file_meta.TransferSyntaxUID.name
            raise InputError(
                f"{path} is damaged, or cannot be decompressed here ({syntax}); export it again."
            ) from error
    return values[0] if len(values) == 1 else values
