"""Fisher's exact test of tables of any size."""

from collections.abc import Sequence

import numpy as np
from scipy.special import gammaln

MOST = 1_000_000  # unfinished tables looked at in one step; more would take many seconds
DRAWS = 20_000
SAME = 1e-7  # tables whose probabilities differ by less, relatively, are equally likely; R's choice


def expected_counts(table: np.ndarray) -> np.ndarray:
    """(r, c) counts expected where rows and columns have nothing to do with each other."""
    return np.asarray(np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum())


def fisher_exact_p(table: np.ndarray) -> float | None:
    """Two-sided p: the share of tables with these margins that are no likelier than this one (Freeman & Halton 1951).

    table: (r, c) counts, each row and column with some. Tables are filled row by row; unfinished ones of equal
    probability that leave the same counts, in whichever columns, go on as one (Mehta & Patel 1983). None where there
    are too many of them.
    """
    table = np.asarray(table, dtype=np.int64)
    rows, columns = sorted((table.sum(axis=1), table.sum(axis=0)), key=len, reverse=True)
    rows = np.sort(rows)
    left, log_p, count = np.sort(columns)[None, :], np.zeros(1), np.ones(1)
    for row in rows[:-1]:
        rooms, of = np.unique(left, axis=0, return_inverse=True)
        of = of.reshape(-1)
        if np.prod(np.minimum(rooms, row)[:, :-1] + 1.0, axis=1).sum() > MOST / 5:  # lists are slower than arrays
            return None
        choices = [np.asarray(_compositions(int(row), room.tolist()), dtype=np.int64) for room in rooms]
        if np.asarray([len(ways) for ways in choices])[of].sum() > MOST:
            return None
        parents = np.repeat(np.arange(len(left)), [len(choices[room]) for room in of])
        placed = np.concatenate([choices[room] for room in of])
        left = np.sort(left[parents] - placed, axis=1)
        log_p, count = log_p[parents] - gammaln(placed + 1).sum(axis=1), count[parents]
        keys = np.column_stack([left, np.round(log_p * 1e9)])
        order = np.lexsort(keys.T)
        first = np.flatnonzero(np.concatenate([[True], (keys[order][1:] != keys[order][:-1]).any(axis=1)]))
        left, log_p, count = left[order][first], log_p[order][first], np.add.reduceat(count[order], first)
    log_p = log_p - gammaln(left + 1).sum(axis=1)
    own = -gammaln(table + 1.0).sum()
    p = count * np.exp(log_p - log_p.max())
    return float(min(1.0, p[log_p <= own + SAME].sum() / p.sum()))


def fisher_simulated_p(table: np.ndarray, seed: int = 0) -> float:
    """The same share among 20 000 random tables with these margins, this one counted with them.

    Its standard error is at most 0.0035. Equal seeds give equal values.
    """
    from scipy.stats import random_table

    table = np.asarray(table, dtype=np.int64)
    drawn = random_table.rvs(table.sum(axis=1), table.sum(axis=0), size=DRAWS, random_state=seed)
    log_p = -gammaln(drawn + 1.0).sum(axis=(1, 2))
    return float((1 + np.sum(log_p <= -gammaln(table + 1.0).sum() + SAME)) / (1 + DRAWS))


def _compositions(total: int, room: Sequence[int]) -> list[list[int]]:
    """The ways to place `total` cases in columns that have room for so many."""
    if len(room) == 1:
        return [[total]]
    least, most = max(0, total - sum(room[1:])), min(total, room[0])
    return [[first, *rest] for first in range(least, most + 1) for rest in _compositions(total - first, room[1:])]
