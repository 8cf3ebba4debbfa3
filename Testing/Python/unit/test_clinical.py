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
from TumorClassifierLib.folds import grouped_folds
from TumorClassifierLib.nomogram import Nomogram
from TumorClassifierLib.nomogram_figure import draw_nomogram
from TumorClassifierLib.recipes.class_nomogram import ClassNomogram, fit_class_nomogram
from TumorClassifierLib.regression import ROWS_AS_PATIENTS, fit_logistic


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


def with_gaps(n: int = 240, share: float = 0.25, seed: int = 0) -> tuple[list[dict], np.ndarray]:
    """Rows in which age and edema are often unknown, side in three cases only."""
    rows, y = made_up(n, seed)
    rng = np.random.default_rng(seed + 100)
    for i, row in enumerate(rows):
        for name in ("age", "edema"):
            if rng.random() < share:
                row[name] = None
        if i < 3:
            row["side"] = None
    return rows, y


def test_what_is_often_missing_has_a_column_of_its_own() -> None:
    rows, _ = with_gaps()
    age, size, edema, side = clinical_variables(rows, {"edema": ["none", "mild", "severe"]})
    known = [row["age"] for row in rows if row["age"] is not None]
    assert (age.missing, age.usual) == ("missing", np.median(known))
    assert age.columns == ("age", "age missing")
    assert size.columns == ("size",)
    assert edema.columns == ("edema=mild", "edema=severe", "edema=missing")
    assert edema.levels == ("none", "mild", "severe", "missing")
    assert (side.columns, side.missing, side.usual) == (("side=right",), side.missing, None)
    assert age.encode(None) == age.encode("missing") == (np.median(known), 1.0)
    assert age.encode(61.0) == (61.0, 0.0)
    assert edema.encode(None) == edema.encode("missing") == (0.0, 0.0, 1.0)
    assert side.encode(None) == side.encode(side.missing)
    assert "median" not in age.missing_note and "counted it as missing" in age.missing_note
    assert f"usual value, {side.missing}," in side.missing_note
    for variable in (age, size, edema, side):
        assert ClinicalVariable.from_json(json.loads(json.dumps(variable.to_json()))) == variable
    older = {k: v for k, v in size.to_json().items() if k != "usual"}
    assert ClinicalVariable.from_json(older) == size


@pytest.mark.parametrize(("lacking", "own"), [(9, False), (10, True), (30, True), (31, False)])
def test_ten_patients_without_and_ten_with_a_value_make_the_column(lacking: int, own: bool) -> None:
    rows = [{"age": None if i < lacking else float(i)} for i in range(40)]
    (age,) = clinical_variables(rows)
    assert (age.usual is not None) == own
    (age,) = clinical_variables(rows * 2, groups=[*range(40)] * 2)  # patients count, not rows
    assert (age.usual is not None) == own


def test_only_the_training_rows_teach_what_missing_means() -> None:
    rows, y = with_gaps()
    training = rows[:160]
    variables = clinical_variables(training)
    before = encode_clinical(training, variables)[0].tobytes()
    changed = [{**row, "age": 1e6, "edema": None} for row in rows[160:]]
    assert clinical_variables(training) == variables
    X, names = encode_clinical([*training, *changed], variables)
    assert X[:160].tobytes() == before
    assert len(names) == X.shape[1]
    with pytest.raises(InputError, match="edema is 'massive', which the model has not seen; use one of mild, none"):
        encode_clinical([{"age": 1.0, "size": 1.0, "edema": "massive", "side": "left"}], variables)


def test_levels_known_from_all_cases_make_no_missing_level_in_a_fold_without_gaps() -> None:
    rows, _ = with_gaps()
    everywhere = {v.name: v.levels for v in clinical_variables(rows) if v.levels}
    assert "missing" in everywhere["edema"]
    whole = [row for row in rows if row["edema"] is not None]
    edema = {v.name: v for v in clinical_variables(whole, everywhere)}["edema"]
    assert edema.levels == ("mild", "none", "severe")


def test_a_variable_named_as_a_missing_column_is_refused() -> None:
    rows = [{"age": None if i < 20 else float(i), "age missing": float(i)} for i in range(40)]
    with pytest.raises(InputError, match="Variable age missing is named as the missing values of age; rename it"):
        clinical_variables(rows)


