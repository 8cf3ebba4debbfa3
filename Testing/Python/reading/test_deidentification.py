"""De-identified segments and reports: nothing of the patient is left, and they still refer to each other."""

import runpy
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st

from FeatureExtractorLib.reading import read_image, read_mask
from TumorClassifierLib.deidentification import Profile, _shifted, deidentify
from TumorClassifierLib.dicom_output import write_dicom
from TumorClassifierLib.dicom_output_segment import Outline

pydicom = pytest.importorskip("pydicom")
highdicom = pytest.importorskip("highdicom")

CHECKS = runpy.run_path(str(Path(__file__).parents[2] / "Tools" / "dicom_checks.py"))
PREDICTION, FEATURES = CHECKS["PREDICTION"], CHECKS["FEATURES"]
assert_valid, drawn, positions, voxels = (CHECKS[name] for name in ("assert_valid", "drawn", "positions", "voxels"))

STORED = np.random.default_rng(0).integers(1, 4000, (4, 12, 14), dtype=np.uint16)

# Of DICOM PS3.15 2024, table E.1-1, column "Basic Prof.": what such objects can have at their top level. X remove, Z
# empty or a dummy, D a dummy, U another UID; where several are given the object's own type decides.
TABLE_E_1_1 = {
    "AccessionNumber": "Z",
    "AdditionalPatientHistory": "X",
    "AdmittingDiagnosesDescription": "X",
    "ClinicalTrialTimePointDescription": "X",
    "ContentDate": "ZD",
    "ContentTime": "ZD",
    "ContentCreatorName": "ZD",
    "EthnicGroup": "X",
    "FrameOfReferenceUID": "U",
    "InstanceCreationDate": "XD",
    "InstanceCreationTime": "XZD",
    "InstitutionName": "XZD",
    "IssuerOfPatientID": "X",
    "Occupation": "X",
    "OperatorsName": "XZD",
    "OtherPatientIDsSequence": "X",
    "PatientAddress": "X",
    "PatientAge": "X",
    "PatientBirthDate": "Z",
    "PatientComments": "X",
    "PatientID": "ZD",
    "PatientName": "Z",
    "PatientSex": "Z",
    "PatientSize": "X",
    "PatientWeight": "X",
    "PhysiciansOfRecord": "X",
    "PregnancyStatus": "X",
    "ReferencedPatientSequence": "X",
    "ReferencedStudySequence": "XZ",
    "ReferringPhysicianName": "Z",
    "SeriesDate": "XD",
    "SeriesInstanceUID": "U",
    "SeriesTime": "XD",
    "SmokingStatus": "X",
    "SOPInstanceUID": "U",
    "StationName": "XZD",
    "StudyDate": "Z",
    "StudyDescription": "X",
    "StudyID": "Z",
    "StudyInstanceUID": "U",
    "StudyTime": "Z",
    "TimezoneOffsetFromUTC": "X",
}
RICH = {
    "AdditionalPatientHistory": "smoker since Hiroshima",
    "AdmittingDiagnosesDescription": "glioma of Erika",
    "ClinicalTrialTimePointDescription": "week 4",
    "EthnicGroup": "Group7",
    "InstitutionName": "Charite Nord",
    "IssuerOfPatientID": "CHARITE",
    "ManufacturerModelName": "Scanner 3000",
    "DeviceSerialNumber": "SERIAL-31",
    "Occupation": "mayoress",
    "OperatorsName": "Bediener^B",
    "PatientAddress": "Hauptweg 12",
    "PatientAge": "055Y",
    "PatientComments": "knows Dr Arzt",
    "PatientSize": "1.68",
    "PatientWeight": "61.5",
    "PhysiciansOfRecord": "Arzt^A",
    "PregnancyStatus": 4,
    "SmokingStatus": "YES",
    "StationName": "MR-KELLER",
    "StudyDescription": "Kopf Erika",
    "TimezoneOffsetFromUTC": "+0100",
}
# In bytes of the files, as nobody's vocabulary has them.
TELLING = (
    "mustermann",
    "erika",
    "hosp-4711",
    "19640812",
    "acc-99",
    "arzt",
    "20200101",
    "hiroshima",
    "group7",
    "charite",
    "serial-31",
    "mayoress",
    "bediener",
    "hauptweg",
    "055y",
    "keller",
    "kopf",
    "61.5",
    "1.2.826.0.1.3680043.8.498",
    "lesion",
)


@pytest.fixture
def source(tmp_path: Path, series_writer) -> tuple[Path, list[Any], sitk.Image]:
    """A series with a telling header, its files and a mask."""
    other = pydicom.Dataset()
    other.PatientID = "HOSP-4711"
    reference = pydicom.Dataset()
    reference.ReferencedSOPClassUID = "1.2.840.10008.3.1.2.3.1"
    reference.ReferencedSOPInstanceUID = "1.2.826.0.1.3680043.8.498.55"
    files = series_writer(
        tmp_path / "dicom",
        STORED,
        **RICH,
        OtherPatientIDsSequence=[other],
        ReferencedPatientSequence=[reference],
        ReferencedStudySequence=[reference],
    )
    for path in (tmp_path / "dicom").iterdir():
        ds = pydicom.dcmread(path)
        ds.private_block(0x0009, "MAKER", create=True).add_new(0x01, "LO", "Mustermann")
        ds.save_as(path)
    return tmp_path / "dicom", files, drawn(read_image(tmp_path / "dicom"))


