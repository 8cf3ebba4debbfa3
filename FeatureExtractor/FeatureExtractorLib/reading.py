"""Files to images and masks.

NRRD, NIfTI, MetaImage, DICOM series, PNG and JPEG; masks also DICOM SEG and RTSTRUCT. A slice (PNG, JPEG) becomes a
volume of one axial slice.
"""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .alignment import Alignment, align
from .case import Case, ClinicalValue, check_masks_have_images, make_case
from .dicom import read_series
from .dicom_masks import kind_of, read_dicom_mask, segments_of_dicom
from .dicom_series import is_dicom, split_series
from .errors import InputError
from .fingerprint import sha256_of_input
from .segments import Segment, choose

VOLUME_SUFFIXES = (".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd")
SLICE_SUFFIXES = (".png", ".jpg", ".jpeg")

# A header may promise more than the machine can hold: refuse before memory is asked for.
LARGEST_VOLUME_BYTES = 8 << 30
MOST_INFLATED = 1100  # gzip cannot pack a byte into less than 1/1032
LONGEST_AXIS = 1.01  # direction cosines, with room for a file's rounding
DETACHED_SUFFIXES = (".nhdr", ".mhd")  # their voxels are in another file


# A mask with more label values than this is an image that was named by mistake.
MOST_SEGMENTS = 1000


def read_image(path: Path, slice_spacing: Sequence[float] | None = None) -> sitk.Image:
    """Read a grey volume in its own geometry and pixel type.

    path: a file, the folder of a DICOM series, or FOLDER#SERIES (by SeriesNumber, SeriesDescription or
    SeriesInstanceUID) where the folder holds several.
    slice_spacing: x, y, z in mm for PNG and JPEG slices, which do not know their own; 1 mm where it is not given.
    Raises InputError when the file is missing, of an unknown kind, damaged, coloured or not three-dimensional, and as
    `read_series` for DICOM.
    """
    image = _read(path, slice_spacing)
    if image.GetNumberOfComponentsPerPixel() != 1:
        raise InputError(
            f"{path} has {image.GetNumberOfComponentsPerPixel()} values a voxel; export one grey channel."
        )
    return image


def read_mask(
    path: Path,
    segment: str = "",
    slice_spacing: Sequence[float] | None = None,
    reference: sitk.Image | None = None,
) -> sitk.Image:
    """Read a mask as uint8 0/1.

    path: as `read_image`, or a DICOM SEG or RTSTRUCT file. segment: a segment's name (Slicer's .seg.nrrd, DICOM SEG
    label, ROI name) or its number (label value, segment number, ROI number); all segments when empty.
    reference: the image on whose grid DICOM SEG and RTSTRUCT are put; label maps keep their own.
    Raises InputError as `read_image`, and when the mask holds NaN or does not have the segment; GeometryError when a
    DICOM SEG or RTSTRUCT does not fit the reference.
    """
    if _is_dicom_mask(path):
        return read_dicom_mask(Path(path), segment, reference)
    image, layers, segments = _label_map(path, slice_spacing)
    chosen = np.zeros(layers.shape[1:], dtype=bool)
    if segment:
        (found,) = choose(segments, segment, path)
        chosen = layers[found.layer] == found.number
    else:
        chosen = (layers != 0).any(axis=0)
    mask = sitk.GetImageFromArray(chosen.astype(np.uint8))
    mask.CopyInformation(image)
    return mask


def segments_of(path: Path) -> tuple[Segment, ...]:
    """The segments of a mask file: number and, where the file has one, name; raises InputError as `read_mask`."""
    if _is_dicom_mask(path):
        return segments_of_dicom(Path(path))
    return _label_map(path, None)[2]


