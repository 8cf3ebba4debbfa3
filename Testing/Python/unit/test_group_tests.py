"""Tests between classes against scipy, statsmodels, pingouin and plain enumeration."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pandas as pd
import pingouin
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats
from statsmodels.stats.multitest import multipletests

from FeatureExtractorLib.errors import InputError
from TumorClassifierLib.evaluation.contingency import fisher_exact_p, fisher_simulated_p
from TumorClassifierLib.evaluation.group_tests import compare_numbers, compare_shares
from TumorClassifierLib.evaluation.many_tests import benjamini_hochberg, corrected, holm


def normal(seed: int, sizes: tuple[int, ...], spreads: tuple[float, ...]) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(0.4 * k, spread, n) for k, (n, spread) in enumerate(zip(sizes, spreads, strict=True))]


def frame(samples: list[np.ndarray]) -> pd.DataFrame:
    return pd.DataFrame(
        {"x": np.concatenate(samples), "of": np.repeat(range(len(samples)), [len(s) for s in samples])}
    )


@pytest.mark.parametrize("seed", range(5))
def test_two_classes_are_compared_as_scipy_and_pingouin_do(seed: int) -> None:
    a, b = normal(seed, (25, 31), (1, 3))
    assert compare_numbers([a, b], "student").p == pytest.approx(
        pingouin.ttest(a, b, correction=False)["p_val"].iloc[0], abs=1e-9
    )
    assert compare_numbers([a, b], "welch").p == pytest.approx(
        pingouin.ttest(a, b, correction=True)["p_val"].iloc[0], abs=1e-9
    )
    assert compare_numbers([a, b], "rank").p == pytest.approx(pingouin.mwu(a, b)["p_val"].iloc[0], abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_several_classes_are_compared_as_pingouin_does(seed: int) -> None:
    samples = normal(seed, (20, 25, 30), (1, 2, 3))
    data = frame(samples)
    for test, theirs in (
        ("student", pingouin.anova(data, dv="x", between="of")),
        ("welch", pingouin.welch_anova(data, dv="x", between="of")),
        ("rank", pingouin.kruskal(data, dv="x", between="of")),
    ):
        column = next(name for name in theirs.columns if name.startswith("p") and "unc" in name)
        assert compare_numbers(samples, test).p == pytest.approx(theirs[column].iloc[0], abs=1e-9)


def test_the_automatic_choice_follows_its_rule() -> None:
    rng = np.random.default_rng(0)
    cases = {
        "Student t": normal(1, (40, 40), (1, 1)),
        "Welch t": normal(0, (40, 40), (1, 4)),
        "Mann-Whitney U": [rng.exponential(size=40) ** 2, rng.normal(size=40)],
        "one-way ANOVA": normal(1, (40, 40, 40), (1, 1, 1)),
        "Welch ANOVA": normal(1, (40, 40, 40), (1, 4, 1)),
        "Kruskal-Wallis": [rng.exponential(size=40) ** 2, rng.normal(size=40), rng.normal(size=40)],
    }
    for name, samples in cases.items():
        found = compare_numbers(samples)
        assert found.test == name
        is_normal = all(stats.shapiro(sample).pvalue >= 0.05 for sample in samples)
        assert found.normal == is_normal == (name not in ("Mann-Whitney U", "Kruskal-Wallis"))
        if is_normal:
            assert ("unequal" in found.why) == (stats.levene(*samples, center="median").pvalue < 0.05)
    assert compare_numbers([np.array([1.0, 2.0]), np.array([3.0, 4.0, 5.0])]).test == "Mann-Whitney U"


def test_what_cannot_be_compared_has_no_p() -> None:
    assert compare_numbers([np.array([1.0]), np.arange(5.0)]).p is None
    assert compare_numbers([np.ones(4), np.ones(5)]).why == "the same value in all patients"
    assert compare_shares(np.array([[3, 4]])).p is None
    assert compare_shares(np.array([[3, 0], [4, 0]])).p is None
    with pytest.raises(InputError, match="no test 'z'"):
        compare_numbers([np.arange(4.0), np.arange(5.0)], "z")


@settings(max_examples=60, deadline=None)
@given(arrays.arrays(np.int64, (2, 2), elements=st.integers(0, 30)))
def test_fishers_test_of_two_by_two_is_scipys(table: np.ndarray) -> None:
    if table.sum(axis=0).min() > 0 and table.sum(axis=1).min() > 0:
        assert fisher_exact_p(table) == pytest.approx(stats.fisher_exact(table).pvalue, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([(2, 3), (3, 2), (3, 3)]).flatmap(lambda s: arrays.arrays(np.int64, s, elements=st.integers(0, 3)))
)
def test_fishers_test_is_the_sum_over_all_tables(table: np.ndarray) -> None:
    """Every table of counts with these margins is tried, in exact fractions."""
    if table.sum(axis=0).min() == 0 or table.sum(axis=1).min() == 0:
        return
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    weights = {}
    for inner in itertools.product(*[range(int(min(r, c)) + 1) for r in rows[:-1] for c in columns[:-1]]):
        full = np.zeros(table.shape, dtype=int)
        full[:-1, :-1] = np.reshape(inner, (len(rows) - 1, len(columns) - 1))
        full[:-1, -1] = rows[:-1] - full[:-1, :-1].sum(axis=1)
        full[-1] = columns - full[:-1].sum(axis=0)
        if full.min() >= 0:
            weights[full.tobytes()] = Fraction(1, math.prod(math.factorial(int(n)) for n in full.ravel()))
    own = weights[table.astype(int).tobytes()]
    expected = sum(weight for weight in weights.values() if weight <= own) / sum(weights.values())
    assert fisher_exact_p(table) == pytest.approx(float(expected), abs=1e-9)
    assert fisher_exact_p(table.T[::-1]) == pytest.approx(float(expected), abs=1e-9)


def test_the_simulated_test_of_a_larger_table_is_that_of_r() -> None:
    """Agresti's job satisfaction, in R's help of fisher.test: p = 0.7827."""
    table = np.array([[1, 2, 1, 0], [3, 3, 6, 1], [10, 10, 14, 9], [6, 7, 12, 11]])
    assert fisher_simulated_p(table) == pytest.approx(0.7827, abs=3 * 0.0029)  # three standard errors of 20 000 draws


def test_shares_are_compared_by_chi_square_or_fisher() -> None:
    large, small = np.array([[20, 12], [14, 25], [9, 11]]), np.array([[3, 1], [2, 6]])
    found = compare_shares(large)
    assert (found.test, found.p) == ("chi-square", pytest.approx(stats.chi2_contingency(large, correction=False)[1]))
    theirs = stats.power_divergence(large.ravel(), stats.contingency.expected_freq(large).ravel(), ddof=3)
    assert found.p == pytest.approx(theirs.pvalue, abs=1e-9)
    found = compare_shares(np.vstack([small, [0, 0]]))
    assert (found.test, found.p) == ("Fisher exact", pytest.approx(stats.fisher_exact(small).pvalue, abs=1e-9))
    edge = np.array([[5, 5], [5, 5]])
    assert compare_shares(edge).test == "chi-square"
    assert compare_shares(edge - [[1, 0], [0, 0]]).test == "Fisher exact"
    many = compare_shares(np.random.default_rng(0).integers(0, 6, size=(12, 4)) + 1)
    assert (many.test, "too many tables" in many.why) == ("Fisher exact, simulated", True)


p_values = st.lists(st.floats(0, 1), min_size=1, max_size=30)


@settings(max_examples=40, deadline=None)
@given(p_values)
def test_corrections_are_those_of_statsmodels_and_never_smaller(p: list[float]) -> None:
    for ours, method in ((holm, "holm"), (benjamini_hochberg, "fdr_bh")):
        found = ours(np.array(p))
        np.testing.assert_allclose(found, multipletests(p, method=method)[1], atol=1e-12)
        assert np.all(found >= np.array(p) - 1e-15)
        assert np.all(found <= 1)
        shuffled = ours(np.array(p)[::-1])[::-1]
        np.testing.assert_allclose(shuffled, found, atol=1e-15)


def test_tests_that_were_not_made_do_not_count() -> None:
    assert corrected([0.01, None, 0.04], "Holm") == [pytest.approx(0.02), None, pytest.approx(0.04)]
    assert corrected([None], "Benjamini-Hochberg") == [None]
    with pytest.raises(InputError, match="Bonferroni"):
        corrected([0.1], "Bonferroni")
    with pytest.raises(InputError, match="below 0 or above 1"):
        holm(np.array([0.1, 1.2]))
