"""What a report says of networks: curves, embeddings, fusion, where maps point, readers beside the model."""

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from TumorClassifierLib.bundle import Bundle
from TumorClassifierLib.explain.embedding import embedding_document
from TumorClassifierLib.explain.focus_cases import CaseMap, focus_document
from TumorClassifierLib.fusion import WHOLE, Evidence, search_weights, vote
from TumorClassifierLib.report.cohort import cohort_report
from TumorClassifierLib.report.html import as_html
from TumorClassifierLib.report.pdf import as_pdf

CLASSES = ("low", "high")


def curves(n: int, validation: bool) -> list[dict[str, Any]]:
    falling = np.exp(-np.arange(n) / n * 3)
    return [
        {
            "epoch": i + 1,
            "learning_rate": 0.01,
            "loss": float(x),
            "accuracy": float(1 - x / 2),
            "validation_loss": float(x + 0.1) if validation else None,
            "validation_accuracy": float(0.9 - x / 2) if validation else None,
        }
        for i, x in enumerate(falling)
    ]


def detector_curves(n: int) -> list[dict[str, Any]]:
    parts = ("loss_classifier", "loss_box_reg", "loss_objectness", "loss_rpn_box_reg")
    losses = [{name: float(np.exp(-i / (4 + k))) for k, name in enumerate(parts)} for i in range(n)]
    return [{"epoch": i + 1, "loss": sum(one.values()), **one} for i, one in enumerate(losses)]


def fusion_document() -> dict[str, Any]:
    """Weights chosen on made evidence of forty patients."""
    rng = np.random.default_rng(3)
    y = np.arange(40) % 2

    def term(noise: float) -> np.ndarray:
        p = np.clip(0.3 + 0.4 * y + noise * rng.normal(size=40), 0.02, 0.98)
        return np.column_stack([1 - p, p])

    names = np.array([f"p{i:02}" for i in range(40)])
    evidence = Evidence(names, np.full(40, "T1"), term(0.25), term(0.2), term(0.4))
    search = search_weights(evidence, y, np.array([0.5, 0.5]), 0.05)
    votes = vote(evidence, search.weights, np.array([0.5, 0.5]))
    right = float((votes.called == y).mean())
    return {
        "weights": list(search.weights),
        "points": [vars(point) for point in search.points],
        "choice": "The weights are those of the highest balanced accuracy.",
        "ties": "Ties go to the larger probability.",
        "ablations": [
            {
                "name": WHOLE,
                "weights": list(search.weights),
                "accuracy": right,
                "balanced_accuracy": right,
                "recalls": [0.8, 0.9],
            },
            {
                "name": "Det",
                "weights": [search.weights[0], 0.0, 0.0],
                "accuracy": 0.75,
                "balanced_accuracy": 0.75,
                "recalls": [0.7, 0.8],
            },
        ],
        "ages": {
            "groups": ["below 40", "40 and above"],
            "counts": [[9, 3], [11, 17]],
            "probabilities": [[0.7, 0.3], [0.4, 0.6]],
        },
    }


def pointing(i: int) -> CaseMap:
    """A bright spot that wanders out of the tumour in every third case."""
    rng = np.random.default_rng(i)
    rows, columns = np.indices((48, 48))
    centre = (24 + (18 if i % 3 == 0 else 5) * rng.normal(size=2)).clip(2, 45)
    values = np.exp(-((rows - centre[0]) ** 2 + (columns - centre[1]) ** 2) / 40)
    outline = (((rows - 24) ** 2 + (columns - 24) ** 2) < 144).astype(np.uint8)
    return CaseMap(values.astype(np.float32), outline, (0.8, 0.8))


def deep(bundle: Bundle) -> Bundle:
    """The made model as if it had networks, focal points and readers."""
    documents = copy.deepcopy(dict(bundle.documents))
    rng = np.random.default_rng(0)
    labels = [CLASSES[i % 2] for i in range(30)]
    X = rng.normal(size=(30, 8)) + 3 * (np.arange(30) % 2)[:, None]
    parts = ["validation" if i % 5 == 0 else "training" for i in range(30)]
    documents["description"] |= {
        "curves": {"network": curves(30, False), "network, 24:6": curves(30, True), "detector": detector_curves(12)},
        "embeddings": {"features": embedding_document(X, labels, parts)},
        "agreement": {
            "form": "ICC(2,1)",
            "cases": 12,
            "threshold": 0.8,
            "features": {"number": 2048, "median": 0.913, "share_good": 0.87},
            "evidence": {"value": 0.95, "low": 0.9, "high": 0.98},
        },
        "fusion": fusion_document(),
    }
    part = documents["evaluation"]["cohorts"][0]
    count = part["patients"]
    patients = [f"q{i:03}" for i in range(count)]
    called = {name: int(np.argmax(p)) for name, p in zip(patients, part["probabilities"]["nomogram"], strict=True)}
    part["focus"] = focus_document([pointing(i).focus() for i in range(count)], patients, part["y"], called, CLASSES)
    share = {"value": 0.75, "low": 0.6, "high": 0.86}
    row = {"accuracy": share, "sensitivity": share, "specificity": None, "patients": 100, "missing": 20}
    part["readers"] = [
        {"name": "Reader A (MRI)", "seconds": 41.25, **row},
        {"name": "made", "seconds": None, **row, "patients": 120, "missing": 0},
    ]
    return replace(bundle, documents=documents)


