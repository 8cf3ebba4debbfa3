"""A nomogram drawn as in print: one line per variable under a 0 to 100 scale of points, total and probability below.

Everything is laid out in inches on one blank canvas (nomogram_layout.py) and only drawn here.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .clinical_coding import MISSING
from .figure_file import house_style, save_figure
from .nomogram import Nomogram, Value
from .nomogram_layout import (
    GAP,
    LABEL_SIZE,
    LINE,
    MARGIN,
    NAME_SIZE,
    OWN_SIZE,
    TICK,
    WIDTH,
    Layout,
    Row,
    ends,
    lay_out,
    text_width,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MINOR = 0.035  # inches, a tick without a label
MARK = "#C0392B"
THIN = "#8A8A8A"


def draw_nomogram(nomogram: Nomogram, path: Path, patient_values: Mapping[str, Value | None] | None = None) -> Path:
    """Write the nomogram as .svg, .png or .pdf; with `patient_values`, one patient's points are marked.

    Raises InputError at another suffix and when a patient's value is missing or unusable.
    """
    return save_figure(nomogram_figure(nomogram, patient_values), path)


def nomogram_figure(nomogram: Nomogram, patient_values: Mapping[str, Value | None] | None = None) -> "Figure":
    """The drawn nomogram; raises InputError as `Nomogram.points`."""
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
    return figure


def _draw_row(axes: "Axes", row: Row, y: float) -> None:
    middle = "center" if "\n" in row.name else "center_baseline"
    axes.text(MARGIN, y, row.name, size=NAME_SIZE, va=middle, linespacing=1.1)
    axes.plot([row.start, row.end], [y, y], color="black", lw=0.9, solid_capstyle="projecting", zorder=2)
    for x in row.minor:
        axes.plot([x, x], [y, y - MINOR], color="black", lw=0.5, zorder=2)
    above = {label.tick for label in row.labels if label.lane % 2}
    for x in row.ticks:
        axes.plot([x, x], [y, y + TICK if x in above else y - TICK], color="black", lw=0.8, zorder=2)
    if row.missing is not None:
        x, nearest = row.missing, min(max(row.missing, row.start), row.end)
        axes.plot([nearest, x], [y, y], color="black", lw=0.7, ls=(0, (1, 2)), zorder=1)
        axes.plot([x], [y], marker="D", ms=3.5, color="white", mec="black", mew=0.8, ls="none", zorder=3)
        up = x in above
        axes.plot([x, x], [y, y + TICK if up else y - TICK], color="black", lw=0.8, zorder=2)
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
            style="italic" if label.text == MISSING else "normal",
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
        # the probability is read where the line from the total meets it, on its ticks or beside them
        scale = layout.rows[last - 1] if index == last else row
        start, end = ends(scale)
        x = min(max(row.mark, start), end)
        beyond = ">" if row.mark > end + 1e-6 else "<" if row.mark < start - 1e-6 else "o"
        on_scale = beyond == "o"  # else a line from the mark would lead to other points than the note tells
        if on_scale and index < last - 1:
            axes.plot([x, x], [y, top], color=MARK, lw=0.7, ls=(0, (3, 2)), alpha=0.55, zorder=0)
        elif on_scale and index == last - 1:
            axes.plot([x, x], [y, layout.heights[last]], color=MARK, lw=0.9, zorder=0)
        axes.plot([x], [y], marker=beyond, ms=4.5, color=MARK, mec="white", mew=0.5, ls="none", zorder=5)
        axes.text(x_note, y, row.note, size=NAME_SIZE, weight="bold", color=MARK, ha="right", va="center_baseline")
        axes.text(x_note, y - LINE, row.own, size=OWN_SIZE, color=MARK, ha="right", va="center_baseline")


def _halo() -> list[Any]:
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=2, foreground="white")]
