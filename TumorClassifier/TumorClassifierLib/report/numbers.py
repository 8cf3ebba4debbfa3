"""Numbers as a journal prints them: one place for rounding, dashes and signs."""

import math
from collections.abc import Mapping

DASH = "–"
MINUS = "\N{MINUS SIGN}"
SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def fixed(value: float | None, digits: int = 3) -> str:
    """A number with so many decimals; a dash where it is not defined, and never minus zero."""
    if value is None or not math.isfinite(value):
        return DASH
    text = f"{value:.{digits}f}"
    return (text[1:] if float(text) == 0 else MINUS + text[1:]) if text.startswith("-") else text


def significant(value: float | None, digits: int = 3) -> str:
    """A number with so many digits that count; powers of ten for very large and very small ones."""
    if value is None or not math.isfinite(value):
        return DASH
    if value == 0:
        return "0"
    power = math.floor(math.log10(abs(value)))
    if not -4 <= power <= 5:
        mantissa, _, power_text = f"{value:.{digits - 1}e}".partition("e")
        return f"{mantissa} × 10{str(int(power_text)).translate(SUPERSCRIPTS)}".replace("-", MINUS)
    return fixed(value, max(0, digits - 1 - power))


def value_text(value: float | str | None) -> str:
    """A measured or clinical value: whole numbers as they are, others with up to four digits, texts unchanged."""
    if isinstance(value, str):
        return value
    if value is not None and math.isfinite(value) and value == int(value) and abs(value) < 1e15:
        return fixed(value, 0)
    text = significant(value, 4)
    return text.rstrip("0") if "." in text and "×" not in text else text


def p_value(p: float | None) -> str:
    """A p value: never 0.000 or 1.000, a dash where there was no test."""
    if p is None or not math.isfinite(p):
        return DASH
    if p < 0.001:
        return "< 0.001"
    return "> 0.999" if p > 0.999 else f"{p:.3f}"


def percent(share: float | None, digits: int = 1) -> str:
    """A share from 0 to 1 as per cent."""
    return DASH if share is None or not math.isfinite(share) else f"{fixed(100 * share, digits)} %"


def chance(p: float) -> str:
    """A probability as per cent; never rounded to certainty."""
    if 0 < p < 0.0005:
        return "< 0.1 %"
    return "> 99.9 %" if 0.9995 <= p < 1 else percent(p)


def probability(p: float | None) -> str:
    """A probability; never rounded to certainty."""
    if p is not None and 0 < p < 0.0005:
        return "< 0.001"
    return "> 0.999" if p is not None and 0.9995 <= p < 1 else fixed(p)


def with_interval(metric: Mapping[str, float | None] | None, digits: int = 3) -> str:
    """ "value (low–high)"; the value alone where it has no limits, a dash where it is not defined."""
    if metric is None or metric.get("value") is None:
        return DASH
    value = fixed(metric["value"], digits)
    low, high = metric.get("low"), metric.get("high")
    if low is None or high is None:
        return value
    return f"{value} ({fixed(low, digits)}{_between(low)}{fixed(high, digits)})"


def ratio(value: float | None, low: float | None, high: float | None) -> str:
    """An odds ratio with its limits."""
    if value is None:
        return DASH
    return f"{significant(value)} ({significant(low)} to {significant(high)})"


def _between(low: float) -> str:
    """ "to" where a dash would meet a minus sign."""
    return " to " if low < 0 else DASH


def capital(text: str) -> str:
    """The text with its first letter as a capital."""
    return text[:1].upper() + text[1:]


def counted(n: int, one: str, many: str = "") -> str:
    """ "1 patient", "2 patients"."""
    return f"{n} {one if n == 1 else many or one + 's'}"


def listed(items: list[str] | tuple[str, ...], word: str = "and") -> str:
    """ "a", "a and b", "a, b and c"."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {word} {items[-1]}"