def test_a_column_of_missing_values_is_that_of_statsmodels_and_selects_nothing_itself() -> None:
    rows, y = with_gaps()
    variables = clinical_variables(rows, {"edema": ["none", "mild", "severe"]})
    result = select_clinical(rows, y, variables)
    frame = pd.DataFrame(rows).assign(y=y)
    frame["gap"] = frame["age"].isna().astype(float)
    frame["age"] = frame["age"].astype(float).fillna(frame["age"].astype(float).median())
    filled = frame["edema"].astype(object).where(frame["edema"].notna(), "missing")
    frame["edema"] = pd.Categorical(filled, ["none", "mild", "severe", "missing"])
    alone = smf.logit("y ~ age + gap", frame).fit(disp=0, tol=1e-12)
    age = [effect for effect in result.univariate if effect.variable == "age"]
    assert [e.column for e in age] == ["age", "age missing"]
    assert [e.level for e in age] == ["", "missing"]
    assert [e.coefficient for e in age] == pytest.approx([alone.params["age"], alone.params["gap"]], rel=1e-6)
    assert [e.variable_p for e in age] == pytest.approx([alone.pvalues["age"]] * 2, rel=1e-5)
    both = smf.logit("y ~ age + gap + edema", frame).fit(disp=0, tol=1e-12)
    edema = [effect for effect in result.multivariate if effect.variable == "edema"]
    assert [e.level for e in edema] == ["mild", "severe", "missing"]
    assert {e.reference for e in edema} == {"none"}
    theirs = [both.params[f"edema[T.{level}]"] for level in ("mild", "severe", "missing")]
    assert [e.coefficient for e in edema] == pytest.approx(theirs, rel=1e-6)
    joint = both.wald_test("edema[T.mild] = 0, edema[T.severe] = 0", scalar=True).pvalue
    assert edema[0].variable_p == pytest.approx(float(joint), rel=1e-5)


def test_that_a_value_was_not_recorded_is_no_finding() -> None:
    rng = np.random.default_rng(2)
    y = np.repeat([0, 1], 60)
    rows = [{"lab": None if label and rng.random() < 0.8 else float(rng.normal())} for label in y]
    variables = clinical_variables(rows)
    result = select_clinical(rows, y, variables)
    value, gap = result.univariate
    assert gap.p < 1e-6  # whether it was measured tells the class
    assert value.variable_p > 0.05
    assert result.selected == ()


def test_of_values_missing_together_one_column_stays() -> None:
    rows, y = made_up(300)
    rng = np.random.default_rng(8)
    for row, label in zip(rows, y, strict=True):
        row["size"] += 4.0 * label
        if rng.random() < 0.3:
            row["age"] = row["size"] = None
    result = select_clinical(rows, y, clinical_variables(rows))
    assert [v.name for v in result.selected] == ["age", "size", "edema"]
    columns = [effect.column for effect in result.multivariate]
    assert sum(column.endswith("missing") for column in columns) == 1
    assert any("is missing where others are" in warning for warning in result.warnings)


def test_one_class_against_the_rest() -> None:
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 3, 240)
    rows = [
        {
            "age": None if rng.random() < 0.2 else float(rng.normal(50 + 10 * (label == 2), 8)),
            "wall": str(rng.choice(["thin", "thick"], p=[0.9, 0.1] if label == 1 else [0.3, 0.7])),
        }
        for label in labels
    ]
    variables = clinical_variables(rows)
    chosen = [select_clinical(rows, (labels == k).astype(int), variables) for k in range(3)]
    assert "age" in [v.name for v in chosen[2].selected]
    assert "wall" in [v.name for v in chosen[1].selected]
    for k, result in enumerate(chosen):
        X, names = encode_clinical(rows, result.selected or variables)
        model = fit_logistic(X, (labels == k).astype(int), names)
        assert model.probability(X).mean() == pytest.approx((labels == k).mean(), abs=1e-9)  # as ML must


def test_a_factor_that_separates_is_tested_by_likelihood() -> None:
    """Wald's joint test has no power where a level lies in one class only."""
    y = np.repeat([0, 1], 40)
    rows = [{"edema": "none" if label == 0 else ("mild" if i % 2 else "severe")} for i, label in enumerate(y)]
    result = select_clinical(rows, y, clinical_variables(rows, {"edema": ["none", "mild", "severe"]}))
    assert {effect.method for effect in result.univariate} == {"firth"}
    assert result.univariate[0].variable_p < 1e-10
    assert [v.name for v in result.selected] == ["edema"]


def test_firth_of_several_rows_a_patient_says_what_its_p_is_worth() -> None:
    y = np.repeat([0, 1], 40)
    rows = [{"edema": "no" if label == 0 or i % 3 == 0 else "yes"} for i, label in enumerate(y)]
    variables = clinical_variables(rows)
    twice = np.arange(80) // 2
    assert select_clinical(rows, y, variables, twice).warnings == (ROWS_AS_PATIENTS,)
    assert select_clinical(rows, y, variables, np.arange(80)).warnings == ()


