"""The bytes of a checkpoint's tensors as if they lay in one snapshot file: read where they are, changed on the way.

A tensor that lies in its file as the run has it is read straight into the reader's buffer. One that is turned or of
another dtype is made in memory, a stored tensor at a time, and the one that was made last is kept.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from etl.checkpoints.architectures.planning import Piece, Plan
from etl.checkpoints.formats.contents import CheckpointError, Stored, dtype_of
from etl.checkpoints.formats.zipped import inflated
from etl.local_files import NotAFileError
from etl.run.pieces import FileReader, Fill, ShortenedError, as_bytes, room
from etl.run.snapshot import numpy_dtype

Array = npt.NDArray[Any]
FillFile = Callable[[int], Fill]
"""Number of a file -> what fills a buffer from it."""


class Stretch(NamedTuple):
    """Bytes of the imagined file that one piece makes."""

    start: int
    size: int
    piece: Piece
    dtype: str


def stretches(entries: Sequence[Mapping[str, Any]], plans: Sequence[Plan]) -> list[Stretch]:
    """The stretches of the pieces, ascending; `entries` are those of the plans with their offsets."""
    found = []
    for entry, plan in zip(entries, plans, strict=True):
        start, itemsize = entry["offset"], numpy_dtype(entry["dtype"]).itemsize
        for piece in plan.pieces:
            parts = 2 if piece.stored.dtype.startswith("complex") else 1
            size = math.prod(piece.stored.shape) * parts * itemsize
            found.append(Stretch(start, size, piece, entry["dtype"]))
            start += size
    return found


class Imagined:
    """The imagined file of one checkpoint."""

    def __init__(self, files: Sequence[FileReader], every: Sequence[Stretch]) -> None:
        self._files, self._every = files, every
        self._starts = [stretch.start for stretch in every]

    @contextmanager
    def opened(self) -> Iterator[Fill]:
        """`fill(buffer, offset)`, as long as the block lasts. A file is opened when something of it is asked for.
        Raises CheckpointError where one is no longer what it was."""
        with ExitStack() as stack:
            fills: dict[int, Fill] = {}

            def fill_file(number: int) -> Fill:
                if number not in fills:
                    fills[number] = stack.enter_context(opened(self._files[number]))
                return fills[number]

            yield partial(self._fill, fill_file, {})

    def _fill(self, fill_file: FillFile, made: dict[int, Array], buffer: npt.NDArray[np.uint8], offset: int) -> None:
        end, at = offset + buffer.size, offset
        number = max(0, bisect.bisect_right(self._starts, offset) - 1)
        for index in range(number, len(self._every)):
            stretch = self._every[index]
            if stretch.start >= end:
                break
            first, last = max(at, stretch.start), min(end, stretch.start + stretch.size)
            if first < last:
                buffer[at - offset : first - offset] = 0
                self._take(fill_file, made, index, buffer[first - offset : last - offset], first - stretch.start)
                at = last
        buffer[at - offset :] = 0

    def _take(
        self, fill_file: FillFile, made: dict[int, Array], index: int, part: npt.NDArray[np.uint8], inside: int
    ) -> None:
        """Fill `part` with the bytes of a stretch from `inside` on."""
        _, size, piece, dtype = self._every[index]
        stored = piece.stored
        if piece.change is None and stored.in_order and stored.dtype == dtype:
            fill_file(stored.file)(part, stored.offset + inside)
            return
        if index not in made:
            made.clear()
            made[index] = _made(piece, dtype, fill_file(stored.file), size)
        part[:] = made[index][inside : inside + part.size]


@contextmanager
def opened(file: FileReader) -> Iterator[Fill]:
    """`fill(buffer, offset)` from one file of a checkpoint. Raises CheckpointError where it is not what it was."""
    try:
        with file.opened() as descriptor:
            yield partial(file.fill, descriptor)
    except (NotAFileError, ShortenedError) as error:
        raise CheckpointError(str(error)) from None


def _made(piece: Piece, dtype: str, fill: Fill, size: int) -> npt.NDArray[np.uint8]:
    values = whole(piece.stored, fill)
    values = piece.change(values) if piece.change is not None else values
    made = as_bytes(np.ascontiguousarray(values, numpy_dtype(dtype)))
    if made.size != size:
        raise CheckpointError(
            f"a tensor of shape {piece.stored.shape} became {made.size:,} bytes instead of {size:,}"
        )
    return made


def whole(stored: Stored, fill: Fill) -> Array:
    """All of a stored tensor, in memory."""
    dtype = dtype_of(stored.dtype)
    if stored.packed is not None:
        packed = room(stored.packed)
        fill(packed, stored.offset)
        data = inflated(packed.tobytes(), stored.begins + stored.nbytes, "an array of it")
        return _viewed(np.frombuffer(data, np.uint8)[stored.begins :], stored, dtype)
    span = room(_span(stored) * dtype.itemsize)
    fill(span, stored.offset)
    return _viewed(span, stored, dtype)


def _span(stored: Stored) -> int:
    """How many values lie from the first to the last."""
    if stored.strides is None:
        return math.prod(stored.shape)
    return 1 + sum((size - 1) * step for size, step in zip(stored.shape, stored.strides, strict=True))


def _viewed(data: npt.NDArray[np.uint8], stored: Stored, dtype: np.dtype[Any]) -> Array:
    if stored.strides is None:
        return data.view(dtype).reshape(stored.shape)
    return np.ndarray(stored.shape, dtype, data, strides=[step * dtype.itemsize for step in stored.strides])
