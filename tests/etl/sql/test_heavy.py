"""Statements that would eat the machine: each is answered in time, gives its memory back and leaves nobody behind."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from etl.sql.pool import Pool, places, pool
from etl.sql.process import Child, address_space
from etl.sql.reply import Limits, QueryError
from etl.sql.sandbox import Sandbox, _size
from etl.sql.turns import Asker
from strobe import settings
from tests.support import sandbox_store
from tests.support.effort import UNLESS_IN_CI, whole_in_ci
from tests.support.places import DATA, ROOT


def statements(name: str) -> dict[str, str]:
    lines = DATA.joinpath(name).read_text().splitlines()
    return {row["name"]: row["sql"] for row in map(json.loads, lines)}


HEAVY, FURTHER = statements("sql_heavy.jsonl"), statements("sql_heavy_more.jsonl")
QUICK = ("format width",)
"""One that takes memory: the others run where CI is set, and with -m slow."""
TIMEOUT_S = 3.0
LIMITS = Limits(timeout_s=TIMEOUT_S)
BUSY = "select count(*) from range(1000000000000) t(i) where hash(i) % 3 = 1"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    yield Sandbox(sandbox_store.make(tmp_path_factory.mktemp("heavy")))
    pool().close()


@pytest.fixture
def slowness() -> float:
    """How many times slower than on an idle machine a process starts just now; 1 where it is not busy."""
    return slowness_now()


def slowness_now() -> float:
    """The same, of a process as patient as the sandbox's children: beside other work they come last."""
    started = time.monotonic()
    command = ["nice", "-n", "19", sys.executable, "-I", "-c", "import duckdb, pyarrow.dataset"]
    subprocess.run(command, check=True)
    return max(1.0, (time.monotonic() - started) / 0.6)


def children(pid: int) -> list[int]:
    """Every process that `pid` started."""
    started = []
    for task in Path(f"/proc/{pid}/task").glob("*"):
        try:
            started += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
    return started


def below(pid: int) -> list[int]:
    """Every process below `pid`."""
    started = children(pid)
    return started + [deeper for child in started for deeper in below(child)]


def queries() -> list[int]:
    """The sandbox's children of this process, and not of a server that other tests have left running."""
    found = []
    for child in children(os.getpid()):
        try:
            command = Path(f"/proc/{child}/cmdline").read_bytes()
        except OSError:
            continue
        found += [child] if b"sql/child.py" in command else []
    return found


def resident_mb() -> float:
    """Resident memory of this process and everything below it, in MB."""
    pages = 0
    for pid in [os.getpid(), *below(os.getpid())]:
        try:
            pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        except OSError:
            continue
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def outcome(sandbox: Sandbox, sql: str, limits: Limits) -> tuple[str, int]:
    """ "rows" or the kind of the error, and the bytes of the reply."""
    try:
        reply = sandbox.run(sql, limits)
    except QueryError as error:
        return error.kind, 0
    return "rows", reply.table.nbytes + sum(len(name) for name in reply.columns)


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie that nobody has reaped yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def settled(sandbox: Sandbox) -> None:
    """Wait for a spare child that is ready."""
    assert sandbox.run("select 1", LIMITS).table[0][0].as_py() == 1
    time.sleep(1.0)


@pytest.mark.alone
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in QUICK else UNLESS_IN_CI) for name in HEAVY]
    + [pytest.param(name, marks=pytest.mark.slow) for name in FURTHER],
)
def test_heavy_statement(sandbox: Sandbox, slowness: float, name: str) -> None:
    settled(sandbox)
    before = resident_mb()
    started = time.monotonic()
    kind, size = outcome(sandbox, (HEAVY | FURTHER)[name], LIMITS)
    assert kind in ("rows", "timeout", "memory", "refused", "query", "syntax")
    assert size <= LIMITS.max_bytes
    assert time.monotonic() - started <= TIMEOUT_S + 0.5 * slowness
    started = time.monotonic()
    assert sandbox.run("select 1", LIMITS).table[0][0].as_py() == 1
    took = time.monotonic() - started
    assert took < 1.0 * slowness or took < 1.0 * slowness_now()
    time.sleep(1.0)
    assert resident_mb() - before <= 50.0
    assert len(queries()) <= places(1 << 40)


