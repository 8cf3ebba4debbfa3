"""Logistic regression with the inference that papers report, and Firth's penalty where the classes separate."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy.special import chdtrc, expit, ndtri

from FeatureExtractorLib.errors import InputError

from .estimator import binary_labels, check_finite, is_constant
from .folds import as_groups, canonical_order
from .plain import fields_of, numbers_of
from .signature import select_columns

LEVEL = 0.95
ROWS_AS_PATIENTS = (
    "Some patients have several rows, which the tests of Firth's method count as so many patients: p is too "
    "small and the intervals are too narrow."
)
MOST_EXPONENT = 709.0  # of the largest double


@dataclass(frozen=True)
class LogisticModel:
    """logit P(1) = coefficients[0] + Σ coefficients[j] · x[j-1].

    names: ("intercept", …) and per name: coefficient, standard error, two-sided p, 95 % limits of the coefficient.
    covariance: of the coefficients, row by row. method: "ml" (Wald tests), "ml, cluster-robust" (Wald tests that
    allow for several rows a patient) or "firth" (penalised likelihood-ratio tests and profile limits, Wald's where the
    profile is too flat to follow).
    """

    names: tuple[str, ...]
    coefficients: tuple[float, ...]
    standard_errors: tuple[float, ...]
    p_values: tuple[float, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]
    method: str
    log_likelihood: float
    cases: int
    warnings: tuple[str, ...] = ()

    @property
    def intercept(self) -> float:
        """The constant term."""
        return self.coefficients[0]

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the columns, without the intercept."""
        return self.names[1:]

    def linear_predictor(self, X: np.ndarray, names: Sequence[str] | None = None) -> np.ndarray:
        """(n,) logits of X (n, p), columns `names` or exactly `features`; raises InputError at a gap."""
        values = select_columns(X, names, self.features)
        return np.asarray(self.intercept + values @ np.asarray(self.coefficients[1:]))

    def probability(self, X: np.ndarray, names: Sequence[str] | None = None) -> np.ndarray:
        """(n,) probabilities of class 1; raises InputError as `linear_predictor`."""
        return np.asarray(expit(self.linear_predictor(X, names)))

    def probability_interval(
        self, X: np.ndarray, names: Sequence[str] | None = None, level: float = LEVEL
    ) -> tuple[np.ndarray, np.ndarray]:
        """(low, high), each (n,): Wald limits of the predicted probability, taken on the logit scale."""
        design = _with_intercept(select_columns(X, names, self.features))
        error = np.sqrt(np.einsum("ij,jk,ik->i", design, np.asarray(self.covariance), design))
        centre = self.linear_predictor(X, names)
        half = ndtri((1 + level) / 2) * error
        return np.asarray(expit(centre - half)), np.asarray(expit(centre + half))

    def odds_ratios(self) -> tuple[tuple[float, float, float], ...]:
        """(odds ratio, low, high) with 95 % limits per name; infinite where the exponential overflows."""
        with np.errstate(over="ignore"):
            table = np.exp(np.asarray([self.coefficients, self.lower, self.upper])).T
        return tuple((float(ratio), float(low), float(high)) for ratio, low, high in table)

    def table(self) -> list[dict[str, Any]]:
        """Per name, the intercept first, as papers list it: coefficient, odds_ratio, its limits low and high, p.

        An odds ratio or limit that is too large to write is None.
        """
        columns = zip(self.names, self.coefficients, self.lower, self.upper, self.p_values, strict=True)
        return [
            {
                "name": name,
                "coefficient": coefficient,
                "odds_ratio": odds_ratio(coefficient),
                "low": odds_ratio(low),
                "high": odds_ratio(high),
                "p": p,
            }
            for name, coefficient, low, high, p in columns
        ]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values from which `from_json` restores every number exactly."""
        return dict(self.__dict__)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Restore a model from `to_json`; raises BundleRejected when it is none."""
        whole = ("names", "coefficients", "standard_errors", "p_values", "lower", "upper", "covariance")
        values = fields_of(cls, document, alike=whole)
        numbers_of(cls, "covariance", values["covariance"], (len(values["names"]),) * 2)
        return cls(**values)


