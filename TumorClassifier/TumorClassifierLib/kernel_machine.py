"""The two-class support vector machine on a matrix of similarities: what is solved thousands of times in selection."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np

Solution = tuple[np.ndarray, float]
Solver = Callable[[np.ndarray, np.ndarray, float], Solution]


def solve_on_kernel(kernel: np.ndarray, y: np.ndarray, cost: float) -> Solution:
    """(dual, intercept) of a C-SVM: decision of u = Σ dual[i] · k(u, i) + intercept, above 0 for class 1.

    kernel: (n, n) similarities of the training cases. y: (n,) 0/1 with both classes. dual: (n,), 0 where a case is no
    support vector. The solution is that of scikit-learn's SVC(kernel="precomputed").
    """
    return _solver()(np.ascontiguousarray(kernel, dtype=np.float64), np.asarray(y, dtype=np.float64), float(cost))


def rbf_kernel(A: np.ndarray, B: np.ndarray, gamma: float) -> np.ndarray:
    """(a, b) exp(-gamma |u - v|²) of the rows of A (a, k) and B (b, k)."""
    from scipy.spatial.distance import cdist

    return np.asarray(np.exp(-gamma * cdist(A, B, "sqeuclidean")))


def solve_by_class(kernel: np.ndarray, y: np.ndarray, cost: float) -> Solution:
    """The solution through scikit-learn's public estimator."""
    from sklearn.svm import SVC

    machine = SVC(kernel="precomputed", C=cost).fit(kernel, y)
    dual = np.zeros(len(y))
    dual[machine.support_] = machine.dual_coef_[0]
    return dual, float(machine.intercept_[0])


def solve_by_binding(kernel: np.ndarray, y: np.ndarray, cost: float) -> Solution:
    """The same through scikit-learn's binding of libsvm: for a hundred cases SVC's checks take longer than solving.

    libsvm counts the first class as the positive one, hence the signs.
    """
    from sklearn.svm import _libsvm

    support, _, _, weights, intercept, *_ = _libsvm.fit(kernel, y, kernel="precomputed", C=cost)
    dual = np.zeros(len(y))
    dual[support] = -weights[0]
    return dual, -float(intercept[0])


@lru_cache(maxsize=1)
def _solver() -> Solver:
    """The binding where this scikit-learn has it as we know it, which one small problem shows; else the class."""
    points = np.array([[0.0, 1.0], [2.0, 0.5], [1.0, -1.0], [-1.0, 0.3], [0.4, 0.2]])
    kernel, y = points @ points.T, np.array([1.0, 1.0, 0.0, 0.0, 1.0])
    dual, intercept = solve_by_class(kernel, y, 1.0)
    try:
        own, constant = solve_by_binding(kernel, y, 1.0)
    except (ImportError, AttributeError, TypeError, ValueError, IndexError):
        return solve_by_class
    same = np.allclose(own, dual, rtol=0, atol=1e-12) and abs(constant - intercept) < 1e-12
    return solve_by_binding if same else solve_by_class
