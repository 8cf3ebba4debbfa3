"""Two readers compared: the agreement of every feature and of the masks."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np

from .agreement import Agreement, check_form, intraclass_correlation
from .alignment import Alignment
from .errors import InputError
from .extraction import ExtractionSettings, extract_features
from .files import atomic_path
from .manifest import CaseEntry
from .mask_agreement import MaskAgreement, mask_agreement
from .progress import Progress, silent
from .table import FeatureTable

Key = tuple[str, str]
"""Case and segment."""


@dataclass(frozen=True)
class ReaderAgreement:
    """names: the features both tables have. keys: the rows compared. left_out: "case segment" to the reason."""

    names: tuple[str, ...]
    agreement: Agreement
    keys: tuple[Key, ...]
    left_out: Mapping[str, str]

    def stable(self, threshold: float) -> tuple[str, ...]:
        """The features whose ICC is at least `threshold`; one that never varies or is missing somewhere is not."""
        return tuple(n for n, icc in zip(self.names, self.agreement.icc, strict=True) if icc >= threshold)


def compare_tables(first: FeatureTable, second: FeatureTable, form: str = "ICC(2,1)") -> ReaderAgreement:
    """The ICC of every feature between two tables of the same cases, each measured by another reader.

    Rows are matched by case and segment; failed ones and those in one table only are left out. A feature that is NaN
    in any compared row has an ICC of NaN. Raises InputError for a row that is there twice, fewer than two rows or no
    feature in common, and an unknown form.
    """
    rows = [_rows(table, name) for table, name in ((first, "first"), (second, "second"))]
    keys = tuple(key for key in rows[0] if key in rows[1])
    if len(keys) < 2:
        raise InputError(
            f"The tables have {len(keys)} measured cases in common and agreement needs two; check the case_id columns."
        )
    columns = {name: j for j, name in enumerate(second.names)}
    names = tuple(name for name in first.names if name in columns)
    if not names:
        raise InputError("The tables have no feature in common; extract both with the same preset.")
    positions = {name: j for j, name in enumerate(first.names)}
    values = np.stack(
        [
            first.values[np.ix_([rows[0][key] for key in keys], [positions[name] for name in names])],
            second.values[np.ix_([rows[1][key] for key in keys], [columns[name] for name in names])],
        ],
        axis=1,
    )
    return ReaderAgreement(names, _agreement(values, form), keys, MappingProxyType(_left_out(first, second, keys)))


def compare_readers(
    entries: Sequence[CaseEntry], settings: ExtractionSettings, form: str = "ICC(2,1)", progress: Progress = silent
) -> ReaderAgreement:
    """Measure the cases that two readers outlined with either mask, and compare; raises InputError as the parts."""
    check_form(form)
    twice = twice_outlined(entries)

    def half(offset: float) -> Progress:
        return lambda stage, fraction: progress(stage, offset + fraction / 2)

    first = extract_features(twice, settings, half(0.0))
    second = extract_features([_by_second_reader(entry) for entry in twice], settings, half(0.5))
    return compare_tables(first, second, form)


def compare_masks(
    entries: Sequence[CaseEntry], alignment: Alignment | None = None
) -> tuple[dict[Key, MaskAgreement], dict[str, str]]:
    """Overlap and distances of both readers' masks by case and segment, and the reasons why others have none.

    alignment: what the images need to come onto one grid. Masks lie on the reference's, so that nothing is registered.
    """
    found, failed = {}, {}
    for entry in twice_outlined(entries):
        try:
            on_one_grid: Alignment | None = None
            if alignment is not None and alignment.wanted:
                on_one_grid = Alignment(reference=alignment.reference or next(iter(entry.images)))
            for one in entry.each_segment():
                cases = (one.read(alignment=on_one_grid), one.read_second_reader(alignment=on_one_grid))
                masks = (cases[0].required_mask(), cases[1].required_mask())
                found[one.case_id, one.segment] = mask_agreement(*masks, one.case_id)
        except InputError as error:
            failed[entry.case_id] = str(error)
    return found, failed


def twice_outlined(entries: Sequence[CaseEntry]) -> list[CaseEntry]:
    """The cases with both readers' masks; raises InputError when there are fewer than two."""
    twice = [entry for entry in entries if entry.mask is not None and entry.second_reader_mask is not None]
    if len(twice) < 2:
        raise InputError(
            f"The manifest has {len(twice)} cases outlined by two readers and agreement needs two; fill the columns "
            "mask and mask_second_reader."
        )
    return twice


def write_agreement(found: ReaderAgreement, threshold: float, path: Path) -> None:
    """Write a CSV file of feature, ICC, the interval's ends and whether it is stable; NaN is left empty."""
    stable = set(found.stable(threshold))
    result = found.agreement
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["feature", result.form, "low", "high", "stable"])
        for name, *numbers in zip(found.names, result.icc, result.low, result.high, strict=True):
            writer.writerow([name, *map(_number, numbers), int(name in stable)])


def write_mask_agreement(found: Mapping[Key, MaskAgreement], path: Path) -> None:
    """Write a CSV file of Dice and Hausdorff distances (mm), a row a case and segment."""
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["case_id", "segment", "dice", "hausdorff_mm", "hausdorff_95_mm"])
        writer.writerows([*key, *map(_number, asdict(masks).values())] for key, masks in found.items())


def _rows(table: FeatureTable, which: str) -> dict[Key, int]:
    """The position of each measured row by case and segment."""
    found: dict[Key, int] = {}
    for i, (case, segment, status, _) in enumerate(table.keys):
        if status != "ok":
            continue
        if (case, segment) in found:
            raise InputError(f"The {which} table has case {_text((case, segment))} twice; keep one row of it.")
        found[case, segment] = i
    return found


def _agreement(values: np.ndarray, form: str) -> Agreement:
    """ICC of (cases, readers, features) values, NaN for features that are not finite everywhere."""
    finite = np.isfinite(values).all(axis=(0, 1))
    found = intraclass_correlation(values[:, :, finite], form)
    spread = [np.full(values.shape[2], np.nan) for _ in range(3)]
    for whole, part in zip(spread, (found.icc, found.low, found.high), strict=True):
        whole[finite] = part
    return Agreement(form, *spread)


def _left_out(first: FeatureTable, second: FeatureTable, keys: Sequence[Key]) -> dict[str, str]:
    errors: dict[Key, str] = {}
    for table, other, name in ((first, second, "second"), (second, first, "first")):
        there = {key[:2] for key in other.keys}
        for case, segment, status, error in table.keys:
            if status != "ok":
                errors[case, segment] = error
            elif (case, segment) not in there:
                errors[case, segment] = f"The {name} table does not have this case; extract it with the same masks."
    return {_text(key): error for key, error in errors.items() if key not in keys}


def _by_second_reader(entry: CaseEntry) -> CaseEntry:
    return replace(entry, mask=entry.second_reader_mask, masks={})


def _text(key: Key) -> str:
    return " ".join(filter(None, key))


def _number(value: float) -> str:
    return repr(float(value)) if np.isfinite(value) else ""
