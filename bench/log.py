"""How long a log takes from the training program to the store: see docs/benchmarks.md.

    python bench/log.py [--steps 1000] [--metrics 1184] [--repeat 3] [--folder DIR]

A Recorder logs so many metrics at each step, and `strobe ingest`'s own function brings the log into an empty store;
then looks at the run while nothing comes, and while one line at a time does. Last, a run of 12,345 metrics: what it
takes to list them, and to make the pages that do. In processor seconds, of which a busy machine takes no more than an
idle one, but for what caches and memory cost.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from bars import said
from store import page_times

from etl.ingest.load import ingest
from etl.run.journal import METRICS
from etl.store.catalogue import Store
from strobe.record.recorder import Recorder

SCALARS_PER_S = 1.2e6
READABLE_S = 3.3
"""What another local tracker takes at best until 1,184,000 scalars can be read."""
TICK_S = 0.05
LIST_S = 1.0


def cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def timed(work: Callable[[], object]) -> float:
    before = cpu_s()
    work()
    return cpu_s() - before


def record(folder: Path, steps: int, metrics: int) -> None:
    noise = np.random.default_rng(0).standard_normal((steps, metrics)).tolist()
    names = [f"layer{k // 16}/statistic{k % 16}" for k in range(metrics)]
    with Recorder(folder, [("w", "params", ("channel",), np.zeros(2, np.float32))]) as recorder:
        for step, values in enumerate(noise):
            recorder.log(step, dict(zip(names, values, strict=True)))


def looks(folder: Path, store: Path) -> tuple[float, float]:
    """Of a run that goes on: the median look that finds nothing, and the slowest of 50 that find a line each."""
    (folder / "attempts.jsonl").unlink()
    log = folder / METRICS
    last = json.loads(log.read_bytes().splitlines()[-1])
    ingest([folder], store)
    idle = statistics.median(timed(lambda: ingest([folder], store)) for _ in range(10))
    each = []
    for step in range(last["step"] + 1, last["step"] + 51):
        with log.open("a") as file:
            file.write(json.dumps(last | {"step": step}, separators=(",", ":")) + "\n")
        each.append(timed(lambda: ingest([folder], store)))
    print(f"a look that finds one line: median {statistics.median(each):.3f} s, slowest {max(each):.3f} s")
    return idle, max(each)


def of_many_names(folder: Path) -> bool:
    """A run of 12,345 metrics and 20 steps: its list of metrics, and the pages that show it."""
    record(folder / "wide", 20, 12_345)
    read = timed(lambda: ingest([folder / "wide"], folder / "wide-store"))
    print(f"246,900 scalars of 12,345 metrics read in {read:.2f} s of processor")
    listed = timed(lambda: Store(folder / "wide-store").sql("SELECT name, n, last_value FROM metrics ORDER BY name"))
    met = [said("their list", listed, LIST_S, "s")]
    pages = page_times(folder / "wide-store")
    return all([*met, *(said(what, 1e-3 * ms, 1e-3 * bar, "s by the clock") for what, ms, bar, _ in pages)])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1_000)
    parser.add_argument("--metrics", type=int, default=1_184)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    scalars = given.steps * given.metrics
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        record(folder / "warm", 2, 2)
        ingest([folder / "warm"], folder / "warm-store")
        logged = timed(lambda: record(folder / "run", given.steps, given.metrics))
        read = min(timed(lambda k=k: ingest([folder / "run"], folder / f"store-{k}")) for k in range(given.repeat))
        size = (folder / "run" / METRICS).stat().st_size
        print(
            f"{scalars:,} scalars, {size / 1e6:.0f} MB; logged in {logged:.2f} s, read in {read:.2f} s of processor"
        )
        print(f"{size / read / 1e6:.0f} MB/s read")
        met = [said("scalars read a second", scalars / read, SCALARS_PER_S, "/s", most=False)]
        bar = READABLE_S * scalars / 1_184_000
        met.append(said("from log() to readable", logged + read, bar, "s"))
        idle, _ = looks(folder / "run", folder / "store-0")
        met.append(said("a look that finds nothing", idle, TICK_S, "s"))
        met.append(of_many_names(folder))
    return 0 if all(met) else 1


if __name__ == "__main__":
    raise SystemExit(main())
