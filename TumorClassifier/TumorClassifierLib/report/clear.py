"""The CLEAR checklist, filled in (Kocak et al. 2023, Insights Imaging 14:75, doi:10.1186/s13244-023-01415-8).

Its 58 items in short words of our own; what an item asks for in full is in the publication. An item counts as "yes"
only where the report itself, made from the model file, says what the item asks for.
"""

from .answers import (
    SECTIONS,
    balance,
    calibration,
    clinical_model,
    engine,
    partitions,
    preprocessing,
    redundant_features,
    testing,
    uncertainty,
    unstable_features,
)
from .checklist import Answer, Item, authors, filled, yes
from .content import Checklist
from .evidence import Evidence
from .numbers import counted, listed

MANUSCRIPT = authors("Part of the manuscript.")
UNKNOWN = authors("Not known to the software.")
DECIDE = authors("For the authors to decide.")
NO_RADIOMICS: Answer = ("not applicable", "No hand-crafted features are measured.")


def clear(evidence: Evidence) -> Checklist:
    """The checklist for a model and what was judged."""
    return filled(ITEMS, evidence, "CLEAR: 58 items for reporting radiomics research (Kocak et al. 2023)")


def _flowchart(e: Evidence) -> Answer:
    if e.description.get("flow"):
        return "yes", f"chart of the steps with counts; {SECTIONS['model']}."
    return "no", "The model file holds no counts of its steps."


def _source(e: Evidence) -> Answer:
    about = e.manifest.get("about") or {}
    said = " ".join(str(about[name]) for name in ("data", "licence") if about.get(name))
    return (
        ("yes", f"as stated by who trained the model: {said}") if said else ("authors", "Not stated in the settings.")
    )


def _clinical(e: Evidence) -> Answer:
    rows = e.cohort_table.get("rows") or []
    names = list(dict.fromkeys(str(row["variable"]) for row in rows))
    if not names:
        return "not applicable", "The manifest has no clinical variables."
    return "yes", f"{listed(names)}; how they were chosen is for the authors to say."


def _resampling(e: Evidence) -> Answer:
    spacing = e.setting.get("resampledPixelSpacing")
    if not e.radiomics:
        return NO_RADIOMICS
    if not spacing:
        return "yes", "Features are measured on the images' own grid."
    how = e.setting.get("interpolator", "sitkBSpline")
    return "yes", f"{' × '.join(f'{float(mm):g}' for mm in spacing)} mm (0 keeps an axis), {how}."


def _discretisation(e: Evidence) -> Answer:
    if not e.radiomics:
        return NO_RADIOMICS
    if e.setting.get("binCount"):
        return "yes", f"fixed number of bins, {e.setting['binCount']}."
    return "yes", f"fixed bin width, {e.setting.get('binWidth', 25)}."


def _image_types(e: Evidence) -> Answer:
    if not e.radiomics:
        return NO_RADIOMICS
    return (
        "yes",
        f"{listed(list(e.radiomics.get('imageType') or ['Original']))}; parameters in {SECTIONS['settings']}.",
    )


def _classes(e: Evidence) -> Answer:
    if not e.radiomics:
        return NO_RADIOMICS
    classes = list(e.radiomics.get("featureClass") or ())
    return "yes", f"{listed(classes) if classes else 'all classes'}."


def _count(e: Evidence) -> Answer:
    counts = {
        block: steps["measured"] for block, steps in (e.description.get("flow") or {}).items() if "measured" in steps
    }
    if not counts:
        return "no", "The model file does not say how many features were measured."
    return "yes", f"{listed([f'{block}: {n}' for block, n in counts.items()])}."


def _missing(e: Evidence) -> Answer:
    cohort = e.manifest["cohort"]
    gaps = {
        str(row["variable"]): int(row["missing"]) for row in e.cohort_table.get("rows") or () if row.get("missing")
    }
    left_out = f"{counted(int(cohort.get('failures', 0)), 'case')} could not be measured and left the cohort"
    if not gaps:
        return "yes", f"{left_out}; no clinical value is missing."
    told = listed([f"{name} ({n})" for name, n in gaps.items()])
    return "yes", f"{left_out}; missing clinical values: {told}, handled as {SECTIONS['preparation']} says."


