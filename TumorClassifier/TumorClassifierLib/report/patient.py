"""The patient report: one case's class with its reasons, to read on screen or to print on A4."""

from collections.abc import Mapping, Sequence
from typing import Any

import SimpleITK as sitk

from ..explain.cam import GRAD_CAM, NAMES
from ..nomogram import Nomogram
from ..nomogram_figure import draw_nomogram
from ..results import ClassificationResult
from .content import Bar, Bars, Block, Figure, Heading, Headline, Picture, Report, Table, Text, facts
from .html import as_html
from .numbers import chance, counted, fixed, listed, percent, probability, value_text, with_interval
from .pdf import as_pdf

MOST_CONTRIBUTIONS = 12
SHOWN = {"auc": "area under the ROC curve", "sensitivity": "sensitivity", "specificity": "specificity"}


def patient_report(
    result: ClassificationResult, model: Mapping[str, Any], picture: bytes, outlined: bool = True
) -> str:
    """The report as HTML.

    model: the bundle's manifest. picture: PNG of the tumour, as `tumour_picture` draws it; outlined: whether with an
    outline.
    """
    return as_html(patient_content(result, model, picture, outlined))


def patient_pdf(
    result: ClassificationResult, model: Mapping[str, Any], picture: bytes, outlined: bool = True
) -> bytes:
    """The same report as the bytes of a PDF; raises InputError where reportlab is not installed."""
    return as_pdf(patient_content(result, model, picture, outlined))


def patient_content(
    result: ClassificationResult, model: Mapping[str, Any], picture: bytes, outlined: bool = True
) -> Report:
    """What the report says; outlined: whether the tumour is, in the picture."""
    prediction = result.prediction
    case = prediction["case"]
    blocks = [
        *answer_blocks(prediction),
        *_picture(prediction, picture, result.cam, outlined),
        *_nomogram(result),
        *contribution_blocks(prediction),
        *score_blocks(prediction),
        *_model(prediction, model),
        *_provenance(prediction),
    ]
    whose = f"case {case['case_id']} · model {prediction['model']['name']} {prediction['model']['version']}"
    return Report("Tumour classification report", whose, tuple(blocks))


def answer_blocks(prediction: Mapping[str, Any]) -> list[Block]:
    """The called class, the probability of each, both in words, and every warning."""
    chances, classes = prediction["probabilities"], prediction["classes"]
    bars = tuple(Bar(name, float(chances[name]), chance(chances[name])) for name in classes)
    segment = prediction["case"].get("segment")
    warnings = [str(warning["text"]) for warning in prediction["warnings"]]
    words = _set_in_words(prediction["prediction_set"]) if prediction.get("prediction_set") else ""
    return [
        Headline(str(prediction["predicted"]), f"called by the model{f'; segment {segment}' if segment else ''}"),
        Bars(bars),
        Text(_in_words(prediction)),
        *([Text(words)] if words and words not in warnings else []),
        *(Text(warning, "warning") for warning in warnings),
    ]


def _in_words(prediction: Mapping[str, Any]) -> str:
    positive, interval, threshold = prediction["positive"], prediction["interval"], prediction["threshold"]
    said = f"Probability of {positive}: {probability(prediction['probabilities'][positive])}"
    if interval is not None:
        limits = f"{probability(interval['low'])} to {probability(interval['high'])}"
        said += f" ({100 * interval['level']:g} % interval {limits})"
    said += ". "
    if threshold is None:
        return f"{said}The class with the largest probability is called."
    return f"{said}The model calls {positive} from {probability(threshold)} on."


def _set_in_words(found: Mapping[str, Any]) -> str:
    if found.get("text"):
        return str(found["text"])
    level = percent(found["level"], 0)
    if not found["classes"]:
        return (
            f"At a level of {level} no class fits: the case is unusual, and the called class is not to be relied on."
        )
    return f"At a level of {level} it may be {listed(found['classes'], 'or')}."


def _picture(prediction: Mapping[str, Any], picture: bytes, cam: sitk.Image | None, outlined: bool) -> list[Block]:
    if cam is None:
        if not outlined:
            return [Heading("The image"), Picture(picture, "The middle axial slice.", "Axial slice")]
        caption = "The tumour's largest axial slice with its outline, whole (left) and close up."
        return [Heading("The tumour"), Picture(picture, caption, "Axial slices with the tumour's outline")]
    shown = prediction.get("map") or {"class": prediction["predicted"], "method": GRAD_CAM}
    named = f"{NAMES[shown['method']]} map for {shown['class']}"
    slices = (
        "The tumour's largest axial slice with its outline (left), the same close up under the "
        f"{named} (middle), and the slice where the map is strongest (right)."
        if outlined
        else f"The axial slice where the {named} is strongest, without the map (left) and under it (right)."
    )
    caption = f"{slices} A map shows what moved the network, not where disease is."
    if not sitk.GetArrayViewFromImage(cam).any():
        caption += f" This map is empty: nothing in the image spoke for {shown['class']}."
    if shown["class"] != prediction["predicted"]:
        caption += f" The case was called {prediction['predicted']}."
    focus = prediction.get("focus") or {}
    if "inside" in focus:
        caption += (
            f" {percent(focus['inside'], 0)} of the map lies in the outlined tumour (Dice of the tumour and the map "
            f"above half its maximum: {fixed(focus['dice'], 2)})."
        )
    alt = f"Axial slice with {'tumour outline and ' if outlined else ''}class-activation map"
    return [Heading("Where the network looked"), Picture(picture, caption, alt)]


