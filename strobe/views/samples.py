"""What a model wrote at a snapshot, as its training recorded it."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from etl.errors import StrobeError
from strobe.derive.samples import TOKENS, texts
from strobe.views.run_view import RunView


@dataclass(frozen=True)
class Written:
    """The samples of the snapshot at `step`: (what was given, how it went on); or none, and `reason`."""

    step: int
    samples: tuple[tuple[str, str], ...] = ()
    reason: str = ""

    def table(self) -> pa.Table:
        """step, sample, given, continuation."""
        count = range(len(self.samples))
        return pa.table({
            "step": pa.array([self.step for _ in count], pa.int64()), "sample": pa.array(list(count), pa.int16()),
            "given": pa.array([given for given, _ in self.samples], pa.string()),
            "continuation": pa.array([written for _, written in self.samples], pa.string()),
        })  # fmt: skip


def has(view: RunView) -> bool:
    """Whether a run records what its model writes."""
    return any(entry["name"] == TOKENS and "missing" not in entry for entry in view.tensor_entries())


def at(view: RunView, step: int) -> Written:
    """The samples of the snapshot that is shown when the cursor is at `step`."""
    shown, run = view.at_or_before(step), view.snapshots()
    try:
        if run is None:
            raise StrobeError("the snapshots are not on this machine")
        snapshot = run.as_recorded(run.current()[shown])
        if TOKENS not in snapshot:
            raise StrobeError("this snapshot holds none")
        return Written(shown, tuple(texts(run.manifest.task, snapshot.read(TOKENS))))
    except (StrobeError, OSError, KeyError, ValueError) as error:
        return Written(shown, reason=f"No samples at step {shown:,}: {error}.")
