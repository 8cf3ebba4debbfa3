"""The cohort manifest: a CSV file with one row a case.

Columns: `case_id` (unique), `patient_id` (default: the case), `image_<MODALITY>` one or more (for a DICOM series its
folder, or FOLDER#SERIES), `mask`, `mask_<MODALITY>` (drawn on that image), `segment` (a name or number; `*` measures
each by itself), `label`, `cohort`; every other column is a clinical variable. Paths are relative to the manifest.
"""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from .alignment import Alignment
from .case import Case, ClinicalValue
from .errors import InputError
from .files import sha256_of_file
from .reading import read_case, segments_of
from .segments import EACH, keys_of

COHORTS = ("train", "validation", "test", "")
MISSING = ("", "na", "nan", "n/a", "none", "null", "?")
OWN_COLUMNS = ("case_id", "patient_id", "mask", "segment", "label", "cohort", "mask_second_reader")


@dataclass(frozen=True)
class CaseEntry:
    """One row of a manifest: where a case's files are and what is known of the patient."""

    case_id: str
    patient_id: str
    images: Mapping[str, Path]
    mask: Path | None
    second_reader_mask: Path | None = None
    segment: str = ""
    label: str | None = None
    cohort: str = ""
    clinical: Mapping[str, ClinicalValue] = field(default_factory=lambda: MappingProxyType({}))
    masks: Mapping[str, Path] = field(default_factory=lambda: MappingProxyType({}))

    def read(self, slice_spacing: Sequence[float] | None = None, alignment: Alignment | None = None) -> Case:
        """Read the case; raises InputError and GeometryError as `read_case`."""
        return self._read(self.mask, slice_spacing, self.masks, alignment)

    def read_second_reader(
        self, slice_spacing: Sequence[float] | None = None, alignment: Alignment | None = None
    ) -> Case:
        """Read the case with the second reader's mask; raises InputError where there is none."""
        if self.second_reader_mask is None:
            raise InputError(f"Case {self.case_id} has no second reader's mask; name one in mask_second_reader.")
        return self._read(self.second_reader_mask, slice_spacing, {}, alignment)

    def each_segment(self) -> "tuple[CaseEntry, ...]":
        """The case once for every segment of its mask where `segment` is "*", otherwise as it is.

        Raises InputError when the mask cannot be read or has no segment.
        """
        mask = self.mask or next(iter(self.masks.values()), None)
        if self.segment != EACH or mask is None:
            return (self,)
        segments = segments_of(mask)
        if not segments:
            raise InputError(f"The mask {mask} holds nothing but background; outline the tumour first.")
        return tuple(replace(self, segment=key) for key in keys_of(segments))

    def _read(
        self,
        mask: Path | None,
        slice_spacing: Sequence[float] | None,
        masks: Mapping[str, Path],
        alignment: Alignment | None,
    ) -> Case:
        return read_case(
            self.images,
            mask,
            case_id=self.case_id,
            patient_id=self.patient_id,
            segment=self.segment,
            clinical=self.clinical,
            label=self.label,
            cohort=self.cohort,
            slice_spacing=slice_spacing,
            masks=masks,
            alignment=alignment,
        )


@dataclass(frozen=True)
class Manifest:
    """A cohort.

    numeric: names of clinical variables whose every known value is a number; levels: the sorted values of each
    categorical one. sha256: of the manifest file.
    """

    entries: tuple[CaseEntry, ...]
    numeric: tuple[str, ...]
    levels: Mapping[str, tuple[str, ...]]
    sha256: str

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities that any case has, in the file's order."""
        return tuple(dict.fromkeys(name for entry in self.entries for name in entry.images))

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels that occur, sorted."""
        return tuple(sorted({entry.label for entry in self.entries if entry.label is not None}))

    def of_cohort(self, *cohorts: str) -> tuple[CaseEntry, ...]:
        """The cases of the named cohorts, in the file's order."""
        return tuple(entry for entry in self.entries if entry.cohort in cohorts)


