"""Segments and reports written as DICOM: the right voxels at the right place, the same numbers, valid objects."""

import runpy
import warnings
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from FeatureExtractorLib.errors import EngineUnavailable, GeometryError, InputError
from FeatureExtractorLib.radiomics.native.engine import CLASSES
from FeatureExtractorLib.reading import read_case, read_image, read_mask, segments_of
from TumorClassifierLib import dicom_output_source
from TumorClassifierLib.dicom_output import dicom_series, drawn_on, write_dicom
from TumorClassifierLib.dicom_output_codes import ARBITRARY, HOUNSFIELD, feature_code, feature_unit, ucum
from TumorClassifierLib.dicom_output_segment import Outline, outline_of
from TumorClassifierLib.dicom_output_source import moment

pydicom = pytest.importorskip("pydicom")
highdicom = pytest.importorskip("highdicom")

CHECKS = runpy.run_path(str(Path(__file__).parents[2] / "Tools" / "dicom_checks.py"))
PREDICTION, FEATURES = CHECKS["PREDICTION"], CHECKS["FEATURES"]
assert_valid, drawn, positions, voxels = (CHECKS[name] for name in ("assert_valid", "drawn", "positions", "voxels"))

STORED = np.random.default_rng(0).integers(1, 4000, (6, 20, 24), dtype=np.uint16)
TURNED = np.array(sitk.Euler3DTransform((0, 0, 0), 0.3, -0.4, 0.9).GetMatrix()).reshape(3, 3)
ORIENTATIONS = {
    "axial": (1, 0, 0, 0, 1, 0),
    "sagittal": (0, 1, 0, 0, 0, -1),
    "flipped rows": (-1, 0, 0, 0, 1, 0),
    "flipped columns": (1, 0, 0, 0, -1, 0),
    "oblique": tuple(TURNED[:, :2].T.ravel()),
}
COPIED = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
    "StudyDescription",
    "TimezoneOffsetFromUTC",
)


def by_gdcm(folder: Path) -> sitk.Image:
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return reader.Execute()


@pytest.mark.parametrize("orientation", ORIENTATIONS.values(), ids=ORIENTATIONS)
@pytest.mark.parametrize("step", [3.0, -3.0])
def test_the_segment_lies_where_the_mask_lies(tmp_path: Path, series_writer, orientation, step) -> None:
    files = series_writer(
        tmp_path / "dicom", STORED, orientation=orientation, offsets=[step * k for k in range(len(STORED))]
    )
    image = read_image(tmp_path / "dicom")
    mask = drawn(image)
    paths, notes = write_dicom({"T2": tmp_path / "dicom"}, mask, PREDICTION, FEATURES, tmp_path / "out")
    assert [path.name for path in paths] == ["segment.dcm", "report.dcm"] and notes == []
    dataset = pydicom.dcmread(paths[0])

    other = by_gdcm(tmp_path / "dicom")  # another reader's grid of the same series
    expected = {
        other.TransformPhysicalPointToIndex(mask.TransformIndexToPhysicalPoint([int(i) for i in zyx[::-1]]))
        for zyx in np.argwhere(voxels(mask))
    }
    found = positions(dataset)
    assert len(found) == voxels(mask).sum()
    assert {other.TransformPhysicalPointToIndex(point) for point in found} == expected

    where = {file.SOPInstanceUID: np.array(file.ImagePositionPatient, float) for file in files}
    for frame in dataset.PerFrameFunctionalGroupsSequence:
        uid = frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        np.testing.assert_allclose(frame.PlanePositionSequence[0].ImagePositionPatient, where[uid], atol=1e-6)

    back = read_mask(paths[0], "Tumour", reference=image)
    np.testing.assert_array_equal(voxels(back), voxels(mask))
    np.testing.assert_array_equal(
        voxels(read_case({"T2": tmp_path / "dicom"}, paths[0]).required_mask()), voxels(mask)
    )


