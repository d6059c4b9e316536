"""Snapshots whose bytes are not what was recorded: named, never measured, and no loss to any other."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etl.ingest import flatten as flattening
from etl.ingest.differences import delta_l2_rows
from etl.ingest.flatten import FlattenTask, flatten
from etl.ingest.load import ingest
from etl.ingest.statistics import statistics_rows
from etl.run.folder import Run
from etl.run.layout import HEADER_BYTES
from etl.store.catalogue import Store
from tests.support.effort import tries
from tests.support.make_run import make_run

STEPS = (0, 10, 20, 30)
TABLES = ("snapshots", "tensors", "scalars", "metrics", "attempts")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(
        tmp_path / "alpha", steps=STEPS, layers=2, heads=1, width=8, vocab=9, probe=(1, 2), metrics_every=10
    )


def rows(store: Path, tables: tuple[str, ...] = TABLES) -> dict[str, list[dict[str, Any]]]:
    catalogue = Store(store).current()
    columns = {table: "* EXCLUDE modified" if table == "snapshots" else "*" for table in tables}
    return {
        table: catalogue.query(f"SELECT {columns[table]} FROM {table} ORDER BY ALL").to_pylist() for table in tables
    }


def flip(path: Path, bit: int) -> None:
    with path.open("r+b") as file:
        file.seek(bit // 8)
        byte = file.read(1)[0]
        file.seek(bit // 8)
        file.write(bytes([byte ^ (1 << bit % 8)]))


def test_a_flipped_bit_costs_its_own_snapshot_and_is_said(run: Path, tmp_path: Path) -> None:
    sound, store = tmp_path / "sound", tmp_path / "store"
    ingest([run], sound)
    path = run / "step_000010.bin"
    flip(path, 8 * (path.stat().st_size // 2))
    (report,) = ingest([run], store)
    (loss,) = report.lost
    assert loss.file == path.name
    assert "payload crc is" in loss.reason
    listed = {row["step"]: row for row in rows(store)["snapshots"]}
    assert [listed[step]["payload"] for step in STEPS] == ["matches", "damaged", "matches", "matches"]
    assert [listed[step]["file"] is None for step in STEPS] == [False, True, False, False]
    assert listed[10]["note"].startswith("step_000010.bin: payload crc is")
    assert listed[20]["note"] == "no changes since step 10: that snapshot could not be read"
    found, whole = (rows(place)["tensors"] for place in (store, sound))
    assert {row["step"] for row in found} == {0, 20, 30}
    blank = {"delta_l2": None, "update_ratio": None}
    assert found == [row | (blank if row["step"] == 20 else {}) for row in whole if row["step"] != 10]
    assert not ingest([run], store)[0].changed, "twice is once"
    flip(path, 8 * (path.stat().st_size // 2))
    (report,) = ingest([run], store)
    assert not report.lost
    assert rows(store) == rows(sound)


@pytest.mark.parametrize("header", [False, True])
def test_a_predecessor_that_was_damaged_after_its_ingest(run: Path, tmp_path: Path, header: bool) -> None:
    """Its own rows are those of the sound file; changes since it are not taken of what it became, until it is
    mended."""
    sound, store, last = tmp_path / "sound", tmp_path / "store", run / "step_000030.bin"
    ingest([run], sound)
    away = last.rename(tmp_path / last.name)
    ingest([run], store)
    away.rename(last)
    bit = 8 * (3 if header else HEADER_BYTES + 5)
    flip(run / "step_000020.bin", bit)
    ingest([run], store)
    found = rows(store)
    assert {row["delta_l2"] for row in found["tensors"] if row["step"] == 30} == {None}
    assert found["snapshots"][-1]["note"] == "no changes since step 20: that snapshot could not be read"
    flip(run / "step_000020.bin", bit)
    ingest([run], store)
    assert rows(store) == rows(sound)


def test_random_bits_of_payloads_and_headers(run: Path, tmp_path: Path) -> None:
    """Every one is named, and of the flipped file no number is taken."""
    random, sound = np.random.default_rng(5), tmp_path / "sound"
    ingest([run], sound)
    whole = rows(sound)["tensors"]
    for number in range(tries(6, 60)):
        path = run / f"step_{random.choice(STEPS):06d}.bin"
        bit = int(random.integers(0, 8 * path.stat().st_size))
        flip(path, bit)
        (report,) = ingest([run], tmp_path / f"store-{number}")
        flip(path, bit)
        assert [loss.file for loss in report.lost] == [path.name], f"bit {bit} of {path.name}"
        found = rows(tmp_path / f"store-{number}", ("tensors",))["tensors"]
        same = [row for row in found if row in whole]
        others = [row for row in found if row not in whole]
        assert len(same) + len(others) == len(whole) * 3 // 4
        for row in others:  # the snapshot after the flipped one: no changes, or those since the one before both
            assert row["section"] == "params"
            assert row | {"delta_l2": 0, "update_ratio": 0} in [
                own | {"delta_l2": 0, "update_ratio": 0} for own in whole
            ]


def test_statistics_of_parts_are_those_of_the_whole(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is read a part at a time and the rows are the same bit for bit as of arrays in memory."""
    monkeypatch.setattr(flattening, "PART", 4 * 16_384)
    folder = make_run(run.parent / "large", steps=(0, 10), layers=2, heads=1, width=96, vocab=500, probe=(1, 2))
    opened = Run(folder)
    first, second = (path for _, _, path in opened.files())
    _, found = flatten(folder, opened.manifest.hash, [FlattenTask(first, None), FlattenTask(second, first, 0)])
    assert found.tensors is not None
    got = {(row["section"], row["tensor"], row["layer"]): row for row in found.tensors.to_pylist()}
    before, now = opened.open(first), opened.open(second)
    for name in ("params/wte", "params/fcw", "params/lnfw", "grads/fcw"):
        spec = now.spec(name)
        stacked = spec["dims"][0] == "layer"
        a, b = (s[name] if stacked else s[name][None] for s in (now, before))
        deltas = delta_l2_rows(a, b)
        for k, record in enumerate(statistics_rows(a)):
            row = got[spec["section"], name.partition("/")[2], k if stacked else None]
            assert (row["l2"], row["mean"], row["max"], row["zero_fraction"]) == tuple(
                map(real32, (record.l2, record.mean, record.max, record.zero_fraction))
            )
            assert row["delta_l2"] == (real32(deltas[k]) if spec["section"] == "params" else None)


def real32(value: float) -> float:
    """As TENSOR_ROWS holds it."""
    return float(value)


def test_a_snapshot_that_is_shortened_between_its_header_and_its_numbers(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = flattening._Pass.read

    def shortened(self: Any) -> None:
        if self.snapshot.step == 10:
            os.truncate(self.snapshot.path, 4096)
        read(self)

    monkeypatch.setattr(flattening._Pass, "read", shortened)
    (report,) = ingest([run], tmp_path / "store")
    said = [("shortened while it was read" in loss.reason or "truncated" in loss.reason) for loss in report.lost]
    assert [loss.file for loss in report.lost] == ["step_000010.bin"]
    assert said == [True]
    assert {row["step"] for row in rows(tmp_path / "store")["tensors"]} == {0, 20, 30}
