"""Network weights as safetensors: whether some bytes are such, before any library is given them."""

import math
from typing import Any

import numpy as np

from .strict_json import parse_json

LARGEST_HEADER_BYTES = 1 << 20
MOST_DIMENSIONS = 8
KINDS: dict[str, "np.dtype[Any]"] = {"F16": np.dtype("<f2"), "F32": np.dtype("<f4")}
SHOWN = 80


def check_weights(raw: bytes) -> None:
    """Raises ValueError with the reason unless the bytes are finite numbers in safetensors' layout.

    That is 8 bytes with the header's length, a JSON table of each tensor's kind, shape and place, and the tensors one
    after the other without gap or overlap to the last byte. Kinds are those that `save_state` writes.
    """
    length = int.from_bytes(raw[:8], "little")
    if len(raw) < 8 or length > min(LARGEST_HEADER_BYTES, len(raw) - 8):
        raise ValueError("their header is longer than it may be")
    header = parse_json(raw[8 : 8 + length])
    if not isinstance(header, dict) or not header:
        raise ValueError("their header lists no tensors")
    start = end = 8 + length
    for name, entry in sorted(header.items(), key=_place):
        kind, shape, place = _entry(name, entry)
        count = math.prod(shape)
        if place != [end - start, end - start + count * kind.itemsize] or len(raw) - end < count * kind.itemsize:
            raise ValueError(f"their tensor {ascii(name[:SHOWN])} is not where its shape says")
        if not np.isfinite(np.frombuffer(raw, kind, count, end)).all():
            raise ValueError(f"their tensor {ascii(name[:SHOWN])} has values that are not finite")
        end += count * kind.itemsize
    if end != len(raw):
        raise ValueError("something follows their last tensor")


def _place(item: tuple[str, Any]) -> int:
    name, entry = item
    return int(_entry(name, entry)[2][0])


def _entry(name: str, entry: Any) -> tuple["np.dtype[Any]", list[int], list[int]]:
    """Kind, shape and place of a tensor; raises ValueError where the header does not say them."""
    shown = ascii(name[:SHOWN])
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"their header's entry {shown} is no tensor")
    kind, shape, place = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"their tensor {shown} is of another kind than {' and '.join(KINDS)}")
    lists = isinstance(shape, list) and isinstance(place, list) and len(shape) <= MOST_DIMENSIONS and len(place) == 2
    if not lists or any(type(size) is not int or size < 0 for size in [*shape, *place]) or 0 in shape:
        raise ValueError(f"their tensor {shown} has no shape or place")
    return KINDS[kind], shape, place
