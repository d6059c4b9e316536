"""The records of TensorBoard's event files, in stretches: framing and checksums.

From tensorflow/core/lib/io/record_writer.h: uint64 length, uint32 masked CRC-32C of it, the data, uint32 masked
CRC-32C of the data.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import numpy as np

from etl.ingest.reading.crc32c import masked_crc32c
from etl.ingest.reading.wire import Bytes, Integers
from etl.ingest.source import Loss

HEADER, FOOTER = 12, 4
CHUNK = 1 << 19
MOST_RECORD = 64 << 20
"""A longer record holds pictures or a graph, and is passed over without being held."""
MOST_CHECKED = 256
"""Bytes of a record whose own checksum is looked at: scalars are all shorter."""
MOST_LOST = 1_000
_frame = struct.Struct("<QI").unpack_from


class Records(NamedTuple):
    """Whole records (n,) of a stretch of a file: where the data of each lies in `data`."""

    data: Bytes
    start: Integers
    stop: Integers


def length_checksum(size: int) -> int:
    """The checksum that stands behind a record's length."""
    return int(masked_crc32c(np.frombuffer(struct.pack("<Q", size), np.uint8)[None])[0])


class EventRecords:
    """The whole records of an open file from byte `end` on; iterate once.

    Afterwards `end` is where the next reading begins, `torn` how many bytes of a record without its end follow, and
    `lost` what was passed over.
    """

    def __init__(self, file: BinaryIO, name: str, end: int) -> None:
        self._file, self._name, self.end = file, name, end
        self._checksums: dict[int, int] = {}
        self._dropped = self.torn = 0
        self.lost: list[Loss] = []

    def __iter__(self) -> Iterator[Records]:
        self._file.seek(self.end)
        held = b""
        wanted = 0
        while piece := self._file.read(max(CHUNK, wanted - len(held))):
            held += piece
            starts, done, wanted = self._framed(held)
            if starts:
                yield self._sound(np.frombuffer(held, np.uint8), np.array(starts, np.int64))
            self.end, held = self.end + done, held[done:]
            if wanted > MOST_RECORD:
                if self._file.seek(0, 2) - self.end < wanted:
                    break
                self._lose(f"a record of {wanted:,} bytes, more than {MOST_RECORD:,}", 0)
                self.end, held, wanted = self.end + wanted, b"", 0
                self._file.seek(self.end)
        self.torn = len(held)
        if self._dropped > MOST_LOST:
            self.lost.append(Loss(self._name, f"{self._dropped - MOST_LOST:,} more records"))

    def _framed(self, held: bytes) -> tuple[list[int], int, int]:
        """Where whole records begin, how many bytes are done with, and how long the record behind them is."""
        starts: list[int] = []
        at, end, known = 0, len(held) - HEADER, self._checksums
        while at <= end:
            size, crc = _frame(held, at)
            if known.get(size) != crc:
                if length_checksum(size) != crc:
                    begin, at = at, self._resumed(held, at + 1)
                    self._lose(f"no record begins here: {at - begin:,} bytes passed over", begin)
                    continue
                known[size] = crc
            after = at + size + HEADER + FOOTER
            if after > len(held):
                return starts, at, after - at
            starts.append(at)
            at = after
        return starts, at, 0

    def _resumed(self, held: bytes, at: int) -> int:
        """Where, from `at` on, a length stands whose checksum is right; else where to look on when there is more."""
        data = np.frombuffer(held, np.uint8)
        while (count := min(len(held) - HEADER + 1 - at, 1 << 16)) > 0:
            windows = np.lib.stride_tricks.sliding_window_view(data[at : at + count + HEADER - 1], HEADER)
            said = np.ascontiguousarray(windows[:, 8:]).view("<u4")[:, 0]
            if len(found := np.flatnonzero(masked_crc32c(windows[:, :8]) == said)):
                return at + int(found[0])
            at += count
        return at

    def _sound(self, data: Bytes, starts: Integers) -> Records:
        """Those whose own checksum is right, as far as it is looked at."""
        size = data[starts[:, None] + np.arange(8)].view("<i8")[:, 0]
        begin = starts + HEADER
        sound = np.ones(len(starts), bool)
        for each in np.unique(size[size <= MOST_CHECKED]).tolist():
            at = np.flatnonzero(size == each)
            said = data[begin[at][:, None] + np.arange(each, each + FOOTER)].view("<u4")[:, 0]
            sound[at] = masked_crc32c(data[begin[at][:, None] + np.arange(each)]) == said
        for start in starts[~sound].tolist():
            self._lose("a record whose checksum is wrong", start)
        return Records(data, begin[sound], (begin + size)[sound])

    def _lose(self, reason: str, at: int) -> None:
        self._dropped += 1
        if self._dropped <= MOST_LOST:
            self.lost.append(Loss(self._name, reason, byte=self.end + at))
