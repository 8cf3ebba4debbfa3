"""Clinical variables: how they are coded, and which of them predict the class."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from FeatureExtractorLib.case import ClinicalValue
from FeatureExtractorLib.errors import InputError

from .plain import fields_of
from .regression import LogisticModel, check_design, fit_logistic

Row = Mapping[str, ClinicalValue]
MOST_LEVELS = 10  # a text with more is rather a name, a date or a remark than a factor


@dataclass(frozen=True)
class ClinicalVariable:
    """A variable as a model knows it.

    kind: "numeric" or "categorical". levels: of a categorical one, the first being the reference. missing: what an
    unknown value counts as (the training cases' median or most frequent level).
    """

    name: str
    kind: str
    levels: tuple[str, ...]
    unit: str
    missing: float | str

    @property
    def columns(self) -> tuple[str, ...]:
        """Its columns in a design: itself, or one name=level for each level but the reference."""
        if self.kind == "numeric":
            return (self.name,)
        return tuple(f"{self.name}={level}" for level in self.levels[1:])

    def encode(self, value: ClinicalValue) -> tuple[float, ...]:
        """Its columns' values; raises InputError at an unseen level or a text where a number belongs."""
        known = self.missing if value is None else value
        if self.kind == "numeric":
            try:
                return (float(known),)
            except ValueError:
                raise InputError(
                    f"{self.name} is {known!r}, which is not a number; correct it or leave it empty."
                ) from None
        level = known if isinstance(known, str) else f"{known:g}"  # levels 1 and 2 may read as numbers
        if level not in self.levels:
            raise InputError(
                f"{self.name} is {level!r}, which the model has not seen; use one of {', '.join(self.levels)}."
            )
        return tuple(float(level == other) for other in self.levels[1:])

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Restore a variable from `to_json`; raises BundleRejected when it is none."""
        return cls(**fields_of(cls, document))


@dataclass(frozen=True)
class Effect:
    """One column in a regression: log odds ratio with 95 % limits, its p, and the p of its whole variable."""

    variable: str
    column: str
    coefficient: float
    lower: float
    upper: float
    p: float
    variable_p: float
    method: str


@dataclass(frozen=True)
class ClinicalSelection:
    """The variables that stay, and both tables that led there."""

    selected: tuple[ClinicalVariable, ...]
    univariate: tuple[Effect, ...]
    multivariate: tuple[Effect, ...]
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values of the tables and the selected names."""
        return {**asdict(self), "selected": [variable.name for variable in self.selected]}


def clinical_variables(
    rows: Sequence[Row], levels: Mapping[str, Sequence[str]] | None = None, units: Mapping[str, str] | None = None
) -> tuple[ClinicalVariable, ...]:
    """Describe the variables of training cases, in the order of the first row.

    rows: per case, value by name; None is unknown; variables with texts are categorical. levels: their order, default
    sorted. Variables unknown in every case are left out.
    """
    found = []
    for name in rows[0] if rows else ():
        values = [row[name] for row in rows if row.get(name) is not None]
        if not values:
            continue
        unit = (units or {}).get(name, "")
        numbers = [value for value in values if not isinstance(value, str) and value is not None]
        if len(numbers) == len(values):
            found.append(ClinicalVariable(name, "numeric", (), unit, float(np.median(numbers))))
        else:
            counts = Counter(map(str, values))
            order = tuple((levels or {}).get(name, sorted(counts)))
            most = max(order, key=lambda level: counts[level])
            found.append(ClinicalVariable(name, "categorical", order, unit, most))
    return tuple(found)


def encode_clinical(
    rows: Sequence[Row], variables: Sequence[ClinicalVariable]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """(n, p) design without intercept and its column names; unknown values become the variable's `missing`.

    Raises InputError at an unseen level or a text where a number belongs, naming it.
    """
    names = tuple(column for variable in variables for column in variable.columns)
    values = [[x for variable in variables for x in variable.encode(row.get(variable.name))] for row in rows]
    return np.asarray(values, dtype=np.float64).reshape(len(rows), len(names)), names


def select_clinical(
    rows: Sequence[Row],
    y: np.ndarray,
    variables: Sequence[ClinicalVariable],
    groups: np.ndarray | None = None,
    univariate_p: float = 0.05,
    multivariate_p: float = 0.05,
) -> ClinicalSelection:
    """Variables with p below the one limit alone, then, of these fitted together, with p below the other.

    rows: per case, value by name; y: (n,) 0/1; groups: (n,) patients, for cluster-robust tests where a patient has
    several rows. A factor is judged as a whole (joint Wald test). Variables that cannot be tested (the same in all
    cases, a level without cases, more than ten levels, dependent on better ones) are left out with a warning.
    Raises InputError as `encode_clinical`, and when y has one class only.
    """
    warnings: list[str] = []
    candidates: list[tuple[float, ClinicalVariable]] = []
    univariate: list[Effect] = []
    for variable in variables:
        if len(variable.levels) > MOST_LEVELS:
            warnings.append(f"{variable.name} was left out because it has more than {MOST_LEVELS} different texts.")
            continue
        X, columns = encode_clinical(rows, [variable])
        present = {row.get(variable.name) for row in rows} | {variable.missing}
        absent = [level for level in variable.levels if level not in present]
        if absent:
            warnings.append(f"{variable.name} was left out because no training case has level {absent[0]}.")
            continue
        if not columns or np.ptp(X) == 0 or (np.ptp(X, axis=0) == 0).any():
            warnings.append(f"{variable.name} was left out because it is the same in all cases.")
            continue
        try:
            univariate += _effects(fit_logistic(X, y, columns, groups), [variable])
        except InputError as error:
            warnings.append(f"{variable.name} was left out because it cannot be tested alone: {error}")
            continue
        if univariate[-1].variable_p < univariate_p:
            candidates.append((univariate[-1].variable_p, variable))

    together: list[ClinicalVariable] = []
    for _, variable in sorted(candidates, key=lambda pair: float(f"{pair[0]:.9e}")):  # rounding decides no order
        X, columns = encode_clinical(rows, [*together, variable])
        try:
            check_design(X, np.asarray(y), columns)
            together.append(variable)
        except InputError as error:
            warnings.append(f"{variable.name} was left out of the multivariate regression: {error}")
    together.sort(key=list(variables).index)
    if not together:
        warnings.append("No clinical variable was significant alone; the model has none.")
        return ClinicalSelection((), tuple(univariate), (), tuple(warnings))

    X, columns = encode_clinical(rows, together)
    multivariate = _effects(fit_logistic(X, y, columns, groups), together)
    significant = {effect.variable for effect in multivariate if effect.variable_p < multivariate_p}
    selected = tuple(variable for variable in together if variable.name in significant)
    if not selected:
        warnings.append("No clinical variable was significant beside the others; the model has none.")
    return ClinicalSelection(selected, tuple(univariate), tuple(multivariate), tuple(warnings))


def _effects(model: LogisticModel, variables: Sequence[ClinicalVariable]) -> list[Effect]:
    position = {name: index for index, name in enumerate(model.names)}
    effects = []
    for variable in variables:
        columns = [position[column] for column in variable.columns]
        whole = model.p_values[columns[0]] if len(columns) == 1 else _joint_p(model, columns)
        effects += [
            Effect(
                variable=variable.name,
                column=model.names[j],
                coefficient=model.coefficients[j],
                lower=model.lower[j],
                upper=model.upper[j],
                p=model.p_values[j],
                variable_p=whole,
                method=model.method,
            )
            for j in columns
        ]
    return effects


def _joint_p(model: LogisticModel, columns: Sequence[int]) -> float:
    """Wald test that the coefficients of these columns are all zero."""
    from scipy.special import chdtrc

    beta = np.asarray(model.coefficients)[list(columns)]
    covariance = np.asarray(model.covariance)[np.ix_(columns, columns)]
    return float(chdtrc(len(columns), beta @ np.linalg.solve(covariance, beta)))
