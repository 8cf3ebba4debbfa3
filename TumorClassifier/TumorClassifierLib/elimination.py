"""Recursive feature elimination with a linear support vector machine (Guyon et al. 2002), every size from one run."""

import numpy as np

from FeatureExtractorLib.errors import InputError

from .kernel_machine import solve_on_kernel


def elimination_order(Z: np.ndarray, y: np.ndarray, step: float = 1, cost: float = 1.0) -> np.ndarray:
    """(p,) columns of Z from the first that is eliminated to the last that is left.

    Z: (n, p) standardised features; y: (n,) 0/1. step: how many go at a time, or below 1 their share of p. The set of
    size k is the order's last k, for every k at once: the same as scikit-learn's RFE(SVC(kernel="linear", C=cost),
    n_features_to_select=k, step=step) leaves, except where columns are equal. With fewer cases than features the
    machine is solved on the (n, n) matrix of similarities, from which each eliminated column is taken off, so that
    a step does not grow with the number of features.
    Raises InputError as `check_step`.
    """
    check_step(step)
    at_once = max(1, int(step if step >= 1 else step * Z.shape[1]))
    left = np.arange(Z.shape[1])
    columns = np.ascontiguousarray(Z, dtype=np.float64)
    gram = columns @ columns.T
    alive = np.ones(len(left), dtype=bool)  # of `columns`, which are left[…] as they were when last gathered
    order: list[np.ndarray] = []
    while (count := int(alive.sum())) > 1:
        if 2 * count <= len(alive):  # gather what is left: smaller products, and rounding cannot add up
            left, columns = left[alive], np.ascontiguousarray(columns[:, alive])
            gram, alive = columns @ columns.T, np.ones(count, dtype=bool)
        dual, _ = solve_on_kernel(gram, y, cost)
        weights = np.where(alive, (dual @ columns) ** 2, np.inf)
        drop = min(at_once, count - 1)
        worst = np.array([np.argmin(weights)]) if drop == 1 else np.argsort(weights, kind="stable")[:drop]
        alive[worst] = False
        order.append(left[worst])
        gram -= columns[:, worst] @ columns[:, worst].T
    return np.concatenate([*order, left[alive]])


def check_step(step: float) -> None:
    """Raises InputError unless a step is a whole number or a share."""
    if not (0 < step < 1 or (step >= 1 and step == int(step))):
        raise InputError(f"Recursive elimination's step is {step}; give a whole number, or a share between 0 and 1.")
