"""The model card: what a model is, what it was trained on, how good it is and what it cannot do."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

HEADER = "For research use only. Not a medical device: not for diagnosis, treatment decisions or triage."
SHOWN = ("auc", "sensitivity", "specificity", "accuracy", "ppv", "npv", "brier")


@dataclass(frozen=True)
class About:
    """What only the person who trains a model can say of it."""

    data: str = ""
    licence: str = ""
    intended_use: str = ""
    limits: tuple[str, ...] = ()


def model_card(manifest: Mapping[str, Any]) -> str:
    """The card as Markdown, from a bundle's manifest."""
    cohort, about = manifest["cohort"], manifest["about"]
    by_class = ", ".join(f"{count} {name}" for name, count in cohort["patients_by_class"].items())
    lines = [
        f"# {manifest['name']} {manifest['version']}",
        "",
        f"**{HEADER}**",
        "",
        f"- Decides between: {_decided(manifest)}",
        f"- Images: {', '.join(manifest['modalities'])}, {_outline(manifest)}",
        *_clinical(manifest),
        f"- Recipe: {manifest['recipe']} ({manifest['publication']})",
        f"- Network: {manifest['networks']}",
        f"- Intended use: {about['intended_use'] or 'research on cohorts like the one it was trained on'}",
        "",
        "## Data",
        "",
        f"{cohort['patients']} patients ({by_class}), {cohort['cases']} images. "
        + (about["data"] or "The data were not described by whoever trained the model."),
        "",
        f"Licence and source: {about['licence'] or 'not stated'}",
        "",
        "## How good it is",
        "",
        f"{_times(manifest)}{manifest['folds']}-fold cross-validation by patient: everything that is fitted, trained "
        "networks and selection included, was fitted without the patients it was judged on. A patient's probability "
        f"is the mean over his or her images.{_macro(manifest)} Value and 95 % interval:",
        "",
        *metrics_table(manifest["metrics"]),
    ]
    if manifest.get("test_metrics"):
        lines += ["", "On the cohort's held-back test patients:", "", *metrics_table(manifest["test_metrics"])]
    lines += ["", "## What it cannot do", "", *(f"- {limit}" for limit in about["limits"])]
    lines += ["- It knows its own classes only: any other tumour is called one of them.", ""]
    if manifest["warnings"]:
        lines += ["## Notes from training", "", *(f"- {warning}" for warning in manifest["warnings"]), ""]
    return "\n".join(lines)


def _decided(manifest: Mapping[str, Any]) -> str:
    *others, last = manifest["classes"]
    given = manifest["positive"]
    return f"{', '.join(others)} and {last}; gives the probability of {given or 'each'}"


def _outline(manifest: Mapping[str, Any]) -> str:
    return "with an outline of the tumour" if manifest.get("outline", True) else "without an outline of the tumour"


def _clinical(manifest: Mapping[str, Any]) -> list[str]:
    variables = manifest.get("clinical") or ()
    named = [f"{v['name']} ({v['unit']})" if v["unit"] else v["name"] for v in variables]
    return [f"- Clinical variables: {', '.join(named)}"] if named else []


def _times(manifest: Mapping[str, Any]) -> str:
    return f"{manifest['repeats']} times repeated " if manifest["repeats"] > 1 else ""


def _macro(manifest: Mapping[str, Any]) -> str:
    if manifest["positive"] is not None:
        return ""
    return " Figures are plain means over the classes, each against the rest; accuracy is that of the called class."


def with_interval(metric: Mapping[str, float | None]) -> str:
    """A metric as "value (low–high)"; a metric that is not defined is a dash."""
    if metric["value"] is None:
        return "–"
    return f"{metric['value']:.3f} ({metric['low']:.3f}–{metric['high']:.3f})"


def metrics_table(metrics: Mapping[str, Mapping[str, Mapping[str, float | None]]]) -> list[str]:
    """Lines of a Markdown table: a row for every model, a column for every metric."""
    rows = ["| model | " + " | ".join(SHOWN) + " |", "|---" * (len(SHOWN) + 1) + "|"]
    for model, values in metrics.items():
        cells = (with_interval(values[name]) for name in SHOWN)
        rows.append(f"| {model} | " + " | ".join(cells) + " |")
    return rows
