"""A logistic model of the factors that readers note, beside a network: one for each class against the rest."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from FeatureExtractorLib.case import ClinicalValue
from FeatureExtractorLib.errors import BundleRejected, InputError

from ..clinical import ClinicalSelection, ClinicalVariable, clinical_variables, encode_clinical, select_clinical
from ..regression import LogisticModel, fit_logistic
from .class_nomogram import modelled_classes, one_against_rest

Row = Mapping[str, ClinicalValue]


@dataclass(frozen=True)
class FactorModel:
    """One class's regression of the factors that could be tested; selection: their tables, while in memory."""

    name: str
    variables: tuple[ClinicalVariable, ...]
    regression: LogisticModel
    selection: ClinicalSelection | None = None

    def probability(self, rows: Sequence[Row]) -> np.ndarray:
        """(n,) probabilities of the class against the rest; raises InputError as `encode_clinical`."""
        return self.regression.probability(*encode_clinical(rows, self.variables))

    def description(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """What a report says of the factors, alone and together, and of the regression."""
        tables = self.selection.to_json() if self.selection else {}
        return (
            {"class": self.name, **tables},
            {"class": self.name, "terms": self.regression.table(), "method": self.regression.method},
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; the description keeps the tables."""
        return {
            "name": self.name,
            "variables": [variable.to_json() for variable in self.variables],
            "regression": self.regression.to_json(),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Restore from `to_json`; raises BundleRejected where the parts do not belong together, and KeyError,
        TypeError or ValueError where it is none.
        """
        variables = tuple(ClinicalVariable.from_json(variable) for variable in document["variables"])
        model = cls(str(document["name"]), variables, LogisticModel.from_json(document["regression"]))
        columns = tuple(column for variable in variables for column in variable.columns)
        if not columns or model.regression.names != ("intercept", *columns):
            raise BundleRejected(
                f"The stored factors of {model.name} are not its regression's; get the model file again."
            )
        return model


def fit_factors(
    rows: Sequence[Row],
    y: np.ndarray,
    patients: np.ndarray,
    classes: Sequence[str],
    wanted: Sequence[str] = (),
    levels: Mapping[str, Sequence[str]] | None = None,
) -> tuple[tuple[FactorModel, ...], tuple[str, ...]]:
    """A model of each modelled class, of all factors together without selection, and warnings.

    rows: per case, value by name. y: (n,) index into `classes`. wanted: the factors; by default all there are.
    A factor that cannot be tested in every class (the same in all cases, a level without cases) is left out with a
    warning; without any there is no model. Raises InputError where a wanted factor is in no case.
    """
    missing = [name for name in wanted if not any(row.get(name) is not None for row in rows)]
    if missing:
        raise InputError(f"No case has the factor {missing[0]!r}; give it a column, or leave it out of `factors`.")
    names = list(wanted) or list(rows[0])
    known = clinical_variables([{name: row.get(name) for name in names} for row in rows], levels, groups=patients)
    if not known:
        return (), ()
    models: list[FactorModel] = []
    warnings: list[str] = []
    for name, y_class in zip(modelled_classes(classes), one_against_rest(y, classes), strict=True):
        chosen = select_clinical(rows, y_class, known, patients, math.inf, math.inf)
        warnings += chosen.warnings
        if not chosen.selected:
            return (), tuple(dict.fromkeys(warnings))
        X, columns = encode_clinical(rows, chosen.selected)
        regression = fit_logistic(X, y_class, columns, patients)
        warnings += regression.warnings
        models.append(FactorModel(name, chosen.selected, regression, chosen))
    return tuple(models), tuple(dict.fromkeys(warnings))
