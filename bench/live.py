"""Whether visitors of finished runs notice that another run grows, and whether memory grows with what they ask for.

    python bench/live.py [--seconds 180] [--sessions 8] [--visits 70] [--steps 1000000]

First: eight sessions look at pages of finished runs, turn by turn beside a quiet store and beside one where `strobe
ingest --watch` follows a run that gains a line a second, both in one run: 95% of reruns, processor time of the server
for each, page errors, and its memory at the end of each turn. Then: visits to a run of a million steps, each with
another `align_step`, and what the server holds after them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from bars import said
from browser import median, p95

from etl.ingest.load import ingest
from tests.support.live import Visits, cpu_s, crowd, growing_run, listener, long_run, memory_mb, trickle
from tests.support.make_run import make_run
from tests.support.served import served
from tests.support.visitors import session, visit

TURN_S = 30.0
EVERY_S = 1.5
"""Between two wishes of a session: together they ask for what one processor can make."""
PAGES = ("curves", "runs", "attention", "weights", "explorer", "curves", "embeddings", "sql")


def finished(folder: Path) -> Path:
    runs = [make_run(folder / f"run-{k}", steps=range(0, 1501, 100), layers=1, vocab=97, seed=k) for k in range(3)]
    ingest([*runs, growing_run(folder / "grows")], folder / "store")
    return folder / "store"


def beside_a_live_ingest(folder: Path, seconds: float, sessions: int) -> bool:
    """Turn by turn, so that whatever else this machine does meets both alike."""
    store = finished(folder)
    pages = [(PAGES[k % len(PAGES)], f"run=run-{k % 3}&step={100 * (k % 9)}") for k in range(sessions)]
    quiet, live = Visits(), Visits()
    used, memory = {"quiet": 0.0, "live": 0.0}, []
    with served(store) as address:
        server = listener(int(address.rpartition(":")[2]))
        with session(address) as first:
            for name, query in pages * 2:
                visit(first, query, name)
        for turn in range(2 * round(seconds / TURN_S)):
            name, into = ("live", live) if turn % 2 else ("quiet", quiet)
            before = cpu_s(server)
            with ExitStack() as stack:
                if into is live:
                    stack.enter_context(trickle(folder / "grows", store))
                stack.enter_context(crowd(address, pages, EVERY_S, into))
                time.sleep(TURN_S)
            used[name] += cpu_s(server) - before
            memory.append(memory_mb(server))
            print(f"  {name:5} {len(into.seconds):5} reruns, {memory[-1]:6.0f} MB", flush=True)
    for name, into in (("quiet", quiet), ("live", live)):
        print(
            f"{name}: {len(into.seconds)} reruns, median {1e3 * median(into.seconds):.0f} ms, p95 "
            f"{1e3 * p95(into.seconds):.0f} ms, {1e3 * used[name] / len(into.seconds):.0f} ms of processor each"
        )
    for error in dict.fromkeys(quiet.errors + live.errors):
        print(f"  page error: {error}")
    good = said("p95 beside a live ingest, to the quiet store's", p95(live.seconds) / p95(quiet.seconds), 1.2, "x")
    good = said("page errors", len(live.errors) + len(quiet.errors), 0, "") and good
    third = len(memory) // 3
    return said("memory, last third less first", median(memory[-third:]) - median(memory[:third]), 30, "MB") and good


def by_addresses_alone(folder: Path, visits: int, steps: int) -> bool:
    store = folder / "store"
    long_run(store, "long", steps, ("train_loss", "val_loss", "train_accuracy", "val_accuracy"))
    query = "run=long&smooth=ema-0.9&align=step&align_step={}"
    with served(store) as address:
        server = listener(int(address.rpartition(":")[2]))
        memory = [memory_mb(server)]
        for k in range(visits):
            with session(address) as visitor:
                visit(visitor, query.format(1000 + k), "curves", timeout=300)
            memory.append(memory_mb(server))
        print("MB after 0, 1, 2, .. visits:", " ".join(f"{held:.0f}" for held in memory))
    return said(f"{visits} addresses, growth after the tenth", memory[-1] - memory[min(10, visits)], 150, "MB")


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=180)
    options.add_argument("--sessions", type=int, default=8)
    options.add_argument("--visits", type=int, default=70)
    options.add_argument("--steps", type=int, default=1_000_000)
    given = options.parse_args()
    good = True
    with tempfile.TemporaryDirectory() as scratch:
        if given.seconds:
            good = beside_a_live_ingest(Path(scratch) / "live", given.seconds, given.sessions)
        if given.visits:
            good = by_addresses_alone(Path(scratch) / "long", given.visits, given.steps) and good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
