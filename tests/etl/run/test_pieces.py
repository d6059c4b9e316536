"""A snapshot that changes under its reader is a named error, and only what is asked for is read."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.run.folder import Run
from etl.run.pieces import ShortenedError, read_rows
from etl.run.snapshot import Snapshot
from etl.run.snapshot_errors import SnapshotError
from tests.support.make_run import make_run

NAME = "attention/att"


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    return Run(make_run(tmp_path / "alpha", steps=(0,), layers=3, width=8, probe=(4, 6))).at(0)


def test_a_file_that_is_shortened_after_its_opening(snapshot: Snapshot) -> None:
    os.truncate(snapshot.path, 4096)
    with pytest.raises(SnapshotError, match=r"step_000000\.bin: was shortened while it was read: 4,096 bytes"):
        snapshot.read(NAME)


def test_a_file_that_is_shortened_while_it_is_read(snapshot: Snapshot) -> None:
    gone = r"was shortened while it was read: byte 4,096 of [\d,]+ is gone"
    with snapshot.reading() as fill:
        os.truncate(snapshot.path, 4096)
        with pytest.raises(ShortenedError, match=gone):
            fill(np.empty(8192, np.uint8), 0)


def test_a_file_that_is_replaced_or_extended_or_gone(snapshot: Snapshot) -> None:
    data = snapshot.path.read_bytes()
    with snapshot.path.open("ab") as file:
        file.write(b"\0")
    with pytest.raises(SnapshotError, match="was extended while it was read"):
        snapshot.read(NAME)
    beside = snapshot.path.with_name("beside")
    beside.write_bytes(data)
    beside.rename(snapshot.path)
    with pytest.raises(SnapshotError, match="was replaced by another file"):
        snapshot.read(NAME)
    snapshot.path.unlink()
    with pytest.raises(SnapshotError, match="cannot be opened"):
        snapshot.read(NAME)


@pytest.mark.parametrize("at", [None, 1, [0, 2], range(3), []])
@pytest.mark.parametrize("second", [None, [3], [0, 1, 3], range(4)])
def test_parts_of_a_tensor(snapshot: Snapshot, at: object, second: object) -> None:
    whole = snapshot[NAME]
    wanted = whole if second is None else whole[:, list(second)]
    wanted = wanted if at is None else wanted[at if isinstance(at, int) else list(at)]
    np.testing.assert_array_equal(snapshot.read(NAME, at, second), wanted)
    np.testing.assert_array_equal(snapshot.values(NAME, at, second), wanted)


def test_places_that_a_tensor_has_not(snapshot: Snapshot) -> None:
    for at, second in ((3, None), ([-1], None), (None, [4])):
        with pytest.raises(SnapshotError, match="more was asked for"):
            snapshot.read(NAME, at, second)


@given(st.lists(st.integers(0, 400), max_size=60), st.booleans(), st.sampled_from([1, 7, 600, 5000]))
def test_rows_at_any_places(places: list[int], ascending: bool, each: int) -> None:
    data = np.random.default_rng(0).integers(0, 256, (401, each), np.uint8)
    flat = data.reshape(-1)

    def fill(buffer: np.ndarray, offset: int) -> None:
        buffer[:] = flat[offset - 64 : offset - 64 + buffer.size]

    places = sorted(places) if ascending else places
    rows = np.zeros((len(places), each), np.uint8)
    read_rows(fill, rows, 64, places)
    np.testing.assert_array_equal(rows, data[places])


def test_rows_with_little_between_them_are_read_at_once() -> None:
    asked: list[tuple[int, int]] = []
    read_rows(
        lambda buffer, offset: asked.append((offset, buffer.size)), np.zeros((8, 100), np.uint8), 0,
        [0, 1, 2, 10, 20, 500, 501, 499],
    )  # fmt: skip
    assert asked == [(0, 2100), (50_000, 200), (49_900, 100)]


_MAPPED = """
import os, sys
from etl.run.folder import Run
run = Run(sys.argv[1])
snapshot = run.mapped(run.path_at(0))
array = snapshot["attention/att"]
os.truncate(snapshot.path, 64)
try:
    snapshot.read("attention/att")
except Exception as error:
    print(error, flush=True)
array.sum()
"""


def test_a_map_of_such_a_file_kills_its_reader_where_a_reading_does_not(snapshot: Snapshot) -> None:
    """What all reading of the project is kept from: shown once, so that the tests above can be believed."""
    done = subprocess.run(
        [sys.executable, "-c", _MAPPED, str(snapshot.path.parent)], capture_output=True, text=True, check=False
    )
    assert "was shortened while it was read" in done.stdout
    assert done.returncode == -signal.SIGBUS
