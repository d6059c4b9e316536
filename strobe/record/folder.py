"""A run's folder in the hands of one recorder: what stands there before the first snapshot, and the last line."""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import re
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from etl.run.attempts import ATTEMPTS, read_attempts
from etl.run.file_names import MANIFEST, file_name, has_step, list_files, list_parts
from etl.run.journal import METRICS, Journal, read_metrics
from etl.run.snapshot import fnv1a64, manifest_bytes
from etl.run.snapshot_errors import SnapshotError
from etl.run.writer import SnapshotWriter, write_manifest
from strobe.record.empty import is_empty, start_over
from strobe.record.ending import Ending
from strobe.record.errors import RecorderError
from strobe.record.limits import Limits
from strobe.record.lock import FolderLock
from strobe.record.manifest import Description, as_taken, check_same, is_manifest, plain, without_none
from strobe.record.order import Taken
from strobe.record.reached import came_to
from strobe.record.thin import Thinner

log = logging.getLogger("strobe.record")

_LEFT_OVER = re.compile(r"\.(step_[0-9]+(\.[0-9]+)?\.bin|manifest\.json)\.[0-9]+\.tmp")


class RunFolder:
    """Locks the folder and begins an attempt in it: the first, or with `resume` the next. That begins at the first
    step it reaches; where `step` is given, no later than one step behind it.

    `manifest` is the one that holds: ours, or that of the resumed run. `snapshots` writes snapshot files and `thin`
    removes those beyond the limits. A run that recorded nothing is started over. Raises RecorderError or LockedError
    when nothing can be recorded here, and lets the folder go.
    """

    def __init__(
        self,
        path: Path,
        description: Description,
        limits: Limits,
        *,
        resume: bool,
        step: int | None,
        take_over: bool,
    ) -> None:
        self.path, self._told = path, description.told
        self._start: dict[str, Any] = {}
        self._from: int | None = None
        """The step that the attempt goes on from, where somebody said so."""
        self._started = False
        """Whether the start line is on disk."""
        self.again: int | None = None
        """The step at which the attempt began, where one before has a snapshot of it, which counts no longer."""
        self._used: Mapping[str, Any] | None = None
        """The manifest that was written under last."""
        self.vanished = False
        """Whether the folder was found to be gone, or another's, at some moment."""
        with contextlib.ExitStack() as undo:
            try:
                path.mkdir(parents=True, exist_ok=True)
                self._lock = FolderLock(path, take_over=take_over)
                undo.callback(self._lock.release)
                self.manifest = self._agreed(description.manifest(path), resume)
                self.attempt = self._next_attempt()
                self.thin = Thinner(path, self.manifest["snapshot"]["bytes"], limits, log.info)
                self.snapshots = SnapshotWriter(path, self.manifest, fsync=limits.fsync)
                self._begin(step, description.training)
            except (OSError, SnapshotError) as error:
                raise RecorderError(f"{path}: nothing can be recorded here: {error}") from None
            undo.pop_all()

    def settle(self, taken: Taken | None, ahead: int) -> bool:
        """Let the manifest say when snapshots are taken, as the first one shows; False where an earlier snapshot has
        settled it otherwise. Raises OSError when the disk refuses."""
        settled = as_taken(self.manifest, taken, ahead, self._told)
        if settled == self.manifest:
            return True
        if list_files(self.path):
            return taken is None
        self.snapshots.replace_manifest(settled)
        self.manifest = settled
        return True

    def use(self, manifest: Mapping[str, Any]) -> None:
        """Write the next snapshots under a manifest: that of the run, or of a part. Raises SnapshotError, or OSError
        when the disk refuses."""
        if manifest is not self._used:
            self.snapshots.begin_part(manifest)
            self._used = manifest

    def end(self, ending: Ending, reason: str | None, step: int, lost: Mapping[str, object]) -> None:
        """Append the end line, with what was `lost` where something was. Raises OSError when the disk refuses, and
        what `stand` raises."""
        if "step" not in self._start:
            # It recorded nothing, and all of what came before it holds on.
            self._start_at(came_to(self.path) + 1)
        self.stand()
        line = {"attempt": self.attempt, "end": ending, "reason": reason, "step": step, "time": time.time()}
        self._append(without_none({**line, "lost": dict(lost) or None}))

    def reach(self, step: int) -> bool:
        """`step` is about to be recorded: True where the attempt begins with it.

        What the attempt before has of the step that it is continued from holds on, unless that is recorded again.
        """
        if "step" in self._start:
            return False
        self._start_at(step if self._from is None else min(step, self._from + 1))
        return True

    def _start_at(self, step: int) -> None:
        self._start = {"attempt": self.attempt, "step": step, "time": time.time(), **self._start}
        if self.attempt and has_step(self.path, step):
            self.again = step

    def tell_what_is_gone(self, step: int, taken: Collection[int], warn_once: Callable[[str, str], None]) -> None:
        """Say, where `step` is reached, that the first step of this attempt lost the snapshot it had, unless that is
        among those `taken` in this attempt."""
        if self.again is not None and self.again < step and self.again not in taken:
            words = f"the snapshot of step {self.again:,} of an attempt before counts no longer: this one began there"
            warn_once("again", f"{words} and did not record it again")

    def stand(self) -> None:
        """Make sure that what is written next gets into this run, behind the start line.

        A folder that was emptied, or made again empty, gets the manifest and the start line again. Raises OSError
        where there is no folder, LockedError or RecorderError where another's stands in its place.
        """
        self._hold()
        if not self._started and "step" in self._start:
            self._append(self._start)
            self._started = True

    def _hold(self) -> None:
        manifest = self.path / MANIFEST
        if self._lock.held() and manifest.exists():
            return
        self.vanished = True
        if not self.path.is_dir():
            raise FileNotFoundError(errno.ENOENT, "its folder is gone")
        self._lock.hold_again()
        try:
            self._come_back(manifest)
        except BaseException:
            self._lock.release()
            raise

    def _come_back(self, manifest: Path) -> None:
        if manifest.exists():
            if fnv1a64(manifest.read_bytes()) != fnv1a64(manifest_bytes(self.manifest)):
                raise RecorderError(f"{self.path}: another run stands there now")
        elif self._existing() is None:
            write_manifest(self.path, self.manifest)
            self._used, self._started = None, False

    def lost(self, snapshots: Iterable[int], lines: int) -> tuple[int, int]:
        """How many of the `snapshots`, by step, and of the `lines` that this attempt wrote are gone from here, those
        that `thin` removed aside."""
        names = {file_name(step, self.attempt) for step in snapshots} - self.thin.removed
        if not self._lock.held():
            return len(names), lines
        files = {path.name for _, _, path in list_files(self.path)}
        left = sum(row.get("attempt", 0) == self.attempt for row in read_metrics(self.path / METRICS).rows)
        return len(names - files), max(0, lines - left)

    def beat(self) -> None:
        """Let it be seen that the recorder lives."""
        self._lock.beat()

    def tell(self, losses: Mapping[str, object]) -> None:
        """Append what was lost so far. Raises OSError when the disk refuses, and what `stand` raises."""
        self.stand()
        if self._started:
            self._append({"attempt": self.attempt, "time": time.time(), "lost": losses})

    def release(self) -> None:
        """Let another recorder in."""
        self._lock.release()

    def _agreed(self, ours: dict[str, Any], resume: bool) -> dict[str, Any]:
        existing = self._existing()
        if existing is None:
            if resume:
                raise RecorderError(f"{self.path}: holds no run to resume; start it without resume")
            return ours
        if not resume and is_empty(self.path):
            return start_over(self.path, existing, ours)
        if not resume:
            count = len(list_files(self.path))
            raise RecorderError(
                f"{self.path}: holds a run already ({count:,} snapshots); resume it or record into another folder"
            )
        check_same(existing, ours, self.path, self._parts())
        return existing

    def _existing(self) -> dict[str, Any] | None:
        path = self.path / MANIFEST
        if path.exists():
            try:
                manifest: dict[str, Any] = json.loads(path.read_bytes())
            except ValueError:
                raise RecorderError(f"{path}: is damaged; see strobe verify {self.path}") from None
            if not is_manifest(manifest):
                raise RecorderError(f"{path}: is no manifest of a run; record into another folder")
            return manifest
        if list_files(self.path) or (self.path / METRICS).exists():
            raise RecorderError(f"{self.path}: holds a run without {MANIFEST}; record into another folder")
        return None

    def _parts(self) -> list[dict[str, Any]]:
        """The manifests of the later parts, those aside that cannot be read."""
        found = []
        for _, path in list_parts(self.path):
            with contextlib.suppress(OSError, ValueError):
                found.append(json.loads(path.read_bytes()))
        return found

    def _next_attempt(self) -> int:
        files = list_files(self.path)
        return max([len(read_attempts(self.path)), *(attempt + 1 for _, attempt, _ in files)])

    def _begin(self, step: int | None, training: Mapping[str, Any]) -> None:
        for entry in os.scandir(self.path):
            if _LEFT_OVER.fullmatch(entry.name):
                Path(entry.path).unlink()
        first = self.manifest.get("training", {})
        changed = {key: value for key, value in plain(training, "training").items() if first.get(key) != value}
        self._start, self._from = {"training": changed}, step
        if not self.attempt:
            self.reach(step or 0)
        self.stand()

    def _append(self, line: Mapping[str, object]) -> None:
        journal = Journal(self.path / ATTEMPTS)
        try:
            journal.append(line)
        finally:
            journal.close()
