"""A memorization study that takes a second, and a process of it that is killed at a chosen moment."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa

from strobe.derive.study_files import points, read_point
from strobe.studies.memorization.experiment import begin
from strobe.studies.memorization.plan import Plan, plan_of

_TOUCHES = ("open", "os.rename", "os.remove", "os.mkdir", "os.truncate")


def small_plan(**given: Any) -> Plan:
    """12 passages of up to 24 tokens, a model of 2 layers, three epoch points."""
    sizes = {"passages": 12, "epochs": (1, 2, 4), "longest": 24, "layers": 2, "heads": 2, "width": 16}
    return plan_of("example", **{**sizes, "neighbours": 5, "threads": 1, "batch_size": 2, "device": "cpu", **given})


def measured(folder: Path) -> pa.Table:
    """What all epoch points of a study hold."""
    return pa.concat_tables([read_point(path) for path in points(folder).values()])


def touches(folder: Path, plan: Plan, kill_at: int | None) -> int:
    """Carry the study out in this process, and kill it at the so many-th touch of its files; returns how many there
    were where it is not killed."""
    count = 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        if event in _TOUCHES and str(folder) in str(arguments[0]):
            count += 1
            if count == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    begin(folder, plan, resume=True).run(lambda *_: None)
    return count


if __name__ == "__main__":
    print(touches(Path(sys.argv[1]), small_plan(training=sys.argv[2]), int(sys.argv[3]) or None))
