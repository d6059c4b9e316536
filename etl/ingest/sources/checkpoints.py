"""Folders of checkpoints that other programs wrote: each a step of one run (docs/checkpoints.md).

What a run's own folder gives is asked of the checkpoints in the same way, so that all that follows is the same.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np

from etl.checkpoints.formats.opening import ENDINGS
from etl.checkpoints.run import CheckpointRun
from etl.checkpoints.snapshot import fingerprint
from etl.checkpoints.steps import Steps, steps_in, steps_of
from etl.errors import StrobeError
from etl.ingest.source import Key, Loss, Recording, Scalars, State
from etl.ingest.sources import build_nanogpt, lightning_csv, llamafactory, llmc_log, trainer_state
from etl.ingest.sources.snapshots import RunFolder, SoundFiles, is_changed
from etl.run.journal import METRICS
from etl.run.snapshot_errors import SnapshotError

_LOGS: Final = (trainer_state, llamafactory, lightning_csv, llmc_log, build_nanogpt)
"""Logs whose steps are the updates that checkpoints are named by, the surest first."""
_MOST_KNOWN: Final = 8
"""Of the first checkpoints, and of the last ones, how many a state remembers."""
_SAMPLED: Final = 256
"""Bytes of a tensor by which one checkpoint is told from another."""


class CheckpointFolders:
    """Folders whose entries are checkpoints of one run, and folders that are one checkpoint. That none of them can be
    read is for the reading to tell."""

    def find(self, path: Path) -> Sequence[Recording]:
        """`path` itself, if it is one."""
        found = steps_in(path)
        return [CheckpointFolder(path, found)] if found.paths else []

    def pointed_at(self, path: Path) -> Sequence[Recording]:
        """A file that is a checkpoint by itself, as a run of one step."""
        found = steps_of(path)
        return [CheckpointFolder(path, found)] if found.paths else []


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
        """Its checkpoints, what lies in them, what was left out of them, and its own log; a log that another program
        left there is another's."""
        mine = {*self._found.paths.values(), *(self.path / name for name in self._found.left_out)}
        if file in mine or mine & set(file.parents) or file.name == METRICS:
            return True
        return self._log is not None and file == self._log.path

    def takes_in(self, other: Recording) -> bool:
        return self._log is not None and (other.source, other.path) == (self._log.source, self._log.path)

    @cached_property
    def _log(self) -> Recording | None:
        """The log that another program left in the folder, which then is the run's: where its steps are those of the
        checkpoints, and it tells of one start of the training."""
        if self._found.unit != "step" or not self.path.is_dir() or os.path.lexists(self.path / METRICS):
            return None
        files = sorted(file for file in self.path.iterdir() if file.is_file() and not file.name.endswith(ENDINGS))
        found = (log for each in _LOGS for place in (self.path, *files) for log in each.SOURCE.find(place))
        return next((log for log in found if _of_one_start(log)), None)

    @property
    def loss_unit(self) -> str | None:
        return (self._log.loss_unit if self._log is not None else None) or super().loss_unit

    def metric_names(self) -> Mapping[str, str]:
        return {**(self._log.metric_names() if self._log is not None else {}), **super().metric_names()}

    def scalars(self, since: State) -> Scalars:
        if (log := self._log) is None:
            return super().scalars(since)
        before = since.get("log", {})
        recorded = {"recording": since.get("recording", "")}
        known = before.get("source") == log.source and log.resumes({**recorded, **before})
        read = log.scalars(before if known else {})
        state = self._marks() | {"log": {**read.resume_from, "source": log.source}}
        return replace(read, resume_from=state, whole=read.whole or not known)

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
        lost = [Loss(name, why) for name, why in self._found.left_out.items()]
        for step, path in self._found.paths.items():
            try:
                crc = fingerprint(path)
                if (0, step) not in rows or is_changed(rows[0, step], crc):
                    self._run.open(path).verify()
                sound[0, step] = (path, crc)
            except SnapshotError as error:
                lost.append(Loss(path.name, str(error)))
        return sound, lost


def _of_one_start(log: Recording) -> bool:
    try:
        return log.scalars({}).rows.num_rows > 0 and len(log.attempts()) == 1
    except StrobeError:
        return False


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
