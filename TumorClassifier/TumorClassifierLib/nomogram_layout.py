"""Where the parts of a drawn nomogram stand, in inches, with text measured beforehand so that labels never overlap."""

import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from .clinical_coding import MISSING, is_missing
from .figure_file import FONT
from .nomogram import FactorTerm, Nomogram, Term, Value, pretty

WIDTH = 7.2  # inches, a journal's double column
MARGIN = 0.15
RIGHT, PATIENT = 0.35, 1.4  # free on the right without and with a patient's column
CLOSEST = 0.04  # inches between ticks
TICK, GAP = 0.06, 0.03
LINE = 0.15  # height of a line of labels
NAME_SIZE, LABEL_SIZE, OWN_SIZE = 8.5, 7.5, 6.5
OWN_WIDTH = 1.0  # inches that a patient's value may take
MINUS = "\N{MINUS SIGN}"
OFF = "off axis"
LABEL_FIRST = (0.5, 0.1, 0.9, 0.2, 0.8, 0.3, 0.7, 0.05, 0.95)  # probabilities, where not all have room


@dataclass(frozen=True)
class Label:
    """A tick's text, centred at x; lanes 0, 2, … lie below the line, 1, 3, … above."""

    x: float
    tick: float
    text: str
    lane: int


@dataclass(frozen=True)
class Row:
    """One horizontal scale, in inches from the left.

    missing: where unknown values stand, on the scale or off it. mark: the patient's place; note, own: his or her
    points and value in words.
    """

    name: str
    start: float
    end: float
    ticks: tuple[float, ...]
    labels: tuple[Label, ...]
    minor: tuple[float, ...] = ()
    missing: float | None = None
    mark: float | None = None
    note: str = ""
    own: str = ""

    @property
    def above(self) -> float:
        """Height needed over the line."""
        lanes = sum(1 for lane in {label.lane for label in self.labels} if lane % 2)
        return 0.08 + lanes * LINE + (TICK if lanes else 0)

    @property
    def below(self) -> float:
        """Height needed under the line."""
        lanes = sum(1 for lane in {label.lane for label in self.labels} if lane % 2 == 0)
        return TICK + GAP + max(lanes, 1) * LINE + 0.09


@dataclass(frozen=True)
class Layout:
    """The rows from top to bottom, the left end of the scales, and the canvas."""

    rows: tuple[Row, ...]
    left: float
    heights: tuple[float, ...] = field(default=())
    height: float = 0.0


def lay_out(nomogram: Nomogram, patient_values: Mapping[str, Value | None] | None = None) -> Layout:
    """Where everything stands; raises InputError as `Nomogram.points`."""
    names = [_wrap(_axis_name(term)) for term in nomogram.terms]
    titles = [*names, "Total points", _wrap(nomogram.outcome)]
    left = MARGIN + max(text_width(line, NAME_SIZE) for title in titles for line in title.split("\n")) + 0.3
    right = WIDTH - (RIGHT if patient_values is None else PATIENT)
    span = left, right
    points = None if patient_values is None else nomogram.points(patient_values)
    total = None if points is None else sum(points.values())
    total_ticks = pretty(0.0, nomogram.most_points, 8)

    def at(value: float) -> float:
        return left + (right - left) * value / 100

    def at_total(value: float) -> float:
        return left + (right - left) * value / total_ticks[-1]

    tens = [(at(v), f"{v:g}") for v in range(0, 101, 10)]
    rows = [_scale("Points", tens, span, minor=_between(at, range(0, 101, 2)))]
    for term, name in zip(nomogram.terms, names, strict=True):
        row = _term_row(nomogram, term, name, at, span)
        if points is not None and patient_values is not None:
            own = points[term.name]
            row = replace(row, mark=at(own), note=_note(own), own=_own(term, patient_values[term.name]))
        rows.append(row)
    step = total_ticks[1] - total_ticks[0]
    fine = [i * step / 5 for i in range(5 * (len(total_ticks) - 1) + 1)]
    rows.append(
        _scale(
            "Total points",
            [(at_total(v), f"{v:g}") for v in total_ticks],
            span,
            minor=_between(at_total, fine),
            mark=None if total is None else at_total(total),
            note=_note(total),
            own=OFF if total is not None and not -1e-6 <= total <= total_ticks[-1] + 1e-6 else "",
        )
    )
    rows.append(
        _scale(
            titles[-1],
            [(at_total(nomogram.total_at(p)), _chance(p)) for p in nomogram.probability_ticks()],
            span,
            first=[_chance(p) for p in LABEL_FIRST],
            mark=None if total is None else at_total(total),
            note="" if total is None else _chance(nomogram.probability_at(total)),
        )
    )
    heights, y = [], MARGIN * 0.6
    for row in rows:
        name_lines = row.name.count("\n")
        y += max(row.above, 0.07 * (1 + name_lines))
        heights.append(y)
        y += max(row.below, 0.07 * (2 + name_lines))
    height = y + MARGIN * 0.4
    return Layout(tuple(rows), left, tuple(height - y for y in heights), height)


