"""Protobuf's wire format, of many messages at once: https://protobuf.dev/programming-guides/encoding/

A message is a stretch of bytes; arrays of them are read field by field side by side, so that a million small ones
take as many calls as the longest has fields.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]

VARINT, EIGHT_BYTES, MESSAGE, FOUR_BYTES = 0, 1, 2, 5


class Fields(NamedTuple):
    """One field of each of some messages: `of` (n,) says which, `start` and `stop` where its content lies."""

    of: Integers
    number: Integers
    wire: Integers
    start: Integers
    stop: Integers

    def where(self, chosen: npt.NDArray[np.bool_]) -> Fields:
        return Fields(*(column[chosen] for column in self))

    def numbered(self, number: int, wire: int) -> Fields:
        return self.where((self.number == number) & (self.wire == wire))


def varints(data: Bytes, at: Integers, stop: Integers) -> tuple[npt.NDArray[np.uint64], Integers]:
    """The numbers (n,) that begin at `at`, and what follows each; -1 where none ends before `stop`."""
    value, after = np.zeros(len(at), np.uint64), np.full(len(at), -1, np.int64)
    left = np.arange(len(at))
    for place in range(10):
        left = left[at[left] + place < stop[left]]
        if not len(left):
            break
        byte = data[at[left] + place]
        value[left] |= (byte & np.uint8(0x7F)).astype(np.uint64) << np.uint64(7 * place)
        last = byte < 128
        after[left[last]] = at[left[last]] + place + 1
        left = left[~last]
    return value, after


def fields(data: Bytes, start: Integers, stop: Integers) -> Iterator[Fields]:
    """The first field of each message, then the second of each that has one, ...; a message ends where it is none."""
    of, at = np.arange(len(start)), start
    while True:
        more = at < stop[of]
        of, at = of[more], at[more]
        if not len(of):
            return
        key, begin = varints(data, at, stop[of])
        wire = (key & np.uint64(7)).astype(np.int64)
        size, inside = varints(data, np.where(begin < 0, stop[of], begin), stop[of])
        end = np.select(
            [wire == VARINT, wire == EIGHT_BYTES, wire == FOUR_BYTES],
            [inside, begin + 8, begin + 4],
            np.where((wire == MESSAGE) & (size < np.uint64(1 << 40)), inside + size.astype(np.int64), -1),
        )
        sound = (begin >= 0) & (end >= 0) & (end <= stop[of]) & ((inside >= 0) | (wire != MESSAGE))
        begin = np.where(wire == MESSAGE, inside, begin)
        number = (key >> np.uint64(3)).astype(np.int64)
        found = Fields(of, number, wire, begin, end).where(sound)
        yield found
        of, at = found.of, found.stop


def numbers(data: Bytes, start: Integers, kind: str) -> npt.NDArray[np.float64]:
    """The numbers (n,), of a little-endian dtype, that begin at `start`."""
    dtype = np.dtype(kind)
    raw = data[start[:, None] + np.arange(dtype.itemsize)]
    # A NaN of a damaged file may be of the kind that warns when it is made longer.
    with np.errstate(invalid="ignore"):
        return np.ascontiguousarray(raw).view(dtype)[:, 0].astype(np.float64)