def _nomogram(result: ClassificationResult) -> list[Block]:
    if result.nomogram is None:
        return []
    nomogram, values = Nomogram.from_json(result.nomogram), dict(result.values)
    positive = result.prediction["positive"]
    caption = f"Points of each axis for this patient, their total and the probability of {positive}"
    if len(result.prediction["classes"]) > 2:
        caption += " against the rest; divided by the sum over all classes it is the probability above"
    return [
        Heading("Nomogram"),
        Figure(lambda path: draw_nomogram(nomogram, path, values), f"{caption}.", "Nomogram with the patient marked"),
    ]


def contribution_blocks(prediction: Mapping[str, Any]) -> list[Block]:
    """What moved the probability, largest first, as bars; nothing where the model cannot tell."""
    found = sorted(prediction.get("contributions") or (), key=lambda item: -abs(item["contribution"]))
    if not found:
        return []
    shown, rest = found[:MOST_CONTRIBUTIONS], found[MOST_CONTRIBUTIONS:]
    together = sum(item["contribution"] for item in rest)
    widest = max([abs(together), *(abs(item["contribution"]) for item in shown)]) or 1.0
    bars = [_contribution(item, prediction["scores"], widest) for item in shown]
    if rest:
        bars.append(Bar(f"{counted(len(rest), 'other')} together", together / widest, _signed(together)))
    caption = (
        f"Parts of the logit, against the training average: to the right they raise the probability of "
        f"{prediction['positive']}, to the left they lower it."
    )
    return [Heading("What moved the probability"), Bars(tuple(bars), caption, signed=True)]


def _contribution(item: Mapping[str, Any], own: Mapping[str, Any], widest: float) -> Bar:
    """own: the patient's values as they were given, for a category is coded as a number in its contribution."""
    value = own.get(item["feature"], item.get("value"))
    shown = "" if value is None else f" = {value_text(value)}"
    text = _signed(item["contribution"])
    return Bar(f"{item['block']}: {item['feature']}{shown}", item["contribution"] / widest, text)


def _signed(value: float) -> str:
    text = fixed(value, 2)
    return f"+{text}" if value > 0 and float(text) else text


def score_blocks(prediction: Mapping[str, Any]) -> list[Block]:
    """The scores with their nomogram points, and what each sub-model says."""
    blocks: list[Block] = []
    if prediction.get("by_class"):
        for name, own in prediction["by_class"].items():
            caption = f"{name} against the rest: probability {probability(own['probability'])}"
            blocks.append(_points(own["scores"], own["nomogram_points"], caption))
    elif prediction["scores"]:
        blocks.append(_points(prediction["scores"], prediction["nomogram_points"], ""))
    models = prediction.get("model_probabilities") or {}
    if len(models) > 1:
        classes = list(prediction["classes"])
        rows = tuple((name, *(probability(chances[label]) for label in classes)) for name, chances in models.items())
        columns = ("Model", *map(str, classes))
        blocks.append(Table(columns, rows, "Probabilities by each model", numeric=tuple(range(1, len(columns)))))
    return [Heading("Scores"), *blocks] if blocks else []


def _points(scores: Mapping[str, Any], points: Mapping[str, float], caption: str) -> Table:
    rows = [
        (
            name,
            value_text(value),
            _one_decimal(points.get(name)),
        )
        for name, value in scores.items()
    ]
    if "total" in points:
        rows.append(("total", "", _one_decimal(points["total"])))
    return Table(("Score", "Value", "Nomogram points"), tuple(rows), caption, numeric=(1, 2))


def _one_decimal(value: float | None) -> str:
    return "" if value is None else fixed(value, 1)


def _model(prediction: Mapping[str, Any], model: Mapping[str, Any]) -> list[Block]:
    cohort, metrics = model["cohort"], model.get("metrics") or {}
    by_class = listed([f"{n} {name}" for name, n in cohort["patients_by_class"].items()])
    rows = [
        ("recipe", f"{model['recipe']} ({model['publication']})"),
        ("trained on", f"{counted(cohort['patients'], 'patient')} ({by_class}), {counted(cohort['cases'], 'image')}"),
    ]
    if model.get("networks"):
        rows.append(("networks", str(model["networks"])))
    main = next(iter(metrics), "")
    main = "nomogram" if "nomogram" in metrics else main
    kind = (
        "out of fold, by patient" if len(prediction["classes"]) == 2 else "out of fold, by patient, mean over classes"
    )
    for name, text in SHOWN.items():
        if metrics.get(main, {}).get(name):
            rows.append((text, f"{with_interval(metrics[main][name])}, 95 % interval, {kind}"))
    return [Heading("The model"), facts(rows)]


def _provenance(prediction: Mapping[str, Any]) -> list[Block]:
    provenance = prediction["provenance"]
    hashes = [(f"SHA-256 of {name}", str(value)) for name, value in provenance["inputs"].items()]
    hashes.append(("SHA-256 of the model", str(prediction["model"]["sha256"])))
    rows = [
        *([("radiomics engine", str(provenance["engine"]))] if provenance["engine"] else []),
        ("seconds", _joined([f"{name} {fixed(spent, 1)}" for name, spent in provenance["seconds"].items()])),
        ("versions", _joined([f"{name} {version}" for name, version in provenance["versions"].items()])),
    ]
    return [Heading("How this was made"), facts(hashes, code=True), facts(rows)]


def _joined(items: Sequence[str]) -> str:
    return ", ".join(items)
