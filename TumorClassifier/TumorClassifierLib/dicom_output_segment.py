"""The tumour's mask as a DICOM segmentation (SEG, binary) that refers to the slices it was drawn on."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from FeatureExtractorLib.case import same_geometry
from FeatureExtractorLib.contours import indices_of
from FeatureExtractorLib.dicom_masks import SEGMENTATION, kind_of, segments_of_dicom
from FeatureExtractorLib.dicom_series import is_dicom, readable
from FeatureExtractorLib.errors import GeometryError, InputError
from FeatureExtractorLib.preprocessing.resampling import to_geometry_of
from FeatureExtractorLib.provenance import package_version
from FeatureExtractorLib.segments import choose

from .dicom_output_source import Source, series_number, stamp

if TYPE_CHECKING:
    from highdicom.sr import SourceImageForSegmentation
    from pydicom import Dataset

SOFTWARE = "TumorClassifier"
UTF8 = "ISO_IR 192"
_ADDED_TO_SERIES_NUMBER = 1000

# How far outside the slices, in voxels, a voxel of a mask on another grid may have its centre.
_SLACK = 0.51


@dataclass(frozen=True)
class Outline:
    """What is known of a mask's making.

    label: at most 64 characters. kind: MANUAL, SEMIAUTOMATIC or AUTOMATIC. algorithm, version: empty when MANUAL.
    """

    label: str = "Tumour"
    kind: str = "MANUAL"
    algorithm: str = ""
    version: str = ""


@dataclass(frozen=True)
class Segment:
    """A written segment. tracking: identifier and UID; images: those it shows on."""

    dataset: "Dataset"
    tracking: tuple[str, str]
    images: "list[SourceImageForSegmentation]"


def outline_of(path: Path, segment: str = "") -> Outline:
    """What a mask's file says of its making: a DICOM SEG names its algorithm; other files are taken for drawn by hand.

    segment: as `read_mask`. Raises InputError as `segments_of_dicom` and `choose`.
    """
    label = segment[:64] or "Tumour"
    if not path.is_file() or not is_dicom(path) or kind_of(path) != SEGMENTATION:
        return Outline(label)
    chosen = choose(segments_of_dicom(path), segment, path)
    if len(chosen) != 1:
        return Outline(label)
    with readable(path):
        import pydicom

        found = pydicom.dcmread(path, stop_before_pixels=True).SegmentSequence
        (item,) = [s for s in found if int(s.SegmentNumber) == chosen[0].number]
        kind = str(item.get("SegmentAlgorithmType") or "MANUAL")
        algorithm = "" if kind == "MANUAL" else str(item.get("SegmentAlgorithmName") or "unnamed")
        known = item.get("SegmentationAlgorithmIdentificationSequence") or ()
        version = str(known[0].get("AlgorithmVersion") or "") if known else ""
    return Outline(chosen[0].name[:64] or label, kind, algorithm, version)


def mask_on(source: Source, mask: sitk.Image) -> tuple[np.ndarray, bool]:
    """The mask (uint8 0/1, slices of the series from the first to the last, rows, columns), and if it was resampled.

    A mask on another grid goes by nearest neighbour. Raises GeometryError when it reaches out of the slices or falls
    between them, InputError when it is empty.
    """
    grid, drawn = source.grid(), sitk.GetArrayFromImage(mask) > 0
    if not drawn.any():
        raise InputError("The mask is empty, so there is no DICOM segment to write; outline the tumour first.")
    if same_geometry(grid, mask):
        return drawn.astype(np.uint8), False
    axes = np.array(mask.GetDirection()).reshape(3, 3) * mask.GetSpacing()
    at = indices_of(np.argwhere(drawn)[:, ::-1] @ axes.T + mask.GetOrigin(), grid)
    if ((at < -_SLACK) | (at > np.array(grid.GetSize()) - 1 + _SLACK)).any():
        raise GeometryError(
            f"The mask reaches out of the slices of {source.path}; give the mask that was drawn on this series."
        )
    on_slices = sitk.GetArrayFromImage(to_geometry_of(mask, grid, "nearest")) > 0
    if not on_slices.any():
        raise GeometryError(f"The mask falls between the slices of {source.path}; outline the tumour on this series.")
    return on_slices.astype(np.uint8), True


def make_segment(source: Source, inside: np.ndarray, outline: Outline, when: datetime) -> Segment:
    """A Segmentation instance with one segment; inside: as `mask_on` gives it."""
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.seg import Segmentation, SegmentDescription
    from pydicom.sr.codedict import codes
    from pydicom.uid import generate_uid

    tracking, algorithm = (outline.label, str(generate_uid(prefix=None))), None
    if outline.kind != "MANUAL":
        algorithm = AlgorithmIdentificationSequence(
            name=outline.algorithm,
            family=codes.cid7162.ArtificialIntelligence,
            version=outline.version or "unknown",
        )
    description = SegmentDescription(
        segment_number=1,
        segment_label=outline.label,
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Neoplasm,
        algorithm_type=outline.kind,
        algorithm_identification=algorithm,
        tracking_uid=tracking[1],
        tracking_id=tracking[0],
    )
    frames = inside
    if source.frames:  # of one file, whose own order of frames need not be that of the slices
        frames = np.zeros_like(inside)
        frames[list(source.frames)] = inside
    segment = Segmentation(
        source_images=list(source.headers),
        pixel_array=frames[..., np.newaxis],
        segmentation_type="BINARY",
        segment_descriptions=[description],
        series_instance_uid=generate_uid(prefix=None),
        series_number=series_number(source.headers, _ADDED_TO_SERIES_NUMBER),
        sop_instance_uid=generate_uid(prefix=None),
        instance_number=1,
        manufacturer=SOFTWARE,
        manufacturer_model_name=SOFTWARE,
        software_versions=package_version("tumorclassifier") or "unknown",
        device_serial_number="none",
        content_label="TUMOUR",
        content_description="Segment that was measured and classified; for research use only",
        series_description=f"{SOFTWARE} segment",
        specific_character_set=UTF8,
    )
    stamp(segment, when, source.first)
    return Segment(segment, tracking, _drawn_on(source, inside))


def _drawn_on(source: Source, inside: np.ndarray) -> "list[SourceImageForSegmentation]":
    """References to the images that the segment shows on, by frame (from 1) where they are of one file."""
    from highdicom.sr import SourceImageForSegmentation

    shown = np.flatnonzero(inside.any(axis=(1, 2)))
    if source.frames:
        numbers = sorted(source.frames[k] + 1 for k in shown)
        return [SourceImageForSegmentation(source.first.SOPClassUID, source.first.SOPInstanceUID, numbers)]
    return [
        SourceImageForSegmentation(header.SOPClassUID, header.SOPInstanceUID)
        for header in (source.headers[k] for k in shown)
    ]
