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
import logging
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from etl.errors import StrobeError
from strobe.record import at_work
from strobe.record.capture import numbers_of, shown, tensors_of
from strobe.record.describing import described
from strobe.record.ending import Ending, SigtermExit, ending_of, warn_of_losses
from strobe.record.errors import RecorderError
from strobe.record.folder import RunFolder
from strobe.record.layouts import Layouts
from strobe.record.limits import Limits, WhenFull, room
from strobe.record.order import Clock, SnapshotOrder, SteppedOptimizer, updates_of
from strobe.record.overheard import clock_of
from strobe.record.source import PlainTensor, TensorSource, appeared, as_source
from strobe.record.status import Status, Trouble
from strobe.record.tensors import SCALARS, TensorSpec, scalar_arrays, whole_step, with_taken
from strobe.record.writer import Job, Writer

__all__ = ["Recorder", "Status"]

log = logging.getLogger("strobe.record")

_CLOSE_TIMEOUT_S = 60.0


class Recorder:
    """Writes one run's snapshots and metrics into `folder`.

    `tensors` is a TensorSource, or sources, TensorSpecs and (name, section, dims, tensor) tuples in the order their
    tensors will have in the file; `scalars` name the numbers that stand in every snapshot beside them. `model` (where
    it is not given: what a source says of it), `task` and `training` go into the manifest as they are, without their
    None values; so do `metric_names`, which say under which names metrics of this run are stored ({"my/loss":
    "train_loss"}), beside those that every ingest knows.

    `resume` continues the run in the folder, as its next attempt, from `step` on, or by default from the first step
    that it records: what earlier attempts have behind that counts no longer, nor of that step itself what is recorded
    again. The tensors must be the same, and what differs in `training` is written down. Without it an existing run is
    refused, unless it recorded nothing: that is started over. `take_over` takes the folder from a recorder of another
    host that is surely gone, such as the same container before it was started again. A recorder of this very process
    that is still at work there is ended, and that is said.

    `optimizer` is what updates the parameters, one of torch: its updates and the backward passes before them are then
    counted, the manifest says truthfully when snapshots are `taken`, and a step that is not the number of updates is
    warned of once. It may be a Clock that counts them already. Without it the recorder hears every optimizer of torch
    that has recorded parameters; where that does not tell, the manifest does not say when snapshots are `taken`, but
    where the specs do.

    `queue` snapshots at most wait in memory, by default 256 MB of them and always two; when they do, `when_full`
    "skip" leaves the next one out and counts it, "wait" holds up the training. `keep_last` and `max_disk` (bytes)
    thin the folder, oldest first, both ends kept.

    Raises RecorderError when it cannot begin, and nothing else: LockedError, which is one, where another records.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        tensors: TensorSource | Iterable[TensorSource | TensorSpec | PlainTensor],
        *,
        name: str | None = None,
        model: Mapping[str, Any] | None = None,
        task: Mapping[str, Any] | None = None,
        training: Mapping[str, Any] | None = None,
        metric_names: Mapping[str, str] | None = None,
        scalars: Sequence[str] = SCALARS,
        optimizer: SteppedOptimizer | Clock | None = None,
        resume: bool = False,
        step: int | None = None,
        queue: int | None = None,
        when_full: WhenFull = "skip",
        keep_last: int | None = None,
        max_disk: int | None = None,
        fsync: bool = True,
        take_over: bool = False,
    ) -> None:
        try:
            # A program that goes to another folder later must not take its record along.
            self.folder = Path(folder).absolute()
            self._limits = Limits(queue, when_full, keep_last, max_disk, fsync)
            about = {
                "name": name or self.folder.name, "model": model, "task": task, "training": training,
                "metric_names": metric_names,
            }  # fmt: skip
            self._source = as_source(tensors)
            specs, step = self._source.specs(), None if step is None else whole_step(step)
            before = updates_of(optimizer) if resume and step is None else step or 0
            self._counts_from_first = before is None
            clock = clock_of(optimizer, specs, before or 0)
            self._description = described(about, self._source, specs, scalars, clock)
            self._layouts = Layouts(self._description.specs)
            self._begin(clock, resume=resume, step=step, take_over=take_over)
        except StrobeError:
            raise
        except Exception as error:
            raise RecorderError(f"{shown(folder)}: cannot begin: {type(error).__name__}: {error}") from error

    def _begin(self, clock: Clock | None, *, resume: bool, step: int | None, take_over: bool) -> None:
        self.status = Status()
        self._trouble = Trouble(self.status)
        self._pid, self._step, self._finished = os.getpid(), step or 0, False
        self._taken: set[int] = set()
        self._sigterm = SigtermExit()
        at_work.end_earlier(self.folder, resume=resume)
        self._run = RunFolder(
            self.folder, self._description, self._limits, resume=resume, step=step, take_over=take_over
        )
        self.attempt = self._run.attempt
        try:
            settle, warn = self._run.settle, self._trouble.warn_once
            self._order = SnapshotOrder(clock, settle, warn) if clock is not None else None
            queue = self._limits.queue or room(self._run.manifest["snapshot"]["bytes"])
            self._writer = Writer(self._run, self.status, self._trouble, queue=queue)
        except BaseException:
            if clock is not None:
                clock.stop()
            self._run.release()
            raise
        atexit.register(self._at_exit)
        at_work.add(self)

    @property
    def manifest(self) -> Mapping[str, Any]:
        """manifest.json: ours, or that of the resumed run."""
        return self._run.manifest

    @property
    def closed(self) -> bool:
        """Whether calls do nothing: after the end, and in a forked child, whose parent records."""
        return self._finished or os.getpid() != self._pid

    def snapshot(self, step: int, scalars: Mapping[str, Any] | None = None) -> bool:
        """Copy every tensor to the host and queue it as the snapshot of `step`; `scalars` by name.

        Returns at once after the copy. False when nothing was queued: a full queue, a step that this attempt has
        recorded already, or an error, each counted in `status`. A scalar that has no place in the snapshots becomes
        a metric of this step.
        """
        if self.closed:
            return False
        try:
            return self._snapshot(self._came_to(step), scalars if scalars is not None else {}, time.perf_counter())
        except Exception as error:
            self._trouble.missed(f"step {shown(step)}", error)
            return False

    def _snapshot(self, step: int, scalars: Mapping[str, Any], began: float) -> bool:
        if step in self._taken:
            raise RecorderError("a step was recorded already in this attempt")
        if not self._writer.room.acquire(blocking=self._limits.when_full == "wait"):
            self.status.skipped += 1
            return False
        try:
            if self._order is not None:
                self._order.settle(step)
            job = self._capture(step, scalars, began)
        except BaseException:
            self._writer.room.release()
            raise
        self._taken.add(step)
        self._run.tell_what_is_gone(step, self._taken, self._trouble.warn_once)
        self._writer.submit(job)
        return True

    def _came_to(self, step: object) -> int:
        """A step that readers take, which is reached now. Raises RecorderError."""
        number = whole_step(step)
        self._step = max(self._step, number)
        if self._run.reach(number) and self._counts_from_first and self._order is not None:
            # What the run began with holds on: its steps are as many updates behind as they were.
            self._order.count_from(number + self.manifest.get("training", {}).get("updates_ahead", 0))
        return number

    def _capture(self, step: int, scalars: Mapping[str, Any], began: float) -> Job:
        self._source.prepare()
        if more := appeared(self._source):
            self._layouts.add(with_taken(more, self._order.taken if self._order is not None else None))
        arrays, absent = tensors_of(self._layouts.specs, self._trouble)
        names = self._description.scalars
        if unknown := {name: value for name, value in scalars.items() if name not in names}:
            self._line(step, unknown)
        known = {name: value for name, value in scalars.items() if name in names}
        own = {"recorder_ms": 1000 * (time.perf_counter() - began)} if "recorder_ms" in names else {}
        manifest = self._layouts.manifest(self._run.manifest, arrays, absent)
        return Job(step, arrays | scalar_arrays(names, own | numbers_of(known, self._trouble)), time.time(), manifest)

    def log(self, step: Any = None, /, *more: Any, **metrics: Any) -> None:
        """Append one line to metrics.jsonl: numbers by name, one-element tensors, NaN and infinities included.

        `log(step, loss=0.5)`, or with a mapping, `log(step, {"loss": 0.5})`. What is no number, or is called as a
        line's own `step`, `time` or `attempt`, is left out, counted in `status` and said once.
        """
        if self.closed:
            return
        try:
            if step is None and not more:
                step = metrics.pop("step", None)
            given = {str(name): value for mapping in more for name, value in dict(mapping).items()}
            self._line(self._came_to(step), given | metrics)
        except Exception as error:
            self.status.lost_lines += 1
            self._trouble.failed(f"the metrics of step {shown(step)}", error)

    def _line(self, step: int, metrics: Mapping[str, Any]) -> None:
        """Queue the line of a step. It is there even where none of its values is: it says that the step was."""
        record: dict[str, object] = {"step": step, "time": time.time()}
        if self.attempt:
            record["attempt"] = self.attempt
        self._writer.line({**numbers_of(metrics, self._trouble), **record} if metrics else record)

    def trouble(self, what: str, error: BaseException) -> None:
        """Count something else that failed, of whoever records through this recorder; said once a kind."""
        self._trouble.failed(what, error, what)

    def flush(self) -> bool:
        """Wait until everything so far is on disk, or was given up: call it before saving a state to resume from,
        so that a kill cannot lose what lies before that state. False when the disk took longer than a minute."""
        return True if self.closed else self._writer.flush(_CLOSE_TIMEOUT_S)

    def finish(self, end: Ending = "finished", reason: str | None = None) -> None:
        """Write what is queued and the end line, and let the folder go; only the first call counts."""
        if self.closed:
            return
        self._finished = True
        self._run.tell_what_is_gone(self._step, self._taken, self._trouble.warn_once)
        if self._order is not None:
            self._order.stop()
        atexit.unregister(self._at_exit)
        at_work.drop(self)
        if not self._writer.close(_CLOSE_TIMEOUT_S):
            log.warning("%s: the disk did not take the last snapshots in time", self.folder)
        try:
            self._run.end(end, reason, self._step, self.status.losses())
        except (OSError, StrobeError) as error:
            self._trouble.failed("the end of the run", error)
        self._run.release()
        warn_of_losses(self.folder, self.status)

    def _at_exit(self) -> None:
        self.finish("interrupted", "the program ended without finish()")

    def __enter__(self) -> Self:
        """Inside `with`, SIGTERM ends the block as Ctrl-C does, unless the program handles it already."""
        self._sigterm.begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish(*ending_of(kind, error))
        self._sigterm.end()