@pytest.mark.parametrize(
    "sql",
    [
        "select repeat('x', 200) from range(5000000)",
        *(
            pytest.param(sql, marks=UNLESS_IN_CI)
            for sql in (
                "select " + ", ".join(f'{i} as "{"c" * 900}{i}"' for i in range(20)),
                "pivot (select i, i v from range(20000) t(i)) on i using sum(v)",
                "select repeat('x', 200000000)",
                "select " + ", ".join(["repeat('\U0001f986', 2000)"] * 700) + " from range(1000)",
            )
        ),
        "select range(20000000)",
    ],
)
def test_result_bomb(sandbox: Sandbox, sql: str) -> None:
    kind, size = outcome(sandbox, sql, Limits(timeout_s=10.0))
    assert kind in ("rows", "memory", "timeout")
    assert size <= 5_000_000


@pytest.mark.parametrize(("limits", "answer"), [(Limits(), "244.1 MiB"), (Limits(memory="100MB"), "95.3 MiB")])
def test_the_memory_of_a_query_is_limited(sandbox: Sandbox, limits: Limits, answer: str) -> None:
    reply = sandbox.run("select current_setting('memory_limit')", limits)
    assert reply.table[0].to_pylist() == [answer]


@whole_in_ci
def test_a_statement_that_needs_more_than_a_quick_one_has_starts_again(sandbox: Sandbox) -> None:
    """In the quick place it ends at 96 MB; its answer is of the long one."""
    limits = Limits(timeout_s=60.0)
    told = sandbox.run("select current_setting('memory_limit')", limits, asker=Asker("a"))
    assert told.table[0].to_pylist() == ["91.5 MiB"]
    told = sandbox.run("select current_setting('memory_limit')", replace(limits, memory="64MB"), asker=Asker("a"))
    assert told.table[0].to_pylist() == ["61.0 MiB"]
    needs_more = "select length(list(i)) from range(12000000) t(i)"
    with pytest.raises(QueryError) as caught:
        sandbox.run(needs_more, replace(limits, memory="96MB"))
    assert caught.value.kind == "memory"
    assert sandbox.run(needs_more, limits, asker=Asker("a")).table[0].to_pylist() == [12_000_000]


def test_what_the_engine_does_not_count_is_limited_too(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = [0]
    monkeypatch.setattr(Child, "_own_memory", lambda _: taken[0])
    patient = Limits(timeout_s=60.0)
    taken[0] = 256_000_000 + 128_000_000 + patient.max_bytes
    assert sandbox.run("select 1", patient).table[0].to_pylist() == [1]
    taken[0] += 1
    with pytest.raises(QueryError) as caught:
        sandbox.run("select 1", patient)
    assert caught.value.kind == "memory"


@pytest.mark.parametrize(
    ("text", "size"), [("96MB", 96e6), ("1.5 GiB", 1.5 * 2**30), ("256mb", 256e6), ("80%", math.inf)]
)
def test_the_smaller_of_two_limits_is_found(text: str, size: float) -> None:
    assert _size(text) == size


def test_the_memory_limit_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STROBE_MEMORY_LIMIT", raising=False)
    assert settings.memory_limit() == "256MB"
    monkeypatch.setenv("STROBE_MEMORY_LIMIT", "1GB")
    assert settings.memory_limit() == "1GB"


def test_at_most_two_run_and_the_next_waits_with_a_word(sandbox: Sandbox) -> None:
    seen, waits, kinds = [], [], []
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.05):
            seen.append(len(queries()))

    def visit() -> None:
        try:
            sandbox.run(BUSY, Limits(timeout_s=0.5), on_wait=waits.append)
        except QueryError as error:
            kinds.append(error.kind)

    visitors = [threading.Thread(target=visit) for _ in range(6)]
    watcher = threading.Thread(target=watch)
    for thread in [watcher, *visitors]:
        thread.start()
    for thread in visitors:
        thread.join()
    stop.set()
    watcher.join()
    assert kinds == ["timeout"] * 6
    assert max(seen) <= 2
    assert sorted(waits) == [0, 1, 2, 3][-len(waits) :] or len(waits) >= 4


