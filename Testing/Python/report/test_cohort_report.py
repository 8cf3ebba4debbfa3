"""The report of a model: every number is that of the model file, in HTML and in PDF, and nothing is fetched."""

import copy
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from TumorClassifierLib.bundle import Bundle
from TumorClassifierLib.report.cohort import cohort_report
from TumorClassifierLib.report.html import as_html
from TumorClassifierLib.report.pdf import as_pdf

NAMES = {
    "auc": "Area under the ROC curve",
    "ap": "Average precision",
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "ppv": "Positive predictive value",
    "npv": "Negative predictive value",
    "f1": "F1 score",
    "brier": "Brier score",
}
THREE = ("one", "two", "three")
HOSTILE = ('<script>alert("x")</script>', "a & b <b>'\"${}")


def shown(metric: dict[str, float | None]) -> str:
    if metric["value"] is None:
        return "–"
    return f"{metric['value']:.3f} ({metric['low']:.3f}–{metric['high']:.3f})"


def p_text(p: float | None) -> str:
    if p is None:
        return "–"
    return "< 0.001" if p < 0.001 else "> 0.999" if p > 0.999 else f"{p:.3f}"


def minus(text: str) -> str:
    return text.replace("-", "−")


def evaluation(bundle: Bundle, part: int = 0) -> dict[str, Any]:
    return bundle.documents["evaluation"]["cohorts"][part]


def changed(bundle: Bundle, change: Callable[[dict[str, Any]], None]) -> Bundle:
    """The model with other documents; change: of {"manifest", "description", "evaluation"}."""
    held = copy.deepcopy({"manifest": dict(bundle.manifest), **dict(bundle.documents)})
    change(held)
    return replace(bundle, manifest=held.pop("manifest"), documents=held)


@pytest.fixture(scope="module")
def page(made_model, read_page) -> Any:
    """The report of the model of two classes with clinical variables."""
    return read_page(as_html(cohort_report(made_model())))


def test_metrics_are_those_of_the_document(made_model, page) -> None:
    bundle = made_model()
    rows = page.table("Figures by patient, of high")
    metrics = evaluation(bundle)["metrics"]
    assert rows[0] == ["Figure", "nomogram", "clinical", "radiomics"]
    assert {row[0] for row in rows[1:]} == {NAMES[name] for name in metrics["nomogram"]}
    for row in rows[1:]:
        (name,) = [name for name, text in NAMES.items() if text == row[0]]
        assert row[1:] == [shown(metrics[model][name]) for model in rows[0][1:]]


@pytest.mark.slow
def test_each_class_has_its_figures_where_there_are_three(made_model, read_page) -> None:
    bundle = made_model(THREE)
    page = read_page(as_html(cohort_report(bundle)))
    part = evaluation(bundle)
    rows = page.table("Each class against the rest, nomogram")
    assert sorted(rows[0][1:]) == sorted(THREE)
    for row in rows[1:]:
        (name,) = [name for name, text in NAMES.items() if text == row[0]]
        assert row[1:] == [shown(part["per_class"]["nomogram"][label][name]) for label in rows[0][1:]]
    macro = page.table("Figures by patient, macro averages")
    assert "Balanced accuracy" in [row[0] for row in macro]
    for label in THREE:
        assert page.table(f"DeLong's test of areas under the ROC curve, {label} against the rest")
        assert f"{label} against the rest" in page.text
    assert "largest probability is called" in page.text


def test_confusion_calibration_and_comparisons(made_model, page) -> None:
    part = evaluation(made_model())
    for row in page.table("Confusion matrices")[1:]:
        line = part["confusion"][row[0]][part["classes"].index(row[1])]
        assert row[2:] == [str(n) for n in line]
    for row in page.table("Calibration")[1:]:
        found = part["calibration"][row[0]]
        test = found["hosmer_lemeshow"]
        assert row[1:5] == [
            *(minus(f"{found[name]:.2f}") for name in ("slope", "intercept", "in_the_large")),
            f"{found['brier']:.3f}",
        ]
        assert row[5].endswith(f"({test['degrees_of_freedom']})") and row[6] == p_text(test["p"])
    rows = page.table("DeLong's test")
    assert len(rows) == 4 and rows[0][3] == "p (Holm)"
    delong = part["delong"]
    for row in rows[1:]:
        i, j = (delong["models"].index(name) for name in row[0].split(" − "))
        assert row[1:] == [
            minus(f"{delong['difference'][i][j]:.3f}"),
            p_text(delong["p"][i][j]),
            p_text(delong["p_corrected"][i][j]),
        ]
    coverage = part["prediction_sets"]["coverage"]
    rows = page.table("Prediction sets made to hold the class in 90 %")
    assert rows[1][1] == shown(coverage)
    assert dict(rows[2:]) == {name: shown(c) for name, c in coverage["by_class"].items()}


