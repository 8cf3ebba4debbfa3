"""Probabilities are of patients, however many images a class's patients have."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from TumorClassifierLib.recipes.class_nomogram import cross_fitted_probabilities, fit_class_nomogram, share_shift


def test_the_shift_by_hand() -> None:
    assert share_shift(np.array([0, 1, 1]), np.array(["a", "b", "c"])) == 0
    # Patients: 1 of 3 has the class, odds 1/2; images: 3 of 5, odds 3/2.
    y, patients = np.array([1, 1, 1, 0, 0]), np.array(["a", "a", "a", "b", "c"])
    assert share_shift(y, patients) == pytest.approx(np.log(1 / 2) - np.log(3 / 2))


@given(st.integers(2, 6), st.integers(1, 9), st.integers(1, 9))
def test_images_of_one_class_more_often(times: int, ones: int, zeros: int) -> None:
    y = np.repeat([1, 0], [ones * times, zeros])
    patients = np.concatenate([np.repeat(np.arange(ones), times), ones + np.arange(zeros)])
    assert share_shift(y, patients) == pytest.approx(-np.log(times))


def test_a_class_with_more_images_is_not_called_more_often() -> None:
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 150)
    score = rng.normal(size=300)[:, None] + y[:, None]
    once = np.arange(300)
    more = np.concatenate([once, np.tile(once[150:], 4)])  # five images of each patient of class 1
    halves = [(np.flatnonzero(one % 2 == 0), np.flatnonzero(one % 2 == 1)) for one in (once, more)]
    found = []
    for rows, splits in zip((once, more), halves, strict=True):
        both = [splits, splits[::-1]]
        model, held_out, _ = fit_class_nomogram(
            "one", [{}] * len(rows), y[rows], rows, score[rows], ["score"], both, 0.1, 0.1
        )
        found.append((model.probability([{}] * 300, score), held_out[:300]))
        again = cross_fitted_probabilities(score[rows], y[rows], ["score"], rows, both)
        np.testing.assert_array_equal(held_out, again)
    for plain, repeated in zip(*found, strict=True):
        assert np.abs(plain - repeated).max() < 0.05
        assert abs(float((repeated > 0.5).mean()) - 0.5) < 0.05
