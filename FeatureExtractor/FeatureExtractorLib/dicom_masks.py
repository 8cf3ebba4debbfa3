"""Masks that DICOM keeps as objects of their own: SEG (voxels) and RTSTRUCT (contours), on an image's grid."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from .contours import rasterise
from .dicom import FRAME_OF_REFERENCE
from .dicom_series import readable
from .errors import GeometryError, InputError
from .files import sha256_of_bytes
from .preprocessing.resampling import to_geometry_of
from .segments import Segment, choose

if TYPE_CHECKING:
    from pydicom import Dataset

SEGMENTATION, STRUCTURES = "segmentation", "structures"
_KINDS = {
    "1.2.840.10008.5.1.4.1.1.66.4": SEGMENTATION,
    "1.2.840.10008.5.1.4.1.1.66.7": SEGMENTATION,  # label map
    "1.2.840.10008.5.1.4.1.1.481.3": STRUCTURES,
}

# Share of the slice distance that a frame may lie off a slice.
_OFF_SLICE = 0.02

# A probability from which a voxel of a fractional SEG belongs to the segment.
_INSIDE = 0.5


def kind_of(path: Path) -> str:
    """SEGMENTATION, STRUCTURES, or empty for any other DICOM file; raises InputError when it is damaged."""
    with readable(path):
        from pydicom.filereader import read_file_meta_info

        return _KINDS.get(str(read_file_meta_info(path).MediaStorageSOPClassUID), "")


def segments_of_dicom(path: Path) -> tuple[Segment, ...]:
    """The segments of a SEG by number and label, or of an RTSTRUCT by ROI number and name, in the file's order."""
    kind = kind_of(path)
    with readable(path):
        import pydicom

        dataset = pydicom.dcmread(path, stop_before_pixels=True)
        if kind == SEGMENTATION:
            return tuple(Segment(int(s.SegmentNumber), str(s.SegmentLabel).strip()) for s in dataset.SegmentSequence)
        rois = dataset.StructureSetROISequence
        return tuple(Segment(int(roi.ROINumber), str(roi.get("ROIName") or "").strip()) for roi in rois)


def read_dicom_mask(path: Path, wanted: str, reference: sitk.Image | None) -> sitk.Image:
    """A SEG or RTSTRUCT as uint8 0/1 on the reference's grid; a SEG on its own grid where no reference is given.

    wanted: a label or ROI name, or a number; all when empty. A SEG on another grid goes by nearest neighbour.
    Raises InputError when the file is damaged, lacks the segment or an RTSTRUCT has no reference, and GeometryError
    when the mask belongs to another frame of reference, reaches out of the image, or lies across its slices.
    """
    chosen = choose(segments_of_dicom(path), wanted, path)
    if kind_of(path) == STRUCTURES:
        if reference is None:
            raise InputError(f"The contours in {path} need an image to be drawn on; give the image as well.")
        return _drawn(path, chosen, reference)
    return _mapped(path, chosen, reference)


def _mapped(path: Path, chosen: Sequence[Segment], reference: sitk.Image | None) -> sitk.Image:
    with readable(path):
        import highdicom
        import pydicom

        dataset = pydicom.dcmread(path)
        _state_slice_distance(dataset, reference, path)
        segmentation = highdicom.seg.Segmentation.from_dataset(dataset, copy=False)
        volume = segmentation.get_volume(segment_numbers=[int(s.number) for s in chosen])
        inside = np.asarray(volume.array >= _INSIDE).any(axis=-1)
        affine = np.asarray(volume.affine, float)
        frames = {str(segmentation.get("FrameOfReferenceUID") or "")}
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    mask = sitk.GetImageFromArray(np.asarray(inside, dtype=np.uint8))
    mask.SetOrigin(affine[:3, 3].tolist())
    mask.SetSpacing(spacing[::-1].tolist())
    mask.SetDirection((affine[:3, :3] / spacing)[:, ::-1].ravel().tolist())
    if reference is None:
        return mask
    _check_frame(reference, frames, path)
    _check_inside(affine[:3, :3] @ np.argwhere(inside).T + affine[:3, 3:], reference, path)
    return to_geometry_of(mask, reference, "nearest")


