"""How much of a map lies in the tumour, against sets counted by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from TumorClassifierLib.explain.overlap import map_overlap


def test_by_hand() -> None:
    values = np.array([[4.0, 3.0, 1.0], [0.0, 2.0, 0.0]])
    inside = np.array([[1, 0, 1], [0, 0, 1]], dtype=np.uint8)
    found = map_overlap(values, inside)
    assert found == {"inside": pytest.approx(5 / 10), "dice": pytest.approx(2 * 1 / (2 + 3))}


def test_a_map_of_the_tumour_itself() -> None:
    inside = np.zeros((3, 4, 5), dtype=np.uint8)
    inside[1, 1:3, 1:3] = 1
    assert map_overlap(inside.astype(float), inside) == {"inside": 1.0, "dice": 1.0}
    assert map_overlap(np.zeros((3, 4, 5)), inside) is None
    with pytest.raises(ValueError, match="one grid"):
        map_overlap(np.zeros((3, 4)), inside)


@given(st.integers(0, 10_000), st.floats(0.01, 100))
def test_shares_lie_between_nothing_and_all_and_know_no_scale(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    values, inside = rng.random((4, 4, 4)), rng.random((4, 4, 4)) < 0.3
    found, scaled = map_overlap(values, inside), map_overlap(values * scale, inside)
    assert found is not None and scaled is not None
    assert all(0 <= share <= 1 for share in found.values())
    assert scaled == pytest.approx(found)
