"""The selection flow drawn: one lane a block of features, one box a step, with the count that is left."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..figure_file import COLOURS, house_style, save_figure

BOX_WIDTH, BOX_HEIGHT, GAP, LANE = 1.5, 0.46, 0.2, 1.7  # inches
MOST_LANES = 4


def draw_flow(lanes: Mapping[str, Sequence[tuple[str, int]]], path: Path) -> Path:
    """Write the chart as .svg, .png or .pdf.

    lanes: per block its (step, count) pairs in order; more than four lanes go on below. Raises InputError at another
    suffix.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import FancyBboxPatch

    blocks = list(lanes.items())
    columns = min(MOST_LANES, len(blocks))
    bands = [blocks[i : i + columns] for i in range(0, len(blocks), columns)]
    heights = [0.4 + max(len(steps) for _, steps in band) * (BOX_HEIGHT + GAP) for band in bands]
    width, height = columns * LANE, sum(heights)
    with house_style():
        figure = Figure(figsize=(width, height))
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
        axes.axis("off")
        top = height
        for band, tall in zip(bands, heights, strict=True):
            for lane, (block, steps) in enumerate(band):
                middle = (lane + 0.5) * LANE
                axes.text(
                    middle,
                    top - 0.17,
                    textwrap.shorten(block, 24, placeholder="…"),
                    ha="center",
                    va="center",
                    weight="bold",
                )
                y = top - 0.36
                for i, (step, count) in enumerate(steps):
                    box = FancyBboxPatch(
                        (middle - BOX_WIDTH / 2, y - BOX_HEIGHT),
                        BOX_WIDTH,
                        BOX_HEIGHT,
                        boxstyle="round,pad=0,rounding_size=0.06",
                        facecolor="#EEF4F8",
                        edgecolor=COLOURS[0],
                        linewidth=0.8,
                    )
                    axes.add_patch(box)
                    axes.text(middle, y - 0.16, f"{count}", ha="center", va="center", size=9, weight="bold")
                    name = "\n".join(textwrap.wrap(step, 28)[:2])
                    axes.text(middle, y - 0.36, name, ha="center", va="center", size=6.8, linespacing=0.95)
                    if i + 1 < len(steps):
                        axes.annotate(
                            "",
                            (middle, y - BOX_HEIGHT - GAP),
                            (middle, y - BOX_HEIGHT),
                            arrowprops={"arrowstyle": "-|>", "color": "black", "lw": 0.8, "shrinkA": 0, "shrinkB": 0},
                        )
                    y -= BOX_HEIGHT + GAP
            top -= tall
        return save_figure(figure, path)
