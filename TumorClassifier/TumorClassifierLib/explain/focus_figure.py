"""Box plots of a cohort's focal points, as in Chen et al. 2022, Figure 6, for right and wrong cases."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..figure_file import COLOURS, house_style, save_figure
from .focus_cohort import GROUPS, MEASURES, TO_CENTRE, TO_EDGE_OUTSIDE, FocusRow, compare_focus, focus_samples

TITLES = {"all": "All cases", "right": "Called right", "wrong": "Called wrong"}
SHOWN = (TO_CENTRE, TO_EDGE_OUTSIDE)
SPREAD = 0.16  # of the points beside each other, in the unit of the horizontal axis


def draw_focus(rows: Sequence[FocusRow], classes: Sequence[str], path: Path, point: str = "peak") -> Path:
    """Write the distances by actual class, a row a measure and a column a group of cases, each case a point.

    Boxes hold the middle half, whiskers reach as far as 1.5 times that; over them stands the p, not corrected, of the
    test between the classes. Raises InputError as `compare_focus`, and at a suffix other than .svg, .png and .pdf.
    """
    from matplotlib.figure import Figure

    tests = compare_focus(rows, classes, point)["tests"]
    p_of = {(t["measure"], t["group"]): t for t in tests if t["between"] == "classes"}
    with house_style():
        width = 1.2 + len(GROUPS) * (0.7 + 0.55 * len(classes))
        figure = Figure(figsize=(width, 4.6), layout="constrained")
        panels = figure.subplots(len(SHOWN), len(GROUPS), sharey="row", squeeze=False)
        for row, measure in zip(panels, SHOWN, strict=True):
            for axes, group in zip(row, GROUPS, strict=True):
                _boxes(axes, focus_samples(rows, classes, measure, group, point), classes)
                _state(axes, p_of[measure, group])
            row[0].set_ylabel(textwrap.fill(MEASURES[measure], 24))
            row[0].set_ylim(bottom=0)
        for axes, group in zip(panels[0], GROUPS, strict=True):
            axes.set_title(TITLES[group], pad=12)
        return save_figure(figure, path)


def _boxes(axes: Any, samples: Sequence[np.ndarray], classes: Sequence[str]) -> None:
    for k, sample in enumerate(samples):
        colour = COLOURS[k % len(COLOURS)]
        if len(sample) > 2:  # a box of two values would pretend to be a distribution
            axes.boxplot(
                [sample],
                positions=[k],
                widths=0.55,
                showfliers=False,
                patch_artist=True,
                boxprops={"facecolor": "none", "edgecolor": colour},
                medianprops={"color": colour, "linewidth": 2},
                whiskerprops={"color": colour},
                capprops={"color": colour},
            )
        # Side by side in the order of their values, so that equal figures are equal files.
        places = np.linspace(-SPREAD, SPREAD, 5)[np.arange(len(sample)) % 5]
        axes.plot(k + places, np.sort(sample), "o", ms=2.5, color=colour, alpha=0.55, mew=0)
    counted = [
        textwrap.fill(label, 12) + f"\nn = {len(sample)}" for label, sample in zip(classes, samples, strict=True)
    ]
    axes.set_xticks(range(len(classes)), counted)
    axes.set_xlim(-0.6, len(classes) - 0.4)


def _state(axes: Any, test: dict[str, Any]) -> None:
    """The p over the boxes, or that there are too few."""
    p = test["p"]
    text = "too few" if p is None else "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
    axes.text(0.5, 1.0, text, transform=axes.transAxes, ha="center", va="bottom", fontsize=7.5)
