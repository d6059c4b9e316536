"""A snapshot's parameters in the safetensors format, which most other tools read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from etl.replacing import replacing_path

_KINDS = {"float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "int64": "I64", "int32": "I32",
          "int8": "I8", "uint8": "U8"}  # fmt: skip


def write_safetensors(path: Path, tensors: Mapping[str, np.ndarray[Any, Any]], metadata: Mapping[str, str]) -> None:
    """Write named arrays, through a temporary file and a rename.

    uint64 header length, a JSON header {name: {dtype, shape, data_offsets}} padded with spaces to a multiple of 8,
    then the arrays in that order, little-endian and C order (the format of huggingface/safetensors).
    """
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    offset = 0
    arrays = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    for name, array in arrays.items():
        end = offset + array.nbytes
        header[name] = {"dtype": _KINDS[array.dtype.name], "shape": list(array.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with replacing_path(path, fsync=False) as temporary, temporary.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in arrays.values():
            file.write(array.tobytes())
