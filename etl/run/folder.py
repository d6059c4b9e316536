"""A run's folder, read as a whole: its manifest, its attempts, and which snapshot stands for which step."""

from __future__ import annotations

import bisect
import os
from collections.abc import Iterable
from pathlib import Path

from etl.run.journal import Attempt, read_attempts, with_cuts
from etl.run.manifest import Manifest, read
from etl.run.snapshot import Snapshot, SnapshotError, list_files


def all_attempts(logged: list[Attempt], files: Iterable[tuple[int, int, Path]]) -> list[Attempt]:
    """The logged attempts and those that only snapshot files tell of (a lost attempts.jsonl), with their cuts."""
    first: dict[int, int] = {}
    for step, attempt, _ in files:
        first[attempt] = min(step, first.get(attempt, step))
    numbers = {attempt.attempt for attempt in logged}
    unlogged = [Attempt(number, step) for number, step in first.items() if number not in numbers]
    return with_cuts(sorted([*logged, *unlogged], key=lambda attempt: attempt.attempt))


class Run:
    """Read access to a run's folder. Nothing is cached but the manifest: a live run shows its newest snapshots."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        """Raises ManifestError when manifest.json is missing or unsound."""
        self.folder = Path(folder)
        self.manifest: Manifest = read(self.folder)
        self._specs = {tensor["name"]: tensor for tensor in self.manifest.raw["snapshot"]["tensors"]}

    def files(self) -> list[tuple[int, int, Path]]:
        """(step, attempt, path) of every snapshot file, superseded ones too, in numeric order."""
        return list_files(self.folder)

    @property
    def attempts(self) -> list[Attempt]:
        return all_attempts(read_attempts(self.folder), self.files())

    def current(self) -> dict[int, Path]:
        """The file that stands for each step: the highest attempt that no later attempt cuts off."""
        files = self.files()
        cuts = {a.attempt: a.cut_step for a in all_attempts(read_attempts(self.folder), files)}
        return {
            step: path
            for step, attempt, path in files
            if (cut := cuts[attempt]) is None or step < cut
        }  # fmt: skip

    def steps(self) -> list[int]:
        """The steps that have a snapshot, ascending."""
        return list(self.current())

    def open(self, path: str | os.PathLike[str]) -> Snapshot:
        """Open one of this run's snapshot files; raises SnapshotError when it is damaged."""
        return Snapshot(path, self.manifest.raw, self.manifest.hash, specs=self._specs)

    def at(self, step: int, *, nearest: bool = False) -> Snapshot:
        """The snapshot of `step`, or with `nearest` of the nearest earlier step that has one.

        Raises SnapshotError, naming the steps around it, when there is none.
        """
        current = self.current()
        steps = list(current)
        if step in current:
            return self.open(current[step])
        place = bisect.bisect_right(steps, step)
        if nearest and place:
            return self.open(current[steps[place - 1]])
        around = ", ".join(f"{near:,}" for near in steps[max(0, place - 2) : place + 2])
        others = f"of {len(steps):,} the nearest are {around}" if steps else "there are none yet"
        raise SnapshotError(f"{self.folder}: no snapshot at step {step:,}; {others}")

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r}, id={self.manifest.run.id!r})"