def fit_logistic(
    X: np.ndarray, y: np.ndarray, names: Sequence[str], groups: np.ndarray | None = None, method: str = "auto"
) -> LogisticModel:
    """Fit by maximum likelihood, or with Firth's penalty where the classes can be separated.

    X: (n, p); y: (n,) 0/1; names: (p,). groups: (n,) patients; where one has several rows, standard errors are
    cluster-robust; Firth's are not, which a warning says. method: "auto", "ml" or "firth".
    Raises InputError at missing values, one class only, constant or dependent columns, and for "ml" at separation.
    """
    X, labels = np.atleast_2d(np.asarray(X, dtype=np.float64)), binary_labels(y)
    check_finite(X, names)
    check_design(X, labels, names)
    if method not in ("auto", "ml", "firth"):
        raise InputError(f"Logistic regression has no method {method!r}; choose auto, ml or firth.")
    order = canonical_order(X, labels, groups)
    patients = as_groups(groups, len(labels))[order]
    X, labels = X[order], labels[order]
    separable = method != "firth" and is_separable(X, labels)
    if separable and method == "ml":
        raise InputError(
            "Maximum likelihood has no finite solution because the variables separate the classes; use method firth."
        )
    if method == "firth" or separable:
        return _fit_firth(X, labels, names, separable, repeated=len(np.unique(patients)) < len(patients))
    return _fit_ml(X, labels, names, patients)


def odds_ratio(coefficient: float) -> float | None:
    """exp(coefficient); None where it overflows, since JSON has no infinity."""
    return math.exp(coefficient) if coefficient < MOST_EXPONENT else None


def joint_p(model: LogisticModel, X: np.ndarray, y: np.ndarray, columns: Sequence[str]) -> float:
    """p of the hypothesis that the coefficients of these columns are all zero.

    X (n, p), y (n,): what the model was fitted on. One column: its own p. Several: Wald's test with the model's
    covariance, after Firth's method the penalised likelihood-ratio test, for Wald's has no power under separation.
    """
    where = [model.names.index(column) for column in columns]
    if len(where) == 1:
        return model.p_values[where[0]]
    if model.method == "firth":
        from .firth import joint_likelihood_ratio_p

        return joint_likelihood_ratio_p(_with_intercept(np.asarray(X, dtype=np.float64)), binary_labels(y), where)
    beta = np.asarray(model.coefficients)[where]
    covariance = np.asarray(model.covariance)[np.ix_(where, where)]
    return float(chdtrc(len(where), beta @ np.linalg.solve(covariance, beta)))


def is_separable(X: np.ndarray, y: np.ndarray) -> bool:
    """True when some weights put every case of class 1 on or above a plane, all others on or below, not all on it.

    Then the likelihood has no finite maximum (Albert & Anderson 1984); decided by linear programming (Konis 2007).
    X: (n, p); y: (n,) 0/1.
    """
    from scipy.optimize import linprog

    spread = X.std(axis=0)
    design = _with_intercept((X - X.mean(axis=0)) / np.where(spread > 0, spread, 1))
    signed = np.where(y == 1, 1.0, -1.0)[:, None] * design
    result = linprog(-signed.sum(axis=0), A_ub=-signed, b_ub=np.zeros(len(y)), bounds=(-1, 1), method="highs")
    return bool(result.status == 0 and -float(result.fun or 0.0) > 1e-6)


