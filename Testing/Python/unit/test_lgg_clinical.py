"""188 real low-grade gliomas without images: clinical variables and VASARI scores to a nomogram, with their gaps.

The oracle is the same analysis written anew with pandas and statsmodels, fold by fold.
"""

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from sklearn.metrics import roc_auc_score

from FeatureExtractorLib.errors import InputError
from TumorClassifierLib.clinical import ClinicalSelection, clinical_variables, encode_clinical, select_clinical
from TumorClassifierLib.folds import grouped_folds
from TumorClassifierLib.nomogram import Nomogram
from TumorClassifierLib.nomogram_figure import draw_nomogram
from TumorClassifierLib.regression import LogisticModel, fit_logistic

UNKNOWN = ("", "NA", "n/a")
SCORES = {"Enhancing": "f5", "Necrosis": "f7", "Edema": "f14"}  # VASARI's proportions, on its scale of 1 to 8
GRADE = {"G2": "II", "G3": "III"}
CLASSES = ("IDHmut-codel", "IDHmut-non-codel", "IDHwt")

Cohort = tuple[list[dict], np.ndarray]


@pytest.fixture(scope="module")
def patients(data_dir: Path) -> list[dict[str, str]]:
    """One row a patient of both tables; skips visibly without the data (see data_dir)."""
    folder = data_dir / "lgg_tabular"
    if not folder.is_dir():
        pytest.skip(f"no low-grade gliomas at {folder}")

    def table(name: str) -> list[dict[str, str]]:
        with open(folder / name, newline="", encoding="utf-8") as stream:
            return list(csv.DictReader(stream))

    scores = {row[""].upper()[:12]: row for row in table("TCGA_vasari_INFO.csv")}
    return [{**row, **scores[row["Tumor"].upper()[:12]]} for row in table("TCGA_clinical_INFO.csv")]


def clinical_rows(patients: list[dict[str, str]]) -> list[dict]:
    def number(text: str) -> float | None:
        return None if text in UNKNOWN else float(text)

    return [
        {
            "Age": number(p["age_at_initial_pathologic"]),
            "Karnofsky": number(p["karnofsky_performance_sco"]),
            "Sex": None if p["gender"] in UNKNOWN else p["gender"].lower(),
            "Grade": GRADE.get(p["neoplasm_histologic_grade"]),
            **{name: number(p[column]) for name, column in SCORES.items()},
        }
        for p in patients
    ]


@pytest.fixture(scope="module")
def cohort(patients: list[dict[str, str]]) -> Cohort:
    """Rows and y (n,): IDH wild type (1) against mutant (0)."""
    known = [p for p in patients if p["IDH1"] in ("0", "1")]
    return clinical_rows(known), np.array([p["IDH1"] == "0" for p in known]).astype(int)


def fitted(rows: list[dict], y: np.ndarray) -> tuple[ClinicalSelection, LogisticModel]:
    """Selection by p < 0.10 alone and p < 0.05 together, then the regression of what is left."""
    chosen = select_clinical(rows, y, clinical_variables(rows, units={"Age": "years"}), None, 0.10, 0.05)
    X, names = encode_clinical(rows, chosen.selected)
    return chosen, fit_logistic(X, y, names)


# --- the oracle ---


