"""What it takes to look at a real server over time: a run that gains a line a second, a long run, visitors, and what
the server uses."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from etl.ingest.metric_catalogue import metrics_table
from etl.run.attempts import Attempt
from etl.run.journal import METRICS, Journal
from etl.store.changes import Changes
from etl.store.files import Files
from etl.store.pointer import read_pointer
from etl.store.schema import part_schema
from etl.store.store_file import prepare_store
from tests.support.make_run import losses, make_run
from tests.support.places import ROOT
from tests.support.visitors import QUIET_S, session, visit

_TICK = os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def trickle(run: Path, store: Path, every: float = 1.0, lines: int = 1) -> Iterator[None]:
    """Inside, the run gains `lines` lines of its log each `every` seconds, and `strobe ingest --watch` follows it."""
    command = [sys.executable, "-m", "strobe", "ingest", str(run), "--store", str(store)]
    follower = subprocess.Popen(
        [*command, "--watch", "--every", str(every)], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    ended = threading.Event()

    def write() -> None:
        log = Journal(run / METRICS)
        step = sum(1 for _ in (run / METRICS).open("rb"))
        while not ended.wait(every):
            for _ in range(lines):
                step += 1
                loss = losses(step)["train_loss"]
                log.append({"step": step, "time": time.time(), "attempt": 0, "train_loss": loss})
        log.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        ended.set()
        writer.join()
        follower.terminate()
        follower.wait(20)


def growing_run(folder: Path) -> Path:
    """A run that has not ended, for `trickle`."""
    return make_run(folder, steps=(0,), layers=1, end=None)


def long_run(store: Path, run: str, steps: int, names: Sequence[str] = ("train_loss", "val_loss")) -> None:
    """A run of metrics alone, of so many steps, put into the store past any log, which would take minutes."""
    files = Files(store)
    prepare_store(files)
    changes = Changes(files, read_pointer(files, run))
    step, noise = np.arange(steps), np.random.default_rng(0)
    one = {"attempt": np.zeros(steps, np.int32), "step": step, "time": 1.76e9 + step, "tokens": 96 * step}
    curve = np.exp(-step / steps)
    tables = [
        pa.table({**one, "name": pa.array([name] * steps), "value": curve + noise.normal(0, 0.01, steps)})
        for name in names
    ]
    empty = part_schema("scalars").empty_table()
    scalars = pa.concat_tables([empty, *tables], promote_options="permissive").select(empty.column_names)
    attempts = [Attempt(0, 0, 1.76e9, {})]
    changes.append("scalars", scalars.cast(empty.schema))
    changes.replace("metrics", metrics_table(scalars.cast(empty.schema), attempts, {}))
    about = {"name": run, "status": "finished", "steps": steps - 1, "created_at": 1.76e9, "source": "snapshots"}
    changes.replace("runs", pa.Table.from_pylist([about], part_schema("runs")))
    changes.commit({})


@dataclass
class Visits:
    """What some visitors met: seconds from each wish to the end of its page, and what a page said of an error."""

    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@contextlib.contextmanager
def crowd(address: str, pages: Sequence[tuple[str, str]], every: float, into: Visits) -> Iterator[None]:
    """Inside, one visitor for each of the `pages` (name, query) asks for the pages in turn, each `every` seconds."""
    ended = threading.Event()

    def stay(first: int) -> None:
        with session(address) as visitor:
            for k in range(first, 10**9):
                if ended.wait(every):
                    return
                name, query = pages[k % len(pages)]
                began = time.perf_counter()
                try:
                    told = visit(visitor, query, name, timeout=120)
                except TimeoutError:
                    into.errors.append(f"{name}?{query}: no end in 120 s")
                    return
                into.seconds.append(time.perf_counter() - began - QUIET_S)
                into.errors.extend(errors_of(told))

    threads = [threading.Thread(target=stay, args=(k,)) for k in range(len(pages))]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def errors_of(told: Sequence[ForwardMsg]) -> list[str]:
    """Exceptions and error boxes of a page."""
    found = []
    for message in told:
        if message.WhichOneof("type") == "delta" and message.delta.HasField("new_element"):
            element = message.delta.new_element
            if element.HasField("exception"):
                found.append(f"{element.exception.type}: {element.exception.message}")
            elif element.HasField("alert") and "store changed" in element.alert.body:
                found.append(element.alert.body)
    return found


def memory_mb(process: int) -> float:
    """What a process holds, in megabytes."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def cpu_s(process: int) -> float:
    """Seconds of processor time that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def listener(port: int) -> int:
    """The process of this user that listens at a port of this machine."""
    inodes = {
        line.split()[9] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if line.split()[3] == "0A" and int(line.split()[1].partition(":")[2], 16) == port
    }  # fmt: skip
    for folder in Path("/proc").glob("[0-9]*/fd"):
        with contextlib.suppress(OSError):
            for link in folder.iterdir():
                with contextlib.suppress(OSError):
                    if str(link.readlink()).removeprefix("socket:[").rstrip("]") in inodes:
                        return int(folder.parent.name)
    raise LookupError(f"nobody listens at port {port}")
