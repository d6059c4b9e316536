"""A text file that grows line by line, read on from where the last reading ended."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from etl.ingest.source import Loss, State
from etl.local_files import open_regular
from etl.run.bounded_lines import MOST_LINE, BoundedLines

_CHUNK = 1 << 20
_MOST_NAMED = 100


class Line(NamedTuple):
    """One whole line: its number from 1, the byte it begins at, and its text without the end of the line."""

    number: int
    byte: int
    text: str


class LineLog:
    """The whole lines of a file after those that led to `since`. A last line without its end is left for later.

    Iterate once; then `state` is what the next reading continues from, and `torn` how many bytes were left. Bytes
    that are no UTF-8 come as U+FFFD. Raises NotAFileError for a link, pipe or device.
    """

    def __init__(self, path: Path, since: State) -> None:
        self._path = path
        self._end, self._crc, self._lines = (int(since.get(name, 0)) for name in ("end", "crc", "lines"))
        self.torn = 0
        self.long: list[Loss] = []
        """Lines longer than MOST_LINE bytes, which were passed over: the first hundred."""

    def __iter__(self) -> Iterator[Line]:
        before = self._lines
        with os.fdopen(open_regular(self._path), "rb", buffering=0) as file:
            raw = BoundedLines(file, self._end, self._crc)
            for number, byte, size, data in raw:
                self._end, self._crc, self._lines = raw.end, raw.crc, before + number
                if data is not None:
                    yield Line(self._lines, byte, data.rstrip(b"\r\n").decode(errors="replace"))
                elif len(self.long) < _MOST_NAMED:
                    reason = f"longer than {MOST_LINE:,} bytes: {size:,}"
                    self.long.append(Loss(self._path.name, reason, line=self._lines, byte=byte))
            self.torn = raw.torn

    @property
    def state(self) -> dict[str, Any]:
        return {"end": self._end, "crc": self._crc, "lines": self._lines}


def first_line(path: Path, most: int = 65_536) -> str:
    """The first line of a regular file, at most `most` bytes of it; "" for anything that cannot be read."""
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            return file.readline(most).rstrip(b"\r\n").decode(errors="replace")
    except (ValueError, OSError):
        return ""


def begins_with(path: Path, state: State) -> bool:
    """Whether the file still begins with every byte that led to `state`, a `LineLog.state`."""
    left, crc = state.get("end"), 0
    if not isinstance(left, int) or left <= 0:
        return False
    with os.fdopen(open_regular(path), "rb") as file:
        while left and (data := file.read(min(left, _CHUNK))):
            left, crc = left - len(data), zlib.crc32(data, crc)
    return left == 0 and crc == state.get("crc")
