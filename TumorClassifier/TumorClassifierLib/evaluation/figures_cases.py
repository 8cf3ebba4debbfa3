"""Figures of single patients: the confusion matrix and everybody's probability."""

import textwrap
from pathlib import Path
from typing import Any

import numpy as np

from FeatureExtractorLib.errors import InputError

from ..figure_file import COLOURS, house_style, save_figure
from .figure_parts import Part, short


def draw_confusion(part: Part, path: Path, model: str | None = None) -> Path:
    """Write the confusion matrix of a model (default the main one): patients, and their share of the actual class.

    Raises InputError at an unknown model and at a suffix other than .svg, .png and .pdf.
    """
    from matplotlib.figure import Figure

    table = np.asarray(part["confusion"][_model(part, model)])
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    count = len(table)
    names = [textwrap.fill(short(str(name), 40), 14) for name in part["classes"]]
    with house_style():
        side = 1.9 + 0.62 * count
        figure = Figure(figsize=(side + 0.3, side), layout="constrained")
        axes = figure.subplots()
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for i in range(count):
            for j in range(count):
                ink = "white" if shares[i, j] > 0.55 else "black"
                text = f"{table[i, j]}\n({100 * shares[i, j]:.0f} %)"
                axes.text(j, i, text, ha="center", va="center", color=ink, fontsize=8)
        long = max(len(line) for name in names for line in name.splitlines()) > 9 and count > 2
        axes.set_xticks(range(count), names, rotation=45 if long else 0, ha="right" if long else "center")
        axes.set_yticks(range(count), names)
        axes.set(xlabel="Called", ylabel="Actual")
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        return save_figure(figure, path)


def draw_probabilities(part: Part, path: Path, model: str | None = None) -> Path:
    """Write everybody's probability by a model (default the main one), coloured by the actual class.

    Two classes: a waterfall of each patient's probability less his or her threshold, so that what points up is called
    positive. More: a column a patient with the probability of every class, grouped by the actual one and sorted.
    Raises InputError as `draw_confusion`.
    """
    from matplotlib.figure import Figure

    name = _model(part, model)
    y, P = np.asarray(part["y"]), np.asarray(part["probabilities"][name])
    colours = [COLOURS[k % len(COLOURS)] for k in range(len(part["classes"]))]
    with house_style():
        figure = Figure(figsize=(5.2, 3.0), layout="constrained")
        axes = figure.subplots()
        if P.shape[1] == 2:
            _waterfall(axes, y, P[:, 1], np.asarray(part["thresholds"][name]), part, colours)
        else:
            _columns(axes, y, P, part, colours)
        axes.tick_params(axis="x", length=0)
        axes.set_xlim(-0.6, len(y) - 0.4)
        figure.legend(loc="outside lower center", ncols=min(4, len(colours)), handlelength=1.0, handleheight=1.0)
        return save_figure(figure, path)


def _waterfall(axes: Any, y: np.ndarray, p: np.ndarray, cut: np.ndarray, part: Part, colours: list[str]) -> None:
    height = p - cut
    order = np.lexsort((y, height))
    for k, (label, colour) in enumerate(zip(part["classes"], colours, strict=True)):
        at = np.flatnonzero(y[order] == k)
        axes.bar(at, height[order][at], width=0.85, color=colour, label=short(str(label)))
        # a bar of no height would not show that there is a patient
        axes.plot(at, np.zeros(len(at)), "|", ms=2, color=colour)
    axes.axhline(0, color="black", lw=0.8)
    axes.spines["bottom"].set_visible(False)
    axes.set_xticks([])
    positive = short(str(part["positive"]), 40)
    axes.text(0.02, 0.98, f"Above 0: called {positive}", transform=axes.transAxes, va="top", fontsize=7.5)
    axes.set(xlabel="Patients", ylabel="Probability less threshold")


def _columns(axes: Any, y: np.ndarray, P: np.ndarray, part: Part, colours: list[str]) -> None:
    order = np.lexsort((-P[np.arange(len(y)), y], y))
    at, base = np.arange(len(y)), np.zeros(len(y))
    for k, (label, colour) in enumerate(zip(part["classes"], colours, strict=True)):
        axes.bar(at, P[order, k], bottom=base, width=1.0, color=colour, label=short(str(label)))
        base = base + P[order, k]
    edges = np.flatnonzero(np.diff(y[order])) + 0.5
    for edge in edges:
        axes.axvline(edge, color="white", lw=2)
        axes.axvline(edge, color="black", lw=0.8)
    middles = [float(np.mean(np.flatnonzero(y[order] == k))) for k in range(len(colours))]
    axes.set_xticks(middles, [textwrap.fill(short(str(label)), 12) for label in part["classes"]])
    axes.set(xlabel="Patients by actual class", ylabel="Probability", ylim=(0, 1))


def _model(part: Part, model: str | None) -> str:
    name = str(part["main"] if model is None else model)
    if name not in part["probabilities"]:
        raise InputError(f"{name} was not judged; choose one of {', '.join(part['probabilities'])}.")
    return name
