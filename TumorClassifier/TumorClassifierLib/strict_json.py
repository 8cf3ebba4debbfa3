"""JSON from files of others: read with bounds on everything that could grow, and with nothing that JSON lacks."""

import json
from typing import Any

MOST_VALUES = 2_000_000  # each takes up to 240 bytes once parsed
MOST_NESTED = 32
LONGEST_INTEGER = 20  # digits and sign; no count, seed or size has more


def parse_json(raw: bytes) -> Any:
    """The value of a UTF-8 JSON text.

    Raises ValueError with the reason at text that is not JSON, NaN and infinity, a name that occurs twice in one
    table, an integer too long for any count, too many values and too deep nesting.
    """
    if raw.count(b",") + raw.count(b"[") + raw.count(b"{") > MOST_VALUES:
        raise ValueError(f"more than {MOST_VALUES} values")
    try:
        value = json.loads(
            raw.decode(), parse_constant=_no_constant, parse_int=_short_integer, object_pairs_hook=_table
        )
    except RecursionError:
        raise ValueError(f"nested deeper than {MOST_NESTED} times") from None
    _check_depth(value, MOST_NESTED)
    return value


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is not a number")


def _short_integer(text: str) -> int:
    if len(text) > LONGEST_INTEGER:
        raise ValueError(f"an integer of {len(text)} digits")
    return int(text)


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        raise ValueError("a name that occurs twice in one table")
    return table


def _check_depth(value: Any, left: int) -> None:
    """Raises ValueError where lists and tables are nested more than `left` times."""
    if not isinstance(value, (list, dict)):
        return
    if not left:
        raise ValueError(f"nested deeper than {MOST_NESTED} times")
    for item in value.values() if isinstance(value, dict) else value:
        _check_depth(item, left - 1)
