"""One run of a store: its row of `runs`, and its snapshots where they lie on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from etl.checkpoints.run import open_run
from etl.errors import StoreError
from etl.run.folder import Run
from etl.run.snapshot import Snapshot
from etl.store.files import Files
from etl.store.pointer import Pointer


class StoredRun:
    """One run of the store: its row of `runs`, and its snapshots where they lie on this machine."""

    def __init__(self, row: dict[str, Any], files: Files, pointer: Pointer) -> None:
        self.id: str = row["run"]
        self.row, self.files, self.pointer = row, files, pointer

    @property
    def folder(self) -> Path | None:
        """The folder of the run's snapshots, or the one checkpoint that it is; None when it is not on this
        machine."""
        place = self.row["snapshots_path"]
        return None if place is None else self.files.recording_at(place)

    def _open(self) -> Run:
        if self.folder is None:
            raise StoreError(f"run {self.id!r} has no snapshots on this machine; its tables are here")
        return open_run(self.folder)

    def steps(self) -> list[int]:
        """The steps with a snapshot on this machine, ascending; none when the snapshots are elsewhere."""
        return self._open().steps() if self.folder is not None else []

    def at(self, step: int, *, nearest: bool = False) -> Snapshot:
        """The snapshot at `step`, or with `nearest` the nearest earlier one. Raises StoreError or SnapshotError."""
        run = self._open()
        return run.mapped(run.path_at(step, nearest=nearest))

    def __repr__(self) -> str:
        return f"StoredRun({self.id!r})"