def frames(training: pd.DataFrame, frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Per variable its columns in `frame`, everything learned from `training`."""
    found = {}
    for name in training:
        gaps = int(training[name].isna().sum())
        own = gaps >= 10
        if training[name].dtype == object or str(training[name].dtype).startswith("str"):
            levels = sorted(training[name].dropna().unique())
            filled = frame[name].fillna(training[name].mode()[0])
            found[name] = pd.DataFrame({f"{name}={x}": (filled == x).astype(float) for x in levels[1:]})
        else:
            part = pd.DataFrame({name: frame[name].fillna(training[name].median())})
            if own:
                part[f"{name} missing"] = frame[name].isna().astype(float)
            found[name] = part
    return found


def regression(columns: list[pd.DataFrame], y: np.ndarray) -> "sm.discrete.discrete_model.BinaryResultsWrapper":
    return sm.Logit(y, sm.add_constant(pd.concat(columns, axis=1).to_numpy())).fit(disp=0, tol=1e-12, maxiter=100)


def oracle(rows: list[dict], y: np.ndarray, test: list[dict]) -> tuple[list[str], np.ndarray]:
    """What is selected in training and the probabilities of the test cases."""
    training = pd.DataFrame(rows)
    design, held = frames(training, training), frames(training, pd.DataFrame(test))
    alone = {name: regression([part], y).pvalues[1] for name, part in design.items()}
    together = [name for name in design if alone[name] < 0.10]
    fit = regression([design[name] for name in together], y)
    first = np.cumsum([1, *(design[name].shape[1] for name in together)])
    kept = [name for name, j in zip(together, first, strict=False) if fit.pvalues[j] < 0.05]
    last = regression([design[name] for name in kept], y)
    X = sm.add_constant(pd.concat([held[name] for name in kept], axis=1).to_numpy(), has_constant="add")
    return kept, last.predict(X)


def test_cross_validated_probabilities_are_those_of_pandas_and_statsmodels(cohort: Cohort) -> None:
    """Five folds by patient, selection and filling inside each; the AUC is an honest one."""
    rows, y = cohort
    assert len(rows) == 187
    assert sum(row["Karnofsky"] is None for row in rows) == 101
    ours, theirs = np.empty(len(y)), np.empty(len(y))
    for training, test in grouped_folds(y, None, 5, 0).splits:
        inside, outside = [rows[i] for i in training], [rows[i] for i in test]
        chosen, model = fitted(inside, y[training])
        assert model.method == "ml"
        names, theirs[test] = oracle(inside, y[training], outside)
        assert [variable.name for variable in chosen.selected] == names
        ours[test] = model.probability(encode_clinical(outside, chosen.selected)[0])
    np.testing.assert_allclose(ours, theirs, atol=1e-8)
    auc = roc_auc_score(y, ours)
    assert auc == pytest.approx(roc_auc_score(y, theirs), abs=1e-12)
    _, model = fitted(rows, y)
    chosen, _ = fitted(rows, y)
    apparent = roc_auc_score(y, model.probability(encode_clinical(rows, chosen.selected)[0]))
    assert 0.5 < auc < apparent < 0.9


def test_odds_ratios_of_the_whole_cohort_are_those_of_statsmodels(cohort: Cohort) -> None:
    rows, y = cohort
    chosen, model = fitted(rows, y)
    names = [variable.name for variable in chosen.selected]
    frame = pd.DataFrame(rows)
    design = frames(frame, frame)
    theirs = regression([design[name] for name in names], y)
    limits = np.exp(theirs.conf_int())
    for row, ratio, p, (low, high) in zip(model.table(), np.exp(theirs.params), theirs.pvalues, limits, strict=True):
        assert (row["odds_ratio"], row["low"], row["high"]) == pytest.approx((ratio, low, high), rel=1e-6)
        assert row["p"] == pytest.approx(p, rel=1e-5)
    karnofsky = [effect for effect in chosen.univariate if effect.variable == "Karnofsky"]
    assert [effect.level for effect in karnofsky] == ["", "missing"]
    expected = regression([design["Karnofsky"]], y)
    assert [e.coefficient for e in karnofsky] == pytest.approx(expected.params[1:].tolist(), rel=1e-6)


def test_the_nomogram_reads_as_the_regression_with_every_gap(cohort: Cohort, tmp_path: Path) -> None:
    rows, y = cohort
    variables = clinical_variables(rows, units={"Age": "years"})
    X, names = encode_clinical(rows, variables)
    model = fit_logistic(X, y, names)
    nomogram = Nomogram.from_regression(model, variables, X, "Probability of IDH wild type")
    told = [{v.name: v.missing if row[v.name] is None else row[v.name] for v in variables} for row in rows]
    np.testing.assert_allclose([nomogram.probability(values) for values in told], model.probability(X), atol=1e-12)
    lacking = next(values for values in told if values["Karnofsky"] == "missing")
    assert draw_nomogram(nomogram, tmp_path / "idh.png", lacking).stat().st_size > 10_000
    with pytest.raises(InputError, match="Grade is 'IV', which the model has not seen; use one of II, III"):
        encode_clinical([{**rows[0], "Grade": "IV"}], variables)


def test_three_subtypes_one_against_the_rest(patients: list[dict[str, str]]) -> None:
    """Molecular subtypes: each class has its own selection and regression, over variables described once."""
    known = [p for p in patients if p["IDH/1p19q Subtype"] in CLASSES]
    labels = np.array([CLASSES.index(p["IDH/1p19q Subtype"]) for p in known])
    rows = clinical_rows(known)
    assert [int((labels == k).sum()) for k in range(3)] == [50, 92, 43]
    variables = clinical_variables(rows)
    shares = []
    for k in range(3):
        y = (labels == k).astype(int)
        chosen = select_clinical(rows, y, variables, None, 0.10, 0.05)
        X, names = encode_clinical(rows, chosen.selected or variables)
        model = fit_logistic(X, y, names)
        theirs = sm.Logit(y, sm.add_constant(X)).fit(disp=0, tol=1e-12)
        np.testing.assert_allclose(model.coefficients, theirs.params, rtol=1e-6)
        shares.append(model.probability(X))
    P = np.column_stack(shares)
    called = (P / P.sum(axis=1, keepdims=True)).argmax(axis=1)
    assert (called == labels).mean() > np.bincount(labels).max() / len(labels)
