"""De-identification of the segments and reports that this software writes, by DICOM PS3.15 Annex E.

The Basic Application Level Confidentiality Profile (113100) with two options: Clean Structured Content (113104), as
the content of a report is our own and its free text is left out beforehand, and Clean Descriptors (113105), as the
descriptions kept are our own too. Other options are asked for by name. The profile lists what must go; here the
attributes that may stay are listed instead, so that what an archive adds to a header goes as well.

It is meant for these two kinds of objects, whose pixels are a mask. It does not de-identify images.
"""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from pydicom import DataElement, Dataset

# Codes of CID 7050.
BASIC = ("113100", "Basic Application Confidentiality Profile")
CLEAN_CONTENT = ("113104", "Clean Structured Content Option")
CLEAN_DESCRIPTORS = ("113105", "Clean Descriptors Option")
MODIFIED_DATES = ("113107", "Retain Longitudinal Temporal Information Modified Dates Option")
RETAIN_CHARACTERISTICS = ("113108", "Retain Patient Characteristics Option")
RETAIN_UIDS = ("113110", "Retain UIDs Option")

CHARACTERISTICS = (
    "PatientSex",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "EthnicGroup",
    "SmokingStatus",
    "PregnancyStatus",
)
NAME = "Anonymous^Patient"
DUMMY_DATE, DUMMY_TIME = "19000101", "000000"

# Top-level attributes of a SEG and an SR that say nothing of the patient, and those treated one by one below.
_KEPT = frozenset(
    (
        "SpecificCharacterSet",
        "ImageType",
        "SOPClassUID",
        "SOPInstanceUID",
        "Modality",
        "Manufacturer",
        "ManufacturerModelName",
        "DeviceSerialNumber",
        "SoftwareVersions",
        "SeriesDescription",
        "CodingSchemeIdentificationSequence",
        "StudyInstanceUID",
        "SeriesInstanceUID",
        "SeriesNumber",
        "InstanceNumber",
        "FrameOfReferenceUID",
        "PositionReferenceIndicator",
        "ContentLabel",
        "ContentDescription",
        "ReferencedSeriesSequence",
        "ReferencedInstanceSequence",
        "DimensionOrganizationSequence",
        "DimensionIndexSequence",
        "DimensionOrganizationType",
        "SamplesPerPixel",
        "PhotometricInterpretation",
        "NumberOfFrames",
        "Rows",
        "Columns",
        "BitsAllocated",
        "BitsStored",
        "HighBit",
        "PixelRepresentation",
        "LossyImageCompression",
        "BurnedInAnnotation",
        "PixelData",
        "SegmentationType",
        "SegmentsOverlap",
        "SegmentSequence",
        "SharedFunctionalGroupsSequence",
        "PerFrameFunctionalGroupsSequence",
        "ValueType",
        "ConceptNameCodeSequence",
        "ContinuityOfContent",
        "ContentTemplateSequence",
        "ContentSequence",
        "CompletionFlag",
        "PreliminaryFlag",
        "VerificationFlag",
        "CurrentRequestedProcedureEvidenceSequence",
        "PertinentOtherEvidenceSequence",
    )
)
# Attributes that must be there, if empty (type 2).
_EMPTIED = frozenset(
    (
        "PatientBirthDate",
        "PatientSex",
        "AccessionNumber",
        "StudyID",
        "ReferringPhysicianName",
        "StudyDate",
        "StudyTime",
        "ContentCreatorName",
        "PerformedProcedureCodeSequence",
        "ReferencedPerformedProcedureStepSequence",
    )
)
_NEEDED_DATES = {"ContentDate": DUMMY_DATE, "ContentTime": DUMMY_TIME}
_DATES = ("StudyDate", "StudyTime", "SeriesDate", "SeriesTime", "InstanceCreationDate", "InstanceCreationTime")

# UIDs of kinds rather than of things.
_CLASS_UIDS = ("SOPClassUID", "ReferencedSOPClassUID", "CodingSchemeUID", "ContextUID", "MappingResourceUID")
_STANDARD_ROOT = "1.2.840.10008."


@dataclass(frozen=True)
class Profile:
    """What is retained beyond the basic profile.

    shift_days: dates are moved by so many days and times kept; without it dates and times go, or become
    1900-01-01 00:00:00 where an object must have them. characteristics: sex, age, size, weight and the like stay.
    uids: all UIDs stay, where the images that are referred to are de-identified already.
    """

    shift_days: int | None = None
    characteristics: bool = False
    uids: bool = False

    @property
    def codes(self) -> tuple[tuple[str, str], ...]:
        """Code and meaning of the profile and each option (CID 7050)."""
        chosen = (
            (MODIFIED_DATES, self.shift_days is not None),
            (RETAIN_CHARACTERISTICS, self.characteristics),
            (RETAIN_UIDS, self.uids),
        )
        return (BASIC, CLEAN_CONTENT, CLEAN_DESCRIPTORS, *(code for code, wanted in chosen if wanted))


