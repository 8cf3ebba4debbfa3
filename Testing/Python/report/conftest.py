"""Model files made from public tables through the functions that training uses, so that no image is needed."""

from collections.abc import Callable
from dataclasses import asdict
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from TumorClassifierLib.bundle import Bundle, read_bundle, write_bundle
from TumorClassifierLib.evaluation.cohort_table import cohort_table
from TumorClassifierLib.evaluation.judgement import judge_predictions
from TumorClassifierLib.folds import grouped_folds
from TumorClassifierLib.recipes.class_nomogram import (
    fit_class_nomogram,
    modelled_classes,
    one_against_rest,
    shared_out,
)
from TumorClassifierLib.signature import SignatureScore, fit_signature

Maker = Callable[..., Bundle]
RADIOMICS = {
    "featureClass": {"firstorder": [], "glcm": ["Contrast"]},
    "imageType": {"Original": {}, "LoG": {"sigma": [1.0, 2.0]}},
    "setting": {"binWidth": 25, "resampledPixelSpacing": [1, 1, 0], "interpolator": "sitkBSpline"},
}
SETTINGS = {
    "preparation": {"n4": "fast", "intensity": "z-score", "region": "volume", "spacing": [1.0, 1.0, 1.0]},
    "alignment": {"register": "none", "reference": ""},
    "spearman": 0.9,
    "icc": 0.8,
    "stable_features": None,
    "folds": 5,
    "seed": 0,
    "trust": {"calibration": "none", "level": 0.9},
}


