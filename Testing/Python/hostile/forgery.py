"""Building model files that lie, by hand, without a line of the code that is to refuse them."""

import hashlib
import json
import struct
import zlib
from dataclasses import dataclass


@dataclass
class Member:
    """A zip member whose every field may be a lie; what is None is told rightly."""

    name: bytes
    data: bytes
    method: int = 0
    flags: int = 0
    mode: int = 0o644
    system: int = 3
    date: int = 33
    size: int | None = None
    stored: int | None = None
    crc: int | None = None
    offset: int | None = None
    local_name: bytes | None = None
    local_extra: bytes = b""
    extra: bytes = b""
    comment: bytes = b""
    gap: bytes = b""


@dataclass
class End:
    """The end of a zip file, whose every field may be a lie."""

    before: bytes = b""
    count: int | None = None
    here: int | None = None
    disk: int = 0
    table_bytes: int | None = None
    table_start: int | None = None
    comment: bytes = b""


def zip_of(members: list[Member], end: End | None = None, lead: bytes = b"") -> bytes:
    """The bytes of a zip file, written by hand after APPNOTE.TXT 6.3, sections 4.3.7, 4.3.12 and 4.3.16."""
    end = end or End()
    body, table = lead, b""
    for m in members:
        at = len(body) if m.offset is None else m.offset
        crc = zlib.crc32(m.data) if m.crc is None else m.crc
        size = len(m.data) if m.size is None else m.size
        stored = size if m.stored is None else m.stored
        common = (20, m.flags, m.method, 0, m.date, crc, stored, size)
        local = m.name if m.local_name is None else m.local_name
        body += struct.pack("<4s5H3I2H", b"PK\x03\x04", *common, len(local), len(m.local_extra))
        body += local + m.local_extra + m.data + m.gap
        lengths = (len(m.name), len(m.extra), len(m.comment))
        table += struct.pack(
            "<4s6H3I5H2I", b"PK\x01\x02", m.system << 8 | 20, *common, *lengths, 0, 0, m.mode << 16, at
        )
        table += m.name + m.extra + m.comment
    start = len(body) if end.table_start is None else end.table_start
    count = len(members) if end.count is None else end.count
    here = count if end.here is None else end.here
    length = len(table) if end.table_bytes is None else end.table_bytes
    tail = struct.pack("<4s4H2IH", b"PK\x05\x06", end.disk, end.disk, here, count, length, start, len(end.comment))
    return body + table + end.before + tail + end.comment


def safetensors(tensors: dict[str, object], data: bytes, header: bytes | None = None) -> bytes:
    """Safetensors bytes of any header."""
    text = json.dumps(tensors).encode() if header is None else header
    return len(text).to_bytes(8, "little") + text + data


def json_bytes(value: object) -> bytes:
    """JSON as a model file has it."""
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


NETWORK = safetensors({"kernel": {"dtype": "F16", "shape": [8, 30], "data_offsets": [0, 480]}}, bytes(480))
MANIFEST = {
    "recipe": "dtlr-nomogram",
    "name": "made",
    "version": "1",
    "classes": ["a", "b"],
    "modalities": ["T1C"],
    "settings": {"seed": 0},
    "schema": 1,
}
PARTS = {
    "model.json": json_bytes({"coefficients": [0.1, -2.5e-17, 3.0]}),
    "notes.json": json_bytes({"x": 1}),
    "network.safetensors": NETWORK,
    "MODEL_CARD.md": b"# made\n",
}


def members(manifest: dict[str, object] | None = None, **parts: bytes) -> list[Member]:
    """The members of a right model, or of one with other parts or manifest entries, with right SHA-256s.

    In the names of parts, the last underscore stands for the point: model_json.
    """
    names = {name.replace("_", ".").replace("MODEL.CARD", "MODEL_CARD"): raw for name, raw in parts.items()}
    held = {**PARTS, **names}
    listed = {name: hashlib.sha256(raw).hexdigest() for name, raw in held.items()}
    text = json_bytes({"members": listed, **MANIFEST, **(manifest or {})})
    return [Member(b"manifest.json", text), *(Member(name.encode(), raw) for name, raw in held.items())]
