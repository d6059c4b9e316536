"""A run's folder, read as a whole: its manifest, its attempts, and which snapshot stands for which step."""

from __future__ import annotations

import bisect
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from etl.run.attempts import Attempt, read_attempts, with_cuts
from etl.run.file_names import list_files
from etl.run.header import manifest_hash_of
from etl.run.manifest import Manifest, read
from etl.run.mapped import MappedSnapshot
from etl.run.parts import merged, read_parts, unlike
from etl.run.snapshot import Snapshot
from etl.run.snapshot_errors import OtherManifestError, SnapshotError
from etl.run.soundness import Told, require_sound

Kind = TypeVar("Kind", bound=Snapshot)


def all_attempts(logged: list[Attempt], files: Iterable[tuple[int, int, Path]]) -> list[Attempt]:
    """The logged attempts and those that only snapshot files tell of (a lost attempts.jsonl), with their cuts."""
    first: dict[int, int] = {}
    for step, attempt, _ in files:
        first[attempt] = min(step, first.get(attempt, step))
    numbers = {attempt.attempt for attempt in logged}
    unlogged = [Attempt(number, step) for number, step in first.items() if number not in numbers]
    return with_cuts(sorted([*logged, *unlogged], key=lambda attempt: attempt.attempt))


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of the run: its manifest, its tensors by name, and those that the whole run has otherwise."""

    manifest: Manifest
    specs: dict[str, Mapping[str, Any]]
    unlike: dict[str, str]

    @classmethod
    def of(cls, part: Manifest, whole: Manifest) -> _Part:
        specs = {tensor["name"]: tensor for tensor in part.raw["snapshot"]["tensors"]}
        return cls(part, specs, unlike(part, whole) if part is not whole else {})

    def open(self, path: str | os.PathLike[str], kind: type[Kind], *, whole: bool) -> Kind:
        """A snapshot of this part; `whole`: as the run as a whole has its tensors."""
        return kind(
            path, self.manifest.raw, self.manifest.hash, specs=self.specs, unlike=self.unlike if whole else {}
        )


class Run:
    """Read access to a run's folder. Nothing is cached but the manifest: a live run shows its newest snapshots."""

    told: Told | None = None
    """Who knows of snapshots that every byte was read."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        """Raises ManifestError when manifest.json is missing or unsound."""
        self.folder = Path(folder)
        self._read()

    def _read(self) -> None:
        parts = read_parts(self.folder, read(self.folder))
        self.manifest: Manifest = merged(parts)
        """Of the run as a whole: its tensors are those of all its parts."""
        self._parts = {part.hash: _Part.of(part, self.manifest) for part in parts}

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
        """The steps that have a snapshot file, ascending; it may be damaged."""
        return list(self.current())

    def open(self, path: str | os.PathLike[str]) -> Snapshot:
        """Open one of this run's snapshot files; raises SnapshotError when it is damaged.

        A tensor that has another shape there than in the last part of the run is there, and cannot be read: what
        looks at a tensor over steps takes one shape. `as_recorded` reads it.
        """
        return self._open(path, Snapshot, whole=True)

    def sound(self, path: str | os.PathLike[str]) -> Snapshot:
        """`open`, of a snapshot whose bytes are those that were recorded. Raises SnapshotError for another; where
        nobody is known to have read the file as it is, its first opening in a process reads it whole."""
        snapshot = self.open(path)
        require_sound(snapshot, self.told)
        return snapshot

    def mapped(self, path: str | os.PathLike[str]) -> Snapshot:
        """`open`, memory-mapped."""
        return self._open(path, MappedSnapshot, whole=True)

    def as_recorded(self, path: str | os.PathLike[str]) -> Snapshot:
        """`open`, with every tensor in the shape that it has there."""
        return self._open(path, Snapshot, whole=False)

    def _open(self, path: str | os.PathLike[str], kind: type[Kind], *, whole: bool) -> Kind:
        part = self._parts[self.manifest.hash]
        if len(self._parts) > 1:
            part = self._parts.get(manifest_hash_of(path), part)
        try:
            return part.open(path, kind, whole=whole)
        except OtherManifestError as error:
            # A live run may have begun a part since its manifests were read.
            self._read()
            if error.named not in self._parts:
                raise
            return self._parts[error.named].open(path, kind, whole=whole)

    def at(self, step: int, *, nearest: bool = False) -> Snapshot:
        """The snapshot of `step`, or with `nearest` of the nearest earlier step that has one, `sound`.

        Raises SnapshotError when it is damaged and, naming the steps around it, when there is none.
        """
        return self.sound(self.path_at(step, nearest=nearest))

    def path_at(self, step: int, *, nearest: bool = False) -> Path:
        """The file that `at` opens."""
        current = self.current()
        steps = list(current)
        if step in current:
            return current[step]
        place = bisect.bisect_right(steps, step)
        if nearest and place:
            return current[steps[place - 1]]
        around = ", ".join(f"{near:,}" for near in steps[max(0, place - 2) : place + 2])
        others = f"of {len(steps):,} the nearest are {around}" if steps else "there are none yet"
        raise SnapshotError(f"{self.folder}: no snapshot at step {step:,}; {others}")

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r}, id={self.manifest.run.id!r})"
