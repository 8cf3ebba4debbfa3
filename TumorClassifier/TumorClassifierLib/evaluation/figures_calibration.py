"""The calibration figure."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..figure_file import house_style, save_figure
from .figure_parts import DASHED, GREY, Part, Shown, curves, of_class, short


def draw_calibration(part: Part, path: Path, models: Sequence[str] | None = None, of: str | None = None) -> Path:
    """Write observed against predicted probability, over a histogram of the predictions.

    models: default the main one. A single curve shows groups of patients with Wilson's 95 % limits, the smooth line,
    the line corrected for optimism where there is one, and the figures; several show points and smooth lines.
    Raises InputError as `curves`, and at a suffix other than .svg, .png and .pdf.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    shown = curves(part, of, [part["main"]] if models is None else models)
    single = len(shown) == 1
    with house_style():
        figure = Figure(figsize=(3.5, 4.7 + 0.15 * len(shown)), layout="constrained")
        axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
        axes.plot([0, 1], [0, 1], color=GREY, lw=0.8, ls=DASHED, label="Ideal")
        bins = np.linspace(0, 1, 21)
        for one in shown:
            _draw_one(axes, one, of_class(part, "calibration", one), single)
            below.stairs(np.histogram(one.p, bins)[0], bins, color=one.colour, lw=0.9, fill=single)
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), ylabel="Observed share")
        below.set(xlabel="Predicted probability", ylabel="Patients")
        below.yaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))
        title = _figures(of_class(part, "calibration", shown[0])) if single else None
        figure.legend(
            loc="outside lower center",
            ncols=2 if single else 1,
            handlelength=1.8,
            title=title,
            title_fontsize=7.5,
            alignment="left",
        )
        return save_figure(figure, path)


def _draw_one(axes: Any, one: Shown, found: Mapping[str, Any], single: bool) -> None:
    predicted = [point["predicted"] for point in found["curve"]]
    observed = [point["observed"] for point in found["curve"]]
    if single:
        low, high = ([point[side] for point in found["curve"]] for side in ("low", "high"))
        axes.vlines(predicted, low, high, color=one.colour, lw=0.7)
    axes.plot(predicted, observed, "o", ms=3.5, color=one.colour, label="Groups (95 % CI)" if single else None)
    name = "Smooth line" if single else f"{short(one.name, 20)} (Brier {found['brier']:.3f})"
    axes.plot(found["loess"]["predicted"], found["loess"]["observed"], color=one.colour, lw=1.3, label=name)
    if single and found["corrected"] is not None:
        line = found["corrected"]
        axes.plot(line["predicted"], line["observed"], color="black", lw=1.3, ls=DASHED, label="Optimism-corrected")


def _figures(found: Mapping[str, Any]) -> str:
    lines = [f"Brier score {found['brier']:.3f}"]
    if found["slope"] is not None:
        lines[0] += f", slope {found['slope']:.2f}, intercept {found['intercept']:.2f}".replace("-", "−")
    test = found["hosmer_lemeshow"]
    if test is not None:
        p = "< 0.001" if test["p"] < 0.001 else f"= {test['p']:.3f}"
        lines.append(f"Hosmer–Lemeshow test p {p}")
    return "\n".join(lines)
