"""Checkpoints as other programs write them, and what they hold, for the tests of what reads them."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from etl.checkpoints.formats.contents import Contents
from etl.checkpoints.formats.opening import contents
from etl.checkpoints.reading import whole
from etl.run.pieces import Fill

Array = np.ndarray[Any, Any]
_WORDS = {"float32": "F32", "float64": "F64", "float16": "F16", "int32": "I32", "int64": "I64", "uint8": "U8"}


def safetensors_bytes(header: Mapping[str, Any] | bytes, data: bytes, length: int | None = None) -> bytes:
    """A file with this header, however false, and this data behind it."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def safetensors(arrays: Mapping[str, Array]) -> bytes:
    """A sound file of these arrays."""
    header, data = {}, b""
    for name, array in arrays.items():
        end = len(data) + array.nbytes
        header[name] = {
            "dtype": _WORDS[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [len(data), end],
        }
        data += np.ascontiguousarray(array).tobytes()
    return safetensors_bytes(header, data)


def values(path: Path) -> dict[str, Array]:
    """Every tensor of a checkpoint, as it is stored."""
    return values_of(contents(path))


def values_of(read: Contents) -> dict[str, Array]:
    found = {}
    for name, stored in read.tensors.items():
        file = read.files[stored.file]
        with file.opened() as descriptor:

            def fill(buffer: Any, offset: int, file: Any = file, descriptor: int = descriptor) -> None:
                file.fill(descriptor, buffer, offset)

            filling: Fill = fill
            found[name] = np.array(whole(stored, filling))
    return found


def llmc_bytes(
    arrays: Mapping[str, Array], *, heads: int, positions: int, vocabulary: int, version: int = 3
) -> bytes:
    """llm.c's model checkpoint of GPT-2's 16 tensors; wte with the rows that pad it."""
    width = arrays["wte"].shape[1]
    sizes = (positions, vocabulary, len(arrays.get("ln1w", ())), heads, width, len(arrays["wte"]))
    header = struct.pack("<256i", 20240326, version, *sizes, *(0,) * 248)
    return header + b"".join(np.ascontiguousarray(array).tobytes() for array in arrays.values())


def gpt2_arrays(
    layers: int = 2, width: int = 8, positions: int = 6, padded: int = 16, seed: int = 0
) -> dict[str, Array]:
    """llm.c's 16 tensors, random, in its order."""
    random, L, C = np.random.default_rng(seed), layers, width
    shapes = {
        "wte": (padded, C), "wpe": (positions, C), "ln1w": (L, C), "ln1b": (L, C), "qkvw": (L, 3 * C, C),
        "qkvb": (L, 3 * C), "attprojw": (L, C, C), "attprojb": (L, C), "ln2w": (L, C), "ln2b": (L, C),
        "fcw": (L, 4 * C, C), "fcb": (L, 4 * C), "fcprojw": (L, C, 4 * C), "fcprojb": (L, C),
        "lnfw": (C,), "lnfb": (C,),
    }  # fmt: skip
    return {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
