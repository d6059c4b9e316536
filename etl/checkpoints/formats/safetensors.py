"""The safetensors format (https://github.com/huggingface/safetensors), read strictly.

Eight bytes, the header's length; a JSON header with each tensor's dtype, shape and place; then the tensors' bytes,
without gaps, overlaps or anything behind them.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from etl.checkpoints.formats.contents import CheckpointError, Contents, OpenFile, Stored
from etl.run import strict_json

INDEX_ENDING: Final = ".safetensors.index.json"
LENGTH_BYTES: Final = 8
MOST_HEADER: Final = strict_json.MAX_BYTES
_DTYPES: Final[Mapping[str, tuple[str, int]]] = {
    "BOOL": ("bool", 8), "U8": ("uint8", 8), "I8": ("int8", 8), "F8_E5M2": ("float8_e5m2", 8),
    "F8_E4M3": ("float8_e4m3fn", 8), "F8_E8M0": ("float8_e8m0fnu", 8),
    "I16": ("int16", 16), "U16": ("uint16", 16), "F16": ("float16", 16), "BF16": ("bfloat16", 16),
    "I32": ("int32", 32), "U32": ("uint32", 32), "F32": ("float32", 32),
    "I64": ("int64", 64), "U64": ("uint64", 64), "F64": ("float64", 64), "C64": ("complex64", 64),
    "F4": ("", 4), "F6_E2M3": ("", 6), "F6_E3M2": ("", 6),
}  # fmt: skip
"""The format's word -> numpy's name ("": none that is read) and bits a value."""


def is_safetensors(start: bytes) -> bool:
    """Whether a file that begins so is meant as safetensors, sound or not."""
    return start[LENGTH_BYTES : LENGTH_BYTES + 1] == b"{"


def read_file(path: Path) -> Contents:
    """One file. Raises CheckpointError with the tensor and what is wrong with it."""
    with OpenFile(path) as file:
        header, start = _header(file)
        facts = header.pop("__metadata__", {})
        places = [_place(path, name, entry, start) for name, entry in header.items()]
        _refuse_gaps(file, places, start)
    tensors = {name: stored for name, stored, _ in places if stored is not None}
    left_out = {name: "values of less than a byte are not read" for name, stored, _ in places if stored is None}
    return Contents("safetensors", [file.reader], tensors, facts if isinstance(facts, dict) else {}, left_out)


def _header(file: OpenFile) -> tuple[dict[str, Any], int]:
    (length,) = struct.unpack("<Q", file.read(0, LENGTH_BYTES))
    if length > MOST_HEADER:
        raise CheckpointError(f"{file.path}: declares a header of {length:,} bytes; at most {MOST_HEADER:,} are read")
    if length > file.size - LENGTH_BYTES:
        raise CheckpointError(f"{file.path}: declares a header of {length:,} bytes, and holds {file.size:,}")
    try:
        return strict_json.load(file.read(LENGTH_BYTES, length)), LENGTH_BYTES + length
    except ValueError as error:
        raise CheckpointError(f"{file.path}: its header {error}") from None


Place = tuple[str, Stored | None, tuple[int, int]]
"""Name, tensor, and its first byte and the one behind it."""


def _place(path: Path, name: str, entry: object, start: int) -> Place:
    where = f"{path}: tensor {name!r:.80}"
    if not isinstance(entry, dict):
        raise CheckpointError(f"{where}: is {entry!r:.40}, not an object")
    dtype: Any = entry.get("dtype")
    shape: Any = entry.get("shape")
    offsets: Any = entry.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        raise CheckpointError(f"{where}: dtype {dtype!r:.40} is unknown; known are {', '.join(_DTYPES)}")
    if not _whole_numbers(shape) or not _whole_numbers(offsets) or len(offsets) != 2:
        raise CheckpointError(f"{where}: shape {shape!r:.80} or data_offsets {offsets!r:.80} are no whole numbers")
    begin, end = offsets
    known, bits = _DTYPES[dtype]
    due = -(-math.prod(shape) * bits // 8)
    if end - begin != due:
        raise CheckpointError(f"{where}: {dtype} of shape {shape!r:.80} takes {due:,} bytes, and has {end - begin:,}")
    stored = Stored(known, tuple(shape), 0, start + begin) if known else None
    return name, stored, (start + begin, start + end)


def _whole_numbers(values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is int and value >= 0 for value in values)


def _refuse_gaps(file: OpenFile, places: list[Place], start: int) -> None:
    """Raises CheckpointError unless the tensors fill the file, each beginning where another ends."""
    end = start
    for name, _, (begin, stop) in sorted(places, key=lambda place: place[2]):
        if begin != end:
            how = "overlaps the one before" if begin < end else "leaves a gap before itself"
            raise CheckpointError(f"{file.path}: tensor {name!r:.80}: {how}, at byte {begin:,} instead of {end:,}")
        end = stop
    if end != file.size:
        how = "trailing bytes behind its tensors" if end < file.size else "fewer bytes than its tensors take"
        raise CheckpointError(f"{file.path}: has {how}: {file.size:,} instead of {end:,}")
