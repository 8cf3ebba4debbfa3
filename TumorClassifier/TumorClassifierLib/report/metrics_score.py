"""METRICS, the methodological radiomics score, filled in (Kocak et al. 2024, Insights Imaging 15:8,
doi:10.1186/s13244-023-01572-w).

Its 30 items in nine categories in short words of our own, with the weights of the publication's table 1 and of its
authors' own calculator. What only the authors can know is open, so the score is a range: its lower end counts open
items as no, its upper end as yes. As in the original, items that do not apply leave both sums.
"""

from dataclasses import dataclass

from .answers import (
    SECTIONS,
    calibration,
    clinical_model,
    dimensionality,
    engine,
    partitions,
    preprocessing,
    redundant_features,
    uncertainty,
    unstable_features,
)
from .checklist import Answer, Item, authors, filled, yes
from .content import Checklist
from .evidence import Evidence
from .numbers import counted, listed

QUALITY = ((0.8, "excellent"), (0.6, "good"), (0.4, "moderate"), (0.2, "low"), (0.0, "very low"))
UNKNOWN = authors("Not known to the software.")
DECIDE = authors("For the authors to decide.")
CAPTION = "METRICS: 30 weighted items on method (Kocak et al. 2024)"


@dataclass(frozen=True)
class Score:
    """The score as shares of the weights that apply; open: items that only the authors can answer."""

    low: float
    high: float
    open: int


def metrics_checklist(evidence: Evidence) -> Checklist:
    """The checklist for a model and what was judged."""
    return filled(ITEMS, evidence, CAPTION)


def metrics_score(evidence: Evidence) -> Score:
    """The score's range over what is known."""
    decided = [(item.weight, item.decide(evidence)[0]) for item in ITEMS]
    whole = sum(weight for weight, verdict in decided if verdict != "not applicable")
    sure = sum(weight for weight, verdict in decided if verdict == "yes")
    unknown = [weight for weight, verdict in decided if verdict == "authors"]
    return Score(sure / whole, (sure + sum(unknown)) / whole, len(unknown))


def quality(share: float) -> str:
    """The publication's word for a score."""
    return next(word for limit, word in QUALITY if share >= limit - 1e-12)


def _deep_pipeline(e: Evidence) -> Answer:
    if e.signatures:
        return "not applicable", "The network's features are handled as a table, not end to end."
    return "authors", "Not known to the software."


def _figures(e: Evidence) -> Answer:
    if e.parts:
        return (
            "yes",
            f"ROC, precision-recall, figures at the threshold and confusion matrix; {SECTIONS['performance']}.",
        )
    return "no", "The model file holds no confusion matrix."


def _one_sequence(e: Evidence) -> Answer:
    if len(e.modalities) == 1:
        return "yes", f"one image only, {e.modalities[0]}."
    alone = [name for name in e.models if any(modality.lower() in name.lower().split() for modality in e.modalities)]
    if alone and e.compared:
        return (
            "yes",
            f"models of one image ({', '.join(alone)}) are compared by DeLong's test; {SECTIONS['performance']}.",
        )
    return "no", f"{len(e.modalities)} images are used, and no model of one of them was judged beside it."


def _simple_model(e: Evidence) -> Answer:
    if e.description.get("nomograms") and e.compared:
        return (
            "yes",
            f"a logistic regression (the nomogram) beside the others, by DeLong's test; {SECTIONS['performance']}.",
        )
    return "no", "No simple model was compared by a test."


def _internal(e: Evidence) -> Answer:
    if e.test:
        return (
            "yes",
            f"{counted(sum(int(part['patients']) for part in e.test), 'held-back patient')} of the same manifest.",
        )
    return "no", "No patients were held back; cross-validation is not a test on independent patients."


def _external(e: Evidence) -> Answer:
    judged = [f"{counted(int(part['patients']), 'patient')} ({part['name']})" for part in (*e.test, *e.outer)]
    if not judged:
        return "no", "No other cohort was judged."
    return "authors", f"{listed(judged)} were judged: yes if they come from another institution."


ITEMS = (
    Item(
        1,
        "Study design",
        "Radiomics or machine-learning guideline followed",
        yes("CLEAR is filled in here; hand it in with the manuscript."),
        0.0368,
    ),
    Item(2, "Study design", "Eligibility criteria, representative patients", UNKNOWN, 0.0735),
    Item(
        3,
        "Study design",
        "Sound, clearly defined reference standard",
        authors("How the classes were established is not known."),
        0.0919,
    ),
    Item(4, "Imaging data", "More than one centre", UNKNOWN, 0.0438),
    Item(5, "Imaging data", "Imaging as practised in the clinic", UNKNOWN, 0.0292),
    Item(6, "Imaging data", "Acquisition parameters given", UNKNOWN, 0.0438),
    Item(7, "Imaging data", "Time between imaging and reference standard", UNKNOWN, 0.0292),
    Item(
        8,
        "Segmentation",
        "Outlining described",
        authors("Outlines came as masks; how they were made is not known."),
        0.0337,
    ),
    Item(
        9,
        "Segmentation",
        "Fully automatic outlines evaluated",
        authors("Applies only where outlines were made without a person."),
        0.0225,
    ),
    Item(10, "Segmentation", "Test outlines by one reader or a tool", UNKNOWN, 0.0112),
    Item(11, "Image processing and feature extraction", "Suitable preparation, described", preprocessing, 0.0622),
    Item(12, "Image processing and feature extraction", "Standardised software", engine, 0.0311),
    Item(
        13,
        "Image processing and feature extraction",
        "Parameters reported",
        yes(f"every setting; {SECTIONS['settings']}."),
        0.0415,
    ),
    Item(14, "Feature processing", "Unstable features removed", unstable_features, 0.02),
    Item(15, "Feature processing", "Redundant features removed", redundant_features, 0.02),
    Item(16, "Feature processing", "Number of features suits the number of patients", dimensionality, 0.03),
    Item(17, "Feature processing", "Robustness of an end-to-end deep pipeline", _deep_pipeline, 0.02),
    Item(18, "Preparation for modelling", "Proper partitions", partitions, 0.0599),
    Item(19, "Preparation for modelling", "Confounders handled", authors("The software looks for none."), 0.03),
    Item(20, "Metrics and comparison", "Suitable performance figures", _figures, 0.0352),
    Item(21, "Metrics and comparison", "Uncertainty", uncertainty, 0.0234),
    Item(22, "Metrics and comparison", "Calibration", calibration, 0.0176),
    Item(23, "Metrics and comparison", "One image, or proof that one is not enough", _one_sequence, 0.0117),
    Item(
        24,
        "Metrics and comparison",
        "Comparison without radiomics, or proof of clinical value",
        clinical_model,
        0.0293,
    ),
    Item(25, "Metrics and comparison", "Comparison with a simple or classical model", _simple_model, 0.0176),
    Item(26, "Testing", "Internal testing", _internal, 0.0375),
    Item(27, "Testing", "External testing", _external, 0.0749),
    Item(28, "Open science", "Data available", DECIDE, 0.0075),
    Item(
        29,
        "Open science",
        "Code available",
        yes("TumorClassifier is open source (Apache-2.0); share scripts of your own too."),
        0.0075,
    ),
    Item(30, "Open science", "Model available", DECIDE, 0.0075),
)
