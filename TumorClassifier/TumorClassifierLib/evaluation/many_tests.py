"""p values corrected for the number of tests that were made."""

from collections.abc import Callable, Sequence

import numpy as np

from FeatureExtractorLib.errors import InputError


def holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's step-down correction (1979): the chance of any false alarm stays below the level.

    p_values: (m,), NaN where no test was made; such entries stay NaN and do not count. Raises InputError outside 0…1.
    """
    return _on_known(p_values, lambda ordered, count: np.maximum.accumulate(ordered * np.arange(count, 0, -1)))


def benjamini_hochberg(p_values: np.ndarray) -> np.ndarray:
    """Benjamini and Hochberg's step-up correction (1995): the expected share of false alarms stays below the level.

    p_values: as in `holm`; raises InputError as it does.
    """

    def step_up(ordered: np.ndarray, count: int) -> np.ndarray:
        scaled = ordered * count / np.arange(1, count + 1)
        return np.asarray(np.minimum.accumulate(scaled[::-1])[::-1])

    return _on_known(p_values, step_up)


CORRECTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "Holm": holm,
    "Benjamini-Hochberg": benjamini_hochberg,
}


def corrected(p_values: Sequence[float | None], correction: str) -> list[float | None]:
    """p values after the correction "Holm" or "Benjamini-Hochberg"; None where no test was made.

    Raises InputError at another correction and as `holm`.
    """
    if correction not in CORRECTIONS:
        raise InputError(f"There is no correction {correction!r}; choose {' or '.join(CORRECTIONS)}.")
    found = CORRECTIONS[correction](np.asarray([np.nan if p is None else p for p in p_values], dtype=np.float64))
    return [None if np.isnan(p) else float(p) for p in found]


def _on_known(p_values: np.ndarray, step: Callable[[np.ndarray, int], np.ndarray]) -> np.ndarray:
    p = np.asarray(p_values, dtype=np.float64)
    known = np.flatnonzero(~np.isnan(p))
    if len(known) and (p[known].min() < 0 or p[known].max() > 1):
        raise InputError("A p value is below 0 or above 1; give the p values of tests.")
    order = known[np.argsort(p[known], kind="stable")]
    result = np.full(p.shape, np.nan)
    result[order] = np.minimum(step(p[order], len(order)), 1.0)
    return result
