"""Fisher's exact test of tables of any size."""

from collections.abc import Sequence

import numpy as np
from scipy.special import gammaln

MOST_TABLES = 2_000_000
SAME = 1e-7  # tables whose probabilities differ by less, relatively, are equally likely; R's choice


def expected_counts(table: np.ndarray) -> np.ndarray:
    """(r, c) counts expected where rows and columns have nothing to do with each other."""
    return np.asarray(np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum())


def table_count(table: np.ndarray) -> float:
    """An upper bound of the number of tables with the same margins, from which `fisher_exact_p` is feasible or not."""
    rows, columns = _margins(table)
    bound = 1.0
    for row in rows[:-1]:
        bound *= np.prod([min(row, column) + 1.0 for column in columns[:-1]])
    return float(bound)


def fisher_exact_p(table: np.ndarray) -> float:
    """Two-sided p: the share of tables with these margins that are no likelier than this one (Freeman & Halton 1951).

    table: (r, c) counts, each row and column with some. All tables are made row by row, in one array.
    """
    rows, columns = _margins(table)
    left = columns[None, :]  # (t, c) what each unfinished table has still to place in each column
    log_p = np.zeros(1)
    for row in rows[:-1]:
        choices = _choices(row, left)
        parents = np.repeat(np.arange(len(left)), [len(part) for part in choices])
        placed = np.concatenate(choices)
        left = left[parents] - placed
        log_p = log_p[parents] - gammaln(placed + 1).sum(axis=1)
    log_p = log_p - gammaln(left + 1).sum(axis=1)
    own = -gammaln(np.asarray(table) + 1.0).sum()
    p = np.exp(log_p - log_p.max())
    return float(min(1.0, p[log_p <= own + SAME].sum() / p.sum()))


def _margins(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row and column sums, the longer side as rows and the largest row last: fewest tables to hold at once."""
    table = np.asarray(table, dtype=np.int64)
    sides = sorted((table.sum(axis=1), table.sum(axis=0)), key=len)
    return np.sort(sides[1]), np.sort(sides[0])


def _choices(row: int, left: np.ndarray) -> list[np.ndarray]:
    """Per unfinished table the ways (w, c) to place `row` cases in columns that have room for `left` (t, c)."""
    known: dict[bytes, np.ndarray] = {}
    found = []
    for room in left:
        key = room.tobytes()
        if key not in known:
            known[key] = np.asarray(_compositions(int(row), room.tolist()), dtype=np.int64)
        found.append(known[key])
    return found


def _compositions(total: int, room: Sequence[int]) -> list[list[int]]:
    if len(room) == 1:
        return [[total]]
    least, most = max(0, total - sum(room[1:])), min(total, room[0])
    return [[first, *rest] for first in range(least, most + 1) for rest in _compositions(total - first, room[1:])]
