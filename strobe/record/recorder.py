"""The Recorder: a training program's one call a step, and a run's folder on disk.

>>> with Recorder("runs/mine", [("wte", "params", ("token", "channel"), model.wte)]) as recorder:
...     for step in range(1000):
...         loss = backward(step)
...         if step % 100 == 0:
...             recorder.snapshot(step, scalars={"train_loss": loss})
...         recorder.log(step, train_loss=loss)
...         update()

It raises when it cannot begin, and never after: training matters more than its record. What fails is counted in
`status`, said once, and tried again at the next snapshot.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Literal, Self

from etl.run.journal import ATTEMPTS, METRICS, Journal, number, read_attempts
from etl.run.snapshot import MANIFEST, SnapshotError, list_files, manifest_bytes, place
from etl.run.writer import SnapshotWriter
from strobe import __version__
from strobe.record.lock import FolderLock
from strobe.record.tensors import (
    SCALARS,
    Array,
    Given,
    RecorderError,
    TensorSpec,
    as_specs,
    host_array,
    plain_number,
    run_id,
    scalar_arrays,
    scalar_entries,
)
from strobe.record.thin import Thinner
from strobe.record.writer import Job, Status, Trouble, Writer, log

__all__ = ["Recorder", "Status"]

End = Literal["finished", "interrupted", "failed"]

_LEFT_OVER = re.compile(r"\.(step_[0-9]+(\.[0-9]+)?\.bin|manifest\.json)\.[0-9]+\.tmp")
_CLOSE_TIMEOUT_S = 60.0


class Recorder:
    """Writes one run's snapshots and metrics into `folder`.

    `tensors` are TensorSpecs or (name, section, dims, tensor) tuples, in the order they will have in the file;
    `scalars` name the numbers that stand in every snapshot beside them. `model`, `task` and `training` go into the
    manifest as they are, without their None values.

    `resume` continues a run that is there, as its next attempt, from `step` on: the tensors must be the same, and
    what differs in `training` is written down. Without it an existing run is refused.

    `queue` snapshots at most wait in memory; when they do, `when_full` "skip" leaves the next one out and counts it,
    "wait" holds up the training. `prepare` is called before each snapshot, for sources that need one forward pass
    in common. `keep_last` and `max_disk` (bytes) thin the folder, oldest first, both ends kept.

    Raises RecorderError or LockedError when it cannot begin.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        tensors: Iterable[Given],
        *,
        name: str | None = None,
        model: Mapping[str, Any] | None = None,
        task: Mapping[str, Any] | None = None,
        training: Mapping[str, Any] | None = None,
        scalars: Sequence[str] = SCALARS,
        resume: bool = False,
        step: int = 0,
        queue: int = 2,
        when_full: Literal["skip", "wait"] = "skip",
        prepare: Callable[[], None] | None = None,
        keep_last: int | None = None,
        max_disk: int | None = None,
        fsync: bool = True,
        take_over: bool = False,
    ) -> None:
        self.folder = Path(folder)
        self.status = Status()
        self._specs: list[TensorSpec] = as_specs(tensors)
        self._scalars, self._when_full, self._prepare = tuple(scalars), when_full, prepare
        self._trouble = Trouble(self.status)
        self._pid, self._step, self._finished = os.getpid(), step, False
        self._taken: set[int] = set()
        self._owns_sigterm = False
        with contextlib.ExitStack() as undo:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                self._lock = FolderLock(self.folder, take_over=take_over)
                undo.callback(self._lock.release)
                about = {"name": name or self.folder.name, "model": model or {"family": "other"}}
                self.manifest = self._manifest(about, task or {}, training or {}, resume)
                self.attempt = self._next_attempt()
                size = self.manifest["snapshot"]["bytes"]
                thin = Thinner(self.folder, size, log.info, keep_last=keep_last, max_disk=max_disk)
                snapshots = SnapshotWriter(self.folder, self.manifest, fsync=fsync)
                self._begin(training or {})
            except (OSError, SnapshotError) as error:
                raise RecorderError(f"{self.folder}: nothing can be recorded here: {error}") from None
            undo.pop_all()
        self._writer = Writer(snapshots, self.attempt, self.status, self._trouble, queue=queue, after_write=thin)
        atexit.register(self._at_exit)

    # What stands in the folder before the first snapshot.

    def _manifest(
        self, about: dict[str, Any], task: Mapping[str, Any], training: Mapping[str, Any], resume: bool
    ) -> dict[str, Any]:
        entries = [spec.entry() for spec in self._specs] + scalar_entries(self._scalars)
        placed, size = place(entries)
        manifest = {
            "format": "strobe-snapshot",
            "version": 1,
            "run": {
                "id": run_id(self.folder.resolve().name),
                "name": about["name"],
                "created_at": time.time(),
                "writer": f"strobe {__version__} (python)",
            },
            "model": known(about["model"]),
            "task": known(task),
            "training": known(training),
            "snapshot": {"bytes": size, "tensors": placed},
        }
        _validate(manifest, self.folder / MANIFEST)
        there = self._existing()
        if there is None:
            if resume:
                raise RecorderError(f"{self.folder}: holds no run to resume; start it without resume")
            return manifest
        if not resume:
            count = len(list_files(self.folder))
            raise RecorderError(
                f"{self.folder}: holds a run already ({count:,} snapshots); resume it or record into another folder"
            )
        for part in ("model", "snapshot"):
            if there[part] != json.loads(json.dumps(manifest[part])):
                raise RecorderError(
                    f"{self.folder}: the run there has another {part}; {_first_change(there, manifest)}"
                )
        return there

    def _existing(self) -> dict[str, Any] | None:
        path = self.folder / MANIFEST
        if path.exists():
            try:
                manifest: dict[str, Any] = json.loads(path.read_bytes())
                return manifest
            except ValueError:
                raise RecorderError(f"{path}: is damaged; see strobe verify {self.folder}") from None
        if list_files(self.folder) or (self.folder / METRICS).exists():
            raise RecorderError(f"{self.folder}: holds a run without {MANIFEST}; record into another folder")
        return None

    def _next_attempt(self) -> int:
        files = list_files(self.folder)
        return max([len(read_attempts(self.folder)), *(attempt + 1 for _, attempt, _ in files)])

    def _begin(self, training: Mapping[str, Any]) -> None:
        for entry in os.scandir(self.folder):
            if _LEFT_OVER.fullmatch(entry.name):
                Path(entry.path).unlink()
        first = self.manifest.get("training", {})
        changed = {key: value for key, value in known(training).items() if first.get(key) != value}
        self._append({"attempt": self.attempt, "step": self._step, "time": time.time(), "training": changed})

    def _append(self, record: Mapping[str, object]) -> None:
        journal = Journal(self.folder / ATTEMPTS)
        try:
            journal.append(record)
        finally:
            journal.close()

    # One call a step.

    def snapshot(self, step: int, scalars: Mapping[str, Any] | None = None) -> bool:
        """Copy every tensor to the host and queue it as the snapshot of `step`; `scalars` by name.

        Returns at once after the copy. False when nothing was queued: a full queue, a step that this attempt has
        recorded already, or an error, each counted in `status`.
        """
        if self._finished or os.getpid() != self._pid:
            return False
        began = time.perf_counter()
        self._step = max(self._step, step)
        if not self._writer.room.acquire(blocking=self._when_full == "wait"):
            self.status.skipped += 1
            return False
        try:
            job = Job(step, self._capture(step, scalars or {}, began), time.time())
        except Exception as error:
            self._writer.room.release()
            self.status.missed += 1
            self._trouble.failed(f"step {step:,}", error)
            return False
        self._taken.add(step)
        self._writer.submit(job)
        return True

    def _capture(self, step: int, scalars: Mapping[str, Any], began: float) -> dict[str, Array]:
        if step in self._taken:
            raise RecorderError(f"step {step:,} was recorded already in this attempt")
        if self._prepare is not None:
            self._prepare()
        arrays = {spec.full_name: host_array(spec.source) for spec in self._specs}
        unknown = set(scalars) - set(self._scalars)
        if unknown:
            raise RecorderError(f"scalars {sorted(unknown)} are not among {list(self._scalars)}")
        own = {"recorder_ms": 1000 * (time.perf_counter() - began)} if "recorder_ms" in self._scalars else {}
        return arrays | scalar_arrays(self._scalars, {**own, **scalars})

    def log(self, step: int, **metrics: Any) -> None:
        """Append one line to metrics.jsonl: numbers by name, one-element tensors, NaN and infinities included."""
        if self._finished or os.getpid() != self._pid:
            return
        self._step = max(self._step, step)
        record: dict[str, object] = {"step": int(step), "time": time.time()}
        if self.attempt:
            record["attempt"] = self.attempt
        for key, value in metrics.items():
            try:
                plain = isinstance(value, int | float | str) and number(value) is not None
                record[key] = value if plain else plain_number(value)
            except Exception as error:
                self._trouble.failed(f"metric {key!r}", error)
        self._writer.line(record)

    def flush(self) -> bool:
        """Wait until everything so far is on disk, or was given up: call it before saving a state to resume from,
        so that a kill cannot lose what lies before that state. False when the disk took longer than a minute."""
        if self._finished or os.getpid() != self._pid:
            return True
        return self._writer.flush(_CLOSE_TIMEOUT_S)

    # The end.

    def finish(
        self, end: Literal["finished", "interrupted", "failed"] = "finished", reason: str | None = None
    ) -> None:
        """Write what is queued and the end line, and let the folder go; only the first call counts."""
        if self._finished or os.getpid() != self._pid:
            return
        self._finished = True
        atexit.unregister(self._at_exit)
        if not self._writer.close(_CLOSE_TIMEOUT_S):
            log.warning("%s: the disk did not take the last snapshots in time", self.folder)
        record = {"attempt": self.attempt, "end": end, "reason": reason, "step": self._step, "time": time.time()}
        try:
            self._append(known(record))
        except OSError as error:
            self._trouble.failed("the end of the run", error)
        self._lock.release()
        status = self.status
        if status.missed or status.skipped or status.lost_lines:
            counts = f"{status.recorded} snapshots recorded, {status.skipped} skipped because the queue was full"
            lost = f"{status.missed} missed by errors, {status.lost_lines} metric lines lost"
            log.warning("%s: %s, %s", self.folder, counts, lost)

    def _at_exit(self) -> None:
        self.finish("interrupted", "the program ended without finish()")

    def __enter__(self) -> Self:
        """Inside `with`, SIGTERM ends the block as Ctrl-C does, unless the program handles it already."""
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, _terminated)
            self._owns_sigterm = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.finish()
        elif issubclass(kind, KeyboardInterrupt | SystemExit):
            self.finish("interrupted", kind.__name__)
        else:
            self.finish("failed", f"{kind.__name__}: {error}"[:1000])
        if self._owns_sigterm:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _terminated(received: int, _: FrameType | None) -> None:
    raise SystemExit(128 + received)


def known(values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` without those that are None: absent means unknown, and the manifest has no null."""
    return {key: value for key, value in values.items() if value is not None}


def _validate(manifest: Mapping[str, Any], where: Path) -> None:
    """Refuse before training what no reader would open; a machine without pydantic goes without this check."""
    try:
        from etl.run.manifest import ManifestError, parse
    except ImportError:
        return
    try:
        parse(manifest_bytes(manifest), where)
    except ManifestError as error:
        raise RecorderError(str(error)) from None


def _first_change(there: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    """What differs first between two manifests' models or tensors, in words."""
    for key in sorted({*there["model"], *ours["model"]}):
        old, new = there["model"].get(key), ours["model"].get(key)
        if old != new:
            return f"model.{key} is {old} there and {new} now"
    old_tensors = [(t["name"], t["shape"], t["dtype"]) for t in there["snapshot"]["tensors"]]
    new_tensors = [(t["name"], t["shape"], t["dtype"]) for t in ours["snapshot"]["tensors"]]
    changed = [pair for pair in zip(old_tensors, new_tensors, strict=False) if pair[0] != pair[1]]
    return f"{changed[0][0]} there, {changed[0][1]} now" if changed else "its tensors are not these"