def made(folder: Path) -> tuple[Any, Any]:
    return pydicom.dcmread(folder / "segment.dcm"), pydicom.dcmread(folder / "report.dcm")


def everything(dataset: Any) -> Iterator[Any]:
    for element in dataset:
        yield element
        if element.VR == "SQ":
            for item in element.value:
                yield from everything(item)


def things(dataset: Any) -> list[str]:
    """UIDs of things rather than kinds, in order."""
    found = []
    for element in everything(dataset):
        if element.VR == "UI" and not str(element.value).startswith("1.2.840.10008."):
            found += [str(element.value)] if element.VM < 2 else [str(uid) for uid in element.value]
    return found


@pytest.mark.parametrize(
    "profile", [True, Profile(shift_days=-1000), Profile(uids=True), Profile(characteristics=True)]
)
def test_nothing_telling_is_left_in_the_files(tmp_path: Path, source, profile) -> None:
    series, _, mask = source
    outline = Outline("Lesion of Erika", "AUTOMATIC", "net", "1")
    plain = write_dicom({"T2": series}, mask, PREDICTION, FEATURES, tmp_path / "plain", outline=outline)[0]
    paths = write_dicom({"T2": series}, mask, PREDICTION, FEATURES, tmp_path / "out", profile, outline)[0]
    kept = {
        True: (),
        Profile(uids=True): ("1.2.826.0.1.3680043.8.498",),
        Profile(characteristics=True): ("055y", "group7", "61.5"),
    }.get(profile, ())
    there = b"".join(path.read_bytes() for path in plain).decode("utf-8", "replace").lower()
    text = b"".join(path.read_bytes() for path in paths).decode("utf-8", "replace").lower()
    for word in TELLING:
        if word not in kept:
            assert word not in text, word
    assert sum(word in there for word in TELLING) >= 15  # the words are those that were to go
    assert "the age, 93" in there and "the age" not in text and "outside-training-range" in text


def test_every_attribute_is_treated_as_the_profile_says(tmp_path: Path, source) -> None:
    series, files, mask = source
    write_dicom({"T2": series}, mask, PREDICTION, FEATURES, tmp_path / "plain")
    write_dicom({"T2": series}, mask, PREDICTION, FEATURES, tmp_path / "out", True)
    for before, after in zip(made(tmp_path / "plain"), made(tmp_path / "out"), strict=True):
        for keyword, actions in TABLE_E_1_1.items():
            if keyword not in after:
                assert "X" in actions or keyword not in before, keyword
                continue
            value = str(after[keyword].value or "")
            assert actions != "X", keyword
            assert value or "Z" in actions, keyword
            if value:
                assert value != str(before.get(keyword)) and value != str(files[0].get(keyword)), keyword
            if actions == "U":
                assert value.startswith("2.25.")
        assert not [element for element in everything(after) if element.tag.is_private]
        assert "ContributingEquipmentSequence" not in after  # names stations, institutions and operators
        names = {str(element.value) for element in everything(after) if element.VR == "PN"}
        assert names <= {"Anonymous^Patient", ""}
        dates = {str(element.value) for element in everything(after) if element.VR in ("DA", "DT")}
        assert dates <= {"19000101", ""}
        assert after.file_meta.MediaStorageSOPInstanceUID == after.SOPInstanceUID


@pytest.mark.parametrize(
    ("profile", "codes", "dates"),
    [
        (Profile(), ["113100", "113104", "113105"], "REMOVED"),
        (
            Profile(shift_days=3, characteristics=True, uids=True),
            ["113100", "113104", "113105", "113107", "113108", "113110"],
            "MODIFIED",
        ),
    ],
)
def test_the_method_is_stated(tmp_path: Path, source, profile, codes, dates) -> None:
    series, _, mask = source
    write_dicom({"T2": series}, mask, PREDICTION, FEATURES, tmp_path, profile)
    table = pydicom.sr.codedict.codes.cid7050
    meanings = {getattr(table, name).value: getattr(table, name).meaning for name in table.dir()}
    for dataset in made(tmp_path):
        assert dataset.PatientIdentityRemoved == "YES"
        assert [c.CodeValue for c in dataset.DeidentificationMethodCodeSequence] == codes
        for code in dataset.DeidentificationMethodCodeSequence:
            assert (code.CodingSchemeDesignator, code.CodeMeaning) == ("DCM", meanings[code.CodeValue])
        assert len(dataset.DeidentificationMethod) == len(codes) + 1
        assert dataset.LongitudinalTemporalInformationModified == dates
    assert_valid(tmp_path)


