"""The background thread that puts snapshots and metric lines on disk while the training goes on."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from etl.run.journal import METRICS, Journal
from etl.run.writer import SnapshotWriter
from strobe.record.tensors import Array

log = logging.getLogger("strobe.record")

_FLUSH_S = 0.25
_MAX_LINES = 200_000
_MAX_MESSAGES = 5


@dataclass(slots=True)
class Status:
    """What became of the snapshots so far."""

    recorded: int = 0
    skipped: int = 0
    """Not taken because the disk was slower than the training (`when_full="skip"`)."""
    missed: int = 0
    """Given up because of an error."""
    lost_lines: int = 0
    """Metric lines that could not be written."""
    last_error: str | None = None


class Trouble:
    """Counts failures and says each kind once, so that a dead disk does not flood the terminal."""

    def __init__(self, status: Status) -> None:
        self._status = status
        self._said: set[tuple[type, object]] = set()
        self._failing = False

    def failed(self, what: str, error: BaseException) -> None:
        self._status.last_error = f"{type(error).__name__}: {error}"
        self._failing = True
        kind = (type(error), getattr(error, "errno", None))
        if kind not in self._said and len(self._said) < _MAX_MESSAGES:
            self._said.add(kind)
            log.warning("%s could not be recorded (%s); training goes on, and further ones are counted", what, error)

    def warn_once(self, kind: str, message: str) -> None:
        """Say something that does not stop the recording, once a kind."""
        if (Warning, kind) not in self._said:
            self._said.add((Warning, kind))
            log.warning("%s", message)

    def worked(self) -> None:
        if self._failing and len(self._said) < _MAX_MESSAGES:
            log.warning("recording works again; %s snapshots were missed so far", self._status.missed)
        self._failing = False


@dataclass(frozen=True, slots=True)
class Job:
    """A snapshot in host memory on its way to disk."""

    step: int
    arrays: Mapping[str, Array]
    time: float


class Writer:
    """Owns the thread. `room` bounds the snapshots that are in memory and not yet on disk."""

    def __init__(
        self,
        snapshots: SnapshotWriter,
        attempt: int,
        status: Status,
        trouble: Trouble,
        *,
        queue: int,
        after_write: Callable[[], None],
    ) -> None:
        self._snapshots, self._attempt = snapshots, attempt
        self._status, self._trouble, self._after_write = status, trouble, after_write
        self._metrics = Path(snapshots.folder) / METRICS
        self._journal: Journal | None = None
        self.room = threading.BoundedSemaphore(queue)
        self._wake = threading.Condition()
        self._jobs: deque[Job] = deque()
        self._lines: deque[Mapping[str, object]] = deque()
        self._closing = False
        self._asked = self._answered = 0
        self._thread = threading.Thread(target=self._run, name="strobe-recorder", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Queue a snapshot; the caller holds one unit of `room`, which is given back when it is written."""
        with self._wake:
            self._jobs.append(job)
            self._wake.notify_all()

    def line(self, record: Mapping[str, object]) -> None:
        """Queue a metric line; it is on disk a quarter of a second later at the latest."""
        with self._wake:
            if len(self._lines) >= _MAX_LINES:
                self._lines.popleft()
                self._status.lost_lines += 1
            self._lines.append(record)

    def flush(self, timeout: float) -> bool:
        """Wait until what was queued before has been written or given up; False after `timeout` seconds."""
        with self._wake:
            self._asked += 1
            mine = self._asked
            self._wake.notify_all()
            return self._wake.wait_for(lambda: self._answered >= mine, timeout)

    def close(self, timeout: float | None) -> bool:
        """Write what is queued and stop; False when that took longer than `timeout` seconds."""
        with self._wake:
            self._closing = True
            self._wake.notify_all()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._wake:
                if not self._jobs and not self._closing and self._asked == self._answered:
                    self._wake.wait(_FLUSH_S)
                asked = self._asked
                job = self._jobs.popleft() if self._jobs else None
                last = self._closing and job is None
            self._flush()
            if job is not None:
                self._write(job)
            else:
                with self._wake:
                    self._answered = asked
                    self._wake.notify_all()
            if last:
                break
        self._close_journal()
        self._status.lost_lines += len(self._lines)

    def _close_journal(self) -> None:
        # A thread that dies of a failed close would leave a waiting training waiting for ever.
        if self._journal is not None:
            with contextlib.suppress(OSError):
                self._journal.close()
            self._journal = None

    def _flush(self) -> None:
        try:
            if self._lines and self._journal is None:
                self._journal = Journal(self._metrics)
            while self._lines:
                assert self._journal is not None
                self._journal.append(self._lines[0])
                with self._wake:
                    self._lines.popleft()
        except Exception as error:
            self._trouble.failed("metrics", error)
            # Opening it anew mends a line that was torn half-way.
            self._close_journal()

    def _write(self, job: Job) -> None:
        try:
            self._snapshots.write(job.step, job.arrays, attempt=self._attempt, time=job.time)
            self._status.recorded += 1
            self._trouble.worked()
            self._after_write()
        except Exception as error:
            self._status.missed += 1
            self._trouble.failed(f"step {job.step:,}", error)
        finally:
            self.room.release()
