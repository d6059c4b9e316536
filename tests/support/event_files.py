"""TensorBoard's event files, written here: framing, and the few messages that matter."""

from __future__ import annotations

import struct
from typing import Final

import numpy as np

from etl.ingest.reading.crc32c import masked_crc32c


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def field(number: int, content: bytes | int | float, kind: str = "<d") -> bytes:
    """A varint, a message or text, or a number of a struct's `kind`."""
    if isinstance(content, bytes):
        return varint(number << 3 | 2) + varint(len(content)) + content
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | {"<d": 1, "<f": 5}[kind]) + struct.pack(kind, content)


def checksum(data: bytes) -> bytes:
    return struct.pack("<I", int(masked_crc32c(np.frombuffer(data, np.uint8)[None])[0]))


def record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + checksum(length) + data + checksum(data)


def version(time: float) -> bytes:
    return field(1, time) + field(3, b"brain.Event:2")


def event(step: int, time: float, *values: bytes) -> bytes:
    return field(1, time) + field(2, step) + field(5, b"".join(field(1, value) for value in values))


def session_start(step: int, time: float) -> bytes:
    return field(1, time) + field(2, step) + field(7, field(1, 1))


def scalar(tag: str, value: float) -> bytes:
    return field(1, tag.encode()) + field(2, float(value), "<f")


KINDS: Final = {"float32": 1, "float64": 2, "int32": 3, "int64": 9}


def tensor(tag: str, values: np.ndarray[tuple[int], np.dtype[np.generic]]) -> bytes:
    """As raw bytes."""
    return field(1, tag.encode()) + field(8, field(1, KINDS[values.dtype.name]) + field(4, values.tobytes()))


def histogram(tag: str, least: float, greatest: float, count: float, total: float) -> bytes:
    said = b"".join(field(number, value) for number, value in enumerate((least, greatest, count, total), 1))
    return field(1, tag.encode()) + field(5, said)