@pytest.mark.parametrize("heavy", [pytest.param(3, marks=UNLESS_IN_CI), pytest.param(20, marks=pytest.mark.slow)])
def test_a_quick_query_does_not_wait_for_the_heavy_ones_before_it(
    sandbox: Sandbox, slowness: float, heavy: int
) -> None:
    """Each of them has a moment in the quick place, and few come before it; at most one has run to its limit then."""
    here, kinds, seen = threading.Event(), [], []

    def occupy(number: int) -> None:
        try:
            limits = Limits(timeout_s=4.0 * slowness)
            sandbox.run(BUSY, limits, asker=Asker(f"heavy {number}", lambda: not here.is_set()))
        except QueryError as error:
            kinds.append("stopped" if here.is_set() else error.kind)

    others = [threading.Thread(target=occupy, args=(number,)) for number in range(heavy)]
    for thread in others:
        thread.start()
    time.sleep(0.3)
    started = time.monotonic()
    try:
        answer = sandbox.run("select 1", LIMITS, asker=Asker("quick"))
        waited, timeouts = time.monotonic() - started, kinds.count("timeout")
        seen.append(len(queries()))
    finally:
        here.set()
        for thread in others:
            thread.join()
    print(
        f"select 1 beside {heavy} heavy ones: {waited:.2f} s; {timeouts} at their limit, {kinds.count('busy')} busy"
    )
    assert answer.table[0].to_pylist() == [1]
    assert timeouts <= 1
    assert max(seen) <= 2


@whole_in_ci
def test_busy_is_said_when_the_wait_is_over(sandbox: Sandbox) -> None:
    def occupy() -> None:
        with pytest.raises(QueryError):
            sandbox.run(BUSY, Limits(timeout_s=2.0))

    others = [threading.Thread(target=occupy) for _ in range(2)]
    for thread in others:
        thread.start()
    time.sleep(0.5)
    with pytest.raises(QueryError) as caught:
        sandbox.run("select 1", Limits(wait_s=0.2))
    for thread in others:
        thread.join()
    assert caught.value.kind == "busy"


def test_a_spare_outlives_the_thread_that_asked_for_it(sandbox: Sandbox) -> None:
    """Linux sends the parent-death signal when the starting thread ends, and threads of pages are short."""
    thread = threading.Thread(target=lambda: sandbox.run("select 1", LIMITS))
    thread.start()
    thread.join()
    time.sleep(0.7)
    assert len(pool().pids()) == 1


_PARENT = """
import sys, threading, time
from tests.support import sandbox_store
from etl.sql.reply import Limits
from etl.sql.sandbox import Sandbox
from etl.sql.pool import pool
from pathlib import Path
sandbox = Sandbox(sandbox_store.Catalogue(Path({root!r})))
threading.Thread(target=lambda: sandbox.run({busy!r}, Limits(timeout_s=60.0)), daemon=True).start()
time.sleep(1.0)
pool().warm()
time.sleep(0.5)
print(*pool().pids(), flush=True)
{end}
"""


@pytest.mark.parametrize(
    "end",
    [
        "import os; os.kill(os.getpid(), 9)",
        pytest.param("sys.exit(0)", marks=pytest.mark.slow),
        pytest.param("raise OSError", marks=pytest.mark.slow),
    ],
)
def test_no_child_outlives_its_parent(tmp_path: Path, end: str) -> None:
    sandbox_store.make(tmp_path)
    script = _PARENT.format(root=str(tmp_path), busy=BUSY, end=end)
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, timeout=60, check=False)
    pids = [int(pid) for pid in done.stdout.split()]
    assert len(pids) == 2
    time.sleep(1.0)
    assert not [pid for pid in pids if alive(pid)]


def test_a_child_is_confined(sandbox: Sandbox) -> None:
    settled(sandbox)
    (pid,) = pool().pids()
    limits = Path(f"/proc/{pid}/limits").read_text()
    rows = {line[:25].strip(): line[25:].split()[:2] for line in limits.splitlines()[1:]}
    assert rows["Max address space"] == [str(address_space(1 << 40))] * 2
    assert rows["Max open files"] == ["64", "64"]
    assert rows["Max core file size"] == ["0", "0"]
    assert rows["Max file size"] == ["0", "0"]
    assert Path(f"/proc/{pid}/cwd").readlink() == Path("/")
    for _ in range(100):  # the lowest priority comes last, after the imports
        status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        if status[16] == "19":
            break
        time.sleep(0.1)
    assert status[16] == "19"
    assert int(status[2]) == pid
    assert "NoNewPrivs:\t1" in Path(f"/proc/{pid}/status").read_text()


def test_small_machines_get_one_place_and_less_memory() -> None:
    assert (places(2 << 30), address_space(2 << 30)) == (1, 800_000_000)
    assert (places(4 << 30), address_space(4 << 30)) == (2, 1_200_000_000)


def test_one_place_alternates_between_spare_and_query(tmp_path: Path) -> None:
    single = Pool(1)
    single.warm()
    time.sleep(0.5)
    (spare,) = single.pids()
    with single.child(1.0, None, spare=True) as child:
        assert child.pid == spare
        assert single.pids() == [spare]
    assert spare not in single.pids()
    single.close()
