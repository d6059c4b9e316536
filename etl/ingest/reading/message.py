"""One message in protobuf's wire format, field after field."""

from __future__ import annotations

import struct
from collections.abc import Iterator


def message_fields(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    """(number, content) of each field: bytes of a message or text, else an unsigned integer, of a fixed width too.

    Ends where the data is no field.
    """
    at, end = 0, len(data)
    while at < end:
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(data, at)
            if at > end:
                return
            yield number, value
            continue
        size = {1: 8, 5: 4}.get(wire, -1)
        if wire == 2:
            size, at = _varint(data, at)
        if size < 0 or at + size > end:
            return
        content = data[at : at + size]
        yield number, content if wire == 2 else int.from_bytes(content, "little")
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number and what follows it; what follows lies behind the end where the data ends in it."""
    value = shift = 0
    while at < len(data) and shift < 64:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
    return 0, len(data) + 1


def signed(value: bytes | int) -> int:
    """An int64 of its varint. Raises ValueError for what is no number."""
    if isinstance(value, bytes):
        raise ValueError("not a number")
    return value - (1 << 64) if value >> 63 else value


def double(value: bytes | int) -> float:
    """A float64 of its eight bytes. Raises ValueError for what is no number."""
    if isinstance(value, bytes) or value >> 64:
        raise ValueError("not a number")
    return float(struct.unpack("<d", value.to_bytes(8, "little"))[0])