@pytest.fixture(scope="session")
def made_model(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    """A function that makes a model file and reads it back; every combination is made once."""
    known: dict[tuple[Any, ...], Bundle] = {}

    def make(
        names: tuple[str, ...] = ("low", "high"), clinical: bool = True, held_back: bool = False, age: str = "age"
    ) -> Bundle:
        key = (names, clinical, held_back, age)
        if key not in known:
            path = tmp_path_factory.mktemp("model") / "made.tcmodel"
            write_bundle(_bundle(names, clinical, held_back, age), path)
            known[key] = read_bundle(path)
        return known[key]

    return make


def _bundle(names: tuple[str, ...], clinical: bool, held_back: bool, age: str) -> Bundle:
    X, y = _table(len(names))
    rng = np.random.default_rng(0)
    patients = np.array([f"patient {i}" for i in range(len(y))])
    rows: list[dict[str, Any]] = [{} for _ in y]
    if clinical:
        rows = [
            {age: None if i % 23 == 0 else round(55 + 6 * label + 9 * rng.normal()), "sex": str(sex)}
            for i, (label, sex) in enumerate(zip(y, rng.choice(["female", "male"], len(y)), strict=True))
        ]
    blocks = {"Rad-score": (X[:, :6], [f"T1C.original_firstorder_{i}" for i in range(6)])}
    blocks["DTL-score"] = (X[:, 6:], [f"DTL_{i}" for i in range(X.shape[1] - 6)])
    splits = grouped_folds(y, patients, 3, 0).splits
    signatures, nomograms, held_out = [], [], []
    for name, one in zip(modelled_classes(names), one_against_rest(y, names), strict=True):
        found = {score: fit_signature(V, one, columns, patients) for score, (V, columns) in blocks.items()}
        scores = np.column_stack([found[s].score(V, columns) for s, (V, columns) in blocks.items()])
        fitted, p, _ = fit_class_nomogram(name, rows, one, patients, scores, list(blocks), splits, 0.1, 0.1)
        signatures += [_signature(name, score, signature) for score, signature in found.items()]
        nomograms.append(fitted)
        held_out.append(p)
    probabilities = {"nomogram": shared_out(held_out, names)}
    noise = shared_out([np.clip(p + rng.normal(0, 0.2, len(p)), 0.01, 0.99) for p in held_out], names)
    probabilities |= {"radiomics": noise}
    if clinical:
        probabilities["clinical"] = shared_out([rng.uniform(0.2, 0.8, len(y)) for _ in held_out], names)
    cuts = np.full(len(y), 0.45) if len(names) == 2 else None
    sets = [tuple(np.flatnonzero(p >= 0.2)) for p in probabilities["nomogram"]]

    def part(name: str, rows_of: np.ndarray) -> dict[str, Any]:
        return judge_predictions(
            name,
            y[rows_of],
            {model: P[rows_of] for model, P in probabilities.items()},
            patients[rows_of],
            names,
            "nomogram",
            None if cuts is None else cuts[rows_of],
            [sets[i] for i in rows_of],
            resamples=50,
        )

    parts = [part("cross-validation", np.arange(len(y)))]
    if held_back:
        parts.append(part("held-back patients", np.arange(0, len(y), 2)))
    tables, regressions = zip(*(fitted.description() for fitted in nomograms), strict=True)
    description = {
        "flow": {"radiomics": {"measured": 107, "usable": 90, "stable": 90, "selected": 4}},
        "signatures": signatures,
        "clinical": list(tables),
        "regressions": list(regressions),
        "nomograms": {fitted.name: fitted.nomogram.to_json() for fitted in nomograms},
    }
    labels = [names[k] for k in y]
    manifest = {
        "recipe": "dtlr-nomogram",
        "publication": "A publication",
        "name": "made",
        "version": "3",
        "classes": list(names),
        "positive": names[1] if len(names) == 2 else None,
        "modalities": ["T1C"],
        "settings": SETTINGS,
        "radiomics": RADIOMICS,
        "engine": "native",
        "clinical": [variable.to_json() for variable in nomograms[0].variables],
        "networks": "resnet18",
        "cohort": {
            "patients": len(y),
            "cases": len(y),
            "patients_by_class": {name: labels.count(name) for name in names},
            "failures": 2,
            "manifest": "ab" * 32,
        },
        "folds": 5,
        "repeats": 1,
        "metrics": parts[0]["metrics"],
        "test_metrics": parts[1]["metrics"] if held_back else None,
        "about": {"data": "A table", "licence": "", "intended_use": "", "limits": ["It is small."]},
        "warnings": ["A warning."],
        "versions": {"tumorclassifier": "0.1.0", "numpy": "2.4.6"},
    }
    documents = {
        "description": description,
        "evaluation": {"cohorts": parts, "cohort_table": cohort_table(rows, labels, list(patients))},
    }
    return Bundle(manifest, documents, {}, "# made")


def _table(classes: int) -> tuple[np.ndarray, np.ndarray]:
    """(n, 12) real features and (n,) classes: breast tumours, or three wines."""
    from sklearn.datasets import load_breast_cancer, load_wine

    if classes == 2:
        found = load_breast_cancer()
        rows = np.arange(0, 360, 3)
        return found.data[rows, :12], 1 - found.target[rows]
    found = load_wine()
    return found.data[::2, :12], found.target[::2]


def _signature(name: str, score: str, signature: SignatureScore) -> dict[str, Any]:
    terms = zip(signature.features, signature.coefficients, signature.mean, signature.scale, strict=True)
    return {
        "class": name,
        "name": score,
        "formula": signature.formula(score),
        "intercept": signature.intercept,
        "terms": [{"feature": f, "coefficient": c, "mean": m, "scale": s} for f, c, m, s in terms],
        "penalty": {**asdict(signature.path), "alpha": signature.alpha},
    }


class Page(HTMLParser):
    """What a reader finds in an HTML report: tables by caption, all text, tags with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tables: list[tuple[str, list[list[str]]]] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._inside: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "table":
            self.tables.append(("", []))
        elif tag == "tr":
            self.tables[-1][1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][1][-1].append("")
        if tag not in ("meta", "img", "br"):
            self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "style" in self._inside:
            return
        self.words.append(data)
        if "caption" in self._inside:
            caption, rows = self.tables[-1]
            self.tables[-1] = (caption + data, rows)
        elif "td" in self._inside or "th" in self._inside:
            self.tables[-1][1][-1][-1] += data

    @property
    def text(self) -> str:
        """All text, with single spaces."""
        return " ".join("".join(self.words).replace("\N{NO-BREAK SPACE}", " ").split())

    def table(self, caption: str) -> list[list[str]]:
        """The rows, head included, of the only table whose caption starts so."""
        (rows,) = [rows for title, rows in self.tables if title.startswith(caption)]
        return rows


@pytest.fixture(scope="session")
def read_page() -> Callable[[str], Page]:
    """Parse an HTML report."""
    return Page


@pytest.fixture(scope="session")
def pdf_text() -> Callable[[bytes], str]:
    """All text of a PDF without spaces and line ends, which a PDF does not keep."""

    def read(pdf: bytes) -> str:
        import io

        from pypdf import PdfReader

        return "".join("".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages).split())

    return read
