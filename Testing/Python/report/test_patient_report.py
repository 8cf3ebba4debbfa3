"""The report of one patient: the class, how sure, why, and where it came from."""

import copy
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from TumorClassifierLib.bundle import Bundle
from TumorClassifierLib.nomogram import Nomogram
from TumorClassifierLib.report import patient_pdf, patient_report, tumour_picture
from TumorClassifierLib.results import ClassificationResult

THREE = ("one", "two", "three")


def ball(cam: bool = True) -> tuple[sitk.Image, sitk.Image, sitk.Image | None]:
    z, y, x = np.mgrid[:6, :32, :32]
    inside = np.hypot(y - 14, x - 18) < 6
    values = np.random.default_rng(0).normal(100, 10, inside.shape) + 80 * inside
    heat = np.exp(-((y - 14) ** 2 + (x - 18) ** 2) / 30) * (z == 3) * inside
    images = [sitk.GetImageFromArray(a) for a in (values.astype(np.float32), inside.astype(np.uint8))]
    return images[0], images[1], sitk.GetImageFromArray(heat.astype(np.float32)) if cam else None


def result_of(bundle: Bundle, cam: bool = True, **changes: Any) -> ClassificationResult:
    """A classification of a made patient by the model's own nomograms."""
    classes = [str(name) for name in bundle.manifest["classes"]]
    nomograms = bundle.documents["description"]["nomograms"]
    values: dict[str, dict[str, Any]] = {}
    points: dict[str, dict[str, float]] = {}
    alone: dict[str, float] = {}
    for name, document in nomograms.items():
        nomogram = Nomogram.from_json(document)
        values[name] = {t.name: t.ticks[len(t.ticks) // 2] for t in nomogram.terms}
        points[name] = nomogram.points(values[name])
        alone[name] = nomogram.probability(values[name])
        points[name]["total"] = sum(points[name].values())
    if len(classes) == 2:
        chances = {classes[0]: 1 - alone[classes[1]], classes[1]: alone[classes[1]]}
    else:
        chances = {name: p / sum(alone.values()) for name, p in alone.items()}
    predicted = max(chances, key=lambda name: chances[name])
    positive = classes[1] if len(classes) == 2 else predicted
    own = {n: {"scores": values[n], "nomogram_points": points[n], "probability": alone[n]} for n in alone}
    prediction = {
        "case": {"case_id": "case 7", "segment": ""},
        "model": {"name": bundle.name, "version": "3", "sha256": bundle.sha256},
        "classes": classes,
        "positive": positive,
        "probabilities": chances,
        "predicted": predicted,
        "threshold": 0.45 if len(classes) == 2 else None,
        "scores": values[positive],
        "by_class": {} if len(classes) == 2 else own,
        "model_probabilities": {"nomogram": chances, "radiomics": dict.fromkeys(classes, 1 / len(classes))},
        "nomogram_points": points[positive],
        "interval": {"low": 0.1, "high": 0.9, "level": 0.95},
        "prediction_set": {"classes": classes[:1], "level": 0.9},
        "contributions": [
            {
                "block": "radiomics",
                "feature": f"feature {i}",
                "value": 0.5 * i,
                "contribution": (-1) ** i * (2.0 - i / 10),
            }
            for i in range(15)
        ],
        "warnings": [{"code": "x", "text": "Look again."}],
        "provenance": {
            "inputs": {"T1C": "cd" * 32},
            "engine": "native 0.1.0",
            "versions": {"numpy": "2.4.6"},
            "seconds": {"model": 0.26},
        },
        **changes,
    }
    return ClassificationResult(copy.deepcopy(prediction), ball(cam)[2], nomograms, values, {})


def three(p: float) -> str:
    return "< 0.001" if p < 0.0005 else "> 0.999" if p >= 0.9995 else f"{p:.3f}"


def per_cent(p: float) -> str:
    return "< 0.1 %" if p < 0.0005 else "> 99.9 %" if p >= 0.9995 else f"{100 * p:.1f} %"


@pytest.fixture(scope="module")
def picture() -> bytes:
    return tumour_picture(*ball())


@pytest.mark.parametrize("names", [("low", "high"), THREE])
def test_every_number_is_that_of_the_prediction(made_model, read_page, pdf_text, picture: bytes, names) -> None:
    bundle = made_model(names)
    result = result_of(bundle)
    page = read_page(patient_report(result, bundle.manifest, picture))
    pdf = pdf_text(patient_pdf(result, bundle.manifest, picture))
    prediction, positive = result.prediction, result.prediction["positive"]
    wanted = [
        prediction["predicted"],
        *(per_cent(p) for p in prediction["probabilities"].values()),
        f"Probability of {positive}: {three(prediction['probabilities'][positive])} (95 % interval 0.100 to 0.900)",
        "Look again.",
        "cd" * 32,
        bundle.sha256,
        "native 0.1.0",
        "model 0.3",
        f"At a level of 90 % it may be {names[0]}.",
        "For research use only",
        f"{bundle.manifest['cohort']['patients']} patients",
    ]
    for text in wanted:
        assert text in page.text and "".join(text.split()) in pdf, text
    if len(names) == 2:
        assert f"The model calls {positive} from 0.450 on." in page.text
        tables = {positive: next(rows for _, rows in page.tables if rows[0][0] == "Score")}
    else:
        assert "The class with the largest probability is called." in page.text and "against the rest" in page.text
        tables = {name: page.table(f"{name} against the rest") for name in names}
    for name, rows in tables.items():
        points = (
            prediction["by_class"][name]["nomogram_points"]
            if prediction["by_class"]
            else prediction["nomogram_points"]
        )
        assert {row[0]: row[2] for row in rows[1:]} == {key: f"{value:.1f}" for key, value in points.items()}
    models = page.table("Probabilities by each model")
    assert models[1][1:] == [three(prediction["probabilities"][name]) for name in names]


def test_contributions_are_signed_bars_largest_first(made_model, read_page, picture: bytes) -> None:
    bundle = made_model()
    result = result_of(bundle)
    html = patient_report(result, bundle.manifest, picture)
    page = read_page(html)
    assert "radiomics: feature 0 = 0" in page.text and "+2.00" in page.text and "−1.90" in page.text
    assert "feature 11" in page.text and "feature 12" not in page.text and "3 others together" in page.text
    rest = sum((-1) ** i * (2.0 - i / 10) for i in range(12, 15))
    assert f"+{rest:.2f}" in page.text
    assert html.index("feature 0 ") < html.index("feature 1 ") < html.index("feature 2 ")
    widths = [str(a["style"]) for tag, a in page.tags if tag == "i" and "left" in str(a.get("style"))]
    assert widths[0] == "left: 50.00%; width: 50.00%" and widths[1] == "left: 2.50%; width: 47.50%"


def test_a_category_is_told_as_it_was_given(made_model, read_page, picture: bytes) -> None:
    bundle = made_model()
    scores = {"sex": "male", "Rad-score": 0.5}
    coded = [{"block": "clinical", "feature": "sex", "value": 1.0, "contribution": 0.001}]
    points = {"sex": 10.0, "total": 10.0}
    result = result_of(bundle, contributions=coded, scores=scores, nomogram_points=points)
    page = read_page(patient_report(result, bundle.manifest, picture))
    assert "clinical: sex = male" in page.text and "sex = 1" not in page.text
    assert "0.00" in page.text and "+0.00" not in page.text


def test_without_map_nomogram_and_contributions(made_model, read_page, pdf_text) -> None:
    bundle = made_model()
    whole = result_of(bundle, cam=False, contributions=[], warnings=[])
    result = ClassificationResult(whole.prediction, None, {}, {}, {})
    picture = tumour_picture(*ball(cam=False))
    page = read_page(patient_report(result, bundle.manifest, picture))
    assert "Grad-CAM" not in page.text and "The tumour" in page.text
    assert "Nomogram" not in [word.strip() for word in page.words] and "What moved" not in page.text
    assert "Grad-CAM" not in pdf_text(patient_pdf(result, bundle.manifest, picture))


def test_an_empty_map_and_an_empty_set_are_told(made_model, read_page, picture: bytes) -> None:
    bundle = made_model()
    whole = result_of(bundle, prediction_set={"classes": [], "level": 0.9})
    empty = ClassificationResult(whole.prediction, ball()[0] * 0, whole.nomograms, whole.nomogram_values, {})
    text = read_page(patient_report(empty, bundle.manifest, picture)).text
    assert "This map is empty" in text and "no class fits" in text
    assert "This map is empty" not in read_page(patient_report(whole, bundle.manifest, picture)).text


def test_a_set_that_is_a_warning_too_is_told_once(made_model, read_page, picture: bytes) -> None:
    bundle, words = made_model(), "No class can be ruled out."
    result = result_of(
        bundle,
        prediction_set={"classes": ["low", "high"], "level": 0.9, "text": words},
        warnings=[{"code": "no-class-ruled-out", "text": words}],
    )
    assert read_page(patient_report(result, bundle.manifest, picture)).text.count(words) == 1


def test_hostile_names_are_text(made_model, read_page, pdf_text, picture: bytes) -> None:
    bundle, name = made_model(), "<script>alert(1)</script>&<b>"
    result = result_of(bundle, case={"case_id": name, "segment": name}, warnings=[{"code": "x", "text": name}])
    html = patient_report(result, bundle.manifest, picture)
    page = read_page(html)
    assert page.text.count(name) >= 3 and not [tag for tag, _ in page.tags if tag == "script"]
    assert "http" not in html and all(str(a["src"]).startswith("data:image/") for tag, a in page.tags if tag == "img")
    assert name in pdf_text(patient_pdf(result, bundle.manifest, picture))


def test_probabilities_are_never_printed_as_certain(made_model, read_page, picture: bytes) -> None:
    bundle = made_model()
    result = result_of(
        bundle, probabilities={"low": 1e-9, "high": 1 - 1e-9}, interval={"low": 1e-5, "high": 1 - 1e-9, "level": 0.95}
    )
    text = read_page(patient_report(result, bundle.manifest, picture)).text
    assert "Probability of high: > 0.999 (95 % interval < 0.001 to > 0.999)" in text
    assert "> 99.9 %" in text and "< 0.1 %" in text and "100.0 %" not in text
