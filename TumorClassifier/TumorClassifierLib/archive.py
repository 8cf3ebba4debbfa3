"""A zip archive of stored members that can be written in one way only, and is read only when it was written so.

Any zip program opens it. Reading trusts nothing that a zip file says of itself: the table of members is bounded, the
members must follow one another without gap or overlap, and at the end every byte of the file is compared with what
writing the members gives, so that nothing can be hidden in headers, between members, before or behind them.
"""

import os
import re
import stat
import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import BinaryIO

MOST_MEMBERS = 64
LONGEST_NAME = 80
MEMBER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\.(json|safetensors|md)", re.ASCII)

LOCAL = struct.Struct("<4s5H3I2H")
CENTRAL = struct.Struct("<4s6H3I5H2I")
END = struct.Struct("<4s4H2IH")
VERSION = 20  # of the zip format
MADE_BY = 3 << 8 | VERSION  # one value on every platform
DATE = 1 << 5 | 1  # 1 January 1980, at 0:00
ATTRIBUTES = 0o644 << 16
ENCRYPTED = 1
PIECE = 1 << 20


def archive_pieces(members: Mapping[str, bytes]) -> Iterator[bytes]:
    """The archive of these members, in their order, piece by piece."""
    table, offset = [], 0
    for name, raw in members.items():
        common = (VERSION, 0, 0, 0, DATE, zlib.crc32(raw), len(raw), len(raw), len(name), 0)
        header = LOCAL.pack(b"PK\x03\x04", *common) + name.encode("ascii")
        table.append(CENTRAL.pack(b"PK\x01\x02", MADE_BY, *common, 0, 0, 0, ATTRIBUTES, offset) + name.encode("ascii"))
        offset += len(header) + len(raw)
        yield header
        yield raw
    yield from table
    yield END.pack(b"PK\x05\x06", 0, 0, len(table), len(table), sum(map(len, table)), offset, 0)


def member_sizes(stream: BinaryIO, bytes_in_file: int) -> dict[str, int]:
    """Name and size of every member, in order, from the table at the file's end; no content is read.

    Raises ValueError with the reason where the table is not one that `archive_pieces` makes.
    """
    count, table, start = _table(stream, bytes_in_file)
    sizes: dict[str, int] = {}
    place = offset = 0
    for _ in range(count):
        if len(table) < place + CENTRAL.size or not table.startswith(b"PK\x01\x02", place):
            raise ValueError("its table of members is damaged")
        fields = CENTRAL.unpack_from(table, place)
        _, _, _, flags, method, _, _, _, stored, size, name_bytes, extra, comment, _, _, attributes, at = fields
        place += CENTRAL.size
        name = table[place : place + name_bytes].decode("utf-8", "backslashreplace")
        place += name_bytes + extra + comment
        _check_member(name, flags, method, stored == size, attributes >> 16)
        if name.casefold() in map(str.casefold, sizes):
            raise ValueError(f"it has two members of one name, {name}")
        if at != offset:
            raise ValueError(f"its member {name} does not begin where the one before it ends")
        offset += LOCAL.size + name_bytes + size
        if offset > start:
            raise ValueError("its members claim more bytes than the file has")
        sizes[name] = size
    if place != len(table) or offset != start:
        raise ValueError("something lies between its members and its table of members")
    return sizes


def first_member(stream: BinaryIO, name: str, most_bytes: int) -> bytes | None:
    """The content of an archive's first member, whatever follows it; None where it has another name or is longer."""
    stream.seek(0)
    header = stream.read(LOCAL.size)
    if len(header) < LOCAL.size or not header.startswith(b"PK\x03\x04"):
        return None
    size, name_bytes, extra = LOCAL.unpack(header)[-3:]
    if size > most_bytes or stream.read(name_bytes) != name.encode():
        return None
    stream.seek(extra, os.SEEK_CUR)
    return stream.read(size)


def read_members(stream: BinaryIO, sizes: Mapping[str, int]) -> dict[str, bytes]:
    """The members that `member_sizes` has listed; of the rest of the file nothing is known before `check_archive`."""
    members, offset = {}, 0
    for name, size in sizes.items():
        offset += LOCAL.size + len(name)
        stream.seek(offset)
        members[name] = stream.read(size)
        offset += size
    return members


def check_archive(stream: BinaryIO, members: Mapping[str, bytes]) -> None:
    """Raises ValueError unless the file is, to the byte, the archive of these members."""
    stream.seek(0)
    for piece in archive_pieces(members):
        for at in range(0, len(piece), PIECE):
            part = piece[at : at + PIECE]
            if stream.read(len(part)) != part:
                raise ValueError("its bytes are not those that its content is written as")


def _table(stream: BinaryIO, bytes_in_file: int) -> tuple[int, bytes, int]:
    """Number of members, the table's bytes and where it begins."""
    stream.seek(max(0, bytes_in_file - END.size))
    tail = stream.read(END.size)
    if len(tail) < END.size or not tail.startswith(b"PK\x05\x06"):
        raise ValueError("it is no model file, is damaged or cut short, or something follows its end")
    _, disk, first_disk, here, count, length, start, comment = END.unpack(tail)
    if disk or first_disk or here != count:
        raise ValueError("it claims to be a part of several")
    if count > MOST_MEMBERS:
        raise ValueError(f"it has {count} members, more than the {MOST_MEMBERS} a model may have")
    if comment or start + length + END.size != bytes_in_file or length > count * (CENTRAL.size + LONGEST_NAME):
        raise ValueError("its table of members is damaged or not at its end")
    stream.seek(start)
    return count, stream.read(length), start


def _check_member(name: str, flags: int, method: int, same_size: bool, mode: int) -> None:
    """Raises ValueError for every kind of member that no model has."""
    if not MEMBER_NAME.fullmatch(name):
        raise ValueError(f"its member {ascii(name[:LONGEST_NAME])} has a name that no model has")
    if flags & ENCRYPTED:
        raise ValueError(f"its member {name} is encrypted, which no model is")
    if method or not same_size:
        raise ValueError(f"its member {name} is compressed, which no model is")
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise ValueError(f"its member {name} is a link, a folder or a device")