def read_case(
    images: Mapping[str, Path],
    mask: Path | None,
    *,
    case_id: str = "",
    patient_id: str = "",
    segment: str = "",
    clinical: Mapping[str, ClinicalValue] | None = None,
    label: str | None = None,
    cohort: str = "",
    slice_spacing: Sequence[float] | None = None,
    masks: Mapping[str, Path] | None = None,
    alignment: Alignment | None = None,
) -> Case:
    """Read one case from its files; raises InputError and GeometryError as the parts do.

    masks: of modalities on which the tumour was outlined by itself; such images may have grids of their own.
    alignment: how images of different grids come onto one; by default they must share it.
    """
    masks, alignment = masks or {}, alignment or Alignment()
    check_masks_have_images(masks, images, case_id)
    read = {name: read_image(path, slice_spacing) for name, path in images.items()}
    hashes = {name: sha256_of_input(path) for name, path in images.items()}
    read_mask_image = None
    if mask is not None:
        outlined = read.get(alignment.reference, next(iter(read.values()), None))
        read_mask_image = read_mask(mask, segment, slice_spacing, reference=outlined)
        hashes["mask"] = sha256_of_input(mask)
    own = {name: read_mask(path, segment, slice_spacing, reference=read[name]) for name, path in masks.items()}
    hashes |= {f"mask_{name}": sha256_of_input(path) for name, path in masks.items()}
    transforms: Mapping[str, sitk.Transform] = {}
    if alignment.wanted:
        aligned = align(read, read_mask_image, own, alignment, case_id or "case")
        read, read_mask_image, own = dict(aligned.images), aligned.mask, dict(aligned.masks)
        transforms = aligned.transforms
    return make_case(
        case_id or "case",
        read,
        read_mask_image,
        masks=own,
        transforms=transforms,
        patient_id=patient_id,
        clinical=clinical,
        label=label,
        segment=segment,
        cohort=cohort,
        hashes=hashes,
    )


def _read(path: Path, slice_spacing: Sequence[float] | None) -> sitk.Image:
    """A volume of any number of values a voxel, in its own geometry and pixel type."""
    path = Path(path)
    folder, _ = split_series(path)
    if not os.path.exists(folder):
        raise InputError(f"{path} does not exist; check the name.")
    if folder.is_dir() or is_dicom(path):
        return read_series(path)
    suffix = _suffix(path)
    if suffix not in VOLUME_SUFFIXES + SLICE_SUFFIXES:
        known = ", ".join(VOLUME_SUFFIXES + SLICE_SUFFIXES)
        raise InputError(
            f"{path} is of a kind that cannot be read here; convert it to one of {known}, or name a DICOM folder."
        )
    if suffix in (".mha", ".mhd"):
        _check_meta_header(path)
    try:
        reader = sitk.ImageFileReader()
        reader.SetFileName(str(path))
        reader.ReadImageInformation()
        _check_promised_size(path, reader)
        _check_axes(path, reader)
        image = reader.Execute()
    except RuntimeError as error:
        raise InputError(f"{path} cannot be read as {suffix} ({_reason(error)}); check or export it again.") from error
    if suffix in SLICE_SUFFIXES:
        return _as_one_slice_volume(image, path, slice_spacing)
    if image.GetDimension() == 4 and image.GetSize()[3] == 1:
        image = image[..., 0]
    if image.GetDimension() == 2:
        image = sitk.JoinSeries(image)
    if image.GetDimension() != 3:
        raise InputError(f"{path} has {image.GetDimension()} dimensions; export a single three-dimensional volume.")
    return image


def _suffix(path: Path) -> str:
    lower = path.name.lower()
    return ".nii.gz" if lower.endswith(".nii.gz") else path.suffix.lower()


