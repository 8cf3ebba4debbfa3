"""The little of scikit-learn's protocol that our selectors need, without importing scikit-learn at file scope."""

import inspect
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from FeatureExtractorLib.errors import InputError

from .folds import canonical_order


class Estimator:
    """Parameters are stored as given and read back by name, so that `clone`, `Pipeline` and searches work."""

    @classmethod
    def _parameter_names(cls) -> list[str]:
        return list(inspect.signature(cls).parameters)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The constructor's arguments by name; `deep` is accepted because callers pass it."""
        return {name: getattr(self, name) for name in self._parameter_names()}

    def set_params(self, **parameters: Any) -> Self:
        """Change arguments; raises InputError at an unknown name."""
        for name, value in parameters.items():
            if name not in self._parameter_names():
                raise InputError(
                    f"{type(self).__name__} has no parameter {name!r}; it has {', '.join(self._parameter_names())}."
                )
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.get_params().items())})"

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import Tags, TargetTags, TransformerTags

        return Tags(estimator_type=None, target_tags=TargetTags(required=True), transformer_tags=TransformerTags())


class Selector(Estimator):
    """A transformer that keeps some columns; subclasses say which in `choose`."""

    support_: np.ndarray
    n_features_in_: int
    feature_names_in_: np.ndarray

    def choose(self, X: np.ndarray, y: np.ndarray, names: Sequence[str], groups: np.ndarray | None) -> np.ndarray:
        """(p,) True for each column to keep; X (n, p) is finite."""
        raise NotImplementedError

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Learn which columns to keep.

        X: (n, p) array or data frame. y: (n,) class 0 or 1. groups: (n,) patient of each row, for selectors that
        cross-validate. Raises InputError at missing values and when no column is left.
        """
        if hasattr(X, "columns"):
            self.feature_names_in_ = np.asarray([str(name) for name in X.columns], dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        values = np.asarray(X, dtype=np.float64)
        self.n_features_in_ = values.shape[1]
        names = [str(name) for name in getattr(self, "feature_names_in_", default_names(self.n_features_in_))]
        check_finite(values, names)
        labels = binary_labels(y)
        order = canonical_order(values, labels, groups)  # so that rounding does not depend on the order of the rows
        patients = None if groups is None else np.asarray(groups)[order]
        self.support_ = self.choose(values[order], labels[order], names, patients)
        if not self.support_.any():
            raise InputError(f"{self!r} kept none of {self.n_features_in_} features; relax it or check the features.")
        return self

    def transform(self, X: Any) -> np.ndarray:
        """The kept columns, (n, k); raises InputError when X has another number of columns than in `fit`."""
        values = np.asarray(X)
        if values.shape[1] != self.n_features_in_:
            raise InputError(
                f"{type(self).__name__} was fitted on {self.n_features_in_} features and got {values.shape[1]}; "
                "give the same columns in the same order."
            )
        return values[:, self.support_]

    def fit_transform(self, X: Any, y: Any, groups: Any = None) -> np.ndarray:
        """`fit`, then `transform`."""
        return self.fit(X, y, groups).transform(X)

    def get_support(self, indices: bool = False) -> np.ndarray:
        """Which columns are kept, as (p,) booleans or as indices."""
        return np.flatnonzero(self.support_) if indices else self.support_

    def get_feature_names_out(self, input_features: Sequence[str] | None = None) -> np.ndarray:
        """Names of the kept columns."""
        if input_features is None:
            input_features = list(getattr(self, "feature_names_in_", default_names(self.n_features_in_)))
        return np.asarray(input_features, dtype=object)[self.support_]

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "support_")


def default_names(count: int) -> list[str]:
    """x0, x1, …, as scikit-learn calls columns without a name."""
    return [f"x{index}" for index in range(count)]


def binary_labels(y: Any) -> np.ndarray:
    """(n,) integers 0 and 1; raises InputError at any other value."""
    labels = np.asarray(y)
    if labels.ndim != 1 or not np.isin(labels, (0, 1)).all():
        raise InputError("The classes must be one 0 or 1 a case; code the class of interest as 1.")
    return labels.astype(np.int64)


def check_finite(X: np.ndarray, names: Sequence[str]) -> None:
    """Raise InputError naming the first column of X (n, p) that has a missing or infinite value."""
    bad = ~np.isfinite(X)
    if bad.any():
        column = int(np.argmax(bad.any(axis=0)))
        raise InputError(
            f"Feature {names[column]} has no finite value in {int(bad[:, column].sum())} case(s); "
            "leave out these cases or this feature."
        )


def is_constant(X: np.ndarray) -> np.ndarray:
    """(p,) True for columns of X (n, p) whose spread is no more than rounding (1e-10 of their largest value)."""
    return np.asarray(X.std(axis=0) <= 1e-10 * np.abs(X).max(axis=0))
