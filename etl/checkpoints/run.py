"""A folder of checkpoints as a run: the same questions as a run's folder answers, from its files' headers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from etl.checkpoints.description import described, without_null
from etl.checkpoints.formats.contents import CheckpointError
from etl.checkpoints.snapshot import Checkpoint, CheckpointSnapshot, checkpoint, written_at
from etl.checkpoints.steps import Steps, stem_of, steps_of
from etl.run.attempts import Attempt
from etl.run.file_names import MANIFEST
from etl.run.folder import Run
from etl.run.manifest import Manifest, parse
from etl.run.names import run_id
from etl.run.parts import merged, unlike_entries
from etl.run.snapshot import manifest_bytes
from etl.run.snapshot_errors import SnapshotError

_MOST_KEPT: Final = 64
"""Manifests that are kept made."""


def open_run(folder: str | os.PathLike[str]) -> Run:
    """The run of a folder: of its manifest.json, or of the checkpoints in it; or of one file, which is a checkpoint.
    Raises StrobeError where there is neither."""
    if os.path.lexists(Path(folder) / MANIFEST):
        return Run(folder)
    found = steps_of(Path(folder))
    return CheckpointRun(folder, found) if found.paths else Run(folder)


class CheckpointRun(Run):
    """A folder of checkpoints. Its manifest has the tensors of the first and the last one that can be read: one that
    is between them alone is in `as_recorded` and in no list of the run as a whole."""

    def __init__(self, folder: str | os.PathLike[str], found: Steps | None = None) -> None:
        """Raises CheckpointError where none of the checkpoints can be read."""
        self.folder = Path(folder)
        self.found = found if found is not None else steps_of(self.folder)
        if not self.found.paths:
            raise CheckpointError(f"{self.folder}: holds no checkpoints")
        parts = [self._part(place) for place in dict.fromkeys(self._ends())]
        self.manifest: Manifest = merged(parts)

    def _ends(self) -> list[Path]:
        """The first and the last checkpoint that can be read."""
        paths = list(self.found.paths.values())
        return [_first_sound(paths), _first_sound(paths[::-1])]

    def _part(self, path: Path) -> Manifest:
        data = _manifest_bytes(self.folder, self.found, path)
        return _parsed(data, str(self.folder))

    def files(self) -> list[tuple[int, int, Path]]:
        return [(step, 0, path) for step, path in self.found.paths.items()]

    @property
    def attempts(self) -> list[Attempt]:
        return [Attempt(0, min(self.found.paths))]

    def current(self) -> dict[int, Path]:
        return dict(self.found.paths)

    def open(self, path: str | os.PathLike[str]) -> CheckpointSnapshot:
        return CheckpointSnapshot(Path(path), self._step(path), self._unlike(Path(path)))

    mapped = open

    def _unlike(self, path: Path) -> dict[str, str]:
        due = {entry["name"]: entry for entry in self.manifest.raw["snapshot"]["tensors"]}
        entries = [entry for entry in checkpoint(path).entries if entry["name"] in due]
        return unlike_entries(entries, due)

    def as_recorded(self, path: str | os.PathLike[str]) -> CheckpointSnapshot:
        return CheckpointSnapshot(Path(path), self._step(path), {})

    def _step(self, path: str | os.PathLike[str]) -> int:
        for step, known in self.found.paths.items():
            if known == Path(path):
                return step
        raise SnapshotError(f"{path}: is no checkpoint of {self.folder}")


def _first_sound(paths: list[Path]) -> Path:
    why = None
    for path in paths:
        try:
            checkpoint(path)
        except CheckpointError as error:
            why = why or str(error)
        else:
            return path
    raise CheckpointError(why if len(paths) == 1 else f"none of {len(paths):,} checkpoints can be read: {why}")


def _manifest_bytes(folder: Path, found: Steps, path: Path) -> bytes:
    said, read = described(folder if folder.is_dir() else folder.parent), checkpoint(path)
    name = stem_of(folder.name) if folder == path else folder.name
    training = {"step_unit": found.unit} if found.unit != "step" else {}
    facts = without_null(read.contents.facts)
    return manifest_bytes(
        {
            "format": "strobe-snapshot",
            "version": 1,
            "run": {
                "id": run_id(name),
                "name": said.get("name", _printable(name)),
                "created_at": written_at(next(iter(found.paths.values()))),
                "writer": f"checkpoints ({read.contents.kind})",
            },
            "model": _model(read, said.get("model", {})),
            "task": said.get("task", {}),
            "training": training
            | ({"step_known": False} if found.unknown else {})
            | ({"checkpoint": facts} if facts else {})
            | said.get("training", {}),
            "snapshot": {"bytes": read.size, "tensors": read.entries},
        }
    )


def _model(read: Checkpoint, said: Mapping[str, Any]) -> dict[str, Any]:
    """What the architecture is, with a person's words in place of what was only assumed."""
    return {**read.layout.model, **said}


def _printable(name: str) -> str:
    return "".join(character if character.isprintable() else "-" for character in name) or "checkpoints"


@lru_cache(maxsize=_MOST_KEPT)
def _parsed(data: bytes, where: str) -> Manifest:
    return parse(data, where)