def _state_slice_distance(dataset: "Dataset", reference: sitk.Image | None, path: Path) -> None:
    """Make a SEG say how far its slices are apart, which is not what its frames are where empty ones are left out."""
    measures = dataset.SharedFunctionalGroupsSequence[0].get("PixelMeasuresSequence")
    if not measures or measures[0].get("SpacingBetweenSlices"):
        return
    frames = dataset.PerFrameFunctionalGroupsSequence
    positions = np.array([frame.PlanePositionSequence[0].ImagePositionPatient for frame in frames], dtype=np.float64)
    away = np.linalg.norm(positions - positions[0], axis=1)
    known = [reference.GetSpacing()[2]] if reference is not None else []
    for distance in (*known, float(measures[0].get("SliceThickness") or 0)):
        if distance > 0 and np.abs(away / distance - np.round(away / distance)).max() < _OFF_SLICE:
            measures[0].SpacingBetweenSlices = f"{distance:.10g}"
            measures[0].SliceThickness = measures[0].get("SliceThickness") or f"{distance:.10g}"
            return
    raise GeometryError(
        f"The mask {path} does not say how far its slices are apart, and they are not those of the image; export it "
        "as NRRD."
    )


def _drawn(path: Path, chosen: Sequence[Segment], reference: sitk.Image) -> sitk.Image:
    with readable(path):
        import pydicom

        dataset = pydicom.dcmread(path)
        frames = {
            str(roi.get("ReferencedFrameOfReferenceUID") or "")
            for roi in dataset.StructureSetROISequence
            if int(roi.ROINumber) in {int(s.number) for s in chosen}
        }
        contours: dict[float, list[np.ndarray]] = {}
        for roi in dataset.get("ROIContourSequence") or ():
            for contour in roi.get("ContourSequence") or ():
                if str(contour.ContourGeometricType).startswith("CLOSED"):
                    points = np.array(contour.ContourData, dtype=np.float64).reshape(-1, 3)
                    contours.setdefault(int(roi.ReferencedROINumber), []).append(points)
    inside = np.zeros(reference.GetSize()[::-1], dtype=bool)
    _check_frame(reference, frames, path)
    for segment in chosen:
        drawn = contours.get(segment.number)
        if drawn:
            _check_inside(np.concatenate(drawn).T, reference, path, slack=1.0)
            inside |= rasterise(drawn, reference, f"The segment {segment.name or segment.number_text!r} of {path}")
        elif len(chosen) == 1:
            raise InputError(f"The segment {segment.name!r} of {path} has no closed contour; name another one.")
    mask = sitk.GetImageFromArray(inside.astype(np.uint8))
    mask.CopyInformation(reference)
    return mask


def _check_frame(reference: sitk.Image, frames: set[str], path: Path) -> None:
    if not reference.HasMetaDataKey(FRAME_OF_REFERENCE):
        return
    known = reference.GetMetaData(FRAME_OF_REFERENCE)
    if any(frame and sha256_of_bytes(frame.encode()) != known for frame in frames):
        raise GeometryError(
            f"The mask {path} belongs to images of another frame of reference (another patient or scan); name the one "
            "that was drawn on this series."
        )


def _check_inside(points: np.ndarray, reference: sitk.Image, path: Path, slack: float = 0.51) -> None:
    """Raises GeometryError unless all points (3, n), mm, lie on the reference's grid, up to `slack` voxels outside."""
    from .contours import indices_of

    if points.size == 0:
        return
    indices = indices_of(points.T, reference)
    outside = ~((indices >= -slack) & (indices <= np.array(reference.GetSize()) - 1 + slack)).all(axis=1)
    if outside.any():
        raise GeometryError(
            f"The mask {path} lies {'wholly' if outside.all() else 'partly'} outside the image; name the mask "
            "that was drawn on it, or an image that covers it."
        )
