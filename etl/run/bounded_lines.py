"""The lines of a file of whatever content, in bounded memory."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

MOST_LINE = 16 << 20
"""Bytes of a line that is read; a longer one is passed over."""
_CHUNK = 1 << 20
_NULS = bytes(_CHUNK)


class RawLine(NamedTuple):
    """One whole line: its number from 1 at the start of the reading, the byte it begins at, its bytes and their count
    with the end of the line. `data` lacks that end, and is None for a line longer than MOST_LINE."""

    number: int
    byte: int
    size: int
    data: bytes | None


class BoundedLines:
    """The whole lines from byte `start` on; iterate once. Chunks of NULs in a line are held as a single one.

    Then `end` is the byte behind the last whole line, `crc` the CRC-32 of everything up to there, continued from the
    one given, and `torn` the bytes of a last line without its end.
    """

    def __init__(self, file: BinaryIO, start: int = 0, crc: int = 0) -> None:
        self._file = file
        self.end, self.crc, self.torn = start, crc, 0

    def __iter__(self) -> Iterator[RawLine]:
        self._file.seek(self.end)
        number, held = 0, _Held(self.end, self.crc)
        while chunk := self._file.read(_CHUNK):
            first, last = chunk.find(b"\n"), chunk.rfind(b"\n")
            if first < 0:
                held.add(chunk)
                continue
            held.add(chunk[: first + 1])
            number += 1
            self.end, self.crc = held.byte + held.size, held.crc
            yield RawLine(number, held.byte, held.size, held.data())
            for data in chunk[first + 1 : last].split(b"\n") if last > first else ():
                number += 1
                byte, size = self.end, len(data) + 1
                self.end, self.crc = byte + size, zlib.crc32(b"\n", zlib.crc32(data, self.crc))
                yield RawLine(number, byte, size, data)
            held = _Held(self.end, self.crc)
            held.add(chunk[last + 1 :])
        self.torn = held.size


class _Held:
    """What came of a line so far."""

    def __init__(self, byte: int, crc: int) -> None:
        self.byte, self.crc, self.size = byte, crc, 0
        self._pieces: list[bytes] = []
        self._kept = 0

    def add(self, piece: bytes) -> None:
        self.crc, self.size = zlib.crc32(piece, self.crc), self.size + len(piece)
        if len(piece) == _CHUNK and piece == _NULS:
            piece = b"\0"
        self._kept += len(piece)
        self._pieces = [*self._pieces, piece] if self._kept <= MOST_LINE else []

    def data(self) -> bytes | None:
        return b"".join(self._pieces)[:-1] if self._kept <= MOST_LINE else None
