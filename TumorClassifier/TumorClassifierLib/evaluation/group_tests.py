"""Whether a variable differs between classes: which test, why this one, and its p."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from FeatureExtractorLib.errors import InputError

from .contingency import expected_counts, fisher_exact_p, fisher_simulated_p

NUMERIC_TESTS = ("auto", "student", "welch", "rank")
LIMIT = 0.05  # of the tests of normality and of equal variances


@dataclass(frozen=True)
class GroupTest:
    """A test's name, why it was taken, and its two-sided p; None where it is undefined."""

    test: str
    why: str
    p: float | None
    normal: bool = False


def compare_numbers(samples: Sequence[np.ndarray], test: str = "auto") -> GroupTest:
    """Compare the values (n_k,) of two or more classes.

    test: "student" (Student's t, one-way ANOVA), "welch" (Welch's t, Welch's ANOVA), "rank" (Mann-Whitney,
    Kruskal-Wallis), or "auto": rank where a class has fewer than three values or Shapiro-Wilk's p is below 0.05 in any
    class, else welch where Levene's p (about the median) is below 0.05, else student.
    No p where a class has fewer than two values or all values are one. Raises InputError at another test.
    """
    from scipy import stats

    if test not in NUMERIC_TESTS:
        raise InputError(f"There is no test {test!r}; choose {', '.join(NUMERIC_TESTS)}.")
    values = [np.asarray(sample, dtype=np.float64) for sample in samples]
    together = np.concatenate(values)
    if min(len(sample) for sample in values) < 2 or np.ptp(together) == 0:
        return GroupTest("none", "too few values" if np.ptp(together) else "the same value in all patients", None)
    normal, why = _is_normal(values)
    kind = test
    if test == "auto":
        kind = "rank"
        if normal:
            equal = float(stats.levene(*values, center="median").pvalue) >= LIMIT
            kind = "student" if equal else "welch"
            why += ", equal variances (Levene)" if equal else ", unequal variances (Levene)"
    else:
        why = "chosen beforehand"
    two = len(values) == 2
    if kind == "rank":
        found = stats.mannwhitneyu(values[0], values[1]) if two else stats.kruskal(*values)
        return GroupTest("Mann-Whitney U" if two else "Kruskal-Wallis", why, float(found.pvalue), normal)
    if two:
        name, p = (
            ("Student t", "Welch t")[kind == "welch"],
            stats.ttest_ind(values[0], values[1], equal_var=kind == "student").pvalue,
        )
    else:
        from statsmodels.stats.oneway import anova_oneway

        name = ("one-way ANOVA", "Welch ANOVA")[kind == "welch"]
        p = anova_oneway(values, use_var="equal" if kind == "student" else "unequal").pvalue
    return GroupTest(name, why, float(p) if np.isfinite(p) else None, normal)


def compare_shares(counts: np.ndarray) -> GroupTest:
    """Compare how often each level occurs: counts (levels, classes).

    Pearson's chi-square without continuity correction where Cochran's rule allows it (2 x 2: every expected count at
    least 5; larger tables: none below 1 and at most a fifth below 5), else Fisher's exact test of any size
    (Freeman & Halton 1951), over random tables where there are too many to try all.
    """
    from scipy import stats

    table = np.asarray(counts, dtype=np.int64)
    table = table[table.sum(axis=1) > 0]
    if len(table) < 2 or (table.sum(axis=0) == 0).any():
        return GroupTest("none", "the same value in all patients" if len(table) < 2 else "too few values", None)
    expected = expected_counts(table)
    small = expected.min() < 5 if table.shape == (2, 2) else expected.min() < 1 or np.mean(expected < 5) > 0.2
    least = f"smallest expected count {expected.min():.1f}"
    if small:
        exact = fisher_exact_p(table)
        if exact is not None:
            return GroupTest("Fisher exact", least, exact)
        return GroupTest("Fisher exact, simulated", f"{least}, too many tables to try all", fisher_simulated_p(table))
    return GroupTest("chi-square", least, float(stats.chi2_contingency(table, correction=False).pvalue))


def _is_normal(values: Sequence[np.ndarray]) -> tuple[bool, str]:
    from scipy.stats import shapiro

    if min(len(sample) for sample in values) < 3:
        return False, "fewer than three values in a class"
    smallest = min(0.0 if np.ptp(sample) == 0 else float(shapiro(sample).pvalue) for sample in values)
    return smallest >= LIMIT, "normal (Shapiro-Wilk)" if smallest >= LIMIT else "not normal (Shapiro-Wilk)"
