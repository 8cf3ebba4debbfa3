"""What was measured of the segments of a scene, as plain values that are kept with the scene in full precision."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.table import FeatureRow, FeatureTable, table_of

FORMAT = "FeatureExtractor result 1"
Colour = tuple[float, float, float]


@dataclass(frozen=True)
class MeasuredSegment:
    """One outline of one segment.

    key: unique among those measured. name: of the segment. reader: of the segmentation, where two were compared.
    error: why there are no features.
    """

    key: str
    name: str
    features: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    error: str = ""
    reader: str = ""
    colour: Colour = (0.16, 0.44, 0.72)


@dataclass(frozen=True)
class Overlap:
    """How well two outlines of one segment agree; distances in mm. error: why they could not be compared."""

    name: str
    dice: float = math.nan
    hausdorff: float = math.nan
    hausdorff_95: float = math.nan
    error: str = ""


@dataclass(frozen=True)
class Measured:
    """The segments of one case, measured together.

    case: what it is called. note: how it was measured, in a line. metadata: settings, versions and hashes as JSON
    values. overlaps: of two readers' outlines, where they were compared.
    """

    case: str
    segments: tuple[MeasuredSegment, ...]
    note: str = ""
    metadata: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    overlaps: tuple[Overlap, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The features of any segment, in the order in which they were measured."""
        return tuple(dict.fromkeys(name for segment in self.segments for name in segment.features))

    @property
    def succeeded(self) -> tuple[MeasuredSegment, ...]:
        """Those that have features."""
        return tuple(segment for segment in self.segments if not segment.error)

    @property
    def failed(self) -> tuple[MeasuredSegment, ...]:
        """Those that have a reason instead."""
        return tuple(segment for segment in self.segments if segment.error)

    def titles(self) -> dict[str, str]:
        """A column's title by key: the segment's name, with the reader and then the key where that is needed."""
        return _distinct({segment.key: segment for segment in self.segments})

    def pairs(self) -> tuple[tuple[MeasuredSegment, MeasuredSegment], ...]:
        """Both readers' outlines of each segment, where both have features."""
        readers = tuple(dict.fromkeys(segment.reader for segment in self.segments))
        if len(readers) != 2:
            return ()
        first, second = ({s.name: s for s in self.succeeded if s.reader == reader} for reader in readers)
        return tuple((first[name], second[name]) for name in first if name in second)

    def table(self) -> FeatureTable:
        """Rows as `tumorclassifier extract` writes them: one a segment, failed ones with their reason."""
        titles = self.titles()
        rows = [FeatureRow(self.case, titles[s.key], s.features, s.error) for s in self.segments]
        return table_of(rows, self.metadata)


def to_text(measured: Measured) -> str:
    """As JSON text; NaN and infinity become null and words, for plain JSON lacks them."""
    document = {
        "format": FORMAT,
        "case": measured.case,
        "note": measured.note,
        "metadata": dict(measured.metadata),
        "overlaps": [_plain(vars(overlap)) for overlap in measured.overlaps],
        "features": list(measured.names),
        "segments": [
            {
                **{name: getattr(segment, name) for name in ("key", "name", "error", "reader")},
                "colour": list(segment.colour),
                "values": [_number(segment.features[n]) if n in segment.features else "" for n in measured.names],
            }
            for segment in measured.segments
        ],
    }
    return json.dumps(document, allow_nan=False, indent=1)


def from_text(text: str) -> Measured:
    """What `to_text` wrote; raises InputError for anything else."""
    try:
        document = json.loads(text)
        if document["format"] != FORMAT:
            raise ValueError(f"its format is {document['format']!r}")
        names = [str(name) for name in document["features"]]
        return Measured(
            case=str(document["case"]),
            segments=tuple(_segment(entry, names) for entry in document["segments"]),
            note=str(document["note"]),
            metadata=MappingProxyType(dict(document["metadata"])),
            overlaps=tuple(_overlap(entry) for entry in document["overlaps"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        what = " ".join(str(error).split())
        raise InputError(f"The features in this scene cannot be read ({what}); measure again.") from error


def _segment(entry: Mapping[str, Any], names: Sequence[str]) -> MeasuredSegment:
    values = zip(names, entry["values"], strict=True)
    red, green, blue = (float(part) for part in entry["colour"])
    return MeasuredSegment(
        key=str(entry["key"]),
        name=str(entry["name"]),
        features=MappingProxyType({name: _value(value) for name, value in values if value != ""}),
        error=str(entry["error"]),
        reader=str(entry["reader"]),
        colour=(red, green, blue),
    )


def _overlap(entry: Mapping[str, Any]) -> Overlap:
    dice, hausdorff, hausdorff_95 = (_value(entry[name]) for name in ("dice", "hausdorff", "hausdorff_95"))
    return Overlap(str(entry["name"]), dice, hausdorff, hausdorff_95, str(entry["error"]))


def _distinct(segments: Mapping[str, MeasuredSegment]) -> dict[str, str]:
    by_name = {key: segment.name for key, segment in segments.items()}
    with_reader = {key: f"{s.name} ({s.reader})" if s.reader else s.name for key, s in segments.items()}
    compared = len({segment.reader for segment in segments.values()}) > 1
    wanted = with_reader if compared else by_name
    taken = list(wanted.values())
    return {key: title if taken.count(title) == 1 else f"{title} ({key})" for key, title in wanted.items()}


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _number(value) if isinstance(value, float) else value for name, value in values.items()}


def _number(value: float) -> float | str | None:
    value = float(value)
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else ("inf" if value > 0 else "-inf")


def _value(value: Any) -> float:
    return math.nan if value is None else float(value)
