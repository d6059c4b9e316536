"""What ordinary visitors and the memory of a public server notice of thirty that mean harm, in one run.

    python bench/hostile.py [--hostile 30] [--seconds 60] [--rest 120] [--steps 200000] [--ways NAME ...]

Each hostile session does one of: uploads of 19 MB; `clear_cache` ten times a second; a page of a long run at another
step each time; guesses of the token, from foreign pages too; heavy statements; messages of 24 MB; movies that are
left at once. Four ordinary sessions visit all pages meanwhile. Prints how long ordinary pages took (quiet, and beside
the hostile sessions), and the memory of the server with its children (proportional: a page that two processes share
counts half in each): idle, at most, and when the hostile sessions have been gone for --rest seconds.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import logging
import multiprocessing
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from browser import APP, ROOT
from streamlit.proto.BackMsg_pb2 import BackMsg
from websockets.exceptions import WebSocketException

from etl.ingest.load import ingest
from tests.support.make_run import make_run
from tests.support.served import free_port
from tests.support.visitors import press, put, rerun, session, session_id, until_finished, visit, words

PAGES = ("runs", "curves", "sql", "explorer", "attention", "embeddings", "weights", "fourier")
HEAVY = (
    "select count(*) from range(1000000000000) t(i) where hash(i) = 1",
    "select count(distinct hash(i)) from range(1000000000) t(i)",
)
CHILDREN = {"etl/sql/child.py": "statements", "movie_child": "movie", "neighbour_maps": "map"}
BARS = {"p95 of other pages, s": 2.0, "memory at most, MB": 800.0, "above idle afterwards, MB": 50.0}


def proportional_mb(root: int) -> dict[str, float]:
    """Memory of a process and all below it, by what they do."""
    total, waiting = dict.fromkeys(("server", *CHILDREN.values()), 0.0), [(root, "")]
    while waiting:
        pid, above = waiting.pop()
        with contextlib.suppress(OSError, ValueError):
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            line = Path(f"/proc/{pid}/cmdline").read_text()
            if line == above:  # it was just forked, and what it has is still its parent's
                continue
            what = next((kind for name, kind in CHILDREN.items() if name in line), "server")
            total[what] += int(re.search(r"^Pss:\s+(\d+)", text, re.MULTILINE)[1]) / 1e3  # type: ignore[index]
            for task in Path(f"/proc/{pid}/task").iterdir():
                waiting += [(int(child), line) for child in (task / "children").read_text().split()]
    return total


@contextlib.contextmanager
def server(store: Path) -> Iterator[tuple[str, int]]:
    """Address and process number of a public app."""
    port = free_port()
    command = [
        sys.executable, "-m", "streamlit", "run", str(APP), "--server.address", "127.0.0.1",
        "--server.port", str(port), "--server.headless", "true",
    ]  # fmt: skip
    environment = os.environ | {"STROBE_STORE": str(store), "STROBE_READ_ONLY": "1"}
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        address = f"http://127.0.0.1:{port}"
        while True:
            with contextlib.suppress(OSError), session(address):
                break
            time.sleep(0.1)
        yield address, process.pid
    finally:
        process.terminate()
        process.wait(20)


def uploads(address: str, _: int) -> None:
    with session(address) as visitor:
        one = session_id(visitor)
        for _ in range(5):
            put(address, one, bytes(19_000_000))


def clearing(address: str, _: int) -> None:
    message = BackMsg(clear_cache=True).SerializeToString()
    with session(address) as visitor:
        for _ in range(50):
            visitor.send(message)
            time.sleep(0.1)


def addresses(address: str, number: int) -> None:
    with session(address) as visitor:
        for step in random.Random(number).sample(range(100_000), 20):
            visit(visitor, f"run=long&align=step&align_step={step}", "curves", 120)


def guesses(address: str, number: int) -> None:
    for origin in ("http://evil.example", "http://127.0.0.1:1"):
        with contextlib.suppress(WebSocketException):
            session(address, origin=origin)
    with session(address) as visitor:
        visit(visitor, f"token={number:043}", "sql", 120)


def statements(address: str, number: int) -> None:
    with session(address) as visitor:
        told = words(visit(visitor, page="sql", timeout=120))
        for _ in range(5):
            press(visitor, "sql", told, "sql_go", sql_text=HEAVY[number % 2])
            until_finished(visitor, 120)


def large_messages(address: str, number: int) -> None:
    with session(address) as visitor, contextlib.suppress(WebSocketException):
        visitor.send(rerun("x" * (24_000_000 if number % 2 else 900_000)).SerializeToString())
        until_finished(visitor, 60)


def movies(address: str, _: int) -> None:
    with session(address) as visitor:
        told = words(visit(visitor, "run=long", "attention", 120))
        press(visitor, "attention", told, "movie_attention_gif")
        until_finished(visitor, 120)


WAYS: tuple[Callable[[str, int], None], ...] = (
    uploads, clearing, addresses, guesses, statements, large_messages, movies,
)  # fmt: skip


def attack(address: str, count: int, seconds: float, ways: list[str]) -> None:
    """`count` sessions at once, each in its way, again and again."""
    chosen = [way for way in WAYS if not ways or way.__name__ in ways]
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
    until = time.monotonic() + seconds

    def one(number: int) -> None:
        while time.monotonic() < until:
            with contextlib.suppress(OSError, WebSocketException, TimeoutError):
                chosen[number % len(chosen)](address, number)

    threads = [threading.Thread(target=one, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until + 5 - time.monotonic()))
    os._exit(0)  # whatever waits for an answer leaves without a word


def ordinary(address: str, until: float, took: list[tuple[float, str]], first: int) -> None:
    with session(address) as visitor:
        for page in itertools.islice(itertools.cycle(PAGES), first, None):
            began = time.monotonic()
            if began >= until:
                return
            visitor.send(rerun(page=page).SerializeToString())
            until_finished(visitor, 120, quiet=0.0)
            took.append((time.monotonic() - began, page))
            time.sleep(1.0)


def visited(address: str, seconds: float, sessions: int = 4) -> list[tuple[float, str]]:
    """Seconds and page of each visit of some ordinary sessions."""
    took: list[tuple[float, str]] = []
    until = time.monotonic() + seconds
    threads = [
        threading.Thread(target=ordinary, args=(address, until, took, 2 * number)) for number in range(sessions)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return took


def said(name: str, took: list[tuple[float, str]]) -> float:
    seconds = [second for second, _ in took]
    p95 = statistics.quantiles(seconds, n=20)[-1]
    worst = max(took)
    print(f"{name:<28} {len(took)} pages: median {statistics.median(seconds):.2f} s, p95 {p95:.2f} s, "
          f"worst {worst[0]:.2f} s ({worst[1]})", flush=True)  # fmt: skip
    return p95


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--hostile", type=int, default=30)
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument("--rest", type=float, default=120)
    options.add_argument("--steps", type=int, default=200_000)
    options.add_argument("--ways", nargs="*", default=[], help="names of functions here; default all")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        run = make_run(folder / "runs" / "long", steps=range(0, 1001, 1), layers=1, vocab=98, width=64)
        long_log(run, given.steps)
        ingest([run], folder / "store")
        with server(folder / "store") as (address, pid):
            measure(address, pid, given)


def long_log(run: Path, steps: int) -> None:
    """Metrics of a long training, beside few snapshots."""
    with (run / "metrics.jsonl").open("a") as log:
        log.writelines(f'{{"step": {step}, "train_loss": {1 / (step + 1):.6g}}}\n' for step in range(1001, steps))


def measure(address: str, pid: int, given: argparse.Namespace) -> None:
    visited(address, 30)
    quiet = said("quiet", visited(address, given.seconds / 2))
    idle, most, over = proportional_mb(pid), [{"server": 0.0}], threading.Event()

    def watch() -> None:
        while not over.wait(0.5):
            most[0] = max(most[0], proportional_mb(pid), key=lambda parts: sum(parts.values()))

    watcher = threading.Thread(target=watch)
    watcher.start()
    attackers = multiprocessing.get_context("spawn").Process(
        target=attack, args=(address, given.hostile, given.seconds, given.ways)
    )
    attackers.start()
    p95 = said(f"beside {given.hostile} hostile", visited(address, given.seconds))
    attackers.join()
    over.set()
    watcher.join()
    time.sleep(given.rest)
    visited(address, 5, 1)
    after = proportional_mb(pid)
    for name, parts in (("idle", idle), ("at most", most[0]), (f"{given.rest:g} s afterwards", after)):
        print(f"memory {name:<21} {sum(parts.values()):.0f} MB: "
              + ", ".join(f"{what} {size:.0f}" for what, size in parts.items() if size))  # fmt: skip
    print(f"load {os.getloadavg()[0]:.1f}; beside {p95 / quiet:.1f} times the quiet p95")
    figures = p95, sum(most[0].values()), sum(after.values()) - sum(idle.values())
    for (name, bar), value in zip(BARS.items(), figures, strict=True):
        print(f"{name:<28} {value:8.2f}   {'within' if value <= bar else 'ABOVE'} {bar:g}")


if __name__ == "__main__":
    main()