def _fit_ml(X: np.ndarray, y: np.ndarray, names: Sequence[str], patients: np.ndarray) -> LogisticModel:
    from statsmodels.discrete.discrete_model import Logit

    repeated = len(np.unique(patients)) < len(patients)
    robust: dict[str, Any] = {"cov_type": "cluster", "cov_kwds": {"groups": patients}} if repeated else {}
    mean, scale = X.mean(axis=0), X.std(axis=0)  # Newton's steps on standardised columns do not overflow
    fit = Logit(y, _with_intercept((X - mean) / scale)).fit(disp=0, maxiter=200, tol=1e-12, **robust)
    back = _unscale(mean, scale)
    coefficients = back @ fit.params
    covariance = back @ fit.cov_params() @ back.T
    errors = np.sqrt(np.diag(covariance))
    half = ndtri((1 + LEVEL) / 2) * errors
    return _model(
        names,
        coefficients,
        _wald_p(coefficients, errors),
        (coefficients - half, coefficients + half),
        covariance,
        method="ml, cluster-robust" if repeated else "ml",
        log_likelihood=float(fit.llf),
        cases=len(y),
    )


def _fit_firth(X: np.ndarray, y: np.ndarray, names: Sequence[str], separable: bool, repeated: bool) -> LogisticModel:
    from .firth import fit_firth

    fit = fit_firth(_with_intercept(X), y, LEVEL)
    notes = ["The variables separate the classes, so Firth's penalised likelihood was used."] if separable else []
    notes += [ROWS_AS_PATIENTS] if repeated else []
    return _model(
        names,
        fit.coefficients,
        fit.p_values,
        (fit.lower, fit.upper),
        fit.covariance,
        method="firth",
        log_likelihood=fit.log_likelihood,
        cases=len(y),
        warnings=tuple(notes),
    )


def _model(
    names: Sequence[str],
    coefficients: np.ndarray,
    p_values: np.ndarray,
    limits: tuple[np.ndarray, np.ndarray],
    covariance: np.ndarray,
    **rest: Any,
) -> LogisticModel:
    return LogisticModel(
        names=("intercept", *map(str, names)),
        coefficients=tuple(coefficients.tolist()),
        standard_errors=tuple(np.sqrt(np.diag(covariance)).tolist()),
        p_values=tuple(p_values.tolist()),
        lower=tuple(limits[0].tolist()),
        upper=tuple(limits[1].tolist()),
        covariance=tuple(tuple(row) for row in covariance.tolist()),
        **rest,
    )


def check_design(X: np.ndarray, y: np.ndarray, names: Sequence[str]) -> None:
    """Raise InputError where a logistic regression of y (n,) on X (n, p) has no unique solution.

    That is: one class only, constant or linearly dependent columns, more columns than cases.
    """
    if len(names) != X.shape[1] or len(y) != len(X):
        raise InputError(f"The design is {X.shape[0]} x {X.shape[1]} for {len(y)} cases and {len(names)} names.")
    if y.min() == y.max():
        raise InputError("All cases are of one class; regression needs cases of both.")
    constant = is_constant(X)
    if constant.any():
        raise InputError(f"Variable {names[int(np.argmax(constant))]} is the same in all cases; leave it out.")
    if X.shape[1] + 1 > len(y):
        raise InputError(f"There are {X.shape[1]} variables for {len(y)} cases; select fewer variables.")
    z = _with_intercept((X - X.mean(axis=0)) / X.std(axis=0))
    for column in range(2, z.shape[1] + 1):
        if np.linalg.matrix_rank(z[:, :column], tol=1e-8 * len(y) ** 0.5) < column:
            raise InputError(f"Variable {names[column - 2]} follows from the others before it; leave it out.")


def _with_intercept(X: np.ndarray) -> np.ndarray:
    return np.column_stack([np.ones(len(X)), X])


def _unscale(mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """The matrix that takes coefficients of standardised columns to those of the columns themselves."""
    back = np.diag(np.concatenate([[1.0], 1 / scale]))
    back[0, 1:] = -mean / scale
    return back


def _wald_p(coefficients: np.ndarray, errors: np.ndarray) -> np.ndarray:
    from scipy.special import ndtr

    return np.asarray(2 * ndtr(-np.abs(coefficients / errors)))
