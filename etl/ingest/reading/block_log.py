"""LevelDB's log, as W&B writes it: https://github.com/google/leveldb/blob/main/doc/log_format.md

Blocks of 32 KiB; records of uint32 checksum, uint16 length, type (1 whole, 2 first, 3 middle, 4 last) and data. W&B's
checksum is CRC-32 by zlib's polynomial, of type and data.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from etl.ingest.source import Loss

BLOCK = 32 << 10
MOST_RECORD = 64 << 20
_HEADER = struct.Struct("<IHB")
_WHOLE, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


class BlockLog:
    """The whole records of an open file from byte `end` on, each with the byte it begins at; iterate once.

    Afterwards `end` is where the next reading begins, `torn` how many bytes of a record without its end follow, and
    `lost` what was passed over.
    """

    def __init__(self, file: BinaryIO, name: str, end: int) -> None:
        self._file, self._name, self.end = file, name, end
        self.torn = 0
        self.lost: list[Loss] = []

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        parts: list[bytes] = []
        at = self.end
        while piece := self._piece(at):
            start, kind, data, after = piece
            if kind in (_WHOLE, _FIRST):
                if parts:
                    self._lose("a record without its end", self.end)
                parts, self.end = [], start
            elif not parts and kind:
                self.end = after
            if kind in (_WHOLE, _FIRST) or (kind and parts):
                parts.append(data)
            if kind == 0 or sum(map(len, parts)) > MOST_RECORD:
                parts, self.end = [], after
            elif parts and kind in (_WHOLE, _LAST):
                begun, self.end = self.end, after
                yield begun, b"".join(parts)
                parts = []
            at = after
        self.torn = max(0, self._file.seek(0, 2) - self.end)

    def _piece(self, at: int) -> tuple[int, int, bytes, int] | None:
        """(start, type, data, what follows) of what stands at `at`; type 0 is nothing. None where it is not whole."""
        left = BLOCK - at % BLOCK
        if left < _HEADER.size:
            at, left = at + left, BLOCK
        self._file.seek(at)
        header = self._file.read(_HEADER.size)
        if len(header) < _HEADER.size:
            return None
        crc, size, kind = _HEADER.unpack(header)
        after = at + _HEADER.size + size
        if not _WHOLE <= kind <= _LAST or size > left - _HEADER.size:
            if any(header):
                self._lose("no record begins here", at)
            return at, 0, b"", at + left
        data = self._file.read(size)
        if len(data) < size:
            return None
        if zlib.crc32(data, zlib.crc32(header[6:])) != crc:
            self._lose("a record whose checksum is wrong", at)
            return at, 0, b"", after
        return at, kind, data, after

    def _lose(self, reason: str, at: int) -> None:
        if len(self.lost) < 1_000:
            self.lost.append(Loss(self._name, reason, byte=at))
