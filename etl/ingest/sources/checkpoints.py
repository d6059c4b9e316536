"""Folders of checkpoints that other programs wrote: each a step of one run (docs/checkpoints.md).

What a run's own folder gives is asked of the checkpoints in the same way, so that all that follows is the same.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np

from etl.checkpoints.run import CheckpointRun
from etl.checkpoints.snapshot import fingerprint
from etl.checkpoints.steps import Steps, steps_in
from etl.ingest.source import Key, Loss, Recording, State
from etl.ingest.sources.snapshots import RunFolder, SoundFiles, is_changed
from etl.run.journal import METRICS
from etl.run.snapshot import SnapshotError

_MOST_KNOWN: Final = 8
"""Of the first checkpoints, and of the last ones, how many a state remembers."""
_SAMPLED: Final = 256
"""Bytes of a tensor by which one checkpoint is told from another."""


class CheckpointFolders:
    """Folders whose entries are checkpoints of one run, and folders that are one checkpoint. That none of them can be
    read is for the reading to tell."""

    def find(self, path: Path) -> Sequence[Recording]:
        """`path` itself, or the folders directly inside it."""
        if not path.is_dir():
            return []
        if (found := steps_in(path)).paths:
            return [CheckpointFolder(path, found)]
        inside = sorted(child for child in path.iterdir() if child.is_dir() and not child.is_symlink())
        return [CheckpointFolder(child, found) for child in inside if (found := steps_in(child)).paths]


SOURCE = CheckpointFolders()


class CheckpointFolder(RunFolder):
    """A run of checkpoints. Its state has samples of some of them, since nothing in them names the run."""

    source = "checkpoints"

    def __init__(self, path: Path, found: Steps) -> None:
        super().__init__(path)
        self._found = found

    @cached_property
    def _run(self) -> CheckpointRun:
        return CheckpointRun(self.path, self._found)

    def holds(self, file: Path) -> bool:
        """Its checkpoints, what lies in them, and its own log; a log that another program left there is another's."""
        mine = set(self._found.paths.values())
        return file in mine or file.name == METRICS or bool(mine & set(file.parents))

    def resumes(self, state: State) -> bool:
        """Whether one of the checkpoints is as it was then; with none in common (older ones are often removed),
        whether they lie in the same folder."""
        then = state.get("checkpoints")
        if not isinstance(then, Mapping):
            return False
        now = self._samples
        common = [step for step in now if step in then]
        if common:
            return any(now[step] == then[step] for step in common)
        return bool(state.get("folder") == str(self.path.resolve()))

    def _marks(self) -> dict[str, Any]:
        return {"checkpoints": self._samples, "folder": str(self.path.resolve())}

    @cached_property
    def _samples(self) -> dict[str, int]:
        """Step -> CRC of the first bytes of its tensors, of the first and the last checkpoints."""
        steps = list(self._found.paths)
        chosen = dict.fromkeys([*steps[:_MOST_KNOWN], *steps[-_MOST_KNOWN:]])
        samples = {str(step): _sample(self._run, self._found.paths[step]) for step in chosen}
        return {step: crc for step, crc in samples.items() if crc is not None}

    def _files(self, rows: Mapping[Key, Mapping[str, Any]]) -> tuple[SoundFiles, list[Loss]]:
        sound: dict[Key, tuple[Path, int]] = {}
        lost = [Loss(name, why) for name, why in self._found.doubled.items()]
        for step, path in self._found.paths.items():
            try:
                crc = fingerprint(path)
                if (0, step) not in rows or is_changed(rows[0, step], crc):
                    self._run.open(path)
                sound[0, step] = (path, crc)
            except SnapshotError as error:
                lost.append(Loss(path.name, str(error)))
        return sound, lost


def _sample(run: CheckpointRun, path: Path) -> int | None:
    """None for a checkpoint that cannot be read."""
    crc = 0
    try:
        snapshot = run.as_recorded(path)
        with snapshot.reading() as fill:
            for name in snapshot.names[:_MOST_KNOWN]:
                _, _, offset = snapshot.placed(name)
                part = np.zeros(min(_SAMPLED, snapshot.size - offset), np.uint8)
                fill(part, offset)
                crc = zlib.crc32(part.tobytes(), crc)
    except SnapshotError:
        return None
    return crc
