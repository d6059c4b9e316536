"""Reading a snapshot once from its first byte to its last: tensors a part at a time, and the CRC of all that was
given out, while it is still in the processor's cache."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from etl.run.crc32 import crc32
from etl.run.layout import HEADER_BYTES
from etl.run.pieces import Fill, as_bytes, room
from etl.run.snapshot import Snapshot

Array = npt.NDArray[Any]
PART = 2 << 20
"""Bytes that are read at a time: few enough to be in the processor's cache when they are looked at again, and enough
of them that the calls for each do not matter."""


class Parts:
    """A tensor as rows (rows, size) in the file: `parts[rows, columns]` is good until the next part is taken.

    What is asked for by two slices is taken from the reading, and rows by one slice are read beside it, to be kept:
    `etl.ingest.statistics.Rows`.
    """

    def __init__(self, reading: Reading, offset: int, shape: tuple[int, int], dtype: np.dtype[Any]) -> None:
        self._reading, self._offset, self.shape, self.dtype = reading, offset, shape, dtype

    def __getitem__(self, at: Any) -> Array:
        rows, columns = at if isinstance(at, tuple) else (at, slice(None))
        first, end, _ = rows.indices(self.shape[0])
        start, stop, _ = columns.indices(self.shape[1])
        size = (end - first) * (stop - start) * self.dtype.itemsize
        part = self._reading.room(size) if isinstance(at, tuple) else room(size)
        place = self._offset + (first * self.shape[1] + start) * self.dtype.itemsize
        (self._reading.take if isinstance(at, tuple) else self._reading.fill)(part, place)
        return part.view(self.dtype).reshape(end - first, stop - start)


class Reading:
    """Tensors of an open snapshot, a part at a time or whole."""

    def __init__(self, snapshot: Snapshot, fill: Fill) -> None:
        self.snapshot, self.fill = snapshot, fill
        self._buffer = room(2 * PART)

    def room(self, size: int) -> npt.NDArray[np.uint8]:
        """Bytes for a part, which the next part takes again."""
        if size > self._buffer.size:
            self._buffer = room(size)
        return self._buffer[:size]

    def take(self, buffer: npt.NDArray[np.uint8], offset: int) -> None:
        """Fill the buffer from `offset` on."""
        self.fill(buffer, offset)

    def parts(self, name: str, *, stacked: bool) -> Parts:
        """A tensor, its first axis as rows where its layers are stacked, else as one row."""
        dtype, shape, offset = self.snapshot.placed(name)
        rows = shape[0] if stacked else 1
        return Parts(self, offset, (rows, math.prod(shape) // rows), dtype)

    def whole(self, name: str) -> Array:
        """A tensor in memory."""
        dtype, shape, offset = self.snapshot.placed(name)
        array: Array = room(math.prod(shape) * dtype.itemsize).view(dtype).reshape(shape)
        self.take(as_bytes(array), offset)
        return array


class CheckedReading(Reading):
    """All that is taken in the order of the file, with its CRC; what is left out between is read as well."""

    def __init__(self, snapshot: Snapshot, fill: Fill) -> None:
        super().__init__(snapshot, fill)
        self._crc, self._at = 0, HEADER_BYTES

    def take(self, buffer: npt.NDArray[np.uint8], offset: int) -> None:
        """Fill the buffer from `offset` on. Raises ValueError for bytes that were passed already."""
        if offset < self._at:
            raise ValueError(f"{self.snapshot.path}: byte {offset} was read already, up to {self._at}")
        self._pass_to(offset)
        self.fill(buffer, offset)
        self._crc, self._at = crc32(buffer, self._crc), offset + buffer.size

    def finish(self) -> None:
        """Read what is left. Raises SnapshotError where the CRC is not the header's."""
        self._pass_to(self.snapshot.size)
        self.snapshot.require_crc(self._crc)

    def _pass_to(self, offset: int) -> None:
        while self._at < offset:
            piece = self._buffer[: min(PART, offset - self._at)]
            self.fill(piece, self._at)
            self._crc, self._at = crc32(piece, self._crc), self._at + piece.size
