"""Slow proofs of the C++ recorder: two hundred kills, a disk that hangs, and no race between its threads."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import numpy as np
import pytest

from etl.run.folder import Run
from etl.run.verify import verify_run
from tests.support.cuda_programs import NEEDS_A_COMPILER, made
from tests.support.cuda_recorder import Driver, Given, leftovers, sound

pytestmark = [pytest.mark.slow, NEEDS_A_COMPILER]

VECTOR = Given("params/x", np.zeros(1000, np.float32))


@pytest.mark.timeout(1800)
def test_two_hundred_kills_leave_only_whole_snapshots(recorder: Path, tmp_path: Path) -> None:
    """Killed at random instants, each attempt goes on where the last one was; nothing that stood is ever lost."""
    folder, random = tmp_path / "r", np.random.default_rng(1)
    seen: dict[str, int] = {}
    step = 0
    for kill in range(200):
        with Driver(recorder, tmp_path / "driver") as driver:
            assert driver.open(folder, [VECTOR], wait=1, resume=int(kill > 0), step=step, no_fsync=1) is None
            driver.send("loop", step, step + 10**9, 0)
            time.sleep(random.uniform(0, 0.03))
            driver.process.send_signal(signal.SIGKILL)
            driver.process.wait()
        assert len(leftovers(folder)) <= 1
        now = {path.name: path.stat().st_ino for path in folder.glob("*.bin")}
        assert seen.items() <= now.items()
        run = Run(folder)
        for name in now.keys() - seen.keys():
            run.open(folder / name).verify()
        seen, step = now, max(run.steps(), default=0)
    assert len(run.attempts) == 200
    assert all(finding.status != "bad" for finding in verify_run(folder))
    for at, path in run.current().items():
        assert (run.open(path)["params/x"] == np.float32(at)).all()
    assert len(seen) > 200


def test_a_disk_that_hangs_does_not_hang_the_end(driver: Driver, tmp_path: Path) -> None:
    assert driver.open(tmp_path / "r", [VECTOR], gate=1) is None
    driver.exchange("gate", {"open": 0})
    driver.exchange("loop", 0, 2, 0)
    began = time.monotonic()
    driver.exchange("close")
    assert 55 < time.monotonic() - began < 80
    assert "the disk did not take the last snapshots in time" in driver.end()


@pytest.mark.timeout(600)
def test_no_thread_races_with_another(tmp_path: Path) -> None:
    """The same program under ThreadSanitizer, which ends it with 66 on a race."""
    program = made("build/recorder_driver_raced") / "recorder_driver_raced"
    with Driver(program, tmp_path / "driver") as driver:
        assert driver.open(tmp_path / "r", [VECTOR], gate=1, queue=2, no_fsync=1) is None
        for start in range(0, 2000, 100):
            driver.exchange("loop", start, start + 100, 20)
            driver.status()
            if start == 500:
                driver.exchange("gate", {"copy": 3})
            if start == 1000:
                driver.exchange("gate", {"copy": 0})
        driver.exchange("flush")
        driver.exchange("close")
    assert sound(tmp_path / "r")
