"""What each feature adds to one patient's logit, compared with the average training patient; exact where it can be.

A nomogram is linear in its clinical columns and scores, and a score is linear in its features. So a feature adds
regression coefficient · (its part in the patient's score - its part in the score of the training mean), and these sum
to logit p - logit p of the training mean with nothing left over. A model that is not linear, such as an SVM with
radial kernels, is explained by Shapley values (Shapley 1953) against stored training cases, by sampling orders in
which features are replaced (Štrumbelj & Kononenko 2014); they sum exactly, too.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from FeatureExtractorLib.errors import InputError

from ..estimator import check_finite
from ..regression import LogisticModel
from ..signature import SignatureScore

CLINICAL = "clinical"
ROWS_AT_ONCE = 20_000


@dataclass(frozen=True)
class Contribution:
    """What a feature of a block (a score's name, or "clinical") adds to the logit; value: the patient's."""

    block: str
    feature: str
    value: float
    contribution: float


@dataclass(frozen=True)
class Explanation:
    """base: logit of the average training patient; base and all contributions sum to this patient's logit."""

    base: float
    contributions: tuple[Contribution, ...]

    def to_json(self) -> list[dict[str, Any]]:
        """The contributions as plain JSON values, largest first."""
        return [asdict(item) for item in self.contributions]


def linear_contributions(
    regression: LogisticModel,
    signatures: Mapping[str, SignatureScore],
    features: Mapping[str, Mapping[str, float]],
    clinical: Mapping[str, float],
    average: Mapping[str, float],
    variable_of: Mapping[str, str] | None = None,
) -> Explanation:
    """Exact contributions to the logit of a regression on clinical columns and scores.

    signatures: by the name that their score has in the regression. features: of this patient, by the same name.
    clinical: this patient's value in each other column of the regression; average: the training cases' mean of it.
    variable_of: the variable of a clinical column, where several columns code one; theirs are added up, and their
    value is the largest of them. The average training patient has every feature at its signature's mean.
    Raises InputError at a column or feature that is missing or not finite.
    """
    found: list[Contribution] = []
    by_variable: dict[str, Contribution] = {}
    base = regression.intercept
    for name, weight in zip(regression.features, regression.coefficients[1:], strict=True):
        if name in signatures:
            signature = signatures[name]
            given = features.get(name, {})
            row = np.asarray([list(given.values())], dtype=np.float64)
            parts = weight * signature.contributions(row, list(given))[0]
            base += weight * signature.intercept
            found += [
                Contribution(name, feature, float(given[feature]), float(part))
                for feature, part in zip(signature.features, parts, strict=True)
            ]
            continue
        if name not in clinical or name not in average:
            raise InputError(f"The column {name} of the regression has no value or no average; give both.")
        check_finite(np.asarray([[clinical[name], average[name]]]).T, [name])
        base += weight * average[name]
        variable = (variable_of or {}).get(name, name)
        before = by_variable.get(variable)
        part = weight * (clinical[name] - average[name])
        by_variable[variable] = Contribution(
            CLINICAL,
            variable,
            float(clinical[name]) if before is None else max(before.value, float(clinical[name])),
            float(part) if before is None else before.contribution + float(part),
        )
    return Explanation(float(base), _largest_first([*found, *by_variable.values()]))


def permutation_contributions(
    function: Callable[[np.ndarray], np.ndarray],
    x: np.ndarray,
    background: np.ndarray,
    names: Sequence[str],
    n: int = 200,
    seed: int = 0,
    block: str = "signature",
) -> Explanation:
    """Shapley values of `function` at x against background cases, by sampling; base: its mean over the background.

    function: (m, p) -> (m,) logits. x: (p,); background: (b, p) training cases; names: (p,). n: orders drawn; each is
    used forwards and backwards (Mitchell et al. 2022), and each background case equally often, so n is raised to a
    multiple of b. Their sum is exact; each value has a standard error that falls with the root of n, and is exact for
    a function that adds features up. Equal seeds give equal values.
    Raises InputError at values that are not finite and shapes that do not match.
    """
    x, background = np.asarray(x, dtype=np.float64), np.atleast_2d(np.asarray(background, dtype=np.float64))
    if x.shape != (len(names),) or background.shape[1:] != x.shape or not len(background) or n < 1:
        raise InputError(f"Values of shape {x.shape}, background {background.shape}: give one of {len(names)} a name.")
    check_finite(np.vstack([x, background]), names)
    p, rng = len(names), np.random.default_rng(seed)
    rounds = -(-n // len(background))
    total = np.zeros(p)
    size = max(1, ROWS_AT_ONCE // (2 * (p + 1)))
    start_rows = np.tile(np.arange(len(background)), rounds)
    for first in range(0, len(start_rows), size):
        starts = background[start_rows[first : first + size]]
        orders = rng.permuted(np.tile(np.arange(p), (len(starts), 1)), axis=1)
        for order in (orders, orders[:, ::-1]):
            total += _walks(function, x, starts, order)
    base = float(np.mean(function(background)))
    values = total / (2 * len(start_rows))
    found = [Contribution(block, str(names[j]), float(x[j]), float(values[j])) for j in range(p)]
    return Explanation(base, _largest_first(found))


def _walks(
    function: Callable[[np.ndarray], np.ndarray], x: np.ndarray, starts: np.ndarray, orders: np.ndarray
) -> np.ndarray:
    """(p,) sum over walks from starts (m, p) to x of what replacing each feature, in orders (m, p), changes."""
    m, p = starts.shape
    replaced_at = np.argsort(orders, axis=1)  # (m, p): the step at which each feature is replaced
    done = replaced_at[:, None, :] < np.arange(p + 1)[None, :, None]
    rows = np.where(done, x, starts[:, None, :]).reshape(m * (p + 1), p)
    steps = np.diff(np.asarray(function(rows), dtype=np.float64).reshape(m, p + 1), axis=1)
    return np.bincount(orders.reshape(-1), weights=steps.reshape(-1), minlength=p)


def _largest_first(found: Sequence[Contribution]) -> tuple[Contribution, ...]:
    return tuple(sorted(found, key=lambda item: -abs(item.contribution)))
