"""One class against the rest: a logistic regression of clinical variables and image scores, drawn as a nomogram.

With two classes there is one, of the positive class. With more there is one a class, and their probabilities are
divided by their sum.

Where patients have several images, and those of one class more than others, the share of a class among the images is
not its share among the patients. The probabilities given are of patients: the intercept is moved by the difference of
the shares' logits, the usual correction of a sample drawn by outcome (King & Zeng 2001, Political Analysis 9, 137).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from scipy.special import logit

from FeatureExtractorLib.case import ClinicalValue
from FeatureExtractorLib.errors import InputError

from ..clinical import (
    ClinicalSelection,
    ClinicalVariable,
    clinical_variables,
    encode_clinical,
    is_missing,
    select_clinical,
)
from ..estimator import is_constant
from ..evaluation.discrimination import auc
from ..evaluation.thresholds import choose_threshold
from ..explain.contributions import Explanation, linear_contributions
from ..folds import Split
from ..nomogram import Nomogram
from ..regression import LogisticModel, fit_logistic
from ..signature import SignatureScore

Row = Mapping[str, ClinicalValue]


@dataclass(frozen=True)
class ClassNomogram:
    """name: the class. variables: the clinical ones that stayed. scores: names of the image scores beside them.

    averages: mean of each clinical column over the training cases, which contributions are measured from.
    """

    name: str
    variables: tuple[ClinicalVariable, ...]
    scores: tuple[str, ...]
    regression: LogisticModel
    nomogram: Nomogram
    averages: tuple[float, ...] = ()
    selection: ClinicalSelection | None = None

    def design(self, rows: Sequence[Row], scores: np.ndarray) -> np.ndarray:
        """(n, p) columns of the regression; scores: (n, number of scores). Raises InputError as `encode_clinical`."""
        return np.hstack([encode_clinical(rows, self.variables)[0], scores])

    def probability(self, rows: Sequence[Row], scores: np.ndarray) -> np.ndarray:
        """(n,) probabilities of the class against the rest."""
        return self.regression.probability(self.design(rows, scores))

    def values(self, row: Row, scores: np.ndarray) -> dict[str, float | str]:
        """One patient's value on each axis of the nomogram; scores: (number of scores,)."""
        found: dict[str, float | str] = {}
        for variable in self.variables:
            value = row.get(variable.name)
            found[variable.name] = variable.missing if value is None or is_missing(value) else value
        return found | dict(zip(self.scores, scores.tolist(), strict=True))

    def contributions(
        self, row: Row, signatures: Mapping[str, SignatureScore], features: Mapping[str, Mapping[str, float]]
    ) -> Explanation:
        """What each feature and clinical variable adds to this patient's logit, compared with the training mean.

        signatures, features: of this patient, by the names of the scores.
        """
        values, columns = encode_clinical([row], self.variables)
        return linear_contributions(
            self.regression,
            signatures,
            features,
            dict(zip(columns, values[0].tolist(), strict=True)),
            dict(zip(columns, self.averages, strict=True)),
            {column: variable.name for variable in self.variables for column in variable.columns},
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; the tables of the selection are left out, for the description keeps them."""
        return {
            "name": self.name,
            "variables": [variable.to_json() for variable in self.variables],
            "scores": list(self.scores),
            "regression": self.regression.to_json(),
            "nomogram": self.nomogram.to_json(),
            "averages": list(self.averages),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Restore from `to_json`; raises BundleRejected, KeyError, TypeError or ValueError when it is none."""
        return cls(
            name=str(document["name"]),
            variables=tuple(ClinicalVariable.from_json(variable) for variable in document["variables"]),
            scores=tuple(map(str, document["scores"])),
            regression=LogisticModel.from_json(document["regression"]),
            nomogram=Nomogram.from_json(document["nomogram"]),
            averages=tuple(map(float, document["averages"])),
        )

    def description(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """What a report says of the clinical selection and of the regression."""
        none: dict[str, Any] = {"selected": [], "univariate": [], "multivariate": [], "warnings": [], "refused": []}
        return (
            {"class": self.name, **(self.selection.to_json() if self.selection else none)},
            {"class": self.name, "terms": self.regression.table(), "method": self.regression.method},
        )


def fit_class_nomogram(
    name: str,
    rows: Sequence[Row],
    y: np.ndarray,
    patients: np.ndarray,
    scores: np.ndarray,
    score_names: Sequence[str],
    splits: Sequence[Split],
    univariate_p: float,
    multivariate_p: float,
    levels: Mapping[str, Sequence[str]] | None = None,
) -> tuple[ClassNomogram, np.ndarray, tuple[str, ...]]:
    """Select the clinical variables by their p alone and together, and fit the regression.

    rows: per case, clinical value by name. y: (n,) 1 for the class, 0 for the rest. scores: (n, s) of cases that the
    scores' own models had not seen. splits: of the cross-fitting that gives the (n,) probabilities returned, which
    calibration and threshold may rest on. Returns also warnings. Raises InputError as the regression does.
    """
    known = clinical_variables(rows, levels, groups=patients)
    chosen = None
    if known:
        chosen = select_clinical(rows, y, known, patients, univariate_p, multivariate_p)
    variables = chosen.selected if chosen else ()
    clinical, clinical_names = encode_clinical(rows, variables)
    design, names = np.hstack([clinical, scores]), [*clinical_names, *score_names]
    regression = _moved(fit_logistic(design, y, names, patients), share_shift(y, patients))
    held_out = cross_fitted_probabilities(design, y, names, patients, splits)
    fitted = ClassNomogram(
        name=name,
        variables=variables,
        scores=tuple(score_names),
        regression=regression,
        nomogram=Nomogram.from_regression(regression, variables, design, f"Probability of {name}"),
        averages=tuple(clinical.mean(axis=0).tolist()),
        selection=chosen,
    )
    told = [*(chosen.warnings if chosen else ()), *regression.warnings]
    for score, values in zip(score_names, scores.T, strict=True):
        if auc(y, values) <= 0.5:
            told.append(f"On patients it had not seen, the {score} of {name} did not rise with it: it tells nothing.")
    return fitted, held_out, tuple(told)


def cross_fitted_probabilities(
    design: np.ndarray, y: np.ndarray, names: Sequence[str], patients: np.ndarray, splits: Sequence[Split]
) -> np.ndarray:
    """(n,) probability of each case by a regression fitted on the other folds.

    A column that is the same in all of a fold's training cases, as a rare level may be, has no weight there; a fold
    whose columns depend on each other gives its cases the training share of the class.
    """
    held_out = np.empty(len(y))
    for train, test in splits:
        varies = np.flatnonzero(~is_constant(design[train]))
        kept = [names[int(j)] for j in varies]
        try:
            model = fit_logistic(design[np.ix_(train, varies)], y[train], kept, patients[train])
            model = _moved(model, share_shift(y[train], patients[train]))
            held_out[test] = model.probability(design[np.ix_(test, varies)])
        except InputError:
            held_out[test] = y[train].mean()
    return held_out


def share_shift(y: np.ndarray, patients: np.ndarray) -> float:
    """logit(share of class 1 among the patients) − logit(its share among the cases); 0 where each has one case.

    y: (n,) 0/1 with both; patients: (n,).
    """
    _, of_patient, counts = np.unique(patients, return_inverse=True, return_counts=True)
    if len(counts) == len(y):
        return 0.0
    among_patients = float((np.bincount(of_patient, y) / counts).mean())
    return float(logit(among_patients) - logit(y.mean()))


def _moved(model: LogisticModel, shift: float) -> LogisticModel:
    """The model with another intercept, its limits along with it."""
    if shift == 0:
        return model
    coefficients, lower, upper = ((one[0] + shift, *one[1:]) for one in (model.coefficients, model.lower, model.upper))
    return replace(model, coefficients=coefficients, lower=lower, upper=upper)


def shared_out(of_class: Sequence[np.ndarray], classes: Sequence[str]) -> np.ndarray:
    """(n, K) probabilities whose rows sum to 1, from (n,) of each model: the positive class's, or one a class."""
    if len(classes) == 2:
        (p,) = of_class
        return np.column_stack([1.0 - p, p])
    P = np.column_stack(list(of_class))
    total = P.sum(axis=1, keepdims=True)
    return np.where(total > 0, P / np.where(total > 0, total, 1.0), 1.0 / len(classes))


def modelled_classes(classes: Sequence[str]) -> tuple[str, ...]:
    """The classes that have a model of their own: the positive one of two, or every one."""
    return tuple(classes[1:] if len(classes) == 2 else classes)


def one_against_rest(y: np.ndarray, classes: Sequence[str]) -> list[np.ndarray]:
    """For each class with a model of its own (n,) 1 where y, an index into `classes`, is that class."""
    return [(y == list(classes).index(name)).astype(np.int64) for name in modelled_classes(classes)]


def binary_threshold(y: np.ndarray, P: np.ndarray, patients: np.ndarray, rule: str) -> float | None:
    """The cut of the positive class's held-out probability by `choose_threshold`; None for three or more classes."""
    if P.shape[1] > 2:
        return None
    return choose_threshold(y, P[:, 1], rule, patients)
