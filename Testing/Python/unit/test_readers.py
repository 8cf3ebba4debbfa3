"""Two readers' feature tables: what is matched, what is stable, and how long it takes."""

import csv
import json
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from FeatureExtractorLib.agreement import FORMS
from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.readers import compare_tables, write_agreement
from FeatureExtractorLib.stable_features import read_stable_features, write_stable_features
from FeatureExtractorLib.table import FeatureRow, FeatureTable, table_of


def table(values: np.ndarray, names: list[str] | None = None, cases: list[str] | None = None) -> FeatureTable:
    names = names or [f"T1C.f{j}" for j in range(values.shape[1])]
    cases = cases or [f"p{i}" for i in range(len(values))]
    rows = zip(cases, values, strict=True)
    return table_of([FeatureRow(case, "", dict(zip(names, row, strict=True))) for case, row in rows], {})


def two_readers(seed: int = 0, cases: int = 10, features: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Values of two readers whose noise grows with the feature's number."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(cases, features))
    noise = np.linspace(0.05, 2, features)
    return truth + noise * rng.normal(size=truth.shape), truth + noise * rng.normal(size=truth.shape)


def test_three_thousand_features_take_well_under_a_second() -> None:
    first, second = two_readers(cases=20, features=3000)
    tables = table(first), table(second)
    start = time.perf_counter()
    found = compare_tables(*tables)
    assert time.perf_counter() - start < 0.5
    assert np.isfinite(found.agreement.icc).all()


@pytest.mark.parametrize("form", FORMS)
def test_equals_pingouin(form: str) -> None:
    pingouin = pytest.importorskip("pingouin")
    import pandas as pd

    first, second = two_readers(cases=20)
    found = compare_tables(table(first), table(second), form)
    position = ["ICC(1,1)", "ICC(2,1)", "ICC(3,1)", "ICC(1,k)", "ICC(2,k)", "ICC(3,k)"].index(form)
    for j in range(first.shape[1]):
        long = pd.DataFrame(
            [(i, r, v[i, j]) for r, v in enumerate((first, second)) for i in range(20)],
            columns=["case", "reader", "value"],
        )
        theirs = pingouin.intraclass_corr(long, targets="case", raters="reader", ratings="value")["ICC"]
        assert found.agreement.icc[j] == pytest.approx(theirs.iloc[position], abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_order_of_cases_and_features_does_not_matter(seed: int) -> None:
    first, second = two_readers(seed)
    rng = np.random.default_rng(seed)
    rows, columns = rng.permutation(10), rng.permutation(6)
    shuffled = table(second[rows][:, columns], [f"T1C.f{j}" for j in columns], [f"p{i}" for i in rows])
    expected, found = compare_tables(table(first), table(second)), compare_tables(table(first), shuffled)
    assert found.names == expected.names and found.keys == expected.keys
    np.testing.assert_array_equal(found.agreement.icc, expected.agreement.icc)


def test_identical_readers_agree_fully() -> None:
    first, _ = two_readers()
    found = compare_tables(table(first), table(first.copy()))
    np.testing.assert_allclose(found.agreement.icc, 1.0, atol=1e-12)
    np.testing.assert_allclose(found.agreement.low, 1.0, atol=1e-12)
    assert found.stable(0.999) == found.names


def test_what_never_varies_or_is_missing_is_not_stable() -> None:
    first, second = two_readers()
    first[:, 0] = second[:, 0] = 4.0
    first[5, 0] *= 1 + 1e-15  # a rounding error is no variation
    first[3, 1] = np.nan
    found = compare_tables(table(first), table(second))
    assert np.isnan(found.agreement.icc[:2]).all() and np.isfinite(found.agreement.icc[2:]).all()
    assert not {"T1C.f0", "T1C.f1"} & set(found.stable(-2.0))


def test_rows_without_a_partner_are_left_out_with_the_reason() -> None:
    first, second = two_readers()
    one = table(first)
    failed = FeatureRow("p2", error="The mask is empty.")
    rows = [FeatureRow(f"p{i}", "", dict(zip(one.names, row, strict=True))) for i, row in enumerate(second)]
    other = table_of([failed if i == 2 else row for i, row in enumerate(rows[:-1])], {})
    found = compare_tables(one, other)
    assert [case for case, _ in found.keys] == [f"p{i}" for i in (0, 1, 3, 4, 5, 6, 7, 8)]
    assert found.left_out["p2"] == "The mask is empty."
    assert "second table does not have this case" in found.left_out["p9"]


def test_tables_that_cannot_be_compared_are_refused() -> None:
    first, second = two_readers()
    with pytest.raises(InputError, match="0 measured cases in common"):
        compare_tables(table(first), table(second, cases=[f"q{i}" for i in range(10)]))
    with pytest.raises(InputError, match="no feature in common"):
        compare_tables(table(first), table(second, names=[f"T2.f{j}" for j in range(6)]))
    with pytest.raises(InputError, match="second table has case p0 twice"):
        compare_tables(table(first), table(second, cases=["p0"] * 10))


def test_the_list_of_stable_features_comes_back(tmp_path: Path) -> None:
    found = compare_tables(*(table(values) for values in two_readers()))
    stable = found.stable(0.8)
    assert 0 < len(stable) < len(found.names)
    write_stable_features(found, 0.8, tmp_path / "stable.json")
    assert read_stable_features(tmp_path / "stable.json") == stable
    assert json.loads((tmp_path / "stable.json").read_text())["form"] == "ICC(2,1)"
    (tmp_path / "stable.txt").write_text("\n".join(stable) + "\n")
    assert read_stable_features(tmp_path / "stable.txt") == stable
    write_agreement(found, 0.8, tmp_path / "agreement.csv")
    header, *lines = list(csv.reader((tmp_path / "agreement.csv").open()))
    assert header == ["feature", "ICC(2,1)", "low", "high", "stable"] and len(lines) == 6
    assert tuple(line[0] for line in lines if line[-1] == "1") == stable
    assert [float(line[1]) for line in lines] == found.agreement.icc.tolist()


@pytest.mark.parametrize("text", ["", "{}", "[1]", "{", '{"features": []}', '{"features": [1]}', '{"features": "x"}'])
def test_other_files_are_no_list_of_features(tmp_path: Path, text: str) -> None:
    (tmp_path / "stable.json").write_text(text)
    with pytest.raises(InputError, match="stable feature"):
        read_stable_features(tmp_path / "stable.json")
