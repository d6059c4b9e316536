"""Where the bytes of a snapshot lie: its tensors one after the other, aligned."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

HEADER_BYTES = 64
ALIGNMENT = 64
DTYPES = {
    "float32": "<f4",
    "float64": "<f8",
    "float16": "<f2",
    "bfloat16": "bfloat16",
    "int8": "|i1",
    "int32": "<i4",
    "int64": "<i8",
    "uint8": "|u1",
}


def aligned(offset: int) -> int:
    """`offset` rounded up to the alignment of tensors."""
    return -(-offset // ALIGNMENT) * ALIGNMENT


def itemsize(dtype: str) -> int:
    """Bytes of one element of a manifest dtype."""
    return 2 if dtype == "bfloat16" else np.dtype(DTYPES[dtype]).itemsize


def stored_bytes(tensor: Mapping[str, Any]) -> int:
    """Bytes of a manifest's tensor in every snapshot of its part of the run: none where it is `missing` there."""
    return 0 if "missing" in tensor else math.prod(tensor["shape"]) * itemsize(tensor["dtype"])


def place(tensors: Sequence[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], int]:
    """Give each tensor its `offset`; returns the placed tensors and the size of the whole file in bytes."""
    placed, end = [], HEADER_BYTES
    for tensor in tensors:
        offset = aligned(end)
        placed.append({**tensor, "offset": offset})
        end = offset + stored_bytes(tensor)
    return placed, aligned(end)
