"""How far a training job is, from what its run has written: the newest logged step, and the rate of the last ones."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from etl.errors import StrobeError
from etl.run import manifest
from etl.run.journal import METRICS

_TAIL_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Progress:
    """`step` of `steps` (None where the run does not say), and seconds left (None where no rate is known)."""

    step: int
    steps: int | None
    seconds_left: float | None


def progress(folder: Path, since: float) -> Progress | None:
    """Of the run in a folder; None where it has logged nothing since a Unix time, that of its job's start.

    The rate is that between the first and the last line since then in the newest 64 KB of its log, by their own
    times: the pause before a run was resumed is no part of it.
    """
    lines = [(step, time) for step, time in _tail(folder / METRICS) if time >= since]
    if not lines:
        return None
    (first, began), (last, now) = lines[0], lines[-1]
    steps = _steps(folder)
    known = steps is not None and last > first and now > began
    left = (steps - last) * (now - began) / (last - first) if known and steps is not None else None
    return Progress(last, steps, left)


def _steps(folder: Path) -> int | None:
    try:
        said = manifest.read(folder).training.get("steps")
    except (OSError, StrobeError, AttributeError):
        return None
    return said if type(said) is int else None


def _tail(path: Path) -> list[tuple[int, float]]:
    """Steps and times of the whole lines at the end of a log."""
    try:
        with path.open("rb") as file:
            start = max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES)
            file.seek(start)
            lines = file.read().split(b"\n")[1 if start else 0 : -1]
    except OSError:
        return []
    found = []
    for line in lines:
        try:
            said = json.loads(line)
            found.append((int(said["step"]), float(said["time"])))
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            continue
    return found
