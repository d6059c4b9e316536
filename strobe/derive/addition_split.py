"""Which sums a run was trained on, and how that is known: made by our rule, given as data, or not known at all."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from etl.run.snapshot_errors import SnapshotError
from strobe.analysis.tasks import SPLIT, modular_addition
from strobe.derive.recorded_run import RecordedRun

ROWS: Final = "rows"
"""`task.split` of a run whose train rows are data."""
TRAIN_ROWS: Final = "probe/train_rows"
"""The tensor of them: int64 [row], each a * p + b."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """The rows a * p + b of each split, int64; None where they are not known, and `reason` then says why."""

    train: Ints | None = None
    val: Ints | None = None
    reason: str = ""

    given: bool = False
    """Whether the rows are data of the run, and not made by our rule from its manifest."""

    @property
    def stamp(self) -> str:
        """What rows of a table depend on besides the manifest's fraction and seed: the train rows, or their lack."""
        if self.train is None:
            return ":no split"
        return f":{hashlib.sha256(np.sort(self.train).tobytes()).hexdigest()[:8]}" if self.given else ""


class _UnknownError(ValueError):
    """Why a split is not known, in words."""


def split_of(recorded: RecordedRun, p: int) -> Split:
    """The split of a run that adds modulo p. Never guessed: what the manifest does not tell is not known."""
    task: Mapping[str, Any] = recorded.run.manifest.task
    try:
        if task.get("split") == SPLIT:
            return _made(task, p)
        train = _checked(_given(recorded, task), p, task.get("train_fraction"))
    except _UnknownError as error:
        return Split(reason=f"which rows are train is not known: {error}")
    rest = np.setdiff1d(np.arange(p * p), train)
    return Split(train, rest, given=True) if len(rest) else Split(train, None, "every row is a train row", given=True)


def _made(task: Mapping[str, Any], p: int) -> Split:
    """By our own rule, from the fraction and the seed."""
    try:
        made = modular_addition(p, float(task["train_fraction"]), int(task["data_seed"]))
    except KeyError as error:
        raise _UnknownError(f"the manifest's task lacks {error.args[0]}") from None
    except (TypeError, ValueError, OverflowError) as error:
        raise _UnknownError(f"train_fraction and data_seed make no split ({error})") from None
    return Split(made.train_index, made.val_index)


def _given(recorded: RecordedRun, task: Mapping[str, Any]) -> npt.NDArray[Any]:
    """The train rows as they were recorded: in the manifest, or in the snapshots."""
    declared, tensor = task.get("split"), "train_rows" in recorded.names("probe")
    if declared != ROWS:
        named = f"task.split is {str(declared)[:80]!r}" if declared is not None else "the manifest has no task.split"
        raise _UnknownError(f"{named}; known are {SPLIT!r}, and {ROWS!r} with {TRAIN_ROWS} or task.train_rows")
    if not tensor and "train_rows" not in task:
        raise _UnknownError(f"task.split is {ROWS!r}, but there is neither {TRAIN_ROWS} nor task.train_rows")
    return _from_snapshots(recorded) if tensor else _from_list(task["train_rows"])


def _from_snapshots(recorded: RecordedRun) -> npt.NDArray[Any]:
    """From the last snapshot that is sound: the rows are the same all run long."""
    for step in reversed(recorded.steps):
        with contextlib.suppress(SnapshotError):
            return np.array(recorded.at(step)[TRAIN_ROWS])
    raise _UnknownError("none of its snapshots can be read")


def _from_list(rows: object) -> npt.NDArray[Any]:
    if not isinstance(rows, list) or not all(type(row) is int for row in rows):
        raise _UnknownError("task.train_rows is no list of integers")
    try:
        return np.array(rows, np.int64)
    except OverflowError:
        raise _UnknownError("task.train_rows holds an integer beyond 64 bits") from None


def _checked(rows: npt.NDArray[Any], p: int, fraction: object) -> Ints:
    if rows.ndim != 1 or rows.dtype.kind not in "iu":
        raise _UnknownError(f"the train rows are {rows.dtype.name} of shape {rows.shape}, not a list of integers")
    if not rows.size:
        raise _UnknownError("the list of train rows is empty")
    if rows.min() < 0 or rows.max() >= p * p:
        raise _UnknownError(
            f"train rows go from {rows.min():,} to {rows.max():,}, and those of mod {p} to {p * p - 1:,}"
        )
    if (twice := rows.size - len(np.unique(rows))) > 0:
        raise _UnknownError(f"{twice:,} of {rows.size:,} train rows stand twice")
    # Tools round the product in their own ways, by less than one row.
    if isinstance(fraction, int | float) and abs(rows.size - fraction * p * p) > 1:
        raise _UnknownError(f"{rows.size:,} train rows are not train_fraction {fraction:g} of {p * p:,}")
    return rows.astype(np.int64)
