"""The weights of a fusion that were tried, and how well each did."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from FeatureExtractorLib.errors import InputError

from ..figure_file import house_style, save_figure


def draw_weight_grid(points: Sequence[Mapping[str, Any]], chosen: Sequence[float], path: Path) -> Path:
    """Write the balanced accuracy of every (λ1, λ2, λ3) as a map over λ1 and λ2, the chosen ones in a frame.

    points: {"weights", "balanced_accuracy"}; what is left to 1 is λ3. Returns the path. Raises InputError without a
    point and at a suffix other than .svg, .png and .pdf.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    if not points:
        raise InputError("No weights were tried, so there is no grid to draw.")
    first, second = (sorted({round(float(point["weights"][i]), 9) for point in points}) for i in (0, 1))
    values = np.full((len(second), len(first)), np.nan)
    for point in points:
        column, row = (known.index(round(float(point["weights"][i]), 9)) for i, known in enumerate((first, second)))
        values[row, column] = point["balanced_accuracy"]
    with house_style():
        figure = Figure(figsize=(4.4, 3.6), layout="constrained")
        axes = figure.subplots()
        edges = [np.append(np.array(known), known[-1] + _step(known)) - _step(known) / 2 for known in (first, second)]
        drawn = axes.pcolormesh(*edges, values, cmap="viridis", edgecolors="white", linewidth=0.5)
        step = _step(first)
        corner = (float(chosen[0]) - step / 2, float(chosen[1]) - step / 2)
        axes.add_patch(Rectangle(corner, step, step, fill=False, edgecolor="#D55E00", linewidth=2.2, zorder=3))
        axes.annotate(
            "chosen", (chosen[0] + step / 2, chosen[1] + step / 2), (0.97, 0.93), textcoords="axes fraction",
            ha="right", color="#D55E00", arrowprops={"arrowstyle": "-", "color": "#D55E00"},
        )  # fmt: skip
        axes.set(xlabel="λ1, of the detector", ylabel="λ2, of the sequence classifier", aspect="equal")
        figure.colorbar(drawn, ax=axes, label="Balanced accuracy of the patients' votes")
        return save_figure(figure, path)


def _step(known: Sequence[float]) -> float:
    return float(np.diff(known).min()) if len(known) > 1 else 0.05