def _balance(e: Evidence) -> Answer:
    weights = (e.settings.get("training") or {}).get("class_weights")
    how = " Each class counts the same in the network's loss." if weights else ""
    return "yes", f"{balance(e)}; no case was made up or left out to balance them.{how}"


def _scaling(e: Evidence) -> Answer:
    if not e.signatures:
        return "not applicable", "The model has no table of features."
    return "yes", f"z-scores with the training part's mean and standard deviation; {SECTIONS['model']}."


def _algorithm(e: Evidence) -> Answer:
    version = (e.manifest.get("versions") or {}).get("tumorclassifier", "")
    return "yes", f"recipe {e.manifest['recipe']} of TumorClassifier {version}; {SECTIONS['model']}."


def _comparison(e: Evidence) -> Answer:
    if e.compared:
        return "yes", f"DeLong's test with Holm's correction; {SECTIONS['performance']}."
    return "no", "No two models were compared by a test."


def _uncertainty(e: Evidence) -> Answer:
    verdict, note = uncertainty(e)
    return (verdict, f"{note} {calibration(e)[1]}") if verdict == "yes" else (verdict, note)


def _explained(e: Evidence) -> Answer:
    found = ["coefficients of every signature"] if e.signatures else []
    if e.description.get("nomograms"):
        found.append("nomogram")
    if e.settings.get("backbone") or e.settings.get("crop"):
        found.append("class-activation maps with each patient's report")
    return ("yes", f"{listed(found)}.") if found else ("no", "The model file holds no explanation.")


def _baseline(e: Evidence) -> Answer:
    if e.cohort_table.get("rows"):
        return "yes", f"table by class with tests; {SECTIONS['data']}."
    return "no", "The manifest has no clinical variables."


def _features(e: Evidence) -> Answer:
    if e.signatures:
        return "yes", f"selected features with coefficient, mean and standard deviation; {SECTIONS['model']}."
    return "no", "The model file holds no list of selected features."


def _performance(e: Evidence) -> Answer:
    if e.parts:
        return "yes", f"out of fold, never on the cases of fitting, with the no-information rate; {testing(e)}."
    return "yes" if e.manifest.get("metrics") else "no", "Table of figures only; the model file holds no curves."


