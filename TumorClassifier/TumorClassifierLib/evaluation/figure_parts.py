"""What the figures of a judged cohort have in common: which curves they show, in which colours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from FeatureExtractorLib.errors import InputError

from ..figure_file import COLOURS

GREY = "#7F7F7F"
CLINICAL = "clinical"  # the one model that a cohort may lack: no variable may have stayed in some fold
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
    """The curves of a part of the evaluation document, the main model first, each model in its own colour.

    Of two classes: every model for the positive one. Of more: the main model for each class against the rest, or,
    with a class `of`, every model for that class. models: which ones; default those of `shown_models`.
    Raises InputError at an unknown class or model, and at none or more than seven curves.
    """
    classes, y = list(part["classes"]), np.asarray(part["y"])
    wanted = shown_models(part) if models is None else list(models)
    for model in wanted:
        if model not in part["probabilities"]:
            raise InputError(f"{model} was not judged; choose one of {', '.join(part['probabilities'])}.")
    judged = [str(part["positive"])] if len(classes) == 2 else classes
    if of is not None and of not in judged:
        raise InputError(f"{of} is not a class that was judged; choose one of {', '.join(judged)}.")
    if len(classes) > 2 and of is None:
        main = wanted[0] if models else part["main"]
        pairs = [(label, main, label) for label in classes]
        colours = dict(zip(classes, COLOURS, strict=False))
    else:
        pairs = [(model, model, of or str(part["positive"])) for model in wanted]
        colours = _colours(part, wanted)
    if not 1 <= len(pairs) <= len(COLOURS):
        raise InputError(f"A figure shows one to {len(COLOURS)} curves and got {len(pairs)}; choose some.")
    found = []
    for name, model, label in pairs:
        k = classes.index(label)
        p = np.asarray(part["probabilities"][model])[:, k]
        found.append(Shown(name, colours[name], (y == k).astype(int), p, model, label))
    return found


def shown_models(part: Part) -> list[str]:
    """The models that a figure has room for, the main one first, the others by name.

    Where there are too many: the main one, that of clinical variables and those with the largest areas under the ROC
    curve (of three or more classes, the mean of the areas).
    """
    main = str(part["main"])
    others = sorted(model for model in part["probabilities"] if model != main)

    def worth(model: str) -> tuple[bool, float]:
        return model == CLINICAL, part["metrics"][model]["auc"]["value"] or 0.0

    best = sorted(others, key=worth, reverse=True)[: len(COLOURS) - 1]
    return [main, *(model for model in others if model in best)]


def _colours(part: Part, wanted: Sequence[str]) -> dict[str, str]:
    """A colour for each model, the same in every cohort while there are no more than seven.

    The first is the main model's and the second is kept for the clinical one, which cohorts may lack; the others have
    theirs by name. If they are too many for that, their order among those shown counts.
    """
    main, shown = str(part["main"]), set(wanted)
    others = sorted(model for model in part["probabilities"] if model not in (main, CLINICAL))
    if len(others) > len(COLOURS) - 2:
        others = [model for model in others if model in shown]
    kept = {main: COLOURS[0], CLINICAL: COLOURS[1]}
    free = [colour for model, colour in kept.items() if model not in shown]
    return kept | dict(zip(others, [*COLOURS[2:], *reversed(free)], strict=False))


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