def _reason(error: RuntimeError) -> str:
    """The last telling line of ITK's message, without its source locations."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith(("Exception thrown", "sitk::ERROR: Unable"))]
    text = (telling or lines)[-1]
    text = text.split("): ", 1)[-1] if "(0x" in text else text
    return text.removeprefix("sitk::ERROR: ").removeprefix("ITK ERROR: ").rstrip(".")[:200]


def _check_promised_size(path: Path, reader: sitk.ImageFileReader) -> None:
    voxels = float(np.prod([float(n) for n in reader.GetSize()])) * reader.GetNumberOfComponents()
    promised = voxels * max(1, _bytes_per_value(reader.GetPixelID()))
    if promised > LARGEST_VOLUME_BYTES:
        raise InputError(
            f"{path} claims to hold {promised / (1 << 30):.0f} GB, more than the {LARGEST_VOLUME_BYTES >> 30} GB "
            "that are read at once; crop or resample it first."
        )
    # ITK would wait for, or make up, what a damaged header promises and the file cannot hold.
    self_contained = path.suffix.lower() not in DETACHED_SUFFIXES + SLICE_SUFFIXES
    if self_contained and promised > MOST_INFLATED * path.stat().st_size:
        raise InputError(
            f"{path} claims to hold {promised / (1 << 20):.1f} MB but has {path.stat().st_size} bytes, too few even "
            "compressed; copy or export it again."
        )


def _check_meta_header(path: Path) -> None:
    """ITK crashes on a MetaImage of very many dimensions."""
    with open(path, "rb") as stream:
        header = stream.read(4096)
    for value in re.findall(rb"NDims\s*=\s*(\S*)", header):
        if value not in (b"2", b"3", b"4"):
            given = value.decode(errors="replace")[:20]
            raise InputError(f"{path} claims to have {given!r} dimensions; export a volume of three.")


def _check_axes(path: Path, reader: sitk.ImageFileReader) -> None:
    """ITK never returns from inverting axes of absurd length."""
    if not np.abs(reader.GetDirection()).max() <= LONGEST_AXIS or not np.isfinite(reader.GetOrigin()).all():
        raise InputError(f"{path} has axes or an origin that no image has; check its header, or export it again.")


def _bytes_per_value(pixel_id: int) -> int:
    text = sitk.GetPixelIDValueAsString(pixel_id)
    return next((bits // 8 for bits in (64, 32, 16, 8) if str(bits) in text), 1)


def _as_one_slice_volume(image: sitk.Image, path: Path, spacing: Sequence[float] | None) -> sitk.Image:
    if image.GetDimension() == 3 and image.GetSize()[2] == 1:
        image = image[:, :, 0]
    if image.GetNumberOfComponentsPerPixel() > 1:
        channels = [sitk.GetArrayFromImage(sitk.VectorIndexSelectionCast(image, i)) for i in range(3)]
        if not all(np.array_equal(channels[0], other) for other in channels[1:]):
            raise InputError(f"{path} is a colour picture; save it in grey.")
        image = sitk.VectorIndexSelectionCast(image, 0)
    volume = sitk.GetImageFromArray(sitk.GetArrayFromImage(image)[np.newaxis])
    volume.SetSpacing([float(s) for s in (spacing or (1.0, 1.0, 1.0))])
    return volume


def _is_dicom_mask(path: Path) -> bool:
    return os.path.isfile(path) and is_dicom(Path(path)) and bool(kind_of(Path(path)))


def _label_map(
    path: Path, slice_spacing: Sequence[float] | None
) -> tuple[sitk.Image, np.ndarray, tuple[Segment, ...]]:
    """A mask of label values: the image, its values as (layers, z, y, x) and its segments.

    Segments are those that a Slicer header names, in its order, then the values without a name.
    """
    image = _read(path, slice_spacing)
    values = sitk.GetArrayFromImage(image)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise InputError(f"The mask {path} holds NaN or infinite values; save it as whole numbers.")
    layers = np.moveaxis(values, 3, 0) if values.ndim == 4 else values[np.newaxis]
    named = _named_segments(image)
    if len(layers) > 1 and not named:
        raise InputError(f"{path} has {len(layers)} values a voxel; export one grey channel.")
    known = {(segment.layer, segment.number) for segment in named}
    found = [(i, float(value)) for i, layer in enumerate(layers) for value in np.unique(layer[layer != 0])]
    if len(found) > MOST_SEGMENTS:
        raise InputError(
            f"{path} has {len(found)} different values, more than a mask has; was the image named instead?"
        )
    unnamed = [Segment(value, layer=i) for i, value in found if (i, value) not in known]
    return image, layers, tuple(segment for segment in [*named, *unnamed] if segment.layer < len(layers))


def _named_segments(image: sitk.Image) -> list[Segment]:
    """What the header of a .seg.nrrd file says of its segments."""
    named = []
    for key in image.GetMetaDataKeys():
        if key.startswith("Segment") and key.endswith("_Name"):
            number, layer = (key.removesuffix("_Name") + end for end in ("_LabelValue", "_Layer"))
            try:
                value = float(image.GetMetaData(number))
                where = int(image.GetMetaData(layer)) if image.HasMetaDataKey(layer) else 0
            except (RuntimeError, ValueError):  # no label value, or none that is a number: the name points nowhere
                continue
            named.append(Segment(value, image.GetMetaData(key), where))
    return sorted(named, key=lambda segment: (segment.layer, segment.number))
