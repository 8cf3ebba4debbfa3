"""Intraclass correlation against pingouin, and its invariants."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from FeatureExtractorLib.agreement import FORMS, intraclass_correlation
from FeatureExtractorLib.errors import InputError

PINGOUIN = {
    "ICC(1,1)": 0,
    "ICC(2,1)": 1,
    "ICC(3,1)": 2,
    "ICC(1,k)": 3,
    "ICC(2,k)": 4,
    "ICC(3,k)": 5,
}


def ratings(seed: int, cases: int = 12, readers: int = 3, features: int = 4) -> np.ndarray:
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(cases, 1, features)) * 3
    return truth + rng.normal(size=(1, readers, features)) + rng.normal(size=(cases, readers, features))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("readers", [2, 3])
def test_equals_pingouin(form: str, readers: int) -> None:
    pingouin = pytest.importorskip("pingouin")
    values = ratings(1, readers=readers)
    ours = intraclass_correlation(values, form)
    for j in range(values.shape[2]):
        long = pd.DataFrame(
            [(i, r, values[i, r, j]) for i in range(values.shape[0]) for r in range(readers)],
            columns=["case", "reader", "value"],
        )
        row = pingouin.intraclass_corr(long, targets="case", raters="reader", ratings="value").iloc[PINGOUIN[form]]
        assert ours.icc[j] == pytest.approx(row["ICC"], abs=1e-9)
        interval = row[[name for name in row.index if name.startswith("CI")][0]]
        # pingouin rounds its interval to two decimals
        assert [ours.low[j], ours.high[j]] == pytest.approx(list(interval), abs=5.1e-3)


@given(st.integers(0, 10_000), st.floats(0.1, 50), st.floats(-100, 100))
def test_does_not_depend_on_scale_and_order(seed: int, scale: float, shift: float) -> None:
    values = ratings(seed)
    order = np.random.default_rng(seed).permutation(len(values))
    for form in FORMS:
        first = intraclass_correlation(values, form)
        second = intraclass_correlation((values * scale + shift)[order], form)
        np.testing.assert_allclose(second.icc, first.icc, atol=1e-7)


@pytest.mark.parametrize("form", FORMS)
def test_identical_readers_agree_fully(form: str) -> None:
    one = ratings(3)[:, :1]
    result = intraclass_correlation(np.repeat(one, 2, axis=1), form)
    np.testing.assert_allclose([result.icc, result.low, result.high], 1.0)


def test_refuses_what_it_cannot_compare() -> None:
    with pytest.raises(InputError, match="two readers"):
        intraclass_correlation(ratings(0)[:, :1])
    with pytest.raises(InputError, match="NaN"):
        intraclass_correlation(np.full((3, 2, 1), np.nan))
    with pytest.raises(InputError, match="no ICC called"):
        intraclass_correlation(ratings(0), "ICC(4,1)")
