"""kill -9 in the middle of ingesting, again and again: readers see whole states, and the end is as if undisturbed."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import threading
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pytest

from etl.errors import StoreError
from etl.ingest.load import ingest
from etl.store.catalogue import Store
from etl.store.files import Files
from etl.store.pointer import read_pointer
from tests.support.make_run import make_run
from tests.support.tables import tables

KILLS = int(os.environ.get("STROBE_TEST_KILLS", "270"))
"""Processes to start; three in four are killed."""


CONTEXT = multiprocessing.get_context("forkserver")


def work(run: Path, store: Path) -> None:
    """One ingest in a process of its own."""
    ingest([run], store, jobs=1)


def start(run: Path, store: Path) -> BaseProcess:
    """Begin an ingest; the server it is forked from has the imports and the compiled kernel already."""
    CONTEXT.set_forkserver_preload(["etl.ingest.load", "etl.ingest.kernels", __name__])
    process = CONTEXT.Process(target=work, args=(run, store), daemon=True)
    process.start()
    return process


class Reader(threading.Thread):
    """Reads the store all the time; each answer must belong to a state that some ingest committed whole."""

    def __init__(self, store: Path) -> None:
        super().__init__(daemon=True)
        self.store, self.stop, self.reads, self.wrong = Store(store), threading.Event(), 0, ""

    def run(self) -> None:
        count = "(SELECT count(*) FROM {}_all)"
        both = f"SELECT {count.format('tensors')} AS t, {count.format('snapshots')} AS s"
        while not self.stop.is_set():
            try:
                row = self.store.current().query(both).to_pylist()[0]
            except StoreError:
                continue  # a file of a version two commits ago is gone: resolve the store again
            self.reads += 1
            if row["t"] != row["s"] * ROWS_PER_SNAPSHOT:
                self.wrong = f"{row}"
            time.sleep(0.002)


ROWS_PER_SNAPSHOT = 57


def grow(run: Path, waiting: list[Path], lines: list[str], count: int) -> None:
    """A few more snapshots and metric lines, as a live training adds them."""
    for path in waiting[:count]:
        path.rename(run / path.name)
    del waiting[:count]
    with (run / "metrics.jsonl").open("a") as file:
        file.writelines(lines[:count])
    del lines[:count]


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_kills_at_random_moments(tmp_path: Path) -> None:
    whole = make_run(tmp_path / "whole" / "alpha", steps=range(2 * KILLS))
    run, store, aside = tmp_path / "live" / "alpha", tmp_path / "store", tmp_path / "aside"
    shutil.copytree(whole, run)
    aside.mkdir()
    waiting = [path.rename(aside / path.name) for path in sorted(run.glob("step_*.bin"))]
    lines = (run / "metrics.jsonl").read_text().splitlines(keepends=True)
    (run / "metrics.jsonl").write_text("")
    random, reader, landed, longest = np.random.default_rng(0), Reader(store), 0, 0.0
    reader.start()
    for number in range(KILLS):
        grow(run, waiting, lines, 2)
        began = time.monotonic()
        process = start(run, store)
        if number % 4 == 0:  # one in four runs to its end: it tells how long an ingest takes, and moves the store on
            process.join()
            longest = time.monotonic() - began
            continue
        time.sleep(float(random.uniform(0, 1.2 * longest)))
        process.kill()
        process.join()
        landed += process.exitcode == -signal.SIGKILL
    reader.stop.set()
    reader.join()
    ingest([run], store)
    ingest([whole], tmp_path / "undisturbed")
    disturbed, undisturbed = tables(store), tables(tmp_path / "undisturbed")
    for table in ("attempts", "metrics", "scalars", "tensors", "snapshots"):
        assert disturbed[table] == undisturbed[table], table
    assert reader.wrong == ""
    assert reader.reads > KILLS
    version = read_pointer(Files(store), "alpha").version
    print(f"{landed} kills landed in a running ingest, {version} commits, {reader.reads:,} reads")
    assert landed >= KILLS / 4
    assert version > KILLS / 4


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_pairs_of_ingests_at_once(tmp_path: Path) -> None:
    whole = make_run(tmp_path / "alpha", steps=range(0, 60, 2))
    ingest([whole], tmp_path / "alone")
    expected = tables(tmp_path / "alone")
    for number in range(20):
        store = tmp_path / f"store{number}"
        pair = [start(whole, store), start(whole, store)]
        for process in pair:
            process.join()
        assert [process.exitcode for process in pair] == [0, 0]
        assert tables(store) == expected
        shutil.rmtree(store)
