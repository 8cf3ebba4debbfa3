"""A linear model of few variables as a paper scale: points per variable, their total, and the probability it means.

Arithmetic as R's rms draws it: the variable whose shown values span the widest range of the linear predictor gets
100 points, the others in proportion.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
from scipy.special import expit, logit

from FeatureExtractorLib.errors import BundleRejected, InputError

from .clinical_coding import MISSING, ClinicalVariable, is_missing, level_text
from .plain import fields_of
from .regression import LogisticModel

Value = float | str
NARROWEST = 1e-13  # of its larger end: rounding alone is about 1e-16
PROBABILITIES = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True)
class NumericTerm:
    """A variable that adds coefficient · x; its axis spans at least low to high.

    unknown: what an unknown value adds, None where there must be one. It has its own mark on the axis, for it need not
    lie where any value does.
    """

    name: str
    coefficient: float
    low: float
    high: float
    unit: str = ""
    unknown: float | None = None

    @property
    def ticks(self) -> tuple[float, ...]:
        """Round values from at or below `low` to at or above `high`; the axis ends at the outer ones."""
        return pretty(self.low, self.high)

    @property
    def marks(self) -> tuple[Value, ...]:
        """All that is shown: the ticks, and "missing" where an unknown value counts."""
        return self.ticks if self.unknown is None else (*self.ticks, MISSING)

    def effect(self, value: Value | None) -> float:
        """Part of the linear predictor; raises InputError when the value is no finite number, nor may be unknown."""
        if self.unknown is not None and is_missing(value):
            return self.unknown
        try:
            number = float(value) if value is not None else np.nan
        except (TypeError, ValueError):
            number = np.nan
        if not np.isfinite(number):
            raise InputError(f"{self.name} is {value!r}, which is not a number; give one ({self.unit or 'no unit'}).")
        return self.coefficient * number


@dataclass(frozen=True)
class FactorTerm:
    """A variable with levels, each adding its own coefficient (0 for the reference)."""

    name: str
    levels: tuple[str, ...]
    coefficients: tuple[float, ...]

    @property
    def ticks(self) -> tuple[str, ...]:
        """Every level."""
        return self.levels

    @property
    def marks(self) -> tuple[str, ...]:
        """All that is shown: every level."""
        return self.levels

    def effect(self, value: Value | None) -> float:
        """Part of the linear predictor; raises InputError at an unknown level."""
        level = MISSING if value is None else level_text(value)
        if level not in self.levels:
            raise InputError(f"{self.name} is {level!r}, which is not one of its levels: {', '.join(self.levels)}.")
        return self.coefficients[self.levels.index(level)]


Term = NumericTerm | FactorTerm


@dataclass(frozen=True)
class Nomogram:
    """A linear model with the axes on which it is drawn."""

    intercept: float
    terms: tuple[Term, ...]
    outcome: str = "Probability"

    @classmethod
    def from_linear(cls, intercept: float, terms: Sequence[Term], outcome: str = "Probability") -> Self:
        """The nomogram of logit P = intercept + Σ effect of each term.

        Raises InputError when there is no term, a name occurs twice or no term has an effect.
        """
        names = [term.name for term in terms]
        if not terms or len(set(names)) < len(names):
            raise InputError(f"A nomogram needs one or more variables of different names; it got {names or 'none'}.")
        nomogram = cls(float(intercept), tuple(terms), outcome)
        if not nomogram.widest_range > 0:
            raise InputError("No variable of the nomogram has an effect; fit a model with at least one.")
        return nomogram

    @classmethod
    def from_regression(
        cls, model: LogisticModel, variables: Sequence[ClinicalVariable], X: np.ndarray, outcome: str = "Probability"
    ) -> Self:
        """The nomogram of a fitted logistic model.

        X: (n, p) the training cases' columns, for the numeric axes' ranges. variables: the clinical ones among the
        columns, coded by `encode_clinical`; every other column, such as a score, is a numeric axis of its own.
        Raises InputError when the model has no columns for a variable, and as `from_linear`.
        """
        weights = dict(zip(model.features, model.coefficients[1:], strict=True))
        values = dict(zip(model.features, np.asarray(X, dtype=np.float64).T, strict=True))
        terms: list[Term] = []
        for variable in variables:
            lacking = [column for column in variable.columns if column not in weights]
            if lacking:
                raise InputError(f"The model has no column {lacking[0]}; give the variables it was fitted with.")
            own = [weights.pop(column) for column in variable.columns]
            if variable.kind == "numeric":
                terms.append(_term_of(variable, own, [values[column] for column in variable.columns]))
            else:
                terms.append(FactorTerm(variable.name, variable.levels, (0.0, *own)))
        terms += [numeric_term(name, weight, values[name]) for name, weight in weights.items()]
        return cls.from_linear(model.intercept, terms, outcome)

    @property
    def widest_range(self) -> float:
        """The largest range of the linear predictor over one axis: 100 points."""
        return max(high - low for low, high in map(_effect_range, self.terms))

    @property
    def points_per_unit(self) -> float:
        """Points for one unit of the linear predictor."""
        return 100 / self.widest_range

    @property
    def zero_points(self) -> float:
        """The linear predictor at a total of 0 points."""
        return self.intercept + sum(_effect_range(term)[0] for term in self.terms)

    @property
    def most_points(self) -> float:
        """The largest total on the axes."""
        return sum(high - low for low, high in map(_effect_range, self.terms)) * self.points_per_unit

    def points_of(self, term: Term, value: Value | None) -> float:
        """Points of one value; outside the axis they go below 0 or on above its end.

        Raises InputError at an unknown level or a value that is no number.
        """
        return (term.effect(value) - _effect_range(term)[0]) * self.points_per_unit

    def points(self, values: Mapping[str, Value | None]) -> dict[str, float]:
        """Points per variable of one patient; raises InputError at a missing or unusable value."""
        missing = [term.name for term in self.terms if term.name not in values]
        if missing:
            raise InputError(f"The nomogram needs {missing[0]}, which is not given; add it to the patient's values.")
        return {term.name: self.points_of(term, values[term.name]) for term in self.terms}

    def total_points(self, values: Mapping[str, Value | None]) -> float:
        """Sum of the points of one patient; raises InputError as `points`."""
        return sum(self.points(values).values())

    def probability(self, values: Mapping[str, Value | None]) -> float:
        """P(class 1) of one patient, read off the total; raises InputError as `points`."""
        return self.probability_at(self.total_points(values))

    def probability_at(self, total: float) -> float:
        """P(class 1) at a total of points."""
        return float(expit(self.zero_points + total / self.points_per_unit))

    def total_at(self, probability: float) -> float:
        """Total points at which the probability stands."""
        return float((logit(probability) - self.zero_points) * self.points_per_unit)

    def probability_ticks(self) -> tuple[float, ...]:
        """The usual probabilities that a total on the axes can reach; round ones, or both ends, where these are few.

        Empty where every total means a probability of 0 or 1 to the last digit.
        """
        low, high = self.probability_at(0.0), self.probability_at(self.most_points)
        ticks = tuple(p for p in PROBABILITIES if low <= p <= high)
        if len(ticks) < 4:
            ticks = tuple(p for p in pretty(low, high) if low <= p <= high)
        if len(ticks) < 2:
            ticks = (low, high)
        return tuple(p for p in ticks if 0 < p < 1)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values: the model, and its axes with the points of their ticks, for any viewer.

        `from_json` restores every number of the model exactly.
        """
        axes = [
            {"name": t.name, "ticks": list(t.marks), "points": [self.points_of(t, mark) for mark in t.marks]}
            for t in self.terms
        ]
        ticks = self.probability_ticks()
        return {
            "intercept": self.intercept,
            "outcome": self.outcome,
            "terms": [{"kind": _kind(term), **asdict(term)} for term in self.terms],
            "axes": axes,
            "total": {"ticks": list(pretty(0.0, self.most_points))},
            "probability": {"ticks": list(ticks), "totals": [self.total_at(p) for p in ticks]},
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Restore a nomogram from `to_json`; raises BundleRejected when it is none."""
        kinds: dict[str, type[NumericTerm] | type[FactorTerm]] = {"numeric": NumericTerm, "factor": FactorTerm}
        try:
            terms = [_restored(kinds[term["kind"]], term) for term in document["terms"]]
            with np.errstate(all="ignore"):  # an axis beyond every float is refused, not warned of
                return cls.from_linear(document["intercept"], terms, document["outcome"])
        except (KeyError, TypeError, ValueError, OverflowError, InputError) as error:
            raise BundleRejected(f"The stored nomogram is damaged ({error}); get the model file again.") from error


def _term_of(variable: ClinicalVariable, weights: Sequence[float], columns: Sequence[np.ndarray]) -> NumericTerm:
    """The axis of a numeric clinical variable; columns: of its value and, where there is one, of unknown values."""
    if variable.usual is None:
        return numeric_term(variable.name, weights[0], columns[0], variable.unit)
    term = numeric_term(variable.name, weights[0], columns[0][columns[1] == 0], variable.unit)
    return replace(term, unknown=weights[0] * float(variable.usual) + weights[1])


def _restored(kind: type[NumericTerm] | type[FactorTerm], document: Mapping[str, Any]) -> Term:
    values = {name: value for name, value in document.items() if name != "kind"}
    if kind is NumericTerm:
        values = {"unknown": None, **values}  # older models lack it
    return kind(**fields_of(kind, values, alike=("levels", "coefficients") if kind is FactorTerm else ()))


def numeric_term(name: str, coefficient: float, values: np.ndarray, unit: str = "") -> NumericTerm:
    """A term whose axis spans the training values' quantiles q to 1 - q, q = 10 / max(n, 200), as rms does.

    values: (n,) of the training cases.
    """
    share = 10 / max(len(values), 200)
    low, high = np.quantile(np.asarray(values, dtype=np.float64), [share, 1 - share])
    return NumericTerm(name, float(coefficient), float(low), float(high), unit)


def pretty(low: float, high: float, intervals: int = 5) -> tuple[float, ...]:
    """About `intervals` + 1 evenly spaced round numbers (1, 2 or 5 times a power of ten) that cover low to high.

    A range that is empty, or too narrow for numbers within it to be told apart, becomes half its value to both sides.
    """
    if not high - low > NARROWEST * max(abs(low), abs(high), 1e-280):
        low, high = low - 0.5 * max(abs(low), 1.0), high + 0.5 * max(abs(high), 1.0)
    rough = (high - low) / intervals
    power = 10.0 ** np.floor(np.log10(rough))
    step = power * min((1, 2, 5, 10), key=lambda factor: abs(np.log(factor * power / rough)))
    first, last = np.floor(low / step + 1e-9), np.ceil(high / step - 1e-9)
    digits = max(0, -int(np.floor(np.log10(step) + 1e-9)))
    return tuple(round(float(index * step), digits) for index in np.arange(first, last + 1))


def _effect_range(term: Term) -> tuple[float, float]:
    """Smallest and largest effect at the axis' shown values."""
    effects = [term.effect(mark) for mark in term.marks]
    return min(effects), max(effects)


def _kind(term: Term) -> str:
    return "numeric" if isinstance(term, NumericTerm) else "factor"