@lru_cache(maxsize=4096)
def text_width(text: str, size: float) -> float:
    """Width of a line of text in inches, at a size in points."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    if not text.strip():
        return 0.0
    path = TextPath((0, 0), text, prop=FontProperties(family=FONT, size=size))
    return float(path.get_extents().x1) / 72


def _term_row(
    nomogram: Nomogram, term: Term, name: str, at: Callable[[float], float], span: tuple[float, float]
) -> Row:
    """The axis of one variable."""
    places = [at(nomogram.points_of(term, tick)) for tick in term.ticks]
    if isinstance(term, FactorTerm):
        return _factor(name, [(x, _shortened(text, span)) for x, text in zip(places, term.levels, strict=True)], span)
    row = _scale(name, list(zip(places, _texts(term.ticks), strict=True)), span)
    if term.unknown is None:
        return row
    missing = at(nomogram.points_of(term, MISSING))
    return replace(row, missing=missing, labels=(*row.labels, _free_lane(missing, MISSING, span, row.labels)))


def _scale(
    name: str, ticks: Sequence[tuple[float, str]], span: tuple[float, float], first: Sequence[str] = (), **more: Any
) -> Row:
    """A numeric scale: both ends are labelled, then the texts in `first`, then as many others as fit."""
    if not ticks:
        return Row(name, span[0], span[0], (), (), **more)
    ordered = sorted(ticks)
    wanted = [ordered.index(tick) for text in first for tick in ordered if tick[1] == text]
    order = [0, len(ordered) - 1, *wanted, *range(1, len(ordered) - 1)]
    labels: list[Label] = []
    for index in dict.fromkeys(order):
        x, text = ordered[index]
        fits = all(not _overlap(x, text, other.x, other.text) for other in labels)
        if fits or index == len(ordered) - 1:
            labels.append(Label(_inside(x, text, span), x, text, 0 if fits else 1))
    xs = [x for x, _ in ordered]
    if len(xs) > 2 and min(b - a for a, b in zip(xs, xs[1:], strict=False)) < CLOSEST:
        xs = sorted({label.tick for label in labels})
    return Row(name, ordered[0][0], ordered[-1][0], tuple(xs), tuple(labels), **more)


def _factor(name: str, ticks: Sequence[tuple[float, str]], span: tuple[float, float], **more: Any) -> Row:
    """A scale of levels: every level is labelled, in the first lane where its text fits."""
    labels: list[Label] = []
    for tick, text in sorted(ticks):
        labels.append(_free_lane(tick, text, span, labels))
    xs = tuple(sorted(x for x, _ in ticks))
    return Row(name, xs[0], xs[-1], xs, tuple(labels), **more)


def _free_lane(tick: float, text: str, span: tuple[float, float], labels: Sequence[Label]) -> Label:
    """A label in the first lane where it has room beside the others."""
    x, lane = _inside(tick, text, span), 0
    while any(other.lane == lane and _overlap(x, text, other.x, other.text) for other in labels):
        lane += 1
    return Label(x, tick, text, lane)


def ends(row: Row) -> tuple[float, float]:
    """The outermost places where a value may stand: the scale's ends or the mark of unknown values."""
    places = [row.start, row.end] + ([] if row.missing is None else [row.missing])
    return min(places), max(places)


def _overlap(x: float, text: str, other_x: float, other_text: str) -> bool:
    room = (text_width(text, LABEL_SIZE) + text_width(other_text, LABEL_SIZE)) / 2 + 0.07
    return abs(x - other_x) < room


def _inside(x: float, text: str, span: tuple[float, float]) -> float:
    """The centre nearest to x at which the text stays between the names and the right edge."""
    half = text_width(text, LABEL_SIZE) / 2
    return min(max(x, span[0] - 0.2 + half), span[1] + 0.2 - half)


def _between(position: Any, values: Sequence[float]) -> tuple[float, ...]:
    return tuple(position(value) for value in values)


def _axis_name(term: Term) -> str:
    unit = getattr(term, "unit", "")
    return f"{term.name} ({unit})" if unit else term.name


def _wrap(name: str) -> str:
    return "\n".join(textwrap.wrap(name, 24)) or name


def _texts(ticks: Sequence[float]) -> list[str]:
    """Ticks as short as they stay apart."""
    for digits in range(4, 18):
        texts = [f"{tick:.{digits}g}".replace("-", MINUS) for tick in ticks]
        if len(set(texts)) == len(set(ticks)) and all(_reads_as(t, v) for t, v in zip(texts, ticks, strict=True)):
            break
    return texts


def _reads_as(text: str, value: float) -> bool:
    return math.isclose(float(text.replace(MINUS, "-")), value, rel_tol=1e-9, abs_tol=0.0)


def _shortened(text: str, span: tuple[float, float]) -> str:
    """The text, its middle left out where it is longer than the axis: levels often differ at their ends."""
    room = span[1] - span[0]
    kept = len(text)
    short = text
    while text_width(short, LABEL_SIZE) > room:
        kept = min(kept - 1, int(kept * max(0.5, room / text_width(short, LABEL_SIZE))))
        short = f"{text[: kept - kept // 2].rstrip()}…{text[len(text) - kept // 2 :].lstrip()}"
    return short


def _own(term: Term, value: Value | None) -> str:
    """A patient's value in words; a level's is on the axis."""
    if isinstance(term, FactorTerm):
        return ""
    if term.unknown is not None and is_missing(value):
        return MISSING
    if value is None:
        return ""
    number = float(value)
    wide = max(abs(number), 1e-300) / max(term.ticks[-1] - term.ticks[0], 1e-300)
    digits = min(max(4, math.ceil(math.log10(wide)) + 3), 12)  # enough to tell places on the axis apart
    off = "" if term.ticks[0] <= number <= term.ticks[-1] else f" {OFF}"
    texts = [f"{number:.{count}g}{off}".replace("-", MINUS) for count in (digits, 4)]
    return next((text for text in texts if text_width(text, OWN_SIZE) < OWN_WIDTH), texts[-1])


def _chance(probability: float) -> str:
    if probability < 0.0005:
        return "< 0.001"
    return "> 0.999" if probability > 0.9995 else f"{probability:.3f}".rstrip("0")


def _note(points: float | None) -> str:
    if points is None:
        return ""
    return (f"{points:.1f}" if abs(points) < 100_000 else f"{points:.3g}").replace("-", MINUS)
