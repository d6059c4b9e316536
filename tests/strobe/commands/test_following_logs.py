"""`strobe ingest --watch` beside another program that writes: its rows are there within seconds."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from etl.store.catalogue import Store

pytestmark = pytest.mark.slow

MOST_S = 5.0
WRITER = """
import sys, time
sys.path.insert(0, {root!r})
from tests.support.event_files import event, record, scalar, version
text, lines, events = (open(name, "ab", buffering=0) for name in ("gpt.log", "sft.jsonl", "cartpole.tfevents"))
events.write(record(version(time.time())))
for step in range({steps}):
    text.write(b"iter %d: loss 2.5000, time 120.50ms, mfu 12.30%%\\n" % step)
    lines.write(b'{{"current_steps": %d, "total_steps": 99, "loss": 2.5, "lr": 1e-06}}\\n' % step)
    events.write(record(event(step, time.time(), scalar("loss", 2.5))))
    time.sleep(0.1)
"""


def last_steps(store: Path) -> dict[str, int]:
    """The last step of each run."""
    if not (store / "runs").is_dir():
        return {}
    rows = Store(store).sql("SELECT run, max(step) AS step FROM scalars GROUP BY run").to_pylist()
    return {row["run"]: row["step"] for row in rows}


def seconds_until(store: Path, expected: dict[str, int]) -> float:
    """How long it takes until every run has its last step."""
    start = time.monotonic()
    while last_steps(store) != expected:
        assert time.monotonic() - start < 40, last_steps(store)
        time.sleep(0.1)
    return time.monotonic() - start


@pytest.fixture
def watcher(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Follows the folder `mine`, in which a first line of a log stands."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "gpt.log").write_bytes(b"iter 0: loss 2.5000, time 120.50ms, mfu -100.00%\n")
    command = [sys.executable, "-m", "strobe", "ingest", "mine", "--store", "store", "--watch", "--every", "0.5"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_growing_logs_are_followed_and_one_that_is_written_anew_is_another_run(
    watcher: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    logs, store = tmp_path / "mine", tmp_path / "store"
    seconds_until(store, {"gpt": 0})
    program = WRITER.format(root=str(Path(__file__).parents[3]), steps=30)
    subprocess.run([sys.executable, "-c", program], cwd=logs, check=True, timeout=120)
    took = seconds_until(store, {"gpt": 29, "sft": 29, "mine": 29})
    (logs / "gpt.log").write_bytes(b"iter 7: loss 1.5000, time 99.50ms, mfu 10.00%\n")
    anew = seconds_until(store, {"gpt": 29, "gpt-2": 7, "sft": 29, "mine": 29})
    print(f"\nrows after {took:.1f} s, a file that was written anew after {anew:.1f} s")
    assert watcher.poll() is None
    assert max(took, anew) < MOST_S
