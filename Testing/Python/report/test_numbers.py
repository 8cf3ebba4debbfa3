"""Numbers as they are printed: rounded once, never misleading."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from TumorClassifierLib.report import numbers
from TumorClassifierLib.report.numbers import DASH, MINUS

FINITE = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e6, max_value=1e6)


def back(text: str) -> float:
    return float(text.replace(MINUS, "-"))


@given(FINITE, st.integers(0, 6))
def test_a_printed_number_is_the_nearest_one_with_so_many_decimals(value: float, digits: int) -> None:
    text = numbers.fixed(value, digits)
    assert abs(back(text) - value) <= 0.5 * 10**-digits * (1 + 1e-9) + 1e-9
    assert not text.startswith(MINUS) or back(text) < 0, "never minus zero"


@given(st.floats(1e-12, 1e12), st.integers(2, 6))
def test_significant_digits_keep_the_relative_size(value: float, digits: int) -> None:
    text = numbers.significant(value, digits)
    mantissa, _, power = text.partition(" × 10")
    exponent = int(power.translate(str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-"))) if power else 0
    assert back(mantissa) * 10.0**exponent == pytest.approx(value, rel=0.6 * 10 ** (1 - digits))


@given(st.floats(0, 1))
def test_a_p_value_is_never_zero_or_one(p: float) -> None:
    text = numbers.p_value(p)
    assert text not in ("0.000", "1.000")
    assert text == "< 0.001" or text == "> 0.999" or abs(float(text) - p) <= 0.0005 + 1e-12


@given(st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_a_probability_is_never_certain(p: float) -> None:
    assert numbers.probability(p) not in ("0.000", "1.000")


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_what_is_not_defined_is_a_dash(value: float | None) -> None:
    for shown in (numbers.fixed, numbers.significant, numbers.p_value, numbers.percent, numbers.probability):
        assert shown(value) == DASH
    assert numbers.with_interval({"value": None, "low": None, "high": None}) == DASH
    assert numbers.with_interval(None) == DASH and numbers.ratio(None, 1.0, 2.0) == DASH


def test_intervals_and_ratios() -> None:
    assert numbers.with_interval({"value": 0.9, "low": 0.8125, "high": 1.0}) == "0.900 (0.812–1.000)"
    assert numbers.with_interval({"value": 0.9, "low": None, "high": None}) == "0.900"
    assert numbers.with_interval({"value": 0.1, "low": -0.2, "high": 0.3}) == f"0.100 ({MINUS}0.200 to 0.300)"
    assert numbers.ratio(1234567.0, 0.5, None) == f"1.23 × 10⁶ (0.500 to {DASH})"
    assert numbers.significant(-0.0000123) == f"{MINUS}1.23 × 10⁻⁵"
    assert [numbers.value_text(v) for v in (61.0, 0.40523, 5.5, "male", None)] == ["61", "0.4052", "5.5", "male", DASH]
