"""What the figures of a judged cohort have in common: which curves they show, in which colours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from FeatureExtractorLib.errors import InputError

from ..figure_file import COLOURS

GREY = "#7F7F7F"
DASHED = (0, (4, 3))
DOTTED = (0, (1, 2))
Part = Mapping[str, Any]


@dataclass(frozen=True)
class Shown:
    """A curve: its name in the legend, its colour, (n,) classes 0/1, (n,) probabilities, its model and its class."""

    name: str
    colour: str
    y: np.ndarray
    p: np.ndarray
    model: str
    of: str


def curves(part: Part, of: str | None = None, models: Sequence[str] | None = None) -> list[Shown]:
    """The curves of a part of the evaluation document.

    Of two classes: every model for the positive one. Of more: the main model for each class against the rest, or,
    with a class `of`, every model for that class. models: which ones; default all.
    Raises InputError at an unknown class or model, and at none or more than seven curves.
    """
    classes, y = list(part["classes"]), np.asarray(part["y"])
    wanted = list(part["probabilities"]) if models is None else list(models)
    for model in wanted:
        if model not in part["probabilities"]:
            raise InputError(f"{model} was not judged; choose one of {', '.join(part['probabilities'])}.")
    judged = [str(part["positive"])] if len(classes) == 2 else classes
    if of is not None and of not in judged:
        raise InputError(f"{of} is not a class that was judged; choose one of {', '.join(judged)}.")
    if len(classes) > 2 and of is None:
        main = wanted[0] if models else part["main"]
        pairs = [(label, main, label) for label in classes]
    else:
        pairs = [(model, model, of or str(part["positive"])) for model in wanted]
    if not 1 <= len(pairs) <= len(COLOURS):
        raise InputError(f"A figure shows one to {len(COLOURS)} curves and got {len(pairs)}; choose some.")
    found = []
    for (name, model, label), colour in zip(pairs, COLOURS, strict=False):
        k = classes.index(label)
        found.append(
            Shown(name, colour, (y == k).astype(int), np.asarray(part["probabilities"][model])[:, k], model, label)
        )
    return found


def of_class(part: Part, content: str, shown: Shown) -> Any:
    """A part's "calibration", "decision_curve" or metrics ("per_class") of one curve, whatever the class count."""
    if len(part["classes"]) == 2:
        return part["metrics" if content == "per_class" else content][shown.model]
    return part[content][shown.model][shown.of]


def with_interval(metric: Mapping[str, float | None], digits: int = 3) -> str:
    """ "0.912 (0.873–0.951)"; a dash where the figure is undefined."""
    if metric["value"] is None:
        return "–"
    return f"{metric['value']:.{digits}f} ({metric['low']:.{digits}f}–{metric['high']:.{digits}f})"


def short(text: str, most: int = 28) -> str:
    """A name that fits a legend or axis: cut at `most` characters."""
    return text if len(text) <= most else text[: most - 1] + "…"