ITEMS = (
    Item(1, "Title", "Radiomics and its kind named in the title", MANUSCRIPT),
    Item(2, "Abstract", "Structured summary with the key facts", MANUSCRIPT),
    Item(3, "Keywords", "Keywords that find radiomics", MANUSCRIPT),
    Item(4, "Introduction", "Clinical or scientific background", MANUSCRIPT),
    Item(5, "Introduction", "Why radiomics", MANUSCRIPT),
    Item(6, "Introduction", "Aims", MANUSCRIPT),
    Item(
        7,
        "Method: study design",
        "Guidelines followed",
        yes("CLEAR and METRICS are filled in here; add this report as a supplement."),
    ),
    Item(8, "Method: study design", "Ethics, consent, data protection", UNKNOWN),
    Item(9, "Method: study design", "Sample size", authors("How the number of patients came about is not known.")),
    Item(10, "Method: study design", "Prospective or retrospective", UNKNOWN),
    Item(11, "Method: study design", "Who was eligible", UNKNOWN),
    Item(12, "Method: study design", "Chart of the technical steps", _flowchart),
    Item(13, "Method: data", "Where the data come from", _source),
    Item(14, "Method: data", "Overlap with earlier publications", UNKNOWN),
    Item(15, "Method: data", "How data were split", partitions),
    Item(
        16,
        "Method: data",
        "Scanners and acquisition",
        lambda e: ("authors", f"Images used: {listed(e.modalities)}; scanners and protocols are not known."),
    ),
    Item(17, "Method: data", "Predictors that are not radiomics", _clinical),
    Item(
        18,
        "Method: data",
        "Reference standard",
        lambda e: ("authors", f"Classes: {listed(e.classes)}; how they were established is not known."),
    ),
    Item(
        19,
        "Method: segmentation",
        "How tumours were outlined",
        authors("Outlines came as masks; the tool and its rules are not known."),
    ),
    Item(20, "Method: segmentation", "Who outlined them", UNKNOWN),
    Item(21, "Method: pre-processing", "Image preparation", preprocessing),
    Item(22, "Method: pre-processing", "Resampling", _resampling),
    Item(23, "Method: pre-processing", "Grey-level bins", _discretisation),
    Item(24, "Method: pre-processing", "Image types and filters", _image_types),
    Item(25, "Method: feature extraction", "Software for features", engine),
    Item(26, "Method: feature extraction", "Feature classes", _classes),
    Item(27, "Method: feature extraction", "Number of features", _count),
    Item(
        28,
        "Method: feature extraction",
        "Settings left at their defaults",
        yes(f"Every setting is listed, default or not; {SECTIONS['settings']}."),
    ),
    Item(29, "Method: data preparation", "Missing values", _missing),
    Item(30, "Method: data preparation", "Class balance", _balance),
    Item(31, "Method: data preparation", "Reliability of the outlines", unstable_features),
    Item(32, "Method: data preparation", "Scaling of features", _scaling),
    Item(33, "Method: data preparation", "Dimension reduction", redundant_features),
    Item(34, "Method: modelling", "Algorithm and software", _algorithm),
    Item(35, "Method: modelling", "Training and tuning", yes(f"{SECTIONS['model']} and {SECTIONS['settings']}.")),
    Item(
        36,
        "Method: modelling",
        "Confounders",
        authors("The software looks for none; the table of the cohort may show some."),
    ),
    Item(
        37,
        "Method: modelling",
        "How the final model was chosen",
        yes(
            "One recipe, fixed beforehand; penalties and kernels are chosen by cross-validation in the training part."
        ),
    ),
    Item(
        38,
        "Method: evaluation",
        "Internal or external testing",
        lambda e: ("yes", f"{testing(e)}. Whether patients come from another institution is for the authors to say."),
    ),
    Item(
        39,
        "Method: evaluation",
        "Performance figures and why these",
        yes(f"{SECTIONS['performance']}; the reasons are for the authors to give."),
    ),
    Item(40, "Method: evaluation", "Uncertainty", _uncertainty),
    Item(41, "Method: evaluation", "Statistical comparison of models", _comparison),
    Item(42, "Method: evaluation", "Comparison without radiomics, and combined", clinical_model),
    Item(43, "Method: evaluation", "Explanation of the model", _explained),
    Item(44, "Results", "Baseline characteristics", _baseline),
    Item(
        45,
        "Results",
        "Chart of who was included",
        lambda e: (
            "authors",
            f"The software left out {counted(int(e.manifest['cohort'].get('failures', 0)), 'case')}; earlier "
            "exclusions are not known.",
        ),
    ),
    Item(46, "Results", "Statistics of the features", _features),
    Item(47, "Results", "Performance", _performance),
    Item(48, "Results", "Results of the comparison without radiomics", clinical_model),
    Item(49, "Discussion", "Main findings", MANUSCRIPT),
    Item(50, "Discussion", "Earlier work and differences", MANUSCRIPT),
    Item(51, "Discussion", "What it means in practice", MANUSCRIPT),
    Item(
        52,
        "Discussion",
        "Strengths and limits",
        authors("Part of the manuscript; section “Warnings and limits” has what the model file states."),
    ),
    Item(53, "Open science", "Images and outlines shared (recommended, not essential)", DECIDE),
    Item(
        54, "Open science", "Feature values shared", authors("For the authors to decide; `extract` writes the table.")
    ),
    Item(55, "Open science", "Settings shared", yes(f"In full; {SECTIONS['settings']}.")),
    Item(
        56,
        "Open science",
        "Code shared",
        yes("TumorClassifier is open source (Apache-2.0) and repeats the analysis from these settings."),
    ),
    Item(
        57,
        "Open science",
        "Model shared",
        lambda e: ("authors", f"For the authors to decide; the file has the SHA-256 {e.sha256[:12]}…."),
    ),
    Item(
        58,
        "Open science",
        "Ready-to-use system shared (recommended, not essential)",
        authors("The model file runs in TumorClassifier once it is shared."),
    ),
)
