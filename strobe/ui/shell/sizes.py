"""How many bytes a value holds in memory: what a bounded cache is bounded by."""

from __future__ import annotations

import mmap
import sys
from collections.abc import Iterator, Mapping
from enum import Enum
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, Final

import numpy as np
import pyarrow as pa

_SAMPLED: Final = 1000
"""Of longer sequences so many items, evenly spread, stand for all: looking at a million would take a second."""
_ARROW = (pa.Table, pa.RecordBatch, pa.ChunkedArray, pa.Array)
_SHARED = (type, ModuleType, FunctionType, BuiltinFunctionType, MethodType, Enum, mmap.mmap)
"""What a value does not hold by itself; the pages of a mapped file are the kernel's."""


def size_of(value: object) -> int:
    """Bytes of the value and of what it refers to, each object once: whole buffers of Arrow, and of numpy the array
    that a view looks into."""
    return round(_size(value, set()))


def _size(value: object, seen: set[int]) -> float:
    if isinstance(value, np.ndarray):
        value = _owner(value)
    if id(value) in seen or isinstance(value, _SHARED):
        return 0
    seen.add(id(value))
    return sys.getsizeof(value) + _data(value) + _items(_held(value), seen)


def _data(value: object) -> int:
    """Bytes that `sys.getsizeof` does not count."""
    if isinstance(value, np.ndarray):
        # It counts those of an array that owns them.
        return 0 if value.base is None or isinstance(value.base, mmap.mmap) else value.nbytes
    if isinstance(value, _ARROW):
        # It counts them too, but for a slice those of the slice alone.
        return max(0, int(value.get_total_buffer_size()) - int(value.nbytes))
    return memoryview(value).nbytes if isinstance(value, memoryview | pa.Buffer) else 0


def _held(value: object) -> list[Any]:
    """The objects that a value refers to."""
    if isinstance(value, Mapping):
        return [*value.keys(), *value.values()]
    if isinstance(value, list | tuple | set | frozenset):
        return list(value)
    if isinstance(value, np.ndarray):
        return list(value.ravel()) if value.dtype.hasobject else []
    return list(_attributes(value))


def _owner(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _items(values: list[Any], seen: set[int]) -> float:
    if len(values) <= 2 * _SAMPLED:
        return sum(_size(value, seen) for value in values)
    sample = values[:: len(values) // _SAMPLED]
    return sum(_size(value, seen) for value in sample) * len(values) / len(sample)


def _attributes(value: object) -> Iterator[object]:
    yield from getattr(value, "__dict__", {}).values()
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if hasattr(value, name):
                yield getattr(value, name)