def test_cohort_table_signatures_and_regressions(made_model, page) -> None:
    bundle = made_model()
    table = bundle.documents["evaluation"]["cohort_table"]
    rows = page.table("Patients by class")
    assert rows[0][1:4] == ["All (n = 120)", *(f"{name} (n = {table['classes'][name]})" for name in ("low", "high"))]
    for row, told in zip(rows[1:], table["rows"], strict=True):
        assert row[0].strip("\xa0") == (told["level"] or told["variable"])
        assert row[1:4] == [told["all"], told["by_class"]["low"], told["by_class"]["high"]]
        if told["level"] is None:
            assert row[4:] == [str(told["missing"]), told["test"], p_text(told["p"]), p_text(told["p_corrected"])]
    description = bundle.documents["description"]
    for signature in description["signatures"]:
        rows = page.table(f"{signature['name']} of high")
        told = {term["feature"]: term for term in signature["terms"]}
        assert {row[0] for row in rows[1:]} == set(told)
        for name, *values in rows[1:]:
            for value, key in zip(values, ("coefficient", "mean", "scale"), strict=True):
                assert float(value.replace("−", "-")) == pytest.approx(told[name][key], rel=6e-4)
        assert signature["formula"].split("\n")[0] in page.text
    for effect in description["clinical"][0]["univariate"]:
        rows = page.table("Clinical variables for high, univariate")
        (row,) = [row for row in rows if row[2] == p_text(effect["p"])]
        odds = [math.exp(effect[name]) for name in ("coefficient", "lower", "upper")]
        assert [float(x) for x in row[1].replace("(", "").replace(")", "").replace("to", "").split()] == pytest.approx(
            odds, rel=6e-3
        )
    terms = page.table("Logistic regression behind the nomogram of high")
    assert [row[0] for row in terms[1:]] == [term["name"] for term in description["regressions"][0]["terms"]]
    assert [row[3] for row in terms[1:]] == [p_text(term["p"]) for term in description["regressions"][0]["terms"]]
    assert "107 measured → 90 finite and varying → 4 selected" in page.text, "no second reader, so no such step"


def test_settings_versions_and_hashes_are_there(made_model, page) -> None:
    bundle = made_model()
    rows = page.table("Settings of the recipe")
    told = {row[i]: row[i + 1] for row in rows[1:] for i in (0, 2) if row[i]}
    assert told["preparation.n4"] == "fast" and told["spearman"] == "0.9" and told["stable_features"] == "not set"
    assert {row[0]: row[1] for row in page.table("Versions")[1:]} == bundle.manifest["versions"]
    assert bundle.sha256 in page.text and "ab" * 32 in page.text
    assert "It is small." in page.text and "A warning." in page.text
    assert "N4 (the same algorithm as ITK's" in page.text and "LoG (sigma 1 and 2 mm)" in page.text


def test_nothing_is_fetched_and_nothing_runs(made_model, read_page) -> None:
    html = as_html(cohort_report(made_model(held_back=True)))
    page = read_page(html)
    assert "http" not in html and "url(" not in html and "@import" not in html
    assert not {"script", "link", "iframe", "object", "embed"} & {tag for tag, _ in page.tags}
    pictures = [dict(attributes) for tag, attributes in page.tags if tag == "img"]
    assert len(pictures) >= 10 and all(str(picture["src"]).startswith("data:image/") for picture in pictures)
    assert all(picture["alt"] for picture in pictures)
    links = [str(attributes["href"]) for tag, attributes in page.tags if "href" in attributes]
    assert links and all(link.startswith("#section-") for link in links)
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]


@pytest.mark.slow
def test_hostile_names_are_text(made_model, read_page, pdf_text) -> None:
    bundle = changed(
        made_model(HOSTILE, age="<img src=x onerror=alert(1)>"),
        lambda held: held["manifest"].update(warnings=["</main><script>1</script>"], name="x"),
    )
    report = cohort_report(bundle)
    page = read_page(as_html(report))
    assert not [tag for tag, _ in page.tags if tag == "script"]
    assert all(str(attributes.get("src", "data:")).startswith("data:") for _, attributes in page.tags)
    for name in (*HOSTILE, "<img src=x onerror=alert(1)>", "</main><script>1</script>"):
        assert " ".join(name.split()) in page.text
        assert "".join(name.split()) in pdf_text(as_pdf(report))


