"""How clinical variables become numbers: their levels, their columns, and what an unknown value counts as.

All of it is learned from the training cases given and from nothing else. A value that is None or the text "missing"
is unknown. Where at least `LEAST` training patients lack a value and at least as many have it, unknown is a state of
its own with its own coefficient: a column "age missing" beside the median of the others, or a level "missing" of a
factor. With fewer, that coefficient could not be estimated, so the median or the most frequent level stands in.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np

from FeatureExtractorLib.case import ClinicalValue
from FeatureExtractorLib.errors import InputError

from .plain import fields_of

Row = Mapping[str, ClinicalValue]
MISSING = "missing"
LEAST = 10  # patients a coefficient, the usual rule of thumb (Peduzzi et al. 1996, J Clin Epidemiol 49, 1373)


@dataclass(frozen=True)
class ClinicalVariable:
    """A variable as a model knows it.

    kind: "numeric" or "categorical". levels: of a categorical one, the first being the reference. missing: what an
    unknown value counts as: the training cases' median or most frequent level, or "missing" where unknown is a state
    of its own. usual: then the median or most frequent level, else None.
    """

    name: str
    kind: str
    levels: tuple[str, ...]
    unit: str
    missing: float | str
    usual: float | str | None = None

    @property
    def value_columns(self) -> tuple[str, ...]:
        """Columns that tell the value: the variable itself, or one name=level for each level but the reference."""
        if self.kind == "numeric":
            return (self.name,)
        return tuple(f"{self.name}={level}" for level in self.levels[1:] if level != MISSING)

    @property
    def columns(self) -> tuple[str, ...]:
        """Its columns in a design: those of the value, then the one of an unknown value where there is one."""
        if self.usual is None:
            return self.value_columns
        last = f"{self.name} {MISSING}" if self.kind == "numeric" else f"{self.name}={MISSING}"
        return (*self.value_columns, last)

    @property
    def missing_note(self) -> str:
        """The sentence for a case in which the value is unknown."""
        if self.usual is None:
            return f"{self.name} is not given; the training cases' usual value, {level_text(self.missing)}, was used."
        return f"{self.name} is not given; the model counted it as missing, as it was in training cases."

    def level(self, value: ClinicalValue) -> str:
        """The level that a value of a categorical variable counts as; raises InputError at an unseen one."""
        level = level_text(self.missing if is_missing(value) else value)
        if level not in self.levels:
            known = ", ".join(self.levels)
            raise InputError(f"{self.name} is {level!r}, which the model has not seen; use one of {known}.")
        return level

    def encode(self, value: ClinicalValue) -> tuple[float, ...]:
        """Its columns' values; raises InputError at an unseen level or a text where a number belongs."""
        if self.kind != "numeric":
            level = self.level(value)
            return tuple(float(level == other) for other in self.levels[1:])
        unknown = is_missing(value)
        known = (self.missing if self.usual is None else self.usual) if unknown else value
        try:
            number = float(known) if known is not None else np.nan
        except ValueError:
            number = np.nan
        if not np.isfinite(number):
            raise InputError(f"{self.name} is {known!r}, which is not a number; correct it or leave it empty.")
        return (number,) if self.usual is None else (number, float(unknown))

    def without_missing_column(self) -> "ClinicalVariable":
        """The same variable with the usual value in the place of unknown ones."""
        if self.usual is None:
            return self
        levels = tuple(level for level in self.levels if level != MISSING)
        return replace(self, levels=levels, missing=self.usual, usual=None)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Restore a variable from `to_json`; raises BundleRejected when it is none."""
        whole = {"usual": None, **document} if isinstance(document, Mapping) else document  # older models lack it
        return cls(**fields_of(cls, whole))


def is_missing(value: ClinicalValue) -> bool:
    """True for None and the text "missing"."""
    return value is None or value == MISSING


def level_text(value: ClinicalValue) -> str:
    """A level as text; 2.0 is "2", for levels 1 and 2 may read as numbers."""
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def clinical_variables(
    rows: Sequence[Row],
    levels: Mapping[str, Sequence[str]] | None = None,
    units: Mapping[str, str] | None = None,
    groups: Sequence[Any] | np.ndarray | None = None,
) -> tuple[ClinicalVariable, ...]:
    """Describe the variables of training cases, in the order of the first row.

    rows: per case, value by name; variables with texts are categorical. levels: their order, default sorted. groups:
    (n,) patients, who are counted once where one has several rows. Variables unknown in every case are left out.
    Raises InputError where a variable's name is that of another's column for missing values.
    """
    patients = range(len(rows)) if groups is None else groups
    found = []
    for name in rows[0] if rows else ():
        known = [row[name] for row in rows if not is_missing(row.get(name))]
        if not known:
            continue
        lacking = {str(p) for p, row in zip(patients, rows, strict=True) if is_missing(row.get(name))}
        having = {str(p) for p, row in zip(patients, rows, strict=True) if not is_missing(row.get(name))}
        unit = (units or {}).get(name, "")
        variable = _described(name, known, (levels or {}).get(name), unit)
        found.append(_with_missing_column(variable) if min(len(lacking), len(having)) >= LEAST else variable)
    names = {variable.name for variable in found}
    for variable in found:
        clash = names.intersection(variable.columns[1:])
        if clash:
            raise InputError(f"Variable {min(clash)} is named as the missing values of {variable.name}; rename it.")
    return tuple(found)


def encode_clinical(rows: Sequence[Row], variables: Sequence[ClinicalVariable]) -> tuple[np.ndarray, tuple[str, ...]]:
    """(n, p) design without intercept and its column names; unknown values count as the variable's `missing`.

    Raises InputError at an unseen level or a text where a number belongs, naming it.
    """
    names = tuple(column for variable in variables for column in variable.columns)
    values = [[x for variable in variables for x in variable.encode(row.get(variable.name))] for row in rows]
    return np.asarray(values, dtype=np.float64).reshape(len(rows), len(names)), names


def _described(name: str, known: Sequence[ClinicalValue], levels: Sequence[str] | None, unit: str) -> ClinicalVariable:
    numbers = [value for value in known if value is not None and not isinstance(value, str)]
    if len(numbers) == len(known):
        return ClinicalVariable(name, "numeric", (), unit, float(np.median(numbers)))
    counts = Counter(map(level_text, known))
    order = tuple(level for level in levels or sorted(counts) if level != MISSING)
    most = max(order, key=lambda level: counts[level])
    return ClinicalVariable(name, "categorical", order, unit, most)


def _with_missing_column(variable: ClinicalVariable) -> ClinicalVariable:
    levels = (*variable.levels, MISSING) if variable.kind == "categorical" else ()
    return replace(variable, levels=levels, missing=MISSING, usual=variable.missing)
