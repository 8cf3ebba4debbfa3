"""Coding and selection of clinical variables, on made-up rows and on a real cohort with gaps, against statsmodels."""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from FeatureExtractorLib.errors import InputError
from TumorClassifierLib.clinical import ClinicalVariable, clinical_variables, encode_clinical, select_clinical
from TumorClassifierLib.nomogram import Nomogram
from TumorClassifierLib.nomogram_figure import draw_nomogram
from TumorClassifierLib.regression import fit_logistic


def made_up(n: int = 200, seed: int = 0) -> tuple[list[dict], np.ndarray]:
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.5).astype(int)
    rows = [
        {
            "age": float(rng.normal(50 + 8 * label, 10)),
            "size": float(rng.normal(30, 5)),
            "edema": str(rng.choice(["none", "mild", "severe"], p=[0.6, 0.3, 0.1] if label == 0 else [0.2, 0.4, 0.4])),
            "side": str(rng.choice(["left", "right"])),
        }
        for label in y
    ]
    return rows, y


def test_variables_are_described_and_coded() -> None:
    rows = [{"age": 60.0, "sex": "m", "note": None}, {"age": None, "sex": "f"}, {"age": 70.0, "sex": "f"}]
    age, sex = clinical_variables(rows, units={"age": "years"})
    assert age == ClinicalVariable("age", "numeric", (), "years", 65.0)
    assert sex == ClinicalVariable("sex", "categorical", ("f", "m"), "", "f")
    X, names = encode_clinical([*rows, {}], (age, sex))
    assert names == ("age", "sex=m")
    assert X.tolist() == [[60, 1], [65, 0], [70, 0], [65, 0]]
    assert clinical_variables(rows, {"sex": ["m", "f"]})[1].columns == ("sex=f",)
    for variable in (age, sex):
        assert ClinicalVariable.from_json(json.loads(json.dumps(variable.to_json()))) == variable
    assert encode_clinical(rows, ())[0].shape == (3, 0)


def test_unknown_levels_and_texts_are_refused_by_name() -> None:
    sex = ClinicalVariable("sex", "categorical", ("f", "m"), "", "f")
    with pytest.raises(InputError, match="sex is 'x', which the model has not seen; use one of f, m"):
        encode_clinical([{"sex": "x"}], [sex])
    with pytest.raises(InputError, match="age is 'old'"):
        ClinicalVariable("age", "numeric", (), "", 1.0).encode("old")
    grade = ClinicalVariable("grade", "categorical", ("1", "2", "3a"), "", "1")
    assert grade.encode(2.0) == (1.0, 0.0)  # a file with the levels 1 and 2 only reads as numbers


def test_selection_is_that_of_two_regressions() -> None:
    rows, y = made_up()
    variables = clinical_variables(rows, {"edema": ["none", "mild", "severe"]})
    result = select_clinical(rows, y, variables)
    frame = pd.DataFrame(rows).assign(y=y)
    frame["edema"] = pd.Categorical(frame["edema"], ["none", "mild", "severe"])
    alone = {name: smf.logit(f"y ~ {name}", frame).fit(disp=0, tol=1e-12) for name in ("age", "size", "edema", "side")}
    for effect in result.univariate:
        theirs = alone[effect.variable]
        column = {"edema=mild": "edema[T.mild]", "edema=severe": "edema[T.severe]", "side=right": "side[T.right]"}
        name = column.get(effect.column, effect.column)
        assert effect.coefficient == pytest.approx(theirs.params[name], rel=1e-6)
        assert effect.p == pytest.approx(theirs.pvalues[name], rel=1e-5, abs=1e-12)
        assert (effect.lower, effect.upper) == pytest.approx(tuple(theirs.conf_int().loc[name]), rel=1e-5)
    joint = alone["edema"].wald_test("edema[T.mild] = 0, edema[T.severe] = 0", scalar=True).pvalue
    assert result.univariate[2].variable_p == pytest.approx(float(joint), rel=1e-5)
    assert [variable.name for variable in result.selected] == ["age", "edema"]
    both = smf.logit("y ~ age + edema", frame).fit(disp=0, tol=1e-12)
    assert [e.column for e in result.multivariate] == ["age", "edema=mild", "edema=severe"]
    assert [e.p for e in result.multivariate] == pytest.approx(both.pvalues.iloc[[3, 1, 2]].tolist(), rel=1e-5)
    assert json.loads(json.dumps(result.to_json(), allow_nan=False))["selected"] == ["age", "edema"]


