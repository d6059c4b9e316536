"""What a value holds is what the process would get back without it."""

from __future__ import annotations

import mmap
import tracemalloc
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from strobe.ui.shell.sizes import size_of
from strobe.views.curves import Points
from strobe.views.run_view import Answer

MEGABYTE = 1_000_000


class Slotted:
    __slots__ = ("held", "missing")

    def __init__(self, held: object) -> None:
        self.held = held


@dataclass
class Several:
    values: Any
    names: dict[str, bytes]


def numbers(count: int = MEGABYTE // 8) -> np.ndarray:
    return np.arange(count, dtype=np.float64)


SLICED = pa.table({"a": numbers()}).slice(5, 10)
HELD = {
    "an array": numbers(),
    "a view of it": numbers()[:3],
    "a view of a view": numbers().reshape(5, -1)[1][::2],
    "bytes": b"x" * MEGABYTE,
    "a memory view": memoryview(b"x" * MEGABYTE),
    "an Arrow buffer": pa.py_buffer(b"x" * MEGABYTE),
    "a table": pa.table({"a": numbers()}),
    "a slice of a table": SLICED,
    "a column": pa.chunked_array([numbers()]),
    "an array without a copy": pa.array(numbers()).to_numpy(),
    "an answer": Answer("SELECT 1", pa.table({"a": numbers()})),
    "a dataclass": Several(numbers(), {"a": b""}),
    "a dictionary in one": Several(None, {"a": b"x" * MEGABYTE}),
    "slots": Slotted(numbers()),
    "the same twice": [ONE := numbers(), ONE, ONE[4:]],
    "points": Points(ONE, ONE, ONE),
}


@pytest.mark.parametrize("name", HELD)
def test_what_it_holds_counts_once(name: str) -> None:
    assert MEGABYTE <= size_of(HELD[name]) < 1.002 * MEGABYTE


@pytest.mark.parametrize(
    "make",
    [
        lambda: [float(k) for k in range(100_000)],
        lambda: [{"step": 1000.0 + k, "label": f"layer {k}"} for k in range(20_000)],
        lambda: {k: np.zeros(50) for k in range(1000, 6000)},
        # More than Python keeps of the tuples and floats that were let go.
        lambda: [(f"{k}", 1.5 * k) for k in range(20_000)],
    ],
    ids=["floats", "rows", "arrays by step", "pairs"],
)
def test_python_objects_are_what_the_allocator_gave(make: Any) -> None:
    tracemalloc.start()
    value = make()
    allocated = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert 0.8 < size_of(value) / allocated < 1.25


def test_what_is_not_its_own_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * MEGABYTE)
    mapped = np.memmap(tmp_path / "file", np.uint8, "r")
    with (tmp_path / "file").open("rb") as file:
        opened = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    for shared in (mapped, mapped[10:], opened, np, Slotted, size_of):
        assert size_of(shared) < 1000


def test_a_circle_ends() -> None:
    circle: list[Any] = [b"x" * MEGABYTE]
    circle.append(circle)
    assert MEGABYTE <= size_of(circle) < 1.002 * MEGABYTE
