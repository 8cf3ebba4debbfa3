"""The table of a clinical selection as papers print it: odds ratios and p, each variable alone and all together."""

from collections.abc import Mapping, Sequence
from typing import Any

DASH = "\N{EN DASH}"
EffectJson = Mapping[str, Any]


def clinical_table(univariate: Sequence[EffectJson], multivariate: Sequence[EffectJson]) -> list[dict[str, str]]:
    """One row a column of the regressions, a factor's with its reference row before them.

    univariate, multivariate: the documents of `ClinicalSelection.to_json`. Each row: variable, level (empty for a
    number, "missing" for unknown values), then univariate and multivariate with their p: texts such as
    "2.31 (1.20-4.44)" and "0.012"; empty where the variable was not in that regression.
    """
    together = {effect["column"]: effect for effect in multivariate}
    rows: list[dict[str, str]] = []
    for effect in univariate:
        new = not rows or rows[-1]["variable"] != effect["variable"]
        if new and effect["reference"]:
            entered = effect["variable"] in {other["variable"] for other in multivariate}
            rows.append(
                _row(effect["variable"], effect["reference"], "reference", "", "reference" if entered else "", "")
            )
        beside = together.get(effect["column"])
        rows.append(
            _row(
                effect["variable"],
                effect["level"],
                odds_text(effect["odds_ratio"], effect["low"], effect["high"]),
                p_text(effect["p"]),
                odds_text(beside["odds_ratio"], beside["low"], beside["high"]) if beside else "",
                p_text(beside["p"]) if beside else "",
            )
        )
    return rows


def odds_text(ratio: float | None, low: float | None, high: float | None) -> str:
    """ "2.31 (1.20-4.44)", the dash being a long one; None is an odds ratio too large to write."""
    return f"{_ratio(ratio)} ({_ratio(low)}{DASH}{_ratio(high)})"


def p_text(p: float) -> str:
    """Three decimals, as journals want them."""
    return "< 0.001" if p < 0.001 else "> 0.999" if p > 0.999 else f"{p:.3f}"


def _ratio(value: float | None) -> str:
    if value is None or value >= 10_000:
        return "> 10,000"
    if value < 0.001:
        return "< 0.001"
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}" if value < 100 else f"{value:.0f}"


def _row(
    variable: str, level: str, univariate: str, univariate_p: str, multivariate: str, multivariate_p: str
) -> dict[str, str]:
    return {
        "variable": variable,
        "level": level,
        "univariate": univariate,
        "univariate_p": univariate_p,
        "multivariate": multivariate,
        "multivariate_p": multivariate_p,
    }
