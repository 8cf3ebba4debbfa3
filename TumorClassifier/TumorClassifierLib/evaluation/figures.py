"""ROC, calibration and decision curves of one or more models on the same cases, as figure files."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from FeatureExtractorLib.errors import InputError

from ..figure_file import COLOURS, house_style, save_figure
from .calibration import brier, calibration_curve
from .decision_curve import net_benefit
from .discrimination import auc_with_delong_interval, roc_curve

GREY = "#7F7F7F"
DASHED = (0, (4, 3))
MOST_LIMITS = 2  # models whose limits are drawn; more would hide each other
Predictions = Mapping[str, np.ndarray]


def draw_roc(y: np.ndarray, predictions: Predictions, path: Path) -> Path:
    """Write ROC curves with their AUC and DeLong's 95 % interval.

    y: (n,) 0/1; predictions: per model (n,) scores. Raises InputError as `auc_with_delong_interval`, without a model
    or with more than seven, and at a suffix other than .svg, .png and .pdf.
    """
    from matplotlib.figure import Figure

    colours = _colours(predictions)
    with house_style():
        figure = Figure(figsize=(3.5, 3.5), layout="constrained")
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color=GREY, lw=0.8, ls=DASHED)
        for colour, (name, score) in zip(colours, predictions.items(), strict=True):
            curve = roc_curve(y, score)
            area, low, high = auc_with_delong_interval(y, score)
            label = f"{name} {area:.3f} ({low:.3f}–{high:.3f})"
            axes.plot(curve.false_positive_rate, curve.true_positive_rate, color=colour, label=label, clip_on=False)
        axes.set(xlim=(-0.02, 1), ylim=(0, 1.02), aspect="equal", xlabel="1 − specificity", ylabel="Sensitivity")
        axes.legend(loc="lower right", title="AUC (95 % CI)", title_fontsize=7.5, alignment="left", handlelength=1.4)
        return save_figure(figure, path)


def draw_calibration(y: np.ndarray, predictions: Predictions, path: Path, groups: int = 10) -> Path:
    """Write observed against predicted probability, over a histogram of the predictions.

    y: (n,) 0/1; predictions: per model (n,) probabilities; groups: points per model at most. Up to two models have
    Wilson's 95 % limits. Raises InputError as `calibration_curve`, and as `draw_roc`.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    colours = _colours(predictions)
    with house_style():
        figure = Figure(figsize=(3.5, 4.4 + 0.16 * len(predictions)), layout="constrained")
        axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
        axes.plot([0, 1], [0, 1], color=GREY, lw=0.8, ls=DASHED, label="Ideal")
        bins = np.linspace(0, 1, 21)
        for index, (colour, (name, p)) in enumerate(zip(colours, predictions.items(), strict=True)):
            points = calibration_curve(y, p, groups)
            predicted = np.asarray([point.predicted for point in points])
            predicted += 0.008 * (index - (len(predictions) - 1) / 2)  # keeps the limits of two models apart
            observed = np.asarray([point.observed.value for point in points])
            if len(predictions) <= MOST_LIMITS:
                low, high = np.asarray([[point.observed.low, point.observed.high] for point in points]).T
                axes.vlines(predicted, low, high, color=colour, lw=0.7)
            label = f"{name} (Brier {brier(y, p):.3f})"
            axes.plot(predicted, observed, "o-", ms=3.5, lw=1.2, color=colour, label=label)
            below.stairs(np.histogram(p, bins)[0], bins, color=colour, lw=0.9, fill=len(predictions) == 1)
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), ylabel="Observed share")
        below.set(xlabel="Predicted probability", ylabel="Cases")
        below.yaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))
        figure.legend(loc="outside lower center", handlelength=1.6)
        return save_figure(figure, path)


def draw_decision_curve(y: np.ndarray, predictions: Predictions, path: Path, prevalence: float | None = None) -> Path:
    """Write net benefit against threshold probability, beside treating everybody and nobody.

    y: (n,) 0/1; predictions: per model (n,) probabilities; prevalence: as in `net_benefit`. Raises InputError as
    `net_benefit`, and as `draw_roc`.
    """
    from matplotlib.figure import Figure

    colours = _colours(predictions)
    curves = {name: net_benefit(y, p, prevalence=prevalence) for name, p in predictions.items()}
    reference = next(iter(curves.values()))
    top = max(float(reference.treat_all[0]), *(float(curve.model.max()) for curve in curves.values()))
    with house_style():
        figure = Figure(figsize=(4.2, 3.4), layout="constrained")
        axes = figure.subplots()
        axes.axhline(0, color="black", lw=1.0, label="Treat nobody")
        axes.plot(reference.thresholds, reference.treat_all, color=GREY, lw=1.0, ls=DASHED, label="Treat everybody")
        for colour, (name, curve) in zip(colours, curves.items(), strict=True):
            axes.plot(curve.thresholds, curve.model, color=colour, label=name)
        axes.set(xlim=(0, 1), ylim=(-0.15 * top, 1.08 * top), xlabel="Threshold probability", ylabel="Net benefit")
        axes.legend(loc="upper right", handlelength=1.8)
        return save_figure(figure, path)


def _colours(predictions: Predictions) -> tuple[str, ...]:
    if not 1 <= len(predictions) <= len(COLOURS):
        raise InputError(f"A figure shows one to {len(COLOURS)} models and got {len(predictions)}; choose some.")
    return COLOURS[: len(predictions)]
