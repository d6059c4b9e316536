"""One run of a store: its row of `runs`, and its snapshots where they lie on this machine."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from etl.checkpoints.run import CheckpointRun, open_run
from etl.checkpoints.snapshot import fingerprint
from etl.errors import StoreError, StrobeError
from etl.run.folder import Run
from etl.run.snapshot import Snapshot
from etl.run.snapshot_errors import SnapshotError
from etl.run.soundness import Verdict, known, require_sound
from etl.store.files import Files
from etl.store.pointer import Pointer, read_rows
from etl.store.verdicts import Verdicts


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

    def recording(self) -> Run:
        """The folder as a run, to which the store tells what it knows of snapshots. Raises StrobeError."""
        if self.folder is None:
            raise StoreError(f"run {self.id!r} has no snapshots on this machine; its tables are here")
        run = open_run(self.folder)
        run.told = self._told
        return run

    def _told(self, snapshot: Snapshot) -> Verdict:
        return self._verdicts.of(snapshot) if self._verdicts is not None else None

    @cached_property
    def _verdicts(self) -> Verdicts | None:
        """None where the table cannot be read."""
        try:
            return Verdicts(read_rows(self.files, self.pointer, "snapshots"))
        except StrobeError:
            return None

    def steps(self) -> list[int]:
        """The steps with a snapshot on this machine, ascending, less those that are `damaged`; none when the
        snapshots are elsewhere."""
        if self.folder is None:
            return []
        run = self.recording()
        return [step for step, path in run.current().items() if not self._wrong(run, step, path)]

    def damaged(self) -> dict[int, str]:
        """What is wrong with each snapshot on this machine that cannot be read, by its step: as headers tell, and as
        is known of files that were read whole. Nothing else is read (`strobe verify` reads all), but for checkpoints
        that no ingest has found sound."""
        if self.folder is None:
            return {}
        run = self.recording()
        found = {step: self._wrong(run, step, path) for step, path in run.current().items()}
        return {step: why for step, why in found.items() if why}

    def _wrong(self, run: Run, step: int, path: Path) -> str:
        try:
            if not isinstance(run, CheckpointRun):
                return known(run.open(path), self._told) or ""
            # The store has no row of a damaged checkpoint: one that it has no row of is looked at.
            if self._verdicts is None or not self._verdicts.has(step, fingerprint(path)):
                run.sound(path)
            return ""
        except (SnapshotError, OSError) as error:
            return str(error)

    def at(self, step: int, *, nearest: bool = False) -> Snapshot:
        """The snapshot at `step`, or with `nearest` the nearest earlier one, sound or not. Raises SnapshotError where
        it is damaged (the first opening in a process reads every byte of a file that has changed since its ingest),
        and StoreError or SnapshotError where there is none."""
        run = self.recording()
        snapshot = run.mapped(run.path_at(step, nearest=nearest))
        require_sound(snapshot, run.told)
        return snapshot

    def snapshots(self) -> Iterator[Snapshot]:
        """Every snapshot on this machine in the order of steps. A damaged one is left out, with a warning that names
        it, where `at` raises. Raises StoreError where there are none on this machine."""
        run = self.recording()
        for path in run.current().values():
            try:
                snapshot = run.mapped(path)
                require_sound(snapshot, run.told)
            except (SnapshotError, OSError) as error:
                warnings.warn(f"left out: {error}", stacklevel=2)
            else:
                yield snapshot

    def __repr__(self) -> str:
        return f"StoredRun({self.id!r})"