def test_both_go_on_referring_to_each_other(tmp_path: Path, source) -> None:
    """One to one: equal UIDs stay equal, different ones different, and each is new."""
    series, files, mask = source
    image = read_image(series)
    write_dicom({"T2": series}, mask, PREDICTION, FEATURES, tmp_path / "plain")
    before = made(tmp_path / "plain")
    after = deidentify(before)
    map_of: dict[str, str] = {}
    for old, new in zip(before, after, strict=True):
        olds = [uid for element in kept(old, new) for uid in things_of(element)]
        news = [uid for element in kept(new, old) for uid in things_of(element)]
        assert len(olds) == len(news) > 10
        for a, b in zip(olds, news, strict=True):
            assert map_of.setdefault(a, b) == b
    assert len(set(map_of.values())) == len(map_of) and not set(map_of) & set(map_of.values())
    assert {file.SOPInstanceUID for file in files} <= set(map_of)
    segment, report = after
    for dataset, name in zip(after, ("segment.dcm", "report.dcm"), strict=True):
        dataset.save_as(tmp_path / name, enforce_file_format=True)
    regions = highdicom.sr.srread(tmp_path / "report.dcm").content.get_volumetric_roi_measurement_groups()
    assert {r.referenced_segment.referenced_sop_instance_uid for r in regions} == {segment.SOPInstanceUID}
    assert segment.StudyInstanceUID == report.StudyInstanceUID and segment.PatientID == report.PatientID
    assert segment.PatientID.startswith("ANON-")
    assert positions(segment) == positions(before[0])
    inner = read_mask(tmp_path / "segment.dcm")
    assert voxels(inner).sum() == voxels(mask).sum() and inner.GetSpacing() == pytest.approx(image.GetSpacing())
    other = deidentify(before)
    assert not set(things(other[0])) & set(things(segment)) and other[0].PatientID != segment.PatientID


def kept(dataset: Any, other: Any) -> list[Any]:
    """The top-level elements that both have."""
    return [element for element in dataset if element.tag in other]


def things_of(element: Any) -> list[str]:
    alone = pydicom.Dataset()
    alone.add(element)
    return things(alone)


def test_dates_are_shifted_alike_and_characteristics_kept_on_request(tmp_path: Path, source) -> None:
    series, _, mask = source
    write_dicom({"T2": series}, mask, PREDICTION, FEATURES, tmp_path / "plain")
    before = made(tmp_path / "plain")
    for old, new in zip(before, deidentify(before, Profile(shift_days=-31, characteristics=True)), strict=True):
        assert (new.StudyDate, new.StudyTime, new.ContentTime) == ("20191201", "120000", old.ContentTime)
        days = np.datetime64(_iso(old.ContentDate)) - np.datetime64(_iso(new.ContentDate))
        assert days == np.timedelta64(31, "D") and new.SeriesDate == new.ContentDate
        assert new.PatientSex == "F" and new.PatientAge == "055Y" and new.PatientWeight == 61.5
        assert new.PatientBirthDate == "" and "Occupation" not in new
    for new in deidentify(before):
        assert (new.StudyDate, new.StudyTime, new.PatientSex) == ("", "", "")
        assert (new.ContentDate, new.ContentTime) == ("19000101", "000000") and "SeriesDate" not in new


def test_what_was_done_to_the_images_before_stays_told(data_dir: Path, tmp_path: Path) -> None:
    """The real series is de-identified already, with other options."""
    series = data_dir / "dicom_prostate"
    write_dicom({"T2": series}, drawn(read_image(series)), PREDICTION, FEATURES, tmp_path, True)
    for dataset in made(tmp_path):
        codes = [c.CodeValue for c in dataset.DeidentificationMethodCodeSequence]
        assert codes[:3] == ["113100", "113104", "113105"] and {"113101", "113108"} <= set(codes)
        assert len(codes) == len(set(codes)) and "Prostate-MRI" not in str(dataset)
    assert_valid(tmp_path)


def test_what_is_written_plain_is_not_changed(tmp_path: Path, source) -> None:
    series, _, mask = source
    write_dicom({"T2": series}, mask, PREDICTION, FEATURES, tmp_path)
    before = made(tmp_path)
    texts = [str(dataset) for dataset in before]
    deidentify(before)
    assert [str(dataset) for dataset in before] == texts


@given(st.dates(date(1900, 1, 1), date(2100, 1, 1)), st.integers(-20000, 20000))
def test_a_shift_is_undone_by_its_opposite(day: date, days: int) -> None:
    text = day.strftime("%Y%m%d")
    assert _shifted(_shifted(text, days), -days) == text
    assert _shifted(text + "1230", 0) == text + "1230"
    assert _shifted("soon", days) == ""


def _iso(text: str) -> str:
    return f"{text[:4]}-{text[4:6]}-{text[6:]}"
