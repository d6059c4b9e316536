"""What a checkpoint file holds: each tensor's place, shape and dtype, told by its header alone."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from etl.local_files import NotAFileError, open_regular
from etl.run.pieces import FileReader, ShortenedError, room
from etl.run.snapshot_errors import SnapshotError

Facts = Mapping[str, Any]
"""What a file says of its model or its training besides tensors, as plain values."""

OTHER_DTYPES: Final = frozenset(
    ("bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu")
)
"""Dtypes that numpy has by ml_dtypes."""


class CheckpointError(SnapshotError):
    """A checkpoint that cannot be read, or is not to be trusted; the message names the file and what is wrong."""


class NoTensorsError(CheckpointError):
    """A sound file that holds no model: an optimizer's state, settings."""


def dtype_of(name: str) -> np.dtype[Any]:
    """The numpy dtype of a name as numpy or ml_dtypes has it, little-endian."""
    if name in OTHER_DTYPES:
        import ml_dtypes

        other: np.dtype[Any] = np.dtype(getattr(ml_dtypes, name))
        return other
    return np.dtype(name)


@dataclass(frozen=True, slots=True)
class Stored:
    """One tensor in a file: its first value at byte `offset`, the others by `strides` (in values; None: C order).

    `packed` is of a deflated member of a zip file: how many bytes of it lie at `offset`; what they inflate to has
    the tensor from byte `begins` on.
    """

    dtype: str
    shape: tuple[int, ...]
    file: int
    offset: int
    strides: tuple[int, ...] | None = None
    packed: int | None = None
    begins: int = 0

    @property
    def nbytes(self) -> int:
        """As it is when it is read, in C order."""
        return math.prod(self.shape) * dtype_of(self.dtype).itemsize

    @property
    def place(self) -> tuple[int, int]:
        """Tied tensors have the same."""
        return self.file, self.offset + self.begins

    @property
    def in_order(self) -> bool:
        """Whether its bytes lie in the file as C order has them."""
        strides = c_strides(self.shape) if self.strides is None else self.strides
        due = zip(self.shape, strides, c_strides(self.shape), strict=True)
        # What the stride of an axis of one is makes no difference.
        return self.packed is None and all(size == 1 or step == other for size, step, other in due)


class Checked(NamedTuple):
    """A stretch of a file whose CRC-32 (the polynomial of zlib) the file tells."""

    file: int
    offset: int
    size: int
    crc: int


@dataclass(frozen=True)
class Contents:
    """A checkpoint: its files, its tensors by name, and what it says besides."""

    kind: str
    files: Sequence[FileReader]
    tensors: Mapping[str, Stored]
    facts: Facts = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Tensors that stand in the file and cannot be read, and why."""
    checks: Sequence[Checked] = ()
    """What can be compared: the members of zip files. The other formats have no CRC."""


def c_strides(shape: Sequence[int]) -> tuple[int, ...]:
    """The strides in values of an array in C order."""
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return tuple(reversed(strides))


class OpenFile:
    """A checkpoint's file while its header is read. Every reading names the file where it fails."""

    def __init__(self, path: Path) -> None:
        """Raises CheckpointError for anything but a regular file."""
        try:
            self._descriptor = open_regular(path)
        except NotAFileError as error:
            raise CheckpointError(str(error)) from None
        self.path, self.reader = path, FileReader(path, self._descriptor)

    @property
    def size(self) -> int:
        return self.reader.size

    def read(self, offset: int, count: int) -> bytes:
        """Raises CheckpointError where the file does not have these bytes."""
        if min(offset, count) < 0 or offset + count > self.size:
            raise CheckpointError(f"{self.path}: is cut off: byte {offset + count:,} of {self.size:,} is due")
        buffer = room(count)
        try:
            self.reader.fill(self._descriptor, buffer, offset)
        except ShortenedError as error:
            raise CheckpointError(str(error)) from None
        return buffer.tobytes()

    def beginning(self, count: int) -> bytes:
        """At most `count` bytes from the start."""
        return self.read(0, min(count, self.size))

    def __enter__(self) -> OpenFile:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)