def read_manifest(path: Path) -> Manifest:
    """Read a manifest; image files are not opened yet.

    Raises InputError when the file is missing or no table, has no `case_id` or `image_…` column, has a case twice,
    a patient in two cohorts, an unknown cohort, or a row of another length than its header.
    """
    path = Path(path)
    rows, columns = _read_rows(path)
    odd = [name for name in columns if re.match(r"(image|mask)_", name) and not re.fullmatch(r"\w+", name)]
    if odd:
        raise InputError(f"{path} has the column {odd[0]!r}; name modalities with letters, digits and _ only.")
    image_columns = [name for name in columns if re.fullmatch(r"image_\w+", name)]
    if "case_id" not in columns or not image_columns:
        raise InputError(
            f"{path} has no case_id or no image_<MODALITY> column; see the manifest's format in the README."
        )
    mask_columns = [name for name in columns if re.fullmatch(r"mask_\w+", name) and name not in OWN_COLUMNS]
    _check_mask_columns(mask_columns, image_columns, path)
    own_columns = {*OWN_COLUMNS, *image_columns, *mask_columns}
    clinical_columns = [name for name in columns if name not in own_columns]
    numeric = tuple(name for name in clinical_columns if _is_numeric([row[name] for row in rows]))
    entries = tuple(
        _entry(row, path, number, image_columns, mask_columns, clinical_columns, numeric)
        for number, row in enumerate(rows, start=2)
    )
    if not entries:
        raise InputError(f"{path} has a header but no case; add one row a case.")
    _check_unique(entries, path)
    _check_cohorts(entries, path)
    levels = {
        name: tuple(sorted({str(entry.clinical[name]) for entry in entries if entry.clinical[name] is not None}))
        for name in clinical_columns
        if name not in numeric
    }
    return Manifest(entries, numeric, MappingProxyType(levels), sha256_of_file(path))


def _read_rows(path: Path) -> tuple[list[dict[str, str]], list[str]]:
    if not path.is_file():
        raise InputError(f"{path} does not exist or is not a file; name a manifest in CSV format.")
    try:
        with open(path, newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream, strict=True)
            columns = [name.strip() for name in next(reader, [])]
            records = [(reader.line_num, record) for record in reader if any(cell.strip() for cell in record)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is not a CSV text file ({error}); save the table as CSV in UTF-8.") from error
    repeated = sorted({name for name in columns if columns.count(name) > 1})
    if repeated:
        raise InputError(f"{path} has the column {repeated[0]!r} twice; keep one.")
    for line, record in records:
        if len(record) != len(columns):
            raise InputError(
                f"{path}, line {line}, has {len(record)} values for {len(columns)} columns; quote values with commas."
            )
    return [dict(zip(columns, map(str.strip, record), strict=True)) for _, record in records], columns


def _entry(
    row: Mapping[str, str],
    path: Path,
    line: int,
    image_columns: Sequence[str],
    mask_columns: Sequence[str],
    clinical_columns: Sequence[str],
    numeric: Sequence[str],
) -> CaseEntry:
    case_id = row["case_id"]
    if not case_id:
        raise InputError(f"{path}, row {line}, has no case_id; give every case a unique one.")
    images = {name.removeprefix("image_"): path.parent / row[name] for name in image_columns if row[name]}
    if not images:
        raise InputError(f"{path}, row {line}: case {case_id} has no image; fill one of {', '.join(image_columns)}.")
    cohort = row.get("cohort", "").lower()
    if cohort not in COHORTS:
        raise InputError(f"{path}, row {line}: cohort {cohort!r} is unknown; use train, validation, test or nothing.")
    second = row.get("mask_second_reader", "")
    return CaseEntry(
        case_id=case_id,
        patient_id=row.get("patient_id", "") or case_id,
        images=MappingProxyType(images),
        mask=path.parent / row["mask"] if row.get("mask") else None,
        masks=MappingProxyType(
            {name.removeprefix("mask_"): path.parent / row[name] for name in mask_columns if row[name]}
        ),
        second_reader_mask=path.parent / second if second else None,
        segment=row.get("segment", ""),
        label=row.get("label", "") or None,
        cohort=cohort,
        clinical=MappingProxyType({name: _clinical_value(row[name], name in numeric) for name in clinical_columns}),
    )


def _check_mask_columns(masks: Sequence[str], images: Sequence[str], path: Path) -> None:
    for name in masks:
        image = name.replace("mask_", "image_", 1)
        if image not in images:
            raise InputError(f"{path} has the column {name} but no {image}; name both after one modality.")


def _clinical_value(text: str, numeric: bool) -> ClinicalValue:
    if text.lower() in MISSING:
        return None
    return float(text) if numeric else text


def _is_numeric(values: Sequence[str]) -> bool:
    known = [value for value in values if value.lower() not in MISSING]
    return bool(known) and all(re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", value) for value in known)


def _check_unique(entries: Sequence[CaseEntry], path: Path) -> None:
    seen: set[str] = set()
    for entry in entries:
        if entry.case_id in seen:
            raise InputError(f"{path} has case {entry.case_id} twice; give every case a unique case_id.")
        seen.add(entry.case_id)


def _check_cohorts(entries: Sequence[CaseEntry], path: Path) -> None:
    cohort_of: dict[str, str] = {}
    for entry in entries:
        if cohort_of.setdefault(entry.patient_id, entry.cohort) != entry.cohort:
            raise InputError(
                f"{path} puts patient {entry.patient_id} into two cohorts; keep all cases of a patient in one."
            )
