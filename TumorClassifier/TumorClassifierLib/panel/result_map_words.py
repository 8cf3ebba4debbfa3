"""What is said of a result's map: what it shows, and why something cannot be done with it."""

from typing import Any

from slicer.i18n import tr as _

from ..explain.cam import NAMES
from ..model_choice import ModelSummary
from ..report.numbers import fixed, percent
from .result_nodes import CLASS, METHOD, KeptResult, focal_point, focus_of_map
from .result_request import inputs_missing


def map_in_words(kept: KeptResult) -> str:
    """Which map is looked at, and where it points; "" without one."""
    shown = kept.shownMap
    if shown is None:
        return ""
    label, predicted = shown.GetAttribute(CLASS) or "", kept.prediction["predicted"]
    method = NAMES.get(shown.GetAttribute(METHOD) or "", _("Activation"))
    words = [_("{method} map for {name}.").format(method=method, name=label)]
    if label != predicted:
        words.append(_("The case was called {name}.").format(name=predicted))
    if focus := focus_of_map(shown):
        peak = focus["peak"]
        words.append(
            _("{share} of it is inside the tumour; it is strongest {distance} mm from the centre, {side}.").format(
                share=percent(focus["mass_inside"], 0),
                distance=fixed(peak["to_centre_mm"], 1),
                side=_("inside") if peak["inside"] else _("outside"),
            )
        )
    elif nothing := empty_map(shown):
        words.append(nothing)
    return " ".join(words)


def empty_map(node: Any | None) -> str:
    """That a map is 0 everywhere; "" where it is not."""
    if node is None or focal_point(node) is not None:
        return ""
    return _("This map is empty: nothing in the image spoke for {name}.").format(name=node.GetAttribute(CLASS) or "")


def no_map(kept: KeptResult, model: ModelSummary | None) -> str:
    """Why there is no map to look at."""
    if model is not None and not model.activations:
        return _("The model {name} draws no map, for it sees no picture.").format(name=model.name)
    if model is None:
        return _("The map was removed from the scene. {reason}").format(reason=no_model(kept))
    return _("The map was removed from the scene; draw it again.")


def no_model(kept: KeptResult) -> str:
    """That the model which made a result is not here."""
    model = kept.prediction["model"]
    return _(
        "The model {name} {version} that made this result is not installed here; install it in step 4 to draw other "
        "maps."
    ).format(name=model["name"], version=model["version"])


def why_not_draw(kept: KeptResult, model: ModelSummary | None, label: str, method: str) -> str:
    """Why the map of a class by a method cannot be drawn; "" where it can."""
    if model is None:
        return no_model(kept)
    if not model.activations:
        return no_map(kept, model)
    if reason := inputs_missing(kept):
        return reason
    if kept.mapOf(label, method) is not None:
        return _("This map is drawn already; choose another class or method.")
    return ""
