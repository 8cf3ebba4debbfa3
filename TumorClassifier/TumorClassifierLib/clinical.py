"""Which clinical variables predict the class: each alone, then those that do together."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from FeatureExtractorLib.errors import InputError

from .clinical_coding import (
    MISSING,
    ClinicalVariable,
    Row,
    clinical_variables,
    encode_clinical,
    is_missing,
)
from .regression import ROWS_AS_PATIENTS, LogisticModel, check_design, fit_logistic, joint_p, odds_ratio

__all__ = [
    "ClinicalSelection",
    "ClinicalVariable",
    "Effect",
    "clinical_variables",
    "encode_clinical",
    "is_missing",
    "select_clinical",
]

MOST_LEVELS = 10  # a text with more is rather a name, a date or a remark than a factor


@dataclass(frozen=True)
class Effect:
    """One column in a regression: log odds ratio with 95 % limits, its p, and the p of its whole variable.

    level, reference: of a factor, what is compared with what ("" for a numeric variable); level is "missing" in the
    column of unknown values.
    """

    variable: str
    column: str
    coefficient: float
    lower: float
    upper: float
    p: float
    variable_p: float
    method: str
    level: str = ""
    reference: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, with odds_ratio, low and high; one of these is null where it is too large to write."""
        ratio, low, high = (odds_ratio(value) for value in (self.coefficient, self.lower, self.upper))
        return {**asdict(self), "odds_ratio": ratio, "low": low, "high": high}


