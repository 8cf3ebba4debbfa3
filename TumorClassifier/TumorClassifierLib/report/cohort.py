"""The report of a trained model and of the cohorts it was judged on, made from the model file alone."""

from collections.abc import Sequence

from ..bundle import Bundle
from .clear import clear
from .closing import closing
from .content import Block, Bullets, Heading, Report, Text
from .data import data_section, preparation_section
from .evidence import Evidence, Part, evidence_of
from .metrics_score import metrics_checklist, metrics_score, quality
from .model import model_section
from .numbers import capital, counted, listed, percent, with_interval
from .performance import performance_section


def cohort_report(bundle: Bundle, others: Sequence[Part] = ()) -> Report:
    """The report; others: parts of cohorts that were judged later, as `evaluate --out` writes them."""
    evidence = evidence_of(bundle, others)
    blocks = [
        *_summary(evidence),
        *data_section(evidence),
        *preparation_section(evidence),
        *model_section(evidence),
        *performance_section(evidence),
        *_warnings(evidence),
        *_checklists(evidence),
        *closing(evidence),
    ]
    title = f"{evidence.manifest['name']}, version {evidence.manifest['version']}"
    return Report("Report of a trained model", title, tuple(blocks), contents=True)


def _summary(e: Evidence) -> list[Block]:
    manifest = e.manifest
    outline = "with an outline of the tumour" if manifest.get("outline", True) else "without an outline"
    lines = [
        f"Tells apart {listed(e.classes)} from {listed(e.modalities)} images {outline}.",
        f"Recipe {manifest['recipe']}: {manifest['publication']}",
        f"Trained on {counted(e.patients, 'patient')} with {counted(int(manifest['cohort']['cases']), 'image')}.",
    ]
    for part in e.parts:
        main = part["main"]
        auc = with_interval(part["metrics"][main]["auc"])
        kind = "area under the ROC curve" if len(e.classes) == 2 else "macro-averaged area under the ROC curve"
        lines.append(
            f"{capital(str(part['name']))} ({counted(int(part['patients']), 'patient')}): {kind} of the {main} {auc}."
        )
    return [Heading("Summary"), Bullets(tuple(lines))]


def _warnings(e: Evidence) -> list[Block]:
    limits = (*(e.manifest.get("about") or {}).get("limits", ()), *FIXED_LIMITS)
    warnings = e.manifest.get("warnings") or ()
    return [
        Heading("Warnings and limits"),
        *(Text(str(warning), "warning") for warning in warnings),
        *([] if warnings else [Text("Training gave no warning.")]),
        Bullets(tuple(map(str, limits))),
    ]


FIXED_LIMITS = (
    "It knows its own classes only: any other tumour is called one of them.",
    "Patients from elsewhere, other scanners and other ways of outlining may give other figures than those here.",
)


def _checklists(e: Evidence) -> list[Block]:
    score = metrics_score(e)
    low, high = quality(score.low), quality(score.high)
    words = low if low == high else f"{low} to {high}"
    return [
        Heading("Checklists"),
        Text(
            "Filled in from what the model file holds. “Authors to fill in” marks what no software can know; item "
            "names are short, the publications say in full what is meant."
        ),
        Heading("METRICS", 3),
        Text(
            f"Score over what is known: {percent(score.low)} to {percent(score.high)} ({words}), depending on "
            f"{counted(score.open, 'item')} that only the authors can answer."
        ),
        metrics_checklist(e),
        Heading("CLEAR", 3),
        clear(e),
    ]
