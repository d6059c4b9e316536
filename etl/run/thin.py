"""A smaller copy of a run's snapshots: fewer steps, fewer sections, half-precision floats, and a record of it."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from etl.run.folder import Run
from etl.run.layout import place
from etl.run.snapshot import Array, Snapshot
from etl.run.writer import SnapshotWriter

_HALF_MAX = float(np.finfo(np.float16).max)


def choose_steps(steps: Sequence[int], count: int, dense: tuple[int, int] | None = None) -> list[int]:
    """About `count` of the ascending `steps`: the first, the last, and the rest spread evenly by index.

    With `dense` = (low, high), half of them lie in that range of steps, where something happens.
    """
    if len(steps) <= count:
        return list(steps)
    inside = [step for step in steps if dense and dense[0] <= step <= dense[1]]
    outside = [step for step in steps if not dense or not dense[0] <= step <= dense[1]]
    in_count = min(len(inside), max(count // 2, count - len(outside)))
    chosen = {steps[0], steps[-1], *_evenly(inside, in_count), *_evenly(outside, count - in_count)}
    return sorted(chosen)


def _evenly(steps: Sequence[int], count: int) -> list[int]:
    if count <= 0 or not steps:
        return []
    return [steps[index] for index in np.linspace(0, len(steps) - 1, count).round().astype(int)]


def _fits_half(snapshots: Iterable[Snapshot], name: str) -> bool:
    for snapshot in snapshots:
        values = snapshot[name]
        finite = values[np.isfinite(values)]
        if finite.size and float(np.abs(finite).max()) > _HALF_MAX:
            return False
    return True


def _thinned_tensors(run: Run, snapshots: Sequence[Snapshot], drop: frozenset[str]) -> list[dict[str, Any]]:
    tensors = []
    for tensor in copy.deepcopy(run.manifest.raw["snapshot"]["tensors"]):
        if tensor["section"] in drop or not all(snapshot.readable(tensor["name"]) for snapshot in snapshots):
            continue
        # Single values (losses, step times) stay as they are: halving them saves nothing.
        halve = tensor["dtype"] == "float32" and tensor["section"] not in ("scalars", "optimizer")
        if halve and not _is_scale(run, tensor["name"]) and _fits_half(snapshots, tensor["name"]):
            tensor["dtype"] = "float16"
        tensors.append(tensor)
    return tensors


def _is_scale(run: Run, name: str) -> bool:
    return any(tensor.scale == name for tensor in run.manifest.snapshot.tensors)


def _converted(snapshot: Snapshot, tensors: Sequence[dict[str, Any]]) -> dict[str, Array]:
    arrays: dict[str, Array] = {}
    for tensor in tensors:
        stored = snapshot[tensor["name"]]
        arrays[tensor["name"]] = stored.astype(np.float16) if tensor["dtype"] == "float16" else stored
    return arrays


def thin(
    run: Run,
    target: str | os.PathLike[str],
    steps: Sequence[int],
    *,
    drop: Iterable[str] = ("grads",),
    on_step: Callable[[int], None] = lambda _step: None,
) -> dict[str, Any]:
    """Write the snapshots of `steps` to the folder `target` without the sections `drop`, float32 as float16.

    A tensor that holds a value beyond half precision's range keeps its dtype; one that some of the snapshots lack, or
    have in another shape, is left out. Returns what was reduced, as the
    store's `runs.reduced` keeps it. Raises SnapshotError for a step without a sound snapshot.
    """
    current = run.current()
    snapshots = [run.at(step) for step in steps]
    dropped = sorted(frozenset(drop) & {tensor.section for tensor in run.manifest.snapshot.tensors})
    tensors, size = place(_thinned_tensors(run, snapshots, frozenset(dropped)))
    manifest = copy.deepcopy(run.manifest.raw) | {"snapshot": {"bytes": size, "tensors": tensors}}
    Path(target).mkdir(parents=True, exist_ok=True)
    writer = SnapshotWriter(target, manifest, fsync=False)
    for snapshot in snapshots:
        writer.write(snapshot.step, _converted(snapshot, tensors), attempt=snapshot.attempt, time=snapshot.time)
        on_step(snapshot.step)
    halved = any(tensor["dtype"] == "float16" for tensor in tensors)
    return {
        "snapshots_kept": len(snapshots),
        "snapshots_recorded": len(current),
        "sections_dropped": dropped,
        "float32_as_float16": halved,
    }
