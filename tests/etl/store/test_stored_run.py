"""A run of a store gives out snapshots whose bytes were recorded so, and names the others."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from etl.errors import StrobeError
from etl.ingest.load import ingest
from etl.run import soundness
from etl.run.folder import Run
from etl.run.snapshot import Snapshot
from etl.run.snapshot_errors import PayloadError
from etl.store.catalogue import Store
from etl.store.stored_run import StoredRun
from tests.support.make_run import make_run

STEPS = (0, 10, 20, 30)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_run(tmp_path / "alpha", steps=STEPS)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are read whole."""
    names: list[str] = []
    verify = Snapshot.verify
    monkeypatch.setattr(Snapshot, "verify", lambda self: (names.append(self.path.name), verify(self))[1])
    monkeypatch.setattr(soundness, "_read", {})
    return names


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1000] ^= 4
    path.write_bytes(data)


def stored(folder: Path) -> StoredRun:
    store = folder.parent / "store"
    ingest([folder], store)
    return Store(store).run("alpha")


def test_what_an_ingest_found_damaged_is_neither_counted_nor_given_out(folder: Path, read: list[str]) -> None:
    flip(folder / "step_000010.bin")
    run = stored(folder)
    assert (run.steps(), list(run.damaged())) == ([0, 20, 30], [10])
    with pytest.raises(PayloadError, match="step_000010.bin: payload crc is"):
        run.at(10)
    assert run.at(20)["params/wte"].size
    assert read == [], "the ingest has read them"


def test_what_was_damaged_after_its_ingest_is_not_given_out(folder: Path, read: list[str]) -> None:
    run = stored(folder)
    flip(folder / "step_000010.bin")
    for _ in range(2):
        with pytest.raises(PayloadError, match="payload crc is"):
            run.at(10)
    assert read == ["step_000010.bin"], "once as long as the file stays"
    assert run.steps() == [0, 20, 30]
    flip(folder / "step_000010.bin")
    assert run.at(10).step == 10
    assert run.steps() == list(STEPS)


def test_going_through_all_leaves_the_damaged_out_and_names_it(folder: Path) -> None:
    run = stored(folder)
    flip(folder / "step_000010.bin")
    (folder / "step_000020.bin").write_bytes(b"x" * 100)
    with pytest.warns(UserWarning, match="left out") as warned:
        steps = [snapshot.step for snapshot in run.snapshots()]
    assert steps == [0, 30]
    assert ["step_000010.bin" in str(warned[0].message), "step_000020.bin" in str(warned[1].message)] == [True, True]


@pytest.mark.parametrize("change", ["touched", "without the table", "of a store that does not say"])
def test_what_is_not_known_is_read(folder: Path, read: list[str], change: str) -> None:
    run = stored(folder)
    if change == "touched":
        os.utime(folder / "step_000010.bin", ns=(1, 1))
    elif change == "without the table":
        (part,) = run.pointer.tables["snapshots"]
        (folder.parent / "store" / part.file).unlink()
    else:
        run = StoredRun(run.row, run.files, run.pointer.__class__(run.id, 0, {}))
    assert run.at(10).step == 10
    assert read == ["step_000010.bin"]


def test_a_damaged_checkpoint_is_neither_counted_nor_given_out(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for step in (0, 5, 10):
        np.savez(folder / f"step{step}.npz", wte=np.full((40, 16), step, np.float32))
    path = folder / "step5.npz"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    ingest([folder], tmp_path / "store")
    run = Store(tmp_path / "store").run("model")
    assert (run.steps(), list(run.damaged())) == ([0, 10], [5])
    with pytest.raises(PayloadError, match="another CRC"):
        run.at(5)
    assert run.at(10)["params/wte"][0, 0] == 10


def test_a_folder_without_a_store_reads_each_once(folder: Path, read: list[str]) -> None:
    flip(folder / "step_000030.bin")
    for run in (Run(folder), Run(folder)):
        assert run.at(10).step == 10
        with pytest.raises(StrobeError, match="payload crc"):
            run.at(30)
    assert read == ["step_000010.bin", "step_000030.bin"]


def test_what_is_no_longer_the_same_is_read_again(folder: Path, read: list[str]) -> None:
    path = folder / "step_000010.bin"
    Run(folder).sound(path)
    os.utime(path, ns=(5, 5))
    Run(folder).sound(path)
    assert read == [path.name] * 2
