"""Model checkpoints of llm.c (https://github.com/karpathy/llm.c): a header of 256 int32, and GPT-2's 16 tensors."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from etl.checkpoints.formats.contents import CheckpointError, Contents, OpenFile, Stored

MAGIC: Final = 20240326
HEADER_BYTES: Final = 1024
_DTYPES: Final = {3: ("float32", 4), 5: ("bfloat16", 2)}
"""Version -> dtype and bytes a value."""
_MOST: Final = 1 << 24


class _Sizes(NamedTuple):
    """As the header has them, from its third number on."""

    positions: int
    vocabulary: int
    layers: int
    heads: int
    width: int
    padded: int


def is_llmc(start: bytes) -> bool:
    return start[:4] == struct.pack("<i", MAGIC)


def read_file(path: Path) -> Contents:
    """Raises CheckpointError for another version, sizes that cannot be, or a file of another size than they make."""
    with OpenFile(path) as file:
        numbers = struct.unpack("<256i", file.read(0, HEADER_BYTES))
    if numbers[1] not in _DTYPES:
        raise CheckpointError(f"{path}: version {numbers[1]} of llm.c's format is not read; 3 and 5 are")
    dtype, itemsize = _DTYPES[numbers[1]]
    sizes = _Sizes(*numbers[2:8])
    if not all(1 <= size <= _MOST for size in sizes) or sizes.padded < sizes.vocabulary:
        raise CheckpointError(f"{path}: its header has impossible sizes: {sizes}")
    tensors, offset = {}, HEADER_BYTES
    for name, shape, kept in _shapes(sizes):
        tensors[name] = Stored(dtype, kept, 0, offset)
        offset += math.prod(shape) * itemsize
    if offset != file.size:
        raise CheckpointError(f"{path}: is {file.size:,} bytes, and its header makes {offset:,}")
    return Contents("llm.c", [file.reader], tensors, {"llmc": sizes._asdict()})


def _shapes(sizes: _Sizes) -> Iterator[tuple[str, tuple[int, ...], tuple[int, ...]]]:
    """Name, shape in the file, and shape without the rows that pad the vocabulary."""
    L, C = sizes.layers, sizes.width
    yield "wte", (sizes.padded, C), (sizes.vocabulary, C)
    yield "wpe", (sizes.positions, C), (sizes.positions, C)
    for name, shape in (
        ("ln1w", (L, C)), ("ln1b", (L, C)), ("qkvw", (L, 3 * C, C)), ("qkvb", (L, 3 * C)), ("attprojw", (L, C, C)),
        ("attprojb", (L, C)), ("ln2w", (L, C)), ("ln2b", (L, C)), ("fcw", (L, 4 * C, C)), ("fcb", (L, 4 * C)),
        ("fcprojw", (L, C, 4 * C)), ("fcprojb", (L, C)), ("lnfw", (C,)), ("lnfb", (C,)),
    ):  # fmt: skip
        yield name, shape, shape