BASIC_PROFILE = Profile()


def deidentify(objects: "Sequence[Dataset]", profile: Profile = BASIC_PROFILE) -> "list[Dataset]":
    """Copies of segments and reports of one patient, with file meta information, without what identifies him or her.

    One UID becomes the same new one in all of them, so that they go on referring to each other; the new ones are
    random and the way back is kept nowhere. The patient is "Anonymous^Patient" with a random number.
    """
    uids: dict[str, str] = {}
    patient = f"ANON-{uuid4().hex[:12].upper()}"
    return [_deidentified(dataset, profile, uids, patient) for dataset in objects]


def _deidentified(dataset: "Dataset", profile: Profile, uids: dict[str, str], patient: str) -> "Dataset":
    new = deepcopy(dataset)
    methods = list(new.get("DeidentificationMethodCodeSequence") or ())  # of what was done to the images before
    kept = _KEPT | set(CHARACTERISTICS if profile.characteristics else ())
    dates = _NEEDED_DATES.keys() | set(_DATES)
    for element in list(new):
        if element.keyword in dates or element.keyword in kept:
            continue
        if element.keyword in _EMPTIED:
            element.value = [] if element.VR == "SQ" else ""
        else:
            del new[element.tag]
    _treat_dates(new, profile)
    _clean_within(new, profile)
    new.PatientName, new.PatientID = NAME, patient
    if not profile.uids:
        for element in _elements(new):
            _remap(element, uids)
    new.file_meta.MediaStorageSOPInstanceUID = new.SOPInstanceUID
    new.PatientIdentityRemoved = "YES"
    new.LongitudinalTemporalInformationModified = "REMOVED" if profile.shift_days is None else "MODIFIED"
    new.DeidentificationMethod = ["DICOM PS3.15 Annex E", *(meaning for _, meaning in profile.codes)]
    new.DeidentificationMethodCodeSequence = _codes(profile, methods)
    return new


def _treat_dates(new: "Dataset", profile: Profile) -> None:
    """The dates of study, series, instance and content: shifted, or removed, empty or a dummy as the type allows."""
    for keyword in (*_DATES, *_NEEDED_DATES):
        if keyword not in new:
            continue
        value = str(new[keyword].value or "")
        if profile.shift_days is not None:
            setattr(new, keyword, _shifted(value, profile.shift_days) if keyword.endswith("Date") else value)
        elif keyword in _NEEDED_DATES:
            setattr(new, keyword, _NEEDED_DATES[keyword])
        elif keyword in _EMPTIED:
            setattr(new, keyword, "")
        else:
            delattr(new, keyword)


def _clean_within(new: "Dataset", profile: Profile) -> None:
    """Names, dates and times in sequences become dummies, as items may need them; private attributes go."""
    new.remove_private_tags()
    for item in _items(new):
        for element in list(item):
            if element.VR == "PN":
                element.value = NAME
            elif element.VR in ("DA", "DT") and profile.shift_days is not None:
                element.value = _shifted(str(element.value or ""), profile.shift_days)
            elif element.VR in ("DA", "DT"):
                element.value = DUMMY_DATE
            elif element.VR == "TM" and profile.shift_days is None:
                element.value = DUMMY_TIME


def _remap(element: "DataElement", uids: dict[str, str]) -> None:
    if element.VR != "UI" or element.keyword in _CLASS_UIDS or not element.value:
        return
    several = element.VM > 1
    new = [_new_uid(str(uid), uids) for uid in (element.value if several else [element.value])]
    element.value = new if several else new[0]


def _new_uid(uid: str, uids: dict[str, str]) -> str:
    if uid.startswith(_STANDARD_ROOT):
        return uid
    return uids.setdefault(uid, f"2.25.{uuid4().int}")


def _shifted(text: str, days: int) -> str:
    """A DICOM date, or a date with time, some days later; empty where it is none."""
    try:
        date = datetime.strptime(text[:8], "%Y%m%d") + timedelta(days=days)
    except (ValueError, OverflowError):
        return ""
    return date.strftime("%Y%m%d").rjust(8, "0") + text[8:]


def _codes(profile: Profile, before: "Sequence[Dataset]") -> "list[Dataset]":
    from pydicom import Dataset

    items = []
    for value, meaning in profile.codes:
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
        items.append(item)
    told = {value for value, _ in profile.codes}
    return [*items, *(item for item in before if item.get("CodeValue") not in told)]


def _items(dataset: "Dataset") -> "Iterator[Dataset]":
    """Every item of every sequence, at any depth."""
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                yield item
                yield from _items(item)


def _elements(dataset: "Dataset") -> "Iterator[DataElement]":
    """Every element of a data set and of the items in it."""
    for part in (dataset, *_items(dataset)):
        yield from part
