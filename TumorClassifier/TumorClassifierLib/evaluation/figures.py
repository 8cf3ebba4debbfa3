"""Figures of a judged cohort (a part of the evaluation document) as .svg, .png or .pdf files."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..figure_file import house_style, save_figure
from .discrimination import roc_curve
from .figure_parts import DASHED, GREY, Part, curves, of_class, short, shown_models, with_interval
from .figures_calibration import draw_calibration
from .figures_cases import draw_confusion, draw_probabilities
from .figures_lasso import draw_lasso_path

__all__ = [
    "FIGURES",
    "draw_calibration",
    "draw_confusion",
    "draw_decision_curve",
    "draw_lasso_path",
    "draw_part",
    "draw_precision_recall",
    "draw_probabilities",
    "draw_roc",
    "shown_models",
]


def draw_roc(part: Part, path: Path, of: str | None = None) -> Path:
    """Write ROC curves with their AUC and its 95 % interval.

    Of two classes one curve a model; of more one a class against the rest (the main model), or with a class `of` one a
    model. Raises InputError as `curves`, and at a suffix other than .svg, .png and .pdf.
    """
    from matplotlib.figure import Figure

    shown = curves(part, of)
    with house_style():
        figure = Figure(figsize=(3.5, 3.6 + 0.15 * len(shown)), layout="constrained")
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color=GREY, lw=0.8, ls=DASHED)
        for one in shown:
            curve = roc_curve(one.y, one.p)
            label = f"{short(one.name)} {with_interval(of_class(part, 'per_class', one)['auc'])}"
            axes.plot(
                curve.false_positive_rate, curve.true_positive_rate, color=one.colour, label=label, clip_on=False
            )
        axes.set(xlim=(-0.02, 1), ylim=(0, 1.02), aspect="equal", xlabel="1 − specificity", ylabel="Sensitivity")
        figure.legend(
            loc="outside lower center", title="AUC (95 % CI)", title_fontsize=7.5, alignment="left", handlelength=1.4
        )
        return save_figure(figure, path)


def draw_precision_recall(part: Part, path: Path, of: str | None = None) -> Path:
    """Write precision-recall curves with average precision and its 95 % interval; thin lines are the class shares.

    The curves and errors are those of `draw_roc`.
    """
    from matplotlib.figure import Figure

    shown = curves(part, of)
    with house_style():
        figure = Figure(figsize=(3.5, 3.6 + 0.15 * len(shown)), layout="constrained")
        axes = figure.subplots()
        for one in shown:
            same = len({other.of for other in shown}) == 1
            axes.axhline(one.y.mean(), color=GREY if same else one.colour, lw=0.8, ls=DASHED)
            recall, precision = _precision_recall(one.y, one.p)
            label = f"{short(one.name)} {with_interval(of_class(part, 'per_class', one)['ap'])}"
            axes.step(recall, precision, where="pre", color=one.colour, label=label, clip_on=False)
        axes.set(xlim=(-0.02, 1), ylim=(0, 1.02), aspect="equal", xlabel="Recall", ylabel="Precision")
        figure.legend(
            loc="outside lower center",
            title="Average precision (95 % CI)",
            title_fontsize=7.5,
            alignment="left",
            handlelength=1.4,
        )
        return save_figure(figure, path)


def draw_decision_curve(part: Part, path: Path, of: str | None = None) -> Path:
    """Write net benefit against threshold probability, beside treating everybody and nobody.

    The main model has its pointwise 95 % band. Of several classes each has a panel, or `of` alone.
    Raises InputError as `draw_roc`.
    """
    from matplotlib.figure import Figure

    classes = [str(part["positive"])] if len(part["classes"]) == 2 else [of] if of else list(part["classes"])
    columns = 2 if len(classes) == 4 else min(3, len(classes))
    rows = -(-len(classes) // columns)
    names = shown_models(part)
    with house_style():
        width = 4.2 if columns == 1 else 2.5 * columns
        figure = Figure(figsize=(width, 0.3 + (3.1 if columns == 1 else 2.4) * rows), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, label in zip(grid, classes, strict=False):
            shown = curves(part, label)
            found = [of_class(part, "decision_curve", one) for one in shown]
            everybody = part["decision_curve"]["treat_all"]
            everybody = everybody if len(part["classes"]) == 2 else everybody[label]
            top = max(everybody[0], *(max(curve["net_benefit"]) for curve in found))
            axes.axhline(0, color="black", lw=1.0, label="Treat nobody")
            axes.plot(found[0]["thresholds"], everybody, color=GREY, lw=1.0, ls=DASHED, label="Treat everybody")
            for one, curve in zip(shown, found, strict=True):
                if one.model == part["main"]:
                    axes.fill_between(
                        curve["thresholds"], curve["low"], curve["high"], color=one.colour, alpha=0.18, lw=0
                    )
                width = 1.8 if one.model == part["main"] else 1.1
                axes.plot(curve["thresholds"], curve["net_benefit"], color=one.colour, lw=width, label=short(one.name))
            axes.set(xlim=(0, 1), ylim=(-0.15 * top, 1.15 * top))
            if len(part["classes"]) > 2:
                axes.set_title(short(str(label), 30))
        for axes in grid[len(classes) :]:
            axes.set_visible(False)
        for index, axes in enumerate(grid[: len(classes)]):
            axes.set_xlabel("Threshold probability" if index + columns >= len(classes) else "")
            axes.set_ylabel("Net benefit" if index % columns == 0 else "")
        handles, labels = grid[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2 if len(names) < 5 else 3, handlelength=1.8)
        return save_figure(figure, path)


FIGURES: dict[str, Callable[..., Path]] = {
    "roc": draw_roc,
    "precision_recall": draw_precision_recall,
    "calibration": draw_calibration,
    "decision_curve": draw_decision_curve,
    "confusion": draw_confusion,
    "probabilities": draw_probabilities,
}


def draw_part(part: Part, folder: Path, suffix: str = ".png") -> dict[str, Path]:
    """Write every figure of a part of the evaluation document into a folder; returns each one's path by name.

    Raises InputError as the single figures.
    """
    return {name: draw(part, Path(folder) / f"{name}{suffix}") for name, draw in FIGURES.items()}


def _precision_recall(y: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(k,) recall and precision at each distinct score, highest first, from recall 0 on."""
    _, inverse = np.unique(-p, return_inverse=True)
    found = np.cumsum(np.bincount(inverse, weights=y))
    precision = found / np.cumsum(np.bincount(inverse))
    return np.concatenate([[0.0], found / y.sum()]), np.concatenate([precision[:1], precision])
