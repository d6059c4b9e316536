"""Reading a file by position. A file that becomes shorter meanwhile is an error here, where it would be a fatal
signal (SIGBUS) to whoever reads it through a memory map."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from etl.errors import StrobeError
from etl.local_files import open_regular

_ALIGNMENT = 64
_GAP = 4 << 10
"""Bytes that are sooner read and dropped than passed over by another reading, which takes 2 microseconds."""
_STRETCH = 1 << 18
"""Bytes with such gaps that are read at once."""
Fill = Callable[[npt.NDArray[np.uint8], int], None]
"""Fills a buffer with the bytes of a file from a place on."""


class ShortenedError(StrobeError):
    """A file is no longer what it was when its reading began; the message names it."""


class FileReader:
    """A regular file as it was found at first: each opening after that is of the same file, of the same size."""

    def __init__(self, path: str | os.PathLike[str], descriptor: int) -> None:
        """`descriptor` is open for reading, and stays its owner's."""
        found = os.fstat(descriptor)
        self.path, self.size = Path(path), found.st_size
        self._identity = (found.st_dev, found.st_ino)
        self.modified = found.st_mtime_ns

    @property
    def stamp(self) -> tuple[int, ...]:
        """Another one where the file was replaced or written to."""
        return (*self._identity, self.size, self.modified)

    @contextmanager
    def opened(self) -> Iterator[int]:
        """A descriptor to `fill` from. Raises NotAFileError, or ShortenedError where the file is not the same."""
        descriptor = open_regular(self.path)
        try:
            found = os.fstat(descriptor)
            if (found.st_dev, found.st_ino) != self._identity:
                raise ShortenedError(f"{self.path}: was replaced by another file while it was read")
            if found.st_size != self.size:
                how = "shortened" if found.st_size < self.size else "extended"
                raise ShortenedError(
                    f"{self.path}: was {how} while it was read: {found.st_size:,} bytes, not {self.size:,}"
                )
            yield descriptor
        finally:
            os.close(descriptor)

    def fill(self, descriptor: int, buffer: npt.NDArray[np.uint8], offset: int) -> None:
        """Fill the buffer with the bytes from `offset` on. Raises ShortenedError where the file ends before that, or
        the disk refuses."""
        done = 0
        while done < buffer.size:
            try:
                count = os.preadv(descriptor, [buffer[done:].data], offset + done)
            except OSError as error:
                raise ShortenedError(
                    f"{self.path}: byte {offset + done:,} cannot be read ({error.strerror})"
                ) from None
            if count == 0:
                raise ShortenedError(
                    f"{self.path}: was shortened while it was read: byte {offset + done:,} of {self.size:,} is gone"
                )
            done += count


def as_bytes(array: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """The bytes of a contiguous array, in place."""
    return array.reshape(-1).view(np.uint8)


def read_rows(fill: Fill, array: npt.NDArray[Any], offset: int, places: Sequence[int]) -> None:
    """Fill `array` with the rows at `places` of an array that begins at `offset`. Neighbours come in one reading, and
    so do rows with little between them, whose reading one by one would take longer."""
    each = array[:1].nbytes
    rows, buffer = as_bytes(array).reshape(len(places), each), room(0)
    for start, end in _stretches(places, each):
        first, count = places[start], places[end - 1] - places[start] + 1
        if count == end - start:
            fill(as_bytes(rows[start:end]), offset + first * each)
        else:
            buffer = buffer if buffer.size else room(_STRETCH)
            stretch = buffer[: count * each]
            fill(stretch, offset + first * each)
            rows[start:end] = stretch.reshape(count, each)[np.subtract(places[start:end], first)]


def _stretches(places: Sequence[int], each: int) -> Iterator[tuple[int, int]]:
    """Where stretches of `places` begin and end that are read at once, for rows of `each` bytes: neighbours, or what
    has gaps of at most `_GAP` and takes at most `_STRETCH`."""
    start, whole = 0, True
    for end in range(1, len(places) + 1):
        gap = (places[end] - places[end - 1] - 1) * each if end < len(places) else -1
        if whole and gap == 0:
            continue
        if not 0 <= gap <= _GAP or (places[end] - places[start] + 1) * each > _STRETCH:
            yield start, end
            start, whole = end, True
        else:
            whole = False


def room(size: int) -> npt.NDArray[np.uint8]:
    """Bytes to read into, at a multiple of 64: where numpy puts large arrays, 16 bytes behind a page, the kernel's
    copy is five times slower."""
    raw = np.empty(size + _ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % _ALIGNMENT
    return raw[start : start + size]