def test_thresholds_are_those_given() -> None:
    rows, y = made_up(60, seed=1)
    variables = clinical_variables(rows)
    p = {effect.variable: effect.variable_p for effect in select_clinical(rows, y, variables).univariate}
    weakest = max(p, key=p.__getitem__)
    assert weakest not in [e.variable for e in select_clinical(rows, y, variables, None, p[weakest]).multivariate]
    wide = select_clinical(rows, y, variables, None, p[weakest] * 1.0001, 1.0)
    assert [v.name for v in wide.selected] == [v.name for v in variables]


def test_effects_tell_odds_ratios_and_those_refused_their_reason() -> None:
    rows, y = made_up()
    rows = [{**row, "clinic": "A"} for row in rows]
    document = json.loads(json.dumps(select_clinical(rows, y, clinical_variables(rows)).to_json(), allow_nan=False))
    for effect in [*document["univariate"], *document["multivariate"]]:
        assert effect["odds_ratio"] == pytest.approx(np.exp(effect["coefficient"]), rel=1e-12)
        assert effect["low"] < effect["odds_ratio"] < effect["high"]
    assert document["refused"] == [{"variable": "clinic", "reason": "it is the same in all cases."}]
    tiny = [{"dose": row["age"] * 1e-5} for row in rows]
    effect = select_clinical(tiny, y, clinical_variables(tiny)).to_json()["univariate"][0]
    assert effect["coefficient"] > 709
    assert effect["odds_ratio"] is None


def test_levels_that_read_as_numbers_are_levels_everywhere() -> None:
    rows = [{"grade": value} for value in (2.0, "3a", 2.0, 3.0)]
    (grade,) = clinical_variables(rows)
    assert grade.levels == ("2", "3", "3a")
    assert encode_clinical(rows, [grade])[0].tolist() == [[0, 0], [0, 1], [0, 0], [1, 0]]


def test_a_nomogram_has_a_mark_for_unknown_values() -> None:
    rows, y = with_gaps()
    variables = clinical_variables(rows, {"edema": ["none", "mild", "severe"]}, {"age": "years"})[:3:2]
    X, names = encode_clinical(rows, variables)
    model = fit_logistic(X, y, names)
    nomogram = Nomogram.from_regression(model, variables, X)
    ours = [nomogram.probability({"age": row["age"], "edema": row["edema"]}) for row in rows]
    np.testing.assert_allclose(ours, model.probability(X), atol=1e-12)
    told = [{v.name: v.missing if row[v.name] is None else row[v.name] for v in variables} for row in rows]
    assert [nomogram.probability(values) for values in told] == ours
    document = json.loads(json.dumps(nomogram.to_json(), allow_nan=False))
    assert [axis["ticks"][-1] for axis in document["axes"]] == ["missing", "missing"]
    points = [p for axis in document["axes"] for p in axis["points"]]
    assert (min(points), max(points)) == pytest.approx((0, 100), abs=1e-9)
    assert Nomogram.from_json(document) == nomogram
    known = [row["age"] for row in rows if row["age"] is not None]
    assert nomogram.terms[0].low == pytest.approx(np.quantile(known, 10 / 200))
    with pytest.raises(InputError, match="age is 'unclear', which is not a number"):
        nomogram.probability({"age": "unclear", "edema": "mild"})


def test_a_class_nomogram_tells_the_model_s_probability_at_every_gap() -> None:
    rows, y = with_gaps(300)
    rng = np.random.default_rng(5)
    scores = (rng.normal(size=300) + 0.8 * y)[:, None]
    patients = np.array([f"p{i:03d}" for i in range(300)])
    splits = grouped_folds(y, patients, 5, 0).splits
    fitted, _, _ = fit_class_nomogram("high", rows, y, patients, scores, ["Rad-score"], splits, 0.1, 0.05)
    assert {v.name: v.usual is not None for v in fitted.variables} == {"age": True, "edema": True}
    restored = ClassNomogram.from_json(json.loads(json.dumps(fitted.to_json(), allow_nan=False)))
    p = restored.probability(rows, scores)
    for gap in (None, "missing"):
        told = [{name: gap if value is None else value for name, value in row.items()} for row in rows]
        values = [restored.values(row, score) for row, score in zip(told, scores, strict=True)]
        np.testing.assert_allclose([restored.nomogram.probability(v) for v in values], p, atol=1e-12)
    clinical, regression = fitted.description()
    json.dumps([clinical, regression], allow_nan=False)
    assert [term["name"] for term in regression["terms"]] == ["intercept", *fitted.regression.features]
    assert clinical["selected"] == ["age", "edema"]