@dataclass(frozen=True)
class ClinicalSelection:
    """The variables that stay, both tables that led there, and (variable, reason) of those that were not tested."""

    selected: tuple[ClinicalVariable, ...]
    univariate: tuple[Effect, ...]
    multivariate: tuple[Effect, ...]
    warnings: tuple[str, ...]
    refused: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values of the tables, the selected names and the refused ones."""
        return {
            "selected": [variable.name for variable in self.selected],
            "univariate": [effect.to_json() for effect in self.univariate],
            "multivariate": [effect.to_json() for effect in self.multivariate],
            "warnings": list(self.warnings),
            "refused": [{"variable": name, "reason": reason} for name, reason in self.refused],
        }


def select_clinical(
    rows: Sequence[Row],
    y: np.ndarray,
    variables: Sequence[ClinicalVariable],
    groups: np.ndarray | None = None,
    univariate_p: float = 0.05,
    multivariate_p: float = 0.05,
) -> ClinicalSelection:
    """Variables with p below the one limit alone, then, of these fitted together, with p below the other.

    rows: per case, value by name; y: (n,) 0/1, for several classes one against the rest; groups: (n,) patients, for
    cluster-robust tests where a patient has several rows. A factor is judged as a whole, by a joint Wald test, under
    separation by a joint penalised likelihood-ratio test. A column of unknown values is adjusted for but does not
    count in that test: that a value was not recorded is no finding and selects no variable.
    Variables that cannot be tested (the same in all cases, a level without cases, more than ten levels, dependent on
    better ones) are left out with a warning. Raises InputError as `encode_clinical`, and when y has one class only.
    """
    warnings: list[str] = []
    refused: list[tuple[str, str]] = []
    candidates: list[tuple[float, ClinicalVariable]] = []
    univariate: list[Effect] = []

    def refuse(variable: ClinicalVariable, reason: str, when: str = "because") -> None:
        refused.append((variable.name, reason))
        warnings.append(f"{variable.name} was left out {when} {reason}")

    for variable in variables:
        reason = _untestable(rows, variable)
        if reason:
            refuse(variable, reason)
            continue
        try:
            effects, notes = _tested(rows, y, [variable], groups)
        except InputError as error:
            refuse(variable, f"it cannot be tested alone: {error}")
            continue
        univariate += effects
        warnings += notes
        if univariate[-1].variable_p < univariate_p:
            candidates.append((univariate[-1].variable_p, variable))

    together: list[ClinicalVariable] = []
    for _, variable in sorted(candidates, key=lambda pair: float(f"{pair[0]:.9e}")):  # rounding decides no order
        form, reason = _beside(rows, y, together, variable)
        if form is None:
            refuse(variable, reason, "of the multivariate regression:")
            continue
        if form != variable:
            warnings.append(f"{form.name} is missing where others are, so its usual value stands in beside them.")
        together.append(form)
    order = [variable.name for variable in variables]
    together.sort(key=lambda variable: order.index(variable.name))
    if not together:
        warnings.append("No clinical variable was significant alone; the model has none.")
        return ClinicalSelection((), tuple(univariate), (), tuple(dict.fromkeys(warnings)), tuple(refused))

    multivariate, notes = _tested(rows, y, together, groups)
    warnings += notes
    significant = {effect.variable for effect in multivariate if effect.variable_p < multivariate_p}
    selected = tuple(variable for variable in together if variable.name in significant)
    if not selected:
        warnings.append("No clinical variable was significant beside the others; the model has none.")
    return ClinicalSelection(
        selected, tuple(univariate), tuple(multivariate), tuple(dict.fromkeys(warnings)), tuple(refused)
    )


def _untestable(rows: Sequence[Row], variable: ClinicalVariable) -> str:
    """Why a variable cannot enter a regression, or nothing."""
    levels = [level for level in variable.levels if level != MISSING]
    if len(levels) > MOST_LEVELS:
        return f"it has more than {MOST_LEVELS} different texts."
    X, columns = encode_clinical(rows, [variable])
    if variable.kind == "categorical":
        present = {variable.level(row.get(variable.name)) for row in rows}
        absent = [level for level in variable.levels if level not in present]
        if absent:
            return f"no training case has level {absent[0]}."
    if not variable.value_columns or (np.ptp(X, axis=0) == 0).any():
        return "it is the same in all cases."
    return ""


def _beside(
    rows: Sequence[Row], y: np.ndarray, together: Sequence[ClinicalVariable], variable: ClinicalVariable
) -> tuple[ClinicalVariable | None, str]:
    """The variable in a form that can be fitted beside the others, or none and the reason.

    What is measured together is missing together: of two equal columns of unknown values only one can stay.
    """
    reason = ""
    for form in dict.fromkeys([variable, variable.without_missing_column()]):
        X, columns = encode_clinical(rows, [*together, form])
        try:
            check_design(X, np.asarray(y), columns)
            return form, ""
        except InputError as error:
            reason = str(error)
    return None, reason


def _tested(
    rows: Sequence[Row], y: np.ndarray, variables: Sequence[ClinicalVariable], groups: np.ndarray | None
) -> tuple[list[Effect], list[str]]:
    """Every column of these variables in one regression, and a warning where its p cannot be trusted."""
    X, columns = encode_clinical(rows, variables)
    model = fit_logistic(X, y, columns, groups)
    effects = [effect for variable in variables for effect in _effects(model, X, y, variable)]
    return effects, [ROWS_AS_PATIENTS] if ROWS_AS_PATIENTS in model.warnings else []


def _effects(model: LogisticModel, X: np.ndarray, y: np.ndarray, variable: ClinicalVariable) -> list[Effect]:
    whole = joint_p(model, X, y, variable.value_columns)
    levels = variable.levels[1:] if variable.kind == "categorical" else ("", MISSING)
    reference = variable.levels[0] if variable.kind == "categorical" else ""
    effects = []
    for column, level in zip(variable.columns, levels, strict=False):
        j = model.names.index(column)
        effects.append(
            Effect(
                variable=variable.name,
                column=column,
                coefficient=model.coefficients[j],
                lower=model.lower[j],
                upper=model.upper[j],
                p=model.p_values[j],
                variable_p=whole,
                method=model.method,
                level=level,
                reference=reference,
            )
        )
    return effects