def test_a_multi_frame_series_gets_a_segment_of_its_own_order(tmp_path: Path, series_writer) -> None:
    from highdicom.legacy import LegacyConvertedEnhancedMRImage

    files = series_writer(
        tmp_path / "classic",
        STORED,
        orientation=ORIENTATIONS["oblique"],
        ImageType=["ORIGINAL", "PRIMARY"],
        BurnedInAnnotation="NO",
    )
    order = [files[k] for k in (3, 0, 4, 1, 2, 5)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        enhanced = LegacyConvertedEnhancedMRImage(order, pydicom.uid.generate_uid(), 7, pydicom.uid.generate_uid(), 1)
    enhanced.save_as(tmp_path / "enhanced.dcm")
    image = read_image(tmp_path / "enhanced.dcm")
    mask = drawn(image)
    write_dicom({"T2": tmp_path / "enhanced.dcm"}, mask, PREDICTION, FEATURES, tmp_path / "out")
    dataset = pydicom.dcmread(tmp_path / "out" / "segment.dcm")
    expected = {tuple(int(i) for i in zyx[::-1]) for zyx in np.argwhere(voxels(mask))}
    assert {image.TransformPhysicalPointToIndex(point) for point in positions(dataset)} == expected
    np.testing.assert_array_equal(voxels(read_mask(tmp_path / "out" / "segment.dcm", reference=image)), voxels(mask))
    report = highdicom.sr.srread(tmp_path / "out" / "report.dcm")
    reference = report.content.get_volumetric_roi_measurement_groups()[0].referenced_segment
    (source,) = reference.source_images_for_segmentation
    slices = [
        image.TransformPhysicalPointToIndex([float(v) for v in frame.PlanePositionSequence[0].ImagePositionPatient])[2]
        for frame in enhanced.PerFrameFunctionalGroupsSequence
    ]
    assert slices != sorted(slices)
    shown = {number for number, k in enumerate(slices, start=1) if voxels(mask)[k].any()}
    assert {int(n) for n in source.ReferencedSOPSequence[0].ReferencedFrameNumber} == shown
    assert_valid(tmp_path / "out")

    for name, half in (("a.dcm", order[:3]), ("b.dcm", order[3:])):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            part = LegacyConvertedEnhancedMRImage(half, enhanced.SeriesInstanceUID, 7, pydicom.uid.generate_uid(), 1)
        (tmp_path / "parts").mkdir(exist_ok=True)
        part.save_as(tmp_path / "parts" / name)
    with pytest.raises(InputError, match="2 multi-frame files"):
        write_dicom({"T2": tmp_path / "parts"}, mask, PREDICTION, FEATURES, tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_real_series_keeps_its_mask_and_gives_valid_objects(data_dir: Path, tmp_path: Path) -> None:
    series = data_dir / "dicom_prostate"
    image = read_image(series)
    mask = drawn(image)
    write_dicom({"T2": series}, mask, PREDICTION, FEATURES, tmp_path)
    np.testing.assert_array_equal(voxels(read_mask(tmp_path / "segment.dcm", reference=image)), voxels(mask))
    segmentation = highdicom.seg.segread(tmp_path / "segment.dcm")
    assert segmentation.segmented_property_types == [pydicom.sr.codedict.codes.SCT.Neoplasm]
    other = by_gdcm(series)
    expected = {tuple(int(i) for i in zyx[::-1]) for zyx in np.argwhere(voxels(mask))}
    assert {other.TransformPhysicalPointToIndex(point) for point in positions(segmentation)} == expected
    assert_valid(tmp_path)


@pytest.fixture
def written(tmp_path: Path, series_writer) -> tuple[Path, list[Any]]:
    """The folder of both files of a made series, and the series' files."""
    files = series_writer(
        tmp_path / "dicom", STORED, SeriesNumber=12, StudyDescription="Kopf", TimezoneOffsetFromUTC="+0530"
    )
    mask = drawn(read_image(tmp_path / "dicom"))
    write_dicom({"T2": tmp_path / "dicom"}, mask, PREDICTION, FEATURES, tmp_path / "out")
    return tmp_path / "out", files


def test_made_objects_are_valid(written) -> None:
    assert_valid(written[0])


def test_every_number_is_read_back_exactly(written) -> None:
    """float64 bit for bit from FloatingPointValue; the text beside it, of 16 characters, to nine digits."""
    report = highdicom.sr.srread(written[0] / "report.dcm")
    found, meanings = {}, set()
    for group in report.content.get_volumetric_roi_measurement_groups():
        (modality,) = [
            e.value.meaning for e in group.get_qualitative_evaluations() if e.name.value == "measured-image"
        ]
        for item in group.get_measurements():
            found[modality, item.name.value, item.name.scheme_designator] = item.value
            meanings.add((modality, item.name.meaning))
            text = float(item[0].MeasuredValueSequence[0].NumericValue)
            assert text == pytest.approx(item.value, rel=1e-9)
    finite = {name: value for name, value in FEATURES.items() if np.isfinite(value)}
    expected = {}
    for full, value in finite.items():
        modality, name = full.split(".", 1)
        code = feature_code(name)
        expected[modality, code.value, code.scheme_designator] = value
    assert found == expected and len(expected) == len(finite)
    assert ("T2", "ACUI", "IBSI") in found and ("T2", "original_firstorder_Kurtosis") in meanings


def test_the_prediction_is_read_back(written) -> None:
    report = highdicom.sr.srread(written[0] / "report.dcm")
    regions = report.content.get_volumetric_roi_measurement_groups()
    (group,) = report.content.get_image_measurement_groups()
    assert {g.tracking_uid for g in regions} == {group.tracking_uid}
    segment = pydicom.dcmread(written[0] / "segment.dcm")
    assert segment.SegmentSequence[0].TrackingUID == group.tracking_uid
    for region in regions:
        reference = region.referenced_segment
        assert reference.referenced_sop_instance_uid == segment.SOPInstanceUID
    numbers = {item.name.meaning: item.value for item in group.get_measurements()}
    meningioma, _ = PREDICTION["classes"]
    assert numbers == {
        f"Probability of {meningioma}": 1 / 3,
        "Probability of högradigt gliom ≥ 3 / with a long name that go": 2 / 3,
        f"Lower limit, 95% interval, probability of {meningioma}": 0.1234567890123456,
        f"Upper limit, 95% interval, probability of {meningioma}": 0.7,
        "Level of the interval": 0.95,
        f"Threshold of the probability of {meningioma}": 0.3,
        "Level of the prediction set": 0.9,
    }
    judged = [
        (e.name.value, e.value.meaning)
        for e in group.get_qualitative_evaluations()
        if e.name.scheme_designator == "99TUMORCLASS"
    ]
    assert judged == [("predicted-class", meningioma), ("prediction-set", meningioma)]
    texts = [str(item.TextValue) for item in report.content[0].ContentSequence[-1].ContentSequence]
    assert texts[0].startswith("For research use only")
    assert texts[1] == "outside-training-range: The age, 93, is outside what the model has seen."
    assert texts[2] == "T2.original_glcm_MCC, T2.original_ngtdm_Coarseness"
    told = [str(item.get("TextValue")) for item in group[0].ContentSequence]
    assert {"menin-vs-glioma", "3", "sha256 " + "0123abcd" * 8} <= set(told)


@pytest.mark.parametrize(
    ("threshold", "chosen", "meanings"),
    [(None, [], ["No class: unlike all known ones"]), (None, ["a", "b"], ["a", "b"]), (0.5, None, [])],
)
def test_several_classes_and_their_sets(tmp_path: Path, series_writer, threshold, chosen, meanings) -> None:
    series_writer(tmp_path / "dicom", STORED)
    prediction = {
        **PREDICTION,
        "classes": ["a", "b", "c"],
        "positive": "b",
        "predicted": "b",
        "probabilities": {"a": 0.25, "b": 0.5, "c": 0.25},
        "threshold": threshold,
        "prediction_set": None if chosen is None else {"classes": chosen, "level": 0.9},
    }
    mask = drawn(read_image(tmp_path / "dicom"))
    write_dicom({"T2": tmp_path / "dicom"}, mask, prediction, {}, tmp_path)
    report = highdicom.sr.srread(tmp_path / "report.dcm")
    (group,) = report.content.get_image_measurement_groups()
    in_set = [e.value.meaning for e in group.get_qualitative_evaluations() if e.name.value == "prediction-set"]
    assert in_set == meanings
    names = [item.name.value for item in group.get_measurements()]
    assert [n for n in names if n.startswith("probability")] == [f"probability:{c}" for c in "abc"]
    assert ("threshold:b" in names) == (threshold is not None)
    assert_valid(tmp_path)


def test_patient_and_study_are_the_source_s_and_the_rest_is_new(written) -> None:
    folder, files = written
    segment, report = (pydicom.dcmread(folder / name) for name in ("segment.dcm", "report.dcm"))
    for made in (segment, report):
        for key in COPIED:
            assert made[key].value == files[0][key].value, key
        age = datetime.now(UTC) - datetime.strptime(f"{made.ContentDate}{made.ContentTime}+0530", "%Y%m%d%H%M%S.%f%z")
        assert 0 <= age.total_seconds() < 60
        assert made.SeriesDate == made.ContentDate == made.InstanceCreationDate
    assert segment.FrameOfReferenceUID == files[0].FrameOfReferenceUID
    assert (segment.SeriesNumber, report.SeriesNumber) == (1012, 2012)
    new = [made[key].value for made in (segment, report) for key in ("SOPInstanceUID", "SeriesInstanceUID")]
    old = {file[key].value for file in files for key in ("SOPInstanceUID", "SeriesInstanceUID")}
    assert len(set(new)) == 4 and not old & set(new)
    (series,) = [
        item
        for study in report.CurrentRequestedProcedureEvidenceSequence
        for item in study.ReferencedSeriesSequence
        if item.SeriesInstanceUID == files[0].SeriesInstanceUID
    ]
    referenced = {item.ReferencedSOPInstanceUID for item in series.ReferencedSOPSequence}
    assert referenced == {file.SOPInstanceUID for file in files}


def test_the_time_zone_is_the_source_s_or_not_stated(tmp_path: Path, series_writer) -> None:
    at = datetime(2024, 3, 1, 23, 30, tzinfo=UTC)
    header = pydicom.Dataset()
    assert moment(header, at) == at and moment(header, at).hour == 23
    header.TimezoneOffsetFromUTC = "-0330"
    assert (moment(header, at).hour, moment(header, at).minute) == (20, 0)
    header.TimezoneOffsetFromUTC = "+0200"
    assert moment(header, at).strftime("%Y%m%d %H%M %z") == "20240302 0130 +0200"
    series_writer(tmp_path / "dicom", STORED)
    write_dicom({"T2": tmp_path / "dicom"}, drawn(read_image(tmp_path / "dicom")), PREDICTION, {}, tmp_path)
    assert "TimezoneOffsetFromUTC" not in pydicom.dcmread(tmp_path / "segment.dcm")


@pytest.mark.parametrize(
    "attributes",
    [
        {"SpecificCharacterSet": "ISO_IR 100", "PatientName": "Müller^Jörg", "StudyDescription": "Schädel"},
        {
            "SpecificCharacterSet": ["", "ISO 2022 IR 87"],
            "PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう",
        },
        {"SpecificCharacterSet": "ISO_IR 144", "PatientName": "Люкceмбypг", "PatientComments": "я" * 60},
        {"StudyDate": "", "StudyTime": None, "PatientSex": "", "SeriesNumber": None},
        {"PatientID": None, "StudyID": None, "AccessionNumber": None, "ReferringPhysicianName": None},
        {"SeriesNumber": 2**31 - 5},
    ],
    ids=["Latin", "Japanese", "Cyrillic", "empty", "missing", "high number"],
)
def test_headers_as_archives_have_them(tmp_path: Path, series_writer, attributes) -> None:
    series_writer(tmp_path / "dicom", STORED, **attributes)
    mask = drawn(read_image(tmp_path / "dicom"))
    write_dicom({"T2": tmp_path / "dicom"}, mask, PREDICTION, FEATURES, tmp_path)
    for name in ("segment.dcm", "report.dcm"):
        made = pydicom.dcmread(tmp_path / name)
        assert made.SpecificCharacterSet == "ISO_IR 192"
        for key in ("PatientName", "StudyDescription"):
            if key in attributes:
                assert str(made[key].value) == attributes[key]
    assert_valid(tmp_path)


def test_values_against_the_standard_are_left_out_or_refused(tmp_path: Path, series_writer, identifiers) -> None:
    series_writer(tmp_path / "dicom", STORED)
    mask = drawn(read_image(tmp_path / "dicom"))
    for path in (tmp_path / "dicom").iterdir():
        ds = pydicom.dcmread(path)
        with pydicom.config.disable_value_validation():
            ds.PatientSex, ds.StudyDate, ds.PatientBirthDate, ds.StudyDescription = "X", "2020.01", "soon", "x" * 99
            ds.save_as(path)
    write_dicom({"T2": tmp_path / "dicom"}, mask, PREDICTION, FEATURES, tmp_path)
    made = pydicom.dcmread(tmp_path / "report.dcm")
    assert (made.PatientSex, made.StudyDate, made.PatientBirthDate) == ("", "", "")
    series_writer(tmp_path / "frameless", STORED, frame="")
    with pytest.raises(InputError, match="FrameOfReferenceUID") as caught:
        write_dicom({"T2": tmp_path / "frameless"}, mask, PREDICTION, FEATURES, tmp_path / "none")
    assert not [word for word in identifiers if word in str(caught.value).lower()]


def test_what_highdicom_refuses_is_a_sentence_without_header_values(
    tmp_path: Path, series_writer, identifiers, monkeypatch: pytest.MonkeyPatch
) -> None:
    series_writer(tmp_path / "dicom", STORED)
    mask = drawn(read_image(tmp_path / "dicom"))

    def refuse(*_: Any, **__: Any) -> None:
        raise ValueError("Mustermann^Erika is no value for this attribute")

    monkeypatch.setattr(highdicom.seg, "Segmentation", refuse)
    with pytest.raises(InputError, match=r"cannot be carried over .*\(ValueError\)") as caught:
        write_dicom({"T2": tmp_path / "dicom"}, mask, PREDICTION, FEATURES, tmp_path / "none")
    assert not [word for word in identifiers if word in str(caught.value).lower()]
    assert caught.value.__cause__ is None and not (tmp_path / "none").exists()


def test_a_mask_on_another_grid_is_laid_on_the_slices_or_refused(tmp_path: Path, series_writer) -> None:
    """Twice as fine: every voxel of the series takes the fine mask's value at its centre."""
    series_writer(tmp_path / "dicom", STORED, orientation=ORIENTATIONS["oblique"])
    image = read_image(tmp_path / "dicom")
    fine = sitk.Image([2 * n - 1 for n in image.GetSize()], sitk.sitkUInt8)
    fine.SetSpacing([s / 2 for s in image.GetSpacing()])
    fine.SetOrigin(image.GetOrigin())
    fine.SetDirection(image.GetDirection())
    array = np.random.default_rng(0).integers(0, 2, fine.GetSize()[::-1], dtype=np.uint8)
    mask = sitk.GetImageFromArray(array)
    mask.CopyInformation(fine)
    _, notes = write_dicom({"T2": tmp_path / "dicom"}, mask, PREDICTION, FEATURES, tmp_path)
    assert len(notes) == 1 and "nearest" in notes[0]
    back = read_mask(tmp_path / "segment.dcm", reference=image)
    np.testing.assert_array_equal(voxels(back), array[::2, ::2, ::2])

    moved = drawn(image)
    moved.SetOrigin([v + 30 for v in image.GetOrigin()])
    empty = sitk.Image(image.GetSize(), sitk.sitkUInt8)
    empty.CopyInformation(image)
    between = sitk.Image([3, 3, 1], sitk.sitkUInt8) + 1
    between.SetDirection(image.GetDirection())
    between.SetSpacing((0.1, 0.1, 0.1))
    between.SetOrigin(image.TransformContinuousIndexToPhysicalPoint((5.3, 5.3, 2.5)))
    for refused, kind, sentence in (
        (moved, GeometryError, "reaches out"),
        (empty, InputError, "empty"),
        (between, GeometryError, "between the slices"),
    ):
        with pytest.raises(kind, match=sentence):
            write_dicom({"T2": tmp_path / "dicom"}, refused, PREDICTION, FEATURES, tmp_path / "none")
        assert not (tmp_path / "none").exists()


def test_a_segment_tells_who_drew_it(tmp_path: Path, series_writer, seg_writer) -> None:
    files = series_writer(tmp_path / "dicom", STORED)
    image = read_image(tmp_path / "dicom")
    mask = drawn(image)
    sitk.WriteImage(mask, str(tmp_path / "mask.nrrd"))
    manual = seg_writer(tmp_path / "manual.dcm", files, {"Lesion": voxels(mask)})
    assert outline_of(tmp_path / "mask.nrrd", "3") == Outline("3")
    assert outline_of(manual) == Outline("Lesion", "MANUAL")
    network = Outline("Lesion", "AUTOMATIC", "nnU-Net", "2.5")
    write_dicom({"T2": tmp_path / "dicom"}, mask, PREDICTION, FEATURES, tmp_path, outline=network)
    assert outline_of(tmp_path / "segment.dcm", "1") == network
    assert [s.name for s in segments_of(tmp_path / "segment.dcm")] == ["Lesion"]
    assert_valid(tmp_path)


def test_what_is_no_dicom_or_another_patient_s_is_refused(
    tmp_path: Path, series_writer, identifiers, monkeypatch: pytest.MonkeyPatch
) -> None:
    series_writer(tmp_path / "dicom", STORED)
    series_writer(tmp_path / "stranger", STORED, PatientID="HOSP-1")
    image = read_image(tmp_path / "dicom")
    sitk.WriteImage(image, str(tmp_path / "t2.nrrd"))
    mixed = {"T1C": tmp_path / "t2.nrrd", "T2": tmp_path / "dicom"}
    assert dicom_series(mixed) == {"T2": tmp_path / "dicom"}
    with pytest.raises(InputError, match="beside a DICOM series"):
        dicom_series({"T1C": tmp_path / "t2.nrrd"})
    with pytest.raises(InputError, match="not DICOM"):
        write_dicom({"T1C": tmp_path / "t2.nrrd"}, drawn(image), PREDICTION, FEATURES, tmp_path)
    two = {"T2": tmp_path / "dicom", "T1": tmp_path / "stranger"}
    with pytest.raises(InputError, match="2 different patients") as caught:
        write_dicom(two, drawn(image), PREDICTION, FEATURES, tmp_path)
    assert not [word for word in identifiers if word in str(caught.value).lower()]
    monkeypatch.setattr(dicom_output_source, "find_spec", lambda name: None if name == "highdicom" else name)
    with pytest.raises(EngineUnavailable, match=r"needs highdicom.*tumorclassifier\[dicom\]"):
        dicom_series(mixed)


def test_the_series_that_the_mask_was_drawn_on_comes_first(tmp_path: Path, series_writer) -> None:
    series_writer(tmp_path / "dicom", STORED)
    sitk.WriteImage(drawn(read_image(tmp_path / "dicom")), str(tmp_path / "mask.nrrd"))
    both = {"T2": tmp_path / "dicom", "T1": tmp_path / "dicom"}
    case = read_case(both, tmp_path / "mask.nrrd")
    assert list(drawn_on(case, {"T1": tmp_path, "T2": tmp_path})) == ["T2", "T1"]  # the case's first is its reference
    assert list(drawn_on(case, {"T1": tmp_path})) == ["T1"]
    registered = replace(case, transforms={"T2": sitk.Transform()})
    assert list(drawn_on(registered, both)) == ["T1", "T2"]
    with pytest.raises(InputError, match="registered"):
        drawn_on(registered, {"T2": tmp_path})


def test_codes_are_ibsi_s_where_the_definition_is() -> None:
    tags = set()
    for family, known in CLASSES.items():
        for short, feature in known.features.items():
            name = f"original_{family}_{short}"
            code, standard = feature_code(name), feature_code(name, ibsi_definitions=True)
            assert code.scheme_designator == ("IBSI" if feature.ibsi and feature.standard is None else "99TUMORCLASS")
            assert standard.value == feature.ibsi or (not feature.ibsi and standard.meaning == name)
            for filtered in (f"wavelet-HHL_{family}_{short}", f"log-sigma-1-0-mm-3D_{family}_{short}"):
                assert feature_code(filtered).meaning == filtered and len(feature_code(filtered).value) <= 16
                tags.add((feature_code(filtered).scheme_designator, feature_code(filtered).value))
            tags.add((standard.scheme_designator, standard.value))
    assert len(tags) == 3 * sum(len(known.features) for known in CLASSES.values())
    assert feature_code("original_glcm_JointEntropy").meaning == "GLCM Joint Entropy"
    assert feature_code("original_shape_Maximum3DDiameter").meaning == "Shape Maximum 3D Diameter"


def test_units_are_ucum() -> None:
    assert feature_unit("original_shape_MeshVolume").value == "mm3"
    assert feature_unit("original_shape_SurfaceVolumeRatio").value == "mm-1"
    assert feature_unit("original_firstorder_Mean", HOUNSFIELD).value == "[hnsf'U]"
    assert feature_unit("wavelet-LLL_firstorder_Mean", HOUNSFIELD).value == ARBITRARY
    assert feature_unit("original_firstorder_TotalEnergy").value == "mm3.[arb'U]2"
    assert feature_unit("original_glcm_Contrast").value == "{grey_level2}"
    assert feature_unit("diagnostics_Image-original_Mean").value == "{not_stated}"
    for known in CLASSES.values():
        for feature in known.features.values():
            assert " " not in ucum(feature.unit, ARBITRARY) and ucum(feature.unit, ARBITRARY)


@pytest.mark.parametrize(
    ("modality", "intensity", "normalize", "unit"),
    [
        ("CT", "none", False, HOUNSFIELD),
        ("CT", "z-score", False, ARBITRARY),
        ("CT", "none", True, ARBITRARY),
        ("MR", "none", False, ARBITRARY),
    ],
)
def test_hounsfield_units_are_claimed_of_untouched_ct_only(
    tmp_path: Path, series_writer, modality, intensity, normalize, unit
) -> None:
    series_writer(tmp_path / "dicom", STORED, Modality=modality)
    provenance = {
        "settings": {"preparation": {"intensity": intensity, "n4": "none"}},
        "radiomics": {"setting": {"normalize": normalize}},
    }
    mask = drawn(read_image(tmp_path / "dicom"))
    features = {"CT.original_firstorder_Mean": 41.5}
    write_dicom({"CT": tmp_path / "dicom"}, mask, {**PREDICTION, "provenance": provenance}, features, tmp_path)
    report = highdicom.sr.srread(tmp_path / "report.dcm")
    (group,) = report.content.get_volumetric_roi_measurement_groups()
    assert [item.unit.value for item in group.get_measurements()] == [unit]


def test_no_name_is_in_paths_logs_or_messages(written, identifiers, caplog: pytest.LogCaptureFixture) -> None:
    names = " ".join(str(path.relative_to(written[0].parent)) for path in written[0].rglob("*")).lower()
    assert not [word for word in identifiers if word in names] and caplog.text == ""
