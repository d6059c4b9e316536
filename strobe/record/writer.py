"""The background thread that puts snapshots and metric lines on disk while the training goes on."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etl.errors import StrobeError
from etl.run.journal import METRICS, Journal
from strobe.record.host import Array
from strobe.record.status import Status, Trouble

if TYPE_CHECKING:
    from strobe.record.folder import RunFolder

_FLUSH_S = 0.25
_MAX_LINES = 200_000
_GAP_S, _MOST_GAP_S = 10.0, 3600.0
"""Between two lines on disk that tell of losses: at first, and doubled each time up to the other."""


@dataclass(frozen=True, slots=True)
class Job:
    """A snapshot in host memory on its way to disk."""

    step: int
    arrays: Mapping[str, Array]
    time: float
    manifest: Mapping[str, Any]
    """What says how they lie: manifest.json, or that of a part."""


class Writer:
    """Owns the thread. `room` bounds the snapshots that are in memory and not yet on disk."""

    def __init__(self, run: RunFolder, status: Status, trouble: Trouble, *, queue: int) -> None:
        self._run, self._status, self._trouble = run, status, trouble
        self._journal: Journal | None = None
        self.room = threading.BoundedSemaphore(queue)
        self._wake = threading.Condition()
        self._jobs: deque[Job] = deque()
        self._lines: deque[Mapping[str, object]] = deque()
        self._closing = False
        self._next_tell, self._gap = 0.0, _GAP_S
        self._told: dict[str, object] = {}
        self._asked = self._answered = 0
        self._steps: list[int] = []
        self._written_lines = 0
        self._stands = True
        self._gone = (0, 0)
        """How many snapshots and lines of those that were written are counted as lost."""
        self._thread = threading.Thread(target=self._work, name="strobe-recorder", daemon=True)
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

    def _work(self) -> None:
        while True:
            with self._wake:
                if not self._jobs and not self._closing and self._asked == self._answered:
                    self._wake.wait(_FLUSH_S)
                asked = self._asked
                job = self._jobs.popleft() if self._jobs else None
                last = self._closing and job is None
            self._run.beat()
            self._flush()
            self._tell_losses()
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
        try:
            self._stand()
        except Exception as error:
            self._trouble.failed("the run's folder", error)
        self._count_gone()

    def _stand(self) -> None:
        """`RunFolder.stand`; what went with the folder, or came back with it, is counted when that changes."""
        stands = False
        try:
            self._run.stand()
            stands = True
        finally:
            if stands != self._stands:
                self._stands = stands
                self._count_gone()

    def _count_gone(self) -> None:
        if not self._run.vanished:
            return
        with contextlib.suppress(OSError, StrobeError):
            gone = self._run.lost(self._steps, self._written_lines)
            files, lines = gone[0] - self._gone[0], gone[1] - self._gone[1]
            self._gone = gone
            self._status.recorded -= files
            self._status.missed += files
            self._status.lost_lines += lines

    def _close_journal(self) -> None:
        # A thread that dies of a failed close would leave a waiting training waiting for ever.
        if self._journal is not None:
            with contextlib.suppress(OSError):
                self._journal.close()
            self._journal = None

    def _flush(self) -> None:
        try:
            if self._lines:
                self._stand()
            if self._lines and self._journal is None:
                self._journal = Journal(self._run.path / METRICS)
            while self._lines:
                assert self._journal is not None
                self._journal.append(self._lines[0])
                self._written_lines += 1
                with self._wake:
                    self._lines.popleft()
        except (OSError, StrobeError) as error:
            self._trouble.failed("metrics", error)
            self._run.vanished |= isinstance(error, FileNotFoundError)
            # Opening it anew mends a line that was torn half-way.
            self._close_journal()
        except Exception as error:
            # No second try makes such a line one, and those behind it would wait for ever.
            with self._wake:
                self._lines.popleft()
            self._status.lost_lines += 1
            self._trouble.failed("a line of metrics", error)

    def _tell_losses(self) -> None:
        """Tell on disk of what was lost, where that is more than was told, now and then."""
        now = time.monotonic()
        if now < self._next_tell:
            return
        # A training must not end for want of a line about what it lacks.
        with contextlib.suppress(Exception):
            if (losses := self._status.losses()) != self._told:
                self._next_tell, self._gap = now + self._gap, min(2 * self._gap, _MOST_GAP_S)
                self._run.tell(losses)
                self._told = losses

    def _write(self, job: Job) -> None:
        try:
            self._stand()
            self._run.use(job.manifest)
            self._run.snapshots.write(job.step, job.arrays, attempt=self._run.attempt, time=job.time)
            self._steps.append(job.step)
            self._trouble.worked()
            self._run.thin()
        except Exception as error:
            self._trouble.missed(f"step {job.step:,}", error)
        finally:
            self.room.release()
