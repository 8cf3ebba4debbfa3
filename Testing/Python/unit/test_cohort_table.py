"""The table of patients by class: its numbers against pandas and scipy, on made-up and on real patients."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from FeatureExtractorLib.errors import InputError
from TumorClassifierLib.evaluation.cohort_table import cohort_table
from TumorClassifierLib.evaluation.many_tests import benjamini_hochberg


def rows() -> tuple[list[dict], list[str]]:
    rng = np.random.default_rng(1)
    labels = ["low", "high"] * 40
    made = [
        {
            "age": float(rng.normal(55 + 8 * (label == "high"), 10)),
            "volume": float(np.exp(rng.normal(2, 1))),
            "sex": str(rng.choice(["female", "male"])),
            "oedema": float(rng.integers(0, 2)),
            "remark": f"seen on day {i}",
            "grade": None if i % 8 == 0 else str(rng.choice(["I", "II", "III"], p=[0.9, 0.07, 0.03])),
        }
        for i, label in enumerate(labels)
    ]
    return made, labels


def test_the_table_has_the_numbers_of_pandas_and_scipy() -> None:
    made, labels = rows()
    table = cohort_table(made, labels)
    frame = pd.DataFrame(made).assign(label=labels)
    by = {(row["variable"], row["level"]): row for row in table["rows"]}
    assert table["classes"] == {"high": 40, "low": 40}
    age = by["age", None]
    high, low = (frame.age[frame.label == label] for label in ("high", "low"))
    assert (age["test"], age["p"]) == ("Student t", pytest.approx(stats.ttest_ind(high, low).pvalue, abs=1e-12))
    assert age["by_class"]["high"] == f"{high.mean():.1f} ± {high.std():.1f}"
    volume = by["volume", None]
    quartiles = frame.volume.quantile([0.5, 0.25, 0.75])
    assert volume["all"] == "{:.2f} ({:.2f}–{:.2f})".format(*quartiles)
    assert volume["test"] == "Mann-Whitney U"
    sex = pd.crosstab(frame.sex, frame.label)
    assert by["sex", None]["p"] == pytest.approx(stats.chi2_contingency(sex, correction=False).pvalue, abs=1e-12)
    female = sex.loc["female", "low"]
    assert by["sex", "female"]["by_class"]["low"] == f"{female} ({100 * female / 40:.1f} %)"
    assert {level for name, level in by if name == "oedema"} == {None, "0", "1"}
    grade = by["grade", None]
    assert (grade["test"], grade["missing"]) == ("Fisher exact", 10)
    first = int((frame.grade == "I").sum())
    assert by["grade", "I"]["all"] == f"{first} ({100 * first / 70:.1f} %)"
    assert json.loads(json.dumps(table, allow_nan=False)) == table


def test_a_text_that_is_rather_a_remark_is_not_told() -> None:
    table = cohort_table(*rows())
    remarks = [row for row in table["rows"] if row["variable"] == "remark"]
    assert [(row["test"], row["why"], row["p"]) for row in remarks] == [("none", "80 different texts", None)]
    assert "seen on day" not in json.dumps(table)


def test_all_p_values_are_corrected_together() -> None:
    made, labels = rows()
    table = cohort_table(made, labels, correction="Benjamini-Hochberg")
    tested = [row for row in table["rows"] if row["p"] is not None]
    assert len(tested) == 5
    expected = benjamini_hochberg(np.array([row["p"] for row in tested]))
    assert [row["p_corrected"] for row in tested] == pytest.approx(expected.tolist())
    assert table["correction"] == "Benjamini-Hochberg"
    for row in cohort_table(made, labels)["rows"]:
        assert row["p"] is None or row["p_corrected"] >= row["p"]


def test_patients_count_once_and_rows_in_any_order() -> None:
    made, labels = rows()
    patients = [f"p{i}" for i in range(80)]
    once = cohort_table(made, labels, patients)
    assert cohort_table(made * 2, labels * 2, patients * 2) == once
    order = np.random.default_rng(0).permutation(80)
    shuffled = cohort_table([made[i] for i in order], [labels[i] for i in order])
    for row, other in zip(once["rows"], shuffled["rows"], strict=True):
        assert {**row, "p": None, "p_corrected": None} == {**other, "p": None, "p_corrected": None}
        assert row["p"] == pytest.approx(other["p"], abs=1e-12)
    with pytest.raises(InputError, match="Patient p0 has cases of both low and high"):
        cohort_table(made[:2], labels[:2], ["p0", "p0"])
    with pytest.raises(InputError, match="2 rows for 1 classes"):
        cohort_table(made[:2], labels[:1])


def test_three_classes_and_a_chosen_test() -> None:
    made, _ = rows()
    labels = [("a", "b", "c")[i % 3] for i in range(80)]
    by = {row["variable"]: row for row in cohort_table(made, labels, numeric="rank")["rows"] if row["level"] is None}
    ages = [[row["age"] for row, label in zip(made, labels, strict=True) if label == of] for of in "abc"]
    assert by["age"]["test"] == "Kruskal-Wallis"
    assert by["age"]["p"] == pytest.approx(stats.kruskal(*ages).pvalue, abs=1e-12)
    assert by["age"]["why"] == "chosen beforehand"


def test_real_patients(data_dir: Path) -> None:
    """188 TCGA low-grade gliomas by IDH mutation: missing values, many levels, three grades."""
    frame = pd.read_csv(data_dir / "lgg_tabular" / "TCGA_clinical_INFO.csv")
    frame = frame[frame.IDH1.notna()]
    names = ["age_at_initial_pathologic", "gender", "histological_type", "karnofsky_performance_sco", "laterality"]
    made = [
        {name: None if pd.isna(value) else value for name, value in row.items()}
        for row in frame[names].to_dict("records")
    ]
    labels = ["mutant" if value == 1 else "wild type" for value in frame.IDH1]
    table = cohort_table(made, labels, frame.Tumor.tolist())
    by = {row["variable"]: row for row in table["rows"] if row["level"] is None}
    mutant = frame.IDH1 == 1
    for name in names[:1]:
        ages = [frame.loc[of, name].dropna() for of in (mutant, ~mutant)]
        assert by[name]["missing"] == int(frame[name].isna().sum())
        test = stats.mannwhitneyu if by[name]["test"] == "Mann-Whitney U" else stats.ttest_ind
        assert by[name]["p"] == pytest.approx(test(*ages).pvalue, abs=1e-9)
        assert by[name]["p"] < 0.01  # IDH wild-type patients are older, as is known
    for name in ("gender", "histological_type"):
        counts = pd.crosstab(frame[name], mutant)
        assert by[name]["test"] == "chi-square"
        assert by[name]["p"] == pytest.approx(stats.chi2_contingency(counts, correction=False).pvalue, abs=1e-12)
