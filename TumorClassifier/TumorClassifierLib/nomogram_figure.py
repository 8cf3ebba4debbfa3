"""A nomogram drawn as in print: one line per variable under a 0 to 100 scale of points, total and probability below.

Everything is laid out in inches on one blank canvas, with text measured beforehand, so that labels never overlap.
"""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .figure_file import FONT, house_style, save_figure
from .nomogram import Nomogram, Term, Value, pretty

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 7.2  # inches, a journal's double column
MARGIN = 0.15
RIGHT, PATIENT = 0.35, 0.75  # free on the right without and with a patient's column
CLOSEST = 0.04  # inches between ticks
TICK, MINOR, GAP = 0.06, 0.035, 0.03
LINE = 0.15  # height of a line of labels
NAME_SIZE, LABEL_SIZE = 8.5, 7.5
MARK = "#C0392B"
THIN = "#8A8A8A"
MINUS = "\N{MINUS SIGN}"
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
    """One horizontal scale, in inches from the left."""

    name: str
    start: float
    end: float
    ticks: tuple[float, ...]
    labels: tuple[Label, ...]
    minor: tuple[float, ...] = ()
    mark: float | None = None
    note: str = ""

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


def draw_nomogram(nomogram: Nomogram, path: Path, patient_values: Mapping[str, Value] | None = None) -> Path:
    """Write the nomogram as .svg, .png or .pdf; with `patient_values`, one patient's points are marked.

    Raises InputError at another suffix and when a patient's value is missing or unusable.
    """
    from matplotlib.figure import Figure

    layout = lay_out(nomogram, patient_values)
    with house_style():
        figure = Figure(figsize=(WIDTH, layout.height))
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(0, layout.height))
        axes.axis("off")
        for row, y in zip(layout.rows, layout.heights, strict=True):
            _draw_row(axes, row, y)
        if patient_values is not None:
            _draw_patient(axes, layout)
        return save_figure(figure, path)


def lay_out(nomogram: Nomogram, patient_values: Mapping[str, Value] | None = None) -> Layout:
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
        ticks = [(at(nomogram.points_of(term, tick)), _text(tick)) for tick in term.ticks]
        own = None if points is None else points[term.name]
        place = _factor if term.ticks and isinstance(term.ticks[0], str) else _scale
        rows.append(place(name, ticks, span, mark=None if own is None else at(own), note=_note(own)))
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
        x, lane = _inside(tick, text, span), 0
        while any(other.lane == lane and _overlap(x, text, other.x, other.text) for other in labels):
            lane += 1
        labels.append(Label(x, tick, text, lane))
    xs = tuple(sorted(x for x, _ in ticks))
    return Row(name, xs[0], xs[-1], xs, tuple(labels), **more)


def _draw_row(axes: "Axes", row: Row, y: float) -> None:
    middle = "center" if "\n" in row.name else "center_baseline"
    axes.text(MARGIN, y, row.name, size=NAME_SIZE, va=middle, linespacing=1.1)
    axes.plot([row.start, row.end], [y, y], color="black", lw=0.9, solid_capstyle="projecting", zorder=2)
    for x in row.minor:
        axes.plot([x, x], [y, y - MINOR], color="black", lw=0.5, zorder=2)
    above = {label.tick for label in row.labels if label.lane % 2}
    for x in row.ticks:
        axes.plot([x, x], [y, y + TICK if x in above else y - TICK], color="black", lw=0.8, zorder=2)
    for label in row.labels:
        depth = TICK + GAP + (label.lane // 2) * LINE
        up = label.lane % 2 == 1
        if label.lane > 1 or abs(label.x - label.tick) > 0.5 * text_width(label.text, LABEL_SIZE):
            end = y + depth if up else y - depth
            axes.plot([label.tick, label.tick], [y, end], color=THIN, lw=0.5, zorder=1)
        axes.text(
            label.x,
            y + depth if up else y - depth,
            label.text,
            size=LABEL_SIZE,
            ha="center",
            va="bottom" if up else "top",
            zorder=4,
            path_effects=_halo(),
        )


def _draw_patient(axes: "Axes", layout: Layout) -> None:
    """Lines from each value up to the points, and from the total down to the probability."""
    x_note = WIDTH - MARGIN
    top = layout.heights[0]
    axes.text(x_note, top, "Patient", size=NAME_SIZE, weight="bold", color=MARK, ha="right", va="center_baseline")
    last = len(layout.rows) - 1
    for index, (row, y) in enumerate(zip(layout.rows, layout.heights, strict=True)):
        if row.mark is None:
            continue
        x = min(max(row.mark, row.start), row.end)
        beyond = ">" if row.mark > row.end + 1e-6 else "<" if row.mark < row.start - 1e-6 else "o"
        if index < last - 1:
            axes.plot([x, x], [y, top], color=MARK, lw=0.7, ls=(0, (3, 2)), alpha=0.55, zorder=0)
        elif index == last - 1:
            axes.plot([x, x], [y, layout.heights[last]], color=MARK, lw=0.9, zorder=0)
        axes.plot([x], [y], marker=beyond, ms=4.5, color=MARK, mec="white", mew=0.5, ls="none", zorder=5)
        axes.text(x_note, y, row.note, size=NAME_SIZE, weight="bold", color=MARK, ha="right", va="center_baseline")


def _halo() -> list[Any]:
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=2, foreground="white")]


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


def _text(tick: Value) -> str:
    return tick if isinstance(tick, str) else f"{tick:.7g}".replace("-", MINUS)


def _chance(probability: float) -> str:
    if probability < 0.0005:
        return "< 0.001"
    return "> 0.999" if probability > 0.9995 else f"{probability:.3f}".rstrip("0")


def _note(points: float | None) -> str:
    return "" if points is None else f"{points:.1f}".replace("-", MINUS)