@pytest.fixture(scope="module")
def bundle(made_model) -> Bundle:
    return deep(made_model())


@pytest.fixture(scope="module")
def page(bundle, read_page) -> Any:
    return read_page(as_html(cohort_report(bundle)))


def test_every_network_shows_how_it_was_trained(page, bundle) -> None:
    for name, epochs in bundle.documents["description"]["curves"].items():
        told = f"{len(epochs)} epochs, at the end loss {epochs[-1]['loss']:.3f}"
        assert f"{name[0].upper()}{name[1:]}: {told}" in page.text
    assert "validation accuracy 87.2 %" in page.text
    alts = [tag[1].get("alt") or tag[1].get("aria-label") for tag in page.tags]
    for alt in ("Training curves of detector", "t-SNE of what the network sees (its pooled features)"):
        assert alt in alts


def test_readers_agreement_is_told(page) -> None:
    assert "in 12 cases, ICC(2,1): pooled features, median 0.91 of 2048, 87 % of them above 0.8" in page.text
    assert "the network's evidence 0.95 (0.90–0.98)" in page.text


def test_the_fusion_shows_its_weights_ways_and_ages(page, bundle) -> None:
    fusion = bundle.documents["description"]["fusion"]
    first, second, third = (f"{weight:.2f}" for weight in fusion["weights"])
    assert f"P = {first}·D + {second}·M + {third}·A" in page.text
    assert f"All {len(fusion['points'])} weights that were tried" in page.text
    rows = page.table("Ways of fusing")
    assert rows[0][-2:] == ["Specificity (low)", "Sensitivity (high)"]
    assert rows[2] == ["Det", first, "–", "–", "0.750", "0.750", "0.700", "0.800"]
    assert page.table("Classes by age")[1] == ["below 40", "9", "3", "0.700", "0.300"]


def test_focal_points_are_drawn_and_tested(page, bundle) -> None:
    focus = bundle.documents["evaluation"]["cohorts"][0]["focus"]
    assert f"On average {100 * focus['inside']:.0f} % of a map lies in the tumour" in page.text
    rows = page.table("Where the maps point: tests")
    assert len(rows) - 1 == len(focus["tests"]) == 15
    assert rows[1][:3] == ["Focal point to tumour centre (mm)", "classes", "all cases"]


def test_each_of_two_classes_has_its_row(page, bundle) -> None:
    part = bundle.documents["evaluation"]["cohorts"][0]
    rows = page.table("Each class as the one that is looked for")
    assert rows[0] == ["Model", "Class", "PPV", "NPV", "Sensitivity", "Specificity", "F1", "AUC", "AP"]
    assert [row[:2] for row in rows[1:3]] == [["nomogram", "low"], ["nomogram", "high"]]
    of_low = part["per_class"]["nomogram"]["low"]
    figures = ("ppv", "npv", "sensitivity", "specificity", "f1", "auc", "ap")
    assert rows[1][2:] == [f"{of_low[name]['value']:.3f}" for name in figures]
    assert len(rows) == 1 + 2 * 3


def test_readers_stand_beside_the_model(page) -> None:
    rows = page.table("Readers and the model on the same patients")
    shown = "0.750 (0.600–0.860)"
    assert rows[1] == ["Reader A (MRI)", shown, shown, "–", "41.2", "100 (20 not answered)"]
    assert rows[2] == ["made", shown, shown, "–", "–", "120"]


@pytest.mark.slow
def test_the_pdf_tells_the_same(bundle, pdf_text) -> None:
    text = pdf_text(as_pdf(cohort_report(bundle)))
    for words in ("How the networks were trained", "Where cases lie", "Ways of fusing", "Where the maps point"):
        assert words.replace(" ", "") in text