def test_what_cannot_be_tested_is_left_out_with_a_sentence() -> None:
    rows, y = made_up()
    rows = [{**row, "clinic": "A", "age in months": 12 * row["age"]} for row in rows]
    variables = clinical_variables(rows, {"side": ["left", "right", "middle"]})
    result = select_clinical(rows, y, variables)
    assert [w.split(" was")[0] for w in result.warnings] == ["side", "clinic", "age in months"]
    assert [v.name for v in result.selected] == ["age", "edema"]
    nothing = select_clinical(rows, np.random.default_rng(1).permutation(y), [variables[1]])
    assert nothing.selected == ()
    assert "No clinical variable was significant alone" in nothing.warnings[0]


def test_a_column_of_names_is_left_out_and_named_nowhere() -> None:
    rows, y = made_up()
    rows = [{**row, "patient_name": f"Doe {i // 2}"} for i, row in enumerate(rows)]
    result = select_clinical(rows, y, clinical_variables(rows))
    assert [w for w in result.warnings if w.startswith("patient_name was left out because it has more than 10")]
    assert "Doe" not in json.dumps(result.to_json())
    assert "age" in [v.name for v in result.selected]


def test_the_order_of_the_rows_does_not_matter() -> None:
    rows, y = made_up(80)
    order = np.random.default_rng(3).permutation(80)
    first = select_clinical(rows, y, clinical_variables(rows))
    shuffled = [rows[i] for i in order]
    second = select_clinical(shuffled, y[order], clinical_variables(shuffled))
    assert second.selected == first.selected
    assert [e.p for e in second.multivariate] == pytest.approx([e.p for e in first.multivariate], rel=1e-9)


def test_repeated_rows_of_a_patient_do_not_make_p_smaller() -> None:
    rows, y = made_up(60)
    variables = clinical_variables(rows)[:1]
    once = select_clinical(rows, y, variables).univariate[0]
    naive = select_clinical(rows * 5, np.tile(y, 5), variables).univariate[0]
    grouped = select_clinical(rows * 5, np.tile(y, 5), variables, np.tile(np.arange(60), 5)).univariate[0]
    assert naive.p < once.p / 10
    assert np.log(grouped.p) == pytest.approx(np.log(once.p), rel=0.15)
    assert grouped.method == "ml, cluster-robust"


def test_real_cohort_from_table_to_nomogram(data_dir: Path, tmp_path: Path) -> None:
    """188 low-grade gliomas with missing values: IDH-wild-type against mutant."""
    path = data_dir / "lgg_tabular" / "TCGA_clinical_INFO.csv"
    with open(path, newline="", encoding="utf-8") as stream:
        table = [row for row in csv.DictReader(stream) if row["IDH1"] in ("0", "1")]
    y = np.array([row["IDH1"] == "0" for row in table]).astype(int)

    def known(text: str) -> str | None:
        return None if text in ("NA", "") else text

    def number(text: str) -> float | None:
        return None if known(text) is None else float(text)

    rows = [
        {
            "Age": number(row["age_at_initial_pathologic"]),
            "Karnofsky": number(row["karnofsky_performance_sco"]),
            "Sex": row["gender"].lower(),
            "Type": known(row["histological_type"]),
            "Side": known(row["laterality"]),
            "Grade": known(row["neoplasm_histologic_grade"]),
        }
        for row in table
    ]
    assert sum(row["Karnofsky"] is None for row in rows) > 20
    variables = clinical_variables(rows, units={"Age": "years"})
    result = select_clinical(rows, y, variables)
    chosen = [variable.name for variable in result.selected]
    assert "Age" in chosen
    assert "Sex" not in chosen
    X, names = encode_clinical(rows, result.selected)
    model = fit_logistic(X, y, names)
    nomogram = Nomogram.from_regression(model, result.selected, X, "Probability of IDH wild type")
    filled = [{v.name: v.missing if row[v.name] is None else row[v.name] for v in result.selected} for row in rows]
    ours = [nomogram.probability(values) for values in filled]
    np.testing.assert_allclose(ours, model.probability(X), atol=1e-12)
    assert draw_nomogram(nomogram, tmp_path / "idh.png", filled[0]).stat().st_size > 10_000
