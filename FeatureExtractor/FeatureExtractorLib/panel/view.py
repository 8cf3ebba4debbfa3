"""What the results step shows, whatever was measured: outcomes, overlaps and a table of features, as plain values."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from .columns import extra_columns
from .feature_names import FeatureName, parse_feature
from .measured import Measured, Overlap


@dataclass(frozen=True)
class Outcome:
    """What became of a segment or a case; failed ones say why."""

    name: str
    text: str
    failed: bool


@dataclass(frozen=True)
class ValueColumn:
    """Numbers by feature; NaN where a feature has none. key: of the segment, empty for what was computed of them."""

    title: str
    values: Sequence[float]
    meaning: str = ""
    key: str = ""


@dataclass(frozen=True)
class ResultView:
    """summary: a line or two. table: the file that was written, where one was."""

    summary: str
    outcomes: tuple[Outcome, ...] = ()
    overlaps: tuple[Overlap, ...] = ()
    features: tuple[FeatureName, ...] = ()
    columns: tuple[ValueColumn, ...] = ()
    table: Path | None = None

    @property
    def table_name(self) -> str:
        """What to call the table of a list in the scene."""
        return self.table.stem if self.table is not None else _("features")


def view_of_measured(measured: Measured) -> ResultView:
    """The segments of a scene."""
    titles = measured.titles()
    columns = [ValueColumn(extra.title, extra.values, extra.meaning) for extra in extra_columns(measured)]
    columns += [
        ValueColumn(titles[s.key], [s.features.get(name, math.nan) for name in measured.names], measured.note, s.key)
        for s in measured.succeeded
    ]
    measured_count, all_count = len(measured.succeeded), len(measured.segments)
    if measured_count == all_count:
        summary = _("{case}: {segments} measured, {features} features").format(
            case=measured.case, segments=_counted(all_count), features=len(measured.names)
        )
    else:
        summary = _("{case}: {done} of {segments} measured, {features} features").format(
            case=measured.case, done=measured_count, segments=_counted(all_count), features=len(measured.names)
        )
    return ResultView(
        summary=f"{summary}\n{measured.note}".strip(),
        outcomes=tuple(
            Outcome(titles[s.key], s.error or _("{count} features").format(count=len(s.features)), bool(s.error))
            for s in measured.segments
        ),
        overlaps=measured.overlaps,
        features=tuple(parse_feature(name) for name in measured.names),
        columns=tuple(columns),
    )


def view_of_cohort(found: Mapping[str, Any]) -> ResultView:
    """A cohort, from the worker's summary; only cases that failed are listed."""
    table, failures = Path(str(found["table"])), found["failures"]
    parts = [
        _("{rows} rows × {features} features in {file}").format(
            rows=found["rows"], features=found["features"], file=table.name
        )
    ]
    if failures:
        parts.append(_("{count} failed").format(count=len(failures)))
    if found.get("kept"):
        parts.append(_("{count} cases had been measured before the last run was stopped").format(count=found["kept"]))
    for why, count in found.get("again", {}).items():
        parts.append(_("{count} cases were measured again, because {why}").format(count=count, why=why))
    return ResultView(
        summary="; ".join(parts),
        outcomes=tuple(Outcome(case, reason, True) for case, reason in failures.items()),
        table=table,
    )


def view_of_readers(found: Mapping[str, Any]) -> ResultView:
    """Two readers of a cohort, from the worker's agreement.json and where it was written."""
    features = found["features"]
    stable = sum(bool(entry["stable"]) for entry in features)
    summary = _("{stable} of {count} features have an {form} of at least {threshold} in {cases} cases").format(
        stable=stable, count=len(features), form=found["form"], threshold=found["threshold"], cases=found["cases"]
    )
    number = {None: math.nan}
    titles = {"icc": found["form"], "low": _("Low"), "high": _("High")}
    return ResultView(
        summary=summary,
        outcomes=tuple(Outcome(case, reason, True) for case, reason in found["left_out"].items()),
        overlaps=tuple(
            Overlap(
                " ".join(filter(None, (entry["case"], entry["segment"]))),
                entry["dice"],
                entry["hausdorff_mm"],
                entry["hausdorff_95_mm"],
            )
            for entry in found["masks"]
        ),
        features=tuple(parse_feature(entry["name"]) for entry in features),
        columns=tuple(
            ValueColumn(title, [number.get(entry[key], entry[key]) for entry in features])
            for key, title in titles.items()
        ),
        table=Path(str(found["table"])),
    )


def _counted(segments: int) -> str:
    return _("one segment") if segments == 1 else _("{count} segments").format(count=segments)
