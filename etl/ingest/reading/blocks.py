"""A text that grows, in blocks of whole lines, read on from where the last reading ended."""

from __future__ import annotations

import codecs
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

from etl.ingest.source import State
from etl.run.bounded_lines import MOST_LINE

_CHUNK = 1 << 20


class Block(NamedTuple):
    """Whole lines: the number of the first from 1, the byte it begins at, and their bytes with the ends of lines."""

    line: int
    byte: int
    data: bytes

    def lines(self) -> Iterator[tuple[int, int, bytes]]:
        """Number, byte and content of each line that has any."""
        byte = self.byte
        for count, line in enumerate(self.data.split(b"\n")[:-1]):
            if line.strip():
                yield self.line + count, byte, line
            byte += len(line) + 1

    def place(self, position: int) -> tuple[int, int]:
        """The line and the byte in the file of a position in `data`."""
        return self.line + self.data.count(b"\n", 0, position), self.byte + position


class Blocks:
    """The whole lines of `file` behind those that led to `since`, in blocks; iterate once.

    A line longer than MOST_LINE bytes is passed over: `long` has (line, byte, bytes) of each. Afterwards `state` is
    what the next reading continues from, and `torn` the bytes of a last line without its end.
    """

    def __init__(self, file: BinaryIO, since: State) -> None:
        self._file = file
        self._end, self._crc, self._lines = (int(since.get(name, 0)) for name in ("end", "crc", "lines"))
        self.long: list[tuple[int, int, int]] = []
        self.torn = b""

    def __iter__(self) -> Iterator[Block]:
        self._file.seek(self._end)
        held = b""
        if not self._end and (start := self._file.read(3)):
            held = start.removeprefix(codecs.BOM_UTF8)
            self._take(start[: len(start) - len(held)])
        while chunk := self._file.read(_CHUNK):
            held += chunk
            if (cut := held.rfind(b"\n") + 1) == 0:
                if len(held) > MOST_LINE:
                    held = self._passed_over(held)
                continue
            whole, held = held[:cut], held[cut:]
            block = Block(self._lines + 1, self._end, whole)
            self._take(whole)
            yield block
        self.torn = held

    def _take(self, data: bytes) -> None:
        self._end, self._crc = self._end + len(data), zlib.crc32(data, self._crc)
        self._lines += data.count(b"\n")

    def _passed_over(self, held: bytes) -> bytes:
        """What follows the line that `held` begins: the line is as long as the file has it, and is not kept."""
        byte = self._end
        self._take(held)
        while chunk := self._file.read(_CHUNK):
            cut = chunk.find(b"\n") + 1
            self._take(chunk[:cut] if cut else chunk)
            if cut:
                self.long.append((self._lines, byte, self._end - byte))
                return chunk[cut:]
        self.long.append((self._lines + 1, byte, self._end - byte))
        return b""

    @property
    def state(self) -> dict[str, Any]:
        return {"end": self._end, "crc": self._crc, "lines": self._lines}


def starts_with(file: BinaryIO, state: State) -> bool:
    """Whether the text still begins with every byte that led to `state`, a `Blocks.state`."""
    left, crc = state.get("end"), 0
    if not isinstance(left, int) or left <= 0:
        return False
    file.seek(0)
    while left and (data := file.read(min(left, _CHUNK))):
        left, crc = left - len(data), zlib.crc32(data, crc)
    return left == 0 and crc == state.get("crc")
