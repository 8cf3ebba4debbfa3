"""Figures of three and more classes against scikit-learn, on the cases and on every resample."""

import numpy as np
import pytest
from sklearn import metrics

from FeatureExtractorLib.errors import InputError
from TumorClassifierLib.evaluation.intervals import bootstrap_rows
from TumorClassifierLib.evaluation.multiclass import confusion_matrix, macro_metrics


def predictions(n: int = 90, classes: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    logits = rng.normal(size=(n, classes)) + 1.2 * np.eye(classes)[y]
    P = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return y, P


def of_scikit_learn(y: np.ndarray, P: np.ndarray, called: np.ndarray) -> dict[str, float]:
    one_hot = np.eye(P.shape[1])[y]
    averaged = {"average": "macro", "zero_division": np.nan}
    return {
        "auc": metrics.roc_auc_score(y, P, multi_class="ovr", average="macro"),
        "ap": metrics.average_precision_score(one_hot, P, average="macro"),
        "accuracy": metrics.accuracy_score(y, called),
        "balanced_accuracy": metrics.balanced_accuracy_score(y, called),
        "sensitivity": metrics.recall_score(y, called, **averaged),
        "ppv": metrics.precision_score(y, called, **averaged),
        "f1": metrics.f1_score(y, called, **averaged),
        "specificity": np.mean([metrics.recall_score(y != k, called != k) for k in range(P.shape[1])]),
        "npv": np.mean([metrics.precision_score(y != k, called != k) for k in range(P.shape[1])]),
        "brier": np.mean([metrics.brier_score_loss(y == k, P[:, k]) for k in range(P.shape[1])]),
    }


@pytest.mark.parametrize("classes", [3, 4])
def test_macro_figures_and_their_intervals_are_those_of_scikit_learn(classes: int) -> None:
    y, P = predictions(classes=classes)
    order = np.lexsort((np.argmax(P, axis=1), *P.T[::-1], y))
    y, P = y[order], P[order]
    called = np.argmax(P, axis=1)
    found = macro_metrics(y, P, called, resamples=40, seed=3)
    expected = of_scikit_learn(y, P, called)
    assert {name: interval.value for name, interval in found.items()} == pytest.approx(expected, abs=1e-12)
    again = []
    for weight in bootstrap_rows(y, None, 40, 3).astype(int):
        again.append(of_scikit_learn(np.repeat(y, weight), np.repeat(P, weight, axis=0), np.repeat(called, weight)))
    for name in set(expected) - {"accuracy"}:
        limits = np.quantile([draw[name] for draw in again], [0.025, 0.975])
        assert (found[name].low, found[name].high) == pytest.approx(tuple(limits), abs=1e-12), name


def test_the_order_of_patients_and_classes_does_not_matter() -> None:
    y, P = predictions()
    first = macro_metrics(y, P, np.argmax(P, axis=1), resamples=50)
    order = np.random.default_rng(0).permutation(len(y))
    shuffled = macro_metrics(y[order], P[order], np.argmax(P, axis=1)[order], resamples=50)
    renamed = macro_metrics(3 - y, P[:, ::-1], 3 - np.argmax(P, axis=1), resamples=50)
    for name, interval in first.items():
        assert (shuffled[name].value, shuffled[name].low) == pytest.approx((interval.value, interval.low), abs=1e-12)
        assert renamed[name].value == pytest.approx(interval.value, abs=1e-12)


def test_perfect_macro_figures_have_the_bound_of_the_rarest_class() -> None:
    y = np.repeat([0, 1, 2], [7, 3, 5])
    found = macro_metrics(y, 0.7 * np.eye(3)[y] + 0.1, y, resamples=20)
    for name in ("auc", "ap", "sensitivity", "balanced_accuracy", "f1"):
        assert (found[name].value, found[name].high) == (pytest.approx(1), 1)
        assert found[name].low == pytest.approx(0.025 ** (1 / 3))


def test_a_class_that_is_never_called_leaves_no_macro_ppv() -> None:
    y, P = predictions(classes=3)
    found = macro_metrics(y, P, np.where(np.argmax(P, axis=1) == 2, 1, np.argmax(P, axis=1)), resamples=20)
    assert found["ppv"] is None
    assert found["npv"] is not None


def test_the_confusion_matrix_is_that_of_scikit_learn() -> None:
    y, P = predictions(classes=4)
    called = np.argmax(P, axis=1)
    np.testing.assert_array_equal(confusion_matrix(y, called, 4), metrics.confusion_matrix(y, called))
    assert confusion_matrix(np.array([0]), np.array([2]), 3).tolist() == [[0, 0, 1], [0, 0, 0], [0, 0, 0]]


def test_what_is_no_set_of_probabilities_is_refused() -> None:
    y, P = predictions(classes=3)
    called = np.argmax(P, axis=1)
    with pytest.raises(InputError, match="sum to 1"):
        macro_metrics(y, 2 * P, called)
    with pytest.raises(InputError, match="No case is of class 2"):
        macro_metrics(np.minimum(y, 1), P, called)
    with pytest.raises(InputError, match="one row a case"):
        macro_metrics(y[:-1], P, called)
