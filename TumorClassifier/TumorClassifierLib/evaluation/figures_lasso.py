"""How a LASSO's penalty was chosen: the cross-validated error and the coefficients' paths."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from FeatureExtractorLib.errors import InputError

from ..figure_file import COLOURS, house_style, save_figure
from .figure_parts import DASHED, DOTTED, GREY, short

NAMED = 8  # features whose paths have names; more would hide each other


def draw_lasso_path(penalty: Mapping[str, Any], path: Path, names: Sequence[str] | None = None) -> Path:
    """Write the two usual panels, over the natural logarithm of the penalty.

    Left the cross-validated mean squared error with its standard error over the folds, and above how many features
    have a coefficient; right each selected feature's coefficient. Dashed: the chosen penalty; dotted: the largest one
    within a standard error of the least error. penalty: "alphas", "mse", "mse_error", "counts" (m,), "coefficients"
    (k, m) as PenaltyPath keeps them and, where it is not that of the least error, "alpha"; names: (k,) features, the
    strongest of which are named. Raises InputError where there is no path and at a suffix other than .svg, .png, .pdf.
    """
    from matplotlib.figure import Figure

    alphas, mse, error = (np.asarray(penalty[key], dtype=np.float64) for key in ("alphas", "mse", "mse_error"))
    if len(alphas) < 2 or alphas.min() <= 0:
        raise InputError("The LASSO had no penalties to choose from, so there is no path to draw.")
    best = int(np.argmin(mse))
    alpha = float(penalty.get("alpha") or alphas[best])
    frugal = float(alphas[mse <= mse[best] + error[best]].max())
    coefficients = np.asarray(penalty["coefficients"], dtype=np.float64).reshape(-1, len(alphas))
    with house_style():
        figure = Figure(figsize=(7.2, 3.0 if names is None else 3.7), layout="constrained")
        left, right = figure.subplots(1, 2)
        x = np.log(alphas)
        left.errorbar(x, mse, error, fmt="o", ms=2, lw=0, elinewidth=0.5, color=COLOURS[1], ecolor=GREY)
        left.set(ylabel="Mean squared error")
        _counts_above(left, x, np.asarray(penalty["counts"]))
        order = np.argsort(-np.abs(coefficients[:, int(np.argmin(np.abs(x - np.log(alpha))))]), kind="stable")
        for rank, row in enumerate(order):
            named = names is not None and rank < min(NAMED, len(COLOURS))
            label = short(str(names[row]), 44) if names is not None and named else None
            colour = COLOURS[rank % len(COLOURS)] if named or names is None else GREY
            right.plot(x, coefficients[row], lw=1.2 if named or names is None else 0.7, color=colour, label=label)
        right.axhline(0, color="black", lw=0.6)
        right.set(ylabel="Coefficient")
        for axes in (left, right):
            axes.set(xlabel="log λ (penalty)")
            axes.axvline(np.log(alpha), color="black", lw=0.8, ls=DASHED)
            axes.axvline(np.log(frugal), color="black", lw=0.8, ls=DOTTED)
        if names is not None and len(order):
            figure.legend(loc="outside lower center", ncols=2, handlelength=1.4)
        return save_figure(figure, path)


def _counts_above(axes: Any, x: np.ndarray, counts: np.ndarray) -> None:
    """Number of features along the upper edge, at eight penalties."""
    at = np.unique(np.linspace(0, len(x) - 1, 8).round().astype(int))
    upper = axes.secondary_xaxis("top")
    upper.set_xticks(x[at], [str(int(count)) for count in counts[at]])
    upper.tick_params(length=2, labelsize=7)
    upper.set_xlabel("Features", fontsize=7.5)
