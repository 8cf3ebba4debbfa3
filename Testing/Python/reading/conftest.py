"""DICOM objects made for the tests: series of any geometry, SEG and RTSTRUCT drawn on them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pydicom = pytest.importorskip("pydicom")
highdicom = pytest.importorskip("highdicom")

PATIENT = {"PatientName": "Mustermann^Erika", "PatientID": "HOSP-4711", "PatientBirthDate": "19640812"}
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)

SeriesWriter = Callable[..., list[Any]]


def write_series(
    folder: Path,
    stored: np.ndarray,
    *,
    orientation: Sequence[float] = AXIAL,
    spacing: tuple[float, float] = (0.5, 0.75),
    offsets: Sequence[float] | None = None,
    sideways: float = 0.0,
    rescale: Sequence[tuple[float, float]] | None = None,
    study: str = "1.2.826.0.1.3680043.8.498.1",
    frame: str = "1.2.826.0.1.3680043.8.498.2",
    **attributes: Any,
) -> list[Any]:
    """Write a classic MR series, one file a slice, in a shuffled order of names.

    stored: (z, y, x) integers. spacing: mm down and across. offsets: of the slices along their normal, mm, 3 mm apart
    by default. sideways: shear along the rows, mm a slice. attributes: of every file.
    """
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

    folder.mkdir(parents=True, exist_ok=True)
    row = np.array(orientation[:3])
    normal = np.cross(row, orientation[3:])
    offsets = [3.0 * k for k in range(len(stored))] if offsets is None else offsets
    series = generate_uid()
    names = np.random.default_rng(0).permutation(len(stored))
    written = []
    for k, pixels in enumerate(stored):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = MRImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds = Dataset()
        ds.file_meta = meta
        for key, value in {**PATIENT, "PatientSex": "F", "AccessionNumber": "ACC-99"}.items():
            setattr(ds, key, value)
        ds.SOPClassUID, ds.SOPInstanceUID = MRImageStorage, meta.MediaStorageSOPInstanceUID
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = study, series, frame
        ds.StudyID, ds.StudyDate, ds.StudyTime, ds.ReferringPhysicianName = "1", "20200101", "120000", "Arzt^A"
        ds.Modality, ds.SeriesNumber, ds.SeriesDescription, ds.Manufacturer = "MR", 1, "t2 axial", "Maker"
        ds.PositionReferenceIndicator, ds.InstanceNumber = "", k + 1
        ds.ImageOrientationPatient = [round(float(v), 12) for v in orientation]
        position = np.array([-40.0, 10.0, 5.0]) + normal * offsets[k] + row * sideways * k
        ds.ImagePositionPatient = [round(float(v), 9) for v in position]
        ds.PixelSpacing, ds.SliceThickness = list(spacing), 3.0
        ds.Rows, ds.Columns = pixels.shape
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.BitsAllocated = ds.BitsStored = 16
        ds.HighBit, ds.PixelRepresentation = 15, int(stored.dtype.kind == "i")
        if rescale is not None:
            ds.RescaleSlope, ds.RescaleIntercept = (str(v) for v in rescale[k % len(rescale)])
        ds.PixelData = pixels.astype(stored.dtype.newbyteorder("<")).tobytes()
        for key, value in attributes.items():
            setattr(ds, key, value)
        ds.save_as(folder / f"IM{names[k]:03d}", enforce_file_format=True)
        written.append(ds)
    return written


def write_seg(
    path: Path, source: Sequence[Any], masks: Mapping[str, np.ndarray], kind: str = "BINARY", **options: Any
) -> Path:
    """Write a DICOM SEG with one segment a mask, (z, y, x) in the order of `source`."""
    from highdicom.seg import Segmentation, SegmentDescription
    from pydicom.sr.codedict import codes
    from pydicom.uid import generate_uid

    descriptions = [
        SegmentDescription(
            segment_number=i,
            segment_label=label,
            segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
            segmented_property_type=codes.SCT.Neoplasm,
            algorithm_type="MANUAL",
        )
        for i, label in enumerate(masks, start=1)
    ]
    Segmentation(
        source_images=list(source),
        pixel_array=np.stack(list(masks.values()), axis=-1),
        segmentation_type=kind,
        segment_descriptions=descriptions,
        series_instance_uid=generate_uid(),
        series_number=100,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="Maker",
        manufacturer_model_name="Model",
        software_versions="1",
        device_serial_number="1",
        **options,
    ).save_as(path)
    return path


def write_structures(
    path: Path, rois: Mapping[str, Sequence[np.ndarray]], frame: str = "1.2.826.0.1.3680043.8.498.2"
) -> Path:
    """Write an RTSTRUCT; rois: closed contours by name, each (n, 3) points in mm, numbered from 11."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage, generate_uid

    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = RTStructureSetStorage
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = generate_uid()
    for key, value in PATIENT.items():
        setattr(ds, key, value)
    ds.Modality, ds.SeriesInstanceUID = "RTSTRUCT", generate_uid()
    ds.StructureSetROISequence, ds.ROIContourSequence = [], []
    for number, (name, contours) in enumerate(rois.items(), start=11):
        roi, drawn = Dataset(), Dataset()
        roi.ROINumber, roi.ROIName, roi.ReferencedFrameOfReferenceUID = number, name, frame
        drawn.ReferencedROINumber, drawn.ContourSequence = number, []
        for points in contours:
            contour = Dataset()
            contour.ContourGeometricType, contour.NumberOfContourPoints = "CLOSED_PLANAR", len(points)
            contour.ContourData = [f"{value:.6f}" for value in np.ravel(points)]
            drawn.ContourSequence.append(contour)
        ds.StructureSetROISequence.append(roi)
        ds.ROIContourSequence.append(drawn)
    ds.save_as(path, enforce_file_format=True)
    return path


@pytest.fixture
def series_writer() -> SeriesWriter:
    """`write_series`."""
    return write_series


@pytest.fixture
def seg_writer() -> Callable[..., Path]:
    """`write_seg`."""
    return write_seg


@pytest.fixture
def structure_writer() -> Callable[..., Path]:
    """`write_structures`."""
    return write_structures


@pytest.fixture
def identifiers() -> tuple[str, ...]:
    """What must never be seen outside the files."""
    return ("mustermann", "erika", "hosp-4711", "19640812", "acc-99", "1.2.826")
