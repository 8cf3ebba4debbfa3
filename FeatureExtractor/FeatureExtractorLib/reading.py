"""Files to images and masks.

NRRD, NIfTI, MetaImage, PNG and JPEG. A slice (PNG, JPEG) becomes a volume of one axial slice.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .case import Case, ClinicalValue, make_case
from .errors import InputError
from .files import sha256_of_file

VOLUME_SUFFIXES = (".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd")
SLICE_SUFFIXES = (".png", ".jpg", ".jpeg")

# A header may promise more than the machine can hold: refuse before memory is asked for.
LARGEST_VOLUME_BYTES = 8 << 30


def read_image(path: Path, slice_spacing: Sequence[float] | None = None) -> sitk.Image:
    """Read a grey volume in its own geometry and pixel type.

    slice_spacing: x, y, z in mm for PNG and JPEG slices, which do not know their own; 1 mm where it is not given.
    Raises InputError when the file is missing, of an unknown kind, damaged, coloured or not three-dimensional.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path} does not exist; check the name.")
    if not path.is_file():
        raise InputError(f"{path} is not a file; name an image file.")
    suffix = _suffix(path)
    if suffix not in VOLUME_SUFFIXES + SLICE_SUFFIXES:
        known = ", ".join(VOLUME_SUFFIXES + SLICE_SUFFIXES)
        raise InputError(f"{path} is of a kind that cannot be read here; convert it to one of {known}.")
    try:
        reader = sitk.ImageFileReader()
        reader.SetFileName(str(path))
        reader.ReadImageInformation()
        _check_promised_size(path, reader)
        image = reader.Execute()
    except RuntimeError as error:
        raise InputError(f"{path} cannot be read as {suffix} ({_reason(error)}); check or export it again.") from error
    if suffix in SLICE_SUFFIXES:
        return _as_one_slice_volume(image, path, slice_spacing)
    if image.GetNumberOfComponentsPerPixel() != 1:
        raise InputError(
            f"{path} has {image.GetNumberOfComponentsPerPixel()} values a voxel; export one grey channel."
        )
    if image.GetDimension() == 4 and image.GetSize()[3] == 1:
        image = image[..., 0]
    if image.GetDimension() == 2:
        image = sitk.JoinSeries(image)
    if image.GetDimension() != 3:
        raise InputError(f"{path} has {image.GetDimension()} dimensions; export a single three-dimensional volume.")
    return image


def read_mask(path: Path, segment: str = "", slice_spacing: Sequence[float] | None = None) -> sitk.Image:
    """Read a mask as uint8 0/1.

    segment: a label value, or a segment's name in a Slicer segmentation file (.seg.nrrd); all labels when empty.
    Raises InputError as `read_image`, and when the mask holds NaN or does not have the segment.
    """
    image = read_image(path, slice_spacing)
    array = sitk.GetArrayFromImage(image)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InputError(f"The mask {path} holds NaN or infinite values; save it as whole numbers.")
    chosen = array == _label_value(image, array, segment, path) if segment else array != 0
    mask = sitk.GetImageFromArray(chosen.astype(np.uint8))
    mask.CopyInformation(image)
    return mask


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
) -> Case:
    """Read one case from its files; raises InputError and GeometryError as the parts do."""
    read = {name: read_image(path, slice_spacing) for name, path in images.items()}
    hashes = {name: sha256_of_file(path) for name, path in images.items()}
    read_mask_image = None
    if mask is not None:
        read_mask_image = read_mask(mask, segment, slice_spacing)
        hashes["mask"] = sha256_of_file(mask)
    return make_case(
        case_id or "case",
        read,
        read_mask_image,
        patient_id=patient_id,
        clinical=clinical,
        label=label,
        segment=segment,
        cohort=cohort,
        hashes=hashes,
    )


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


def _label_value(image: sitk.Image, array: np.ndarray, segment: str, path: Path) -> float:
    """The label of a segment given by value or, in a .seg.nrrd header, by name."""
    by_name = {}
    for key in image.GetMetaDataKeys():
        if key.startswith("Segment") and key.endswith("_Name"):
            value_key = key.removesuffix("_Name") + "_LabelValue"
            if image.HasMetaDataKey(value_key):
                by_name[image.GetMetaData(key)] = float(image.GetMetaData(value_key))
    if segment in by_name:
        return by_name[segment]
    try:
        value = float(segment)
    except ValueError:
        value = float("nan")
    if not (array == value).any():
        values = np.unique(array[array != 0])[:10]
        have = ", ".join([*by_name, *(f"{v:g}" for v in values)]) or "nothing but background"
        raise InputError(f"The mask {path} has no segment {segment!r} (it has: {have}); name one of these.")
    return value
