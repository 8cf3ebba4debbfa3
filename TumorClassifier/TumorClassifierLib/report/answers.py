"""Answers that both checklists ask for, each decided from what the model file holds."""

from .checklist import Answer
from .evidence import Evidence
from .numbers import counted, listed, percent

SECTIONS = {
    "data": "section “Data”",
    "preparation": "section “How cases were prepared”",
    "model": "section “How the model was made”",
    "performance": "section “How good the model is”",
    "settings": "section “Settings, versions and hashes”",
}


def preprocessing(e: Evidence) -> Answer:
    """Image preparation."""
    preparation = e.settings.get("preparation") or {}
    done = []
    if preparation.get("n4", "none") != "none":
        done.append("N4 bias field correction")
    if preparation.get("intensity", "none") != "none":
        done.append(f"intensities by {preparation['intensity']}")
    if e.setting.get("resampledPixelSpacing"):
        done.append("resampling")
    if not done:
        return "no", "Images were measured as they were taken: no bias correction, intensity scale or resampling."
    return (
        "yes",
        f"{listed(done)}; {SECTIONS['preparation']}. Whether it suits the images is for the authors to judge.",
    )


def engine(e: Evidence) -> Answer:
    """The radiomics engine."""
    if not e.radiomics:
        return "not applicable", "No hand-crafted features are measured."
    name = str(e.manifest.get("engine", ""))
    version = (e.manifest.get("versions") or {}).get("pyradiomics" if name == "pyradiomics" else "tumorclassifier", "")
    checked = "" if name == "pyradiomics" else " (checked against the IBSI reference values)"
    return "yes", f"Engine {name} {version}{checked}; {SECTIONS['preparation']}."


def unstable_features(e: Evidence) -> Answer:
    """Features that depend on who outlined the tumour."""
    if not e.signatures:
        return "not applicable", "The model has no table of features."
    if e.agreement:
        return "yes", f"{e.agreement}; counts in {SECTIONS['model']}."
    return "no", "The model file shows neither a second reader's outlines nor a list of stable features."


def redundant_features(e: Evidence) -> Answer:
    """Dimension reduction."""
    if not e.signatures:
        return "not applicable", "The model has no table of features."
    steps = []
    if e.settings.get("spearman"):
        steps.append(f"Of pairs with |Spearman ρ| above {e.settings['spearman']} one feature is kept")
    if any(signature.get("penalty") for signature in e.signatures):
        steps.append("LASSO with its penalty chosen by cross-validation")
    kept = listed([f"{signature['name']}: {len(signature['terms'])}" for signature in e.signatures[:4]])
    what = f"{'; '.join(steps)}. " if steps else ""
    return "yes", f"{what}Features kept: {kept}; {SECTIONS['model']}."


def dimensionality(e: Evidence) -> Answer:
    """Ten patients a feature, the usual rule of thumb."""
    if not e.signatures:
        return "not applicable", "The model has no table of features."
    most = max(len(signature["terms"]) for signature in e.signatures)
    text = f"{counted(most, 'feature')} in the longest signature for {counted(e.patients, 'patient')}"
    if e.patients >= 10 * most:
        return "yes", f"{text}: ten or more patients a feature."
    return "no", f"{text}: fewer than ten patients a feature."


def partitions(e: Evidence) -> Answer:
    """How cases were divided."""
    held_back = sum(int(part["patients"]) for part in e.test)
    test = f" {counted(held_back, 'patient')} held back for testing." if e.test else ""
    return (
        "yes",
        f"{e.manifest['folds']}-fold cross-validation by patient and class with a fixed seed; everything that is "
        f"fitted is fitted within the training part.{test}",
    )


def uncertainty(e: Evidence) -> Answer:
    """Confidence intervals."""
    tables = [part["metrics"] for part in e.parts] or [e.manifest.get("metrics") or {}]
    limits = [metric.get("low") for table in tables for metrics in table.values() for metric in metrics.values()]
    if any(limit is not None for limit in limits):
        return "yes", f"95 % intervals; {SECTIONS['performance']}."
    return "no", "No figure has an interval."


def calibration(e: Evidence) -> Answer:
    """Calibration of the whole model."""
    if e.calibrated:
        return "yes", f"Calibration curve, slope and intercept, Brier score; {SECTIONS['performance']}."
    return "no", "The model file holds no calibration."


def clinical_model(e: Evidence) -> Answer:
    """A comparison with something that is no radiomics."""
    beside = [part for part in e.parts if any("clinical" in str(name).lower() for name in part["metrics"])]
    if beside:
        where = listed([str(part["name"]) for part in beside])
        return (
            "yes",
            f"A model of clinical variables alone is compared by DeLong's test and decision curves ({where}).",
        )
    return "no", "No model without image features was judged beside it."


def testing(e: Evidence) -> str:
    """On whom the model was judged, in words."""
    told = [f"{e.manifest['folds']}-fold cross-validation by patient"]
    told += [f"{counted(int(part['patients']), 'held-back patient')} of the same manifest" for part in e.test]
    told += [f"{counted(int(part['patients']), 'patient')} of another manifest ({part['name']})" for part in e.outer]
    return "; ".join(told)


def balance(e: Evidence) -> str:
    """Patients by class."""
    return listed([f"{n} {name} ({percent(n / e.patients, 0)})" for name, n in e.by_class.items()])