@pytest.mark.slow
@pytest.mark.parametrize(("names", "clinical"), [(("low", "high"), True), (("low", "high"), False), (THREE, True)])
def test_the_pdf_has_every_number_of_the_html(made_model, read_page, pdf_text, names, clinical) -> None:
    report = cohort_report(made_model(names, clinical=clinical))
    page, pdf = read_page(as_html(report)), as_pdf(report)
    text = pdf_text(pdf)
    cells = {cell for _, rows in page.tables for row in rows for cell in row if any(c.isdigit() for c in cell)}
    assert len(cells) > 150
    assert [cell for cell in cells if "".join(cell.split()) not in text] == []


def test_equal_reports_are_equal_files(made_model) -> None:
    old = replace(made_model(), documents={"description": made_model().documents["description"]})
    report = cohort_report(old)
    assert as_pdf(report) == as_pdf(report) and as_html(report) == as_html(report)


def test_the_pdf_has_pages_and_an_outline(made_model) -> None:
    import io

    from pypdf import PdfReader

    reader = PdfReader(io.BytesIO(as_pdf(cohort_report(made_model()))))
    last = reader.pages[-1].extract_text()
    assert f"page {len(reader.pages)} of {len(reader.pages)}" in last and "for research use only" in last
    titles = [entry["/Title"] for entry in reader.outline]
    assert titles[0] == "1. Summary" and "7. Checklists" in titles
    assert all(page.mediabox.width == pytest.approx(595.28, abs=1) for page in reader.pages), "A4"


def test_undefined_figures_are_dashes(made_model, read_page) -> None:
    def undo(held: dict[str, Any]) -> None:
        part = held["evaluation"]["cohorts"][0]
        part["metrics"]["nomogram"]["ppv"] = {"value": None, "low": None, "high": None}
        part["calibration"]["nomogram"] |= {"slope": None, "intercept": None, "hosmer_lemeshow": None, "note": "Why."}
        part["delong"] |= {name: [[None] * 3] * 3 for name in ("p", "p_corrected", "difference")}
        part["prediction_sets"] = None
        held["description"]["regressions"][0]["terms"][1] |= {"odds_ratio": None, "low": None, "high": None, "p": 0.0}

    report = cohort_report(changed(made_model(), undo))
    page = read_page(as_html(report))
    (ppv,) = [row for row in page.table("Figures by patient") if row[0] == NAMES["ppv"]]
    assert ppv[1] == "–" and ppv[2] != "–"
    assert page.table("Calibration")[1][1:3] == ["–", "–"] and page.table("Calibration")[1][5:] == ["–", "–"]
    assert "nomogram: Why." in page.text
    assert page.table("DeLong's test")[1][1:] == ["–", "–", "–"]
    assert not [title for title, _ in page.tables if title.startswith("Prediction sets")]
    regression = page.table("Logistic regression")[2]
    assert regression[2] == "–" and regression[3] == "< 0.001"
    assert as_pdf(report).startswith(b"%PDF")


def test_a_model_without_clinical_variables_says_so(made_model, read_page) -> None:
    page = read_page(as_html(cohort_report(made_model(clinical=False))))
    assert "no clinical variables, so there is no table" in page.text
    assert not [title for title, _ in page.tables if title.startswith(("Patients by class", "Clinical"))]


def test_a_model_file_of_before_still_gives_its_figures(made_model, read_page) -> None:
    bundle = made_model()
    old = replace(bundle, documents={"model": {}})
    report = cohort_report(old)
    page = read_page(as_html(report))
    assert "train it again" in page.text
    rows = page.table("Figures by cross-validation")
    assert shown(bundle.manifest["metrics"]["nomogram"]["auc"]) in rows[1]
    assert as_pdf(report).startswith(b"%PDF")


def test_a_cohort_judged_later_has_its_part(made_model, read_page) -> None:
    bundle = made_model(held_back=True)
    outside = {**evaluation(bundle, 1), "name": "external cohort (north)", "warnings": ["Seen before."]}
    page = read_page(as_html(cohort_report(bundle, [outside])))
    assert "External cohort (north)" in page.text and "Seen before." in page.text
    assert len([title for title, _ in page.tables if title.startswith("Figures by patient")]) == 3
