"""A watched run: what happens at an optimizer's steps, and the calls that a training loop makes."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from strobe.record.ending import Ending, ending_of
from strobe.record.learning_rate import learning_rate
from strobe.record.modules.source import ModuleSource
from strobe.record.order import Clock, Handle
from strobe.record.recorder import Recorder, Status
from strobe.record.watching.gradients import Unscaling
from strobe.record.watching.monitoring import Monitoring
from strobe.record.watching.ranks import SilentRecorder

log = logging.getLogger("strobe.record")

_NO_UPDATE_YET = "no backward pass came before it"
_AFTER_THE_LAST = "no backward pass came after the last update"


class Watcher:
    """What `strobe.watch` returns. Its calls never raise into the training."""

    def __init__(
        self,
        recorder: Recorder | SilentRecorder,
        source: ModuleSource,
        clock: Clock,
        due: Callable[[int], bool],
        unscaling: Unscaling,
        optimizer: Any,
        monitoring: Monitoring | None = None,
        again: int | None = None,
    ) -> None:
        """`again` is a step whose snapshot the attempt before has, and which counts no longer: due in any case."""
        self._recorder, self._source, self._clock, self._due = recorder, source, clock, due
        self._unscaling, self._optimizer, self._monitoring = unscaling, optimizer, monitoring
        self._hooks: list[Handle] = []
        self._holds = False
        self._last: int | None = None
        self._again = again
        if optimizer is not None:
            self._hooks = [
                optimizer.register_step_pre_hook(self._before_update),
                optimizer.register_step_post_hook(self._after_update),
            ]
        elif self._is_due():
            self._take(_NO_UPDATE_YET if clock.updates == 0 else None)

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self._recorder.folder

    @property
    def status(self) -> Status:
        """What became of the snapshots and metrics so far."""
        return self._recorder.status

    @property
    def manifest(self) -> Mapping[str, Any]:
        """manifest.json: ours, or that of the resumed run."""
        return self._recorder.manifest

    @property
    def updates(self) -> int:
        """How many updates have been applied."""
        return self._clock.updates

    def log(self, metrics: Any = None, /, step: Any = None, **more: Any) -> None:
        """Append metrics by name, from a mapping, keywords, or both.

        Without `step` they belong to the last backward pass: to as many updates as came before it. In a loop without
        an optimizer they belong to as many `step()` calls as there were.
        """
        given = {} if metrics is None else metrics
        if isinstance(given, int) and not isinstance(given, bool) and step is None:
            given, step = {}, given
        self._recorder.log(self._step_of_log() if step is None else step, given, **more)

    def _step_of_log(self) -> int:
        behind = self._optimizer is not None and self._clock.taken == "after_update"
        return max(0, self._clock.updates - behind)

    def step(self) -> None:
        """Say that an update was made, once a loop: for those that gave no optimizer; else the optimizer says it."""
        if self._optimizer is not None:
            return
        self._clock.updates += 1
        if self._is_due():
            self._take()

    def snapshot(self) -> bool:
        """Record a snapshot now, due or not; between a backward pass and its update its gradients belong to it."""
        with_gradients = self._optimizer is None or self._clock.taken == "before_update"
        return self._take(None if with_gradients else _AFTER_THE_LAST)

    def finish(self, end: Ending = "finished", reason: str | None = None) -> None:
        """Record the parameters after the last update, write what is queued, and end the run."""
        for hook in self._hooks:
            hook.remove()
        self._hooks = []
        lost = self._again is not None and self._last is None
        unseen = end == "finished" and self._last is not None and self._last < self._clock.updates
        if self._optimizer is not None and (unseen or lost):
            self._recorder.flush()
            self._take(_AFTER_THE_LAST)
        self._recorder.finish(end, reason)

    def _is_due(self, ahead: int = 0) -> bool:
        try:
            step = self._clock.updates + ahead
            return (step == self._again and self._last is None) or self._due(step)
        except Exception as error:
            self._recorder.trouble("every", error)
            return False

    def _take(self, no_gradients: str | None = None) -> bool:
        """A snapshot as things stand now; `no_gradients` is why it has none."""
        self._source.no_gradients, heard = no_gradients, self._clock.taken
        if self._optimizer is not None:
            # Parameters stand before the next update whenever they are looked at; it is gradients that may not.
            self._clock.taken = "before_update"
        try:
            taken = self._recorder.snapshot(self._clock.updates, scalars=self._scalars())
        finally:
            self._clock.taken = heard
        if taken:
            self._last = self._clock.updates
        return taken

    def _scalars(self) -> dict[str, float]:
        groups = [] if self._optimizer is None else self._optimizer.param_groups
        rates = {rate for group in groups if (rate := learning_rate(group)) is not None}
        return {"learning_rate": rates.pop()} if len(rates) == 1 else {}

    def _before_update(self, _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The optimizer's step is about to begin: its gradients are the ones that it will use, unless a closure is
        still to compute them."""
        # The first argument is the optimizer itself.
        if len(args) > 1 and callable(args[1]):
            return (args[0], self._heard(args[1]), *args[2:]), kwargs
        if callable(kwargs.get("closure")):
            return args, {**kwargs, "closure": self._heard(kwargs["closure"])}
        self._at_gradients()
        return None

    def _heard(self, closure: Callable[[], Any]) -> Callable[[], Any]:
        """A closure after whose first evaluation the snapshot is taken."""
        first = True

        def evaluate() -> Any:
            nonlocal first
            loss = closure()
            if first:
                first = False
                self._at_gradients()
            return loss

        return evaluate

    def _at_gradients(self) -> None:
        # Not every backward pass is heard: sharded parameters have their gradients put there.
        self._clock.taken, taken = "before_update", False
        if self._is_due():
            with self._in_step():
                taken = self._take()
            if self._monitoring is not None:
                monitoring, step = self._monitoring, self._clock.updates
                self._guarded("the weight monitor", lambda: monitoring.before(step))
        if self._source.statistics_of_updates and self._is_due(1):
            self._holds = self._guarded("updates", lambda: self._source.before_update(measured=taken))

    def _after_update(self, *_: Any) -> None:
        if self._holds:
            self._holds = False
            self._guarded("updates", self._source.after_update)
        if self._monitoring is not None:
            self._guarded("the weight monitor", self._monitoring.after)

    def _guarded(self, what: str, work: Callable[[], None]) -> bool:
        try:
            work()
        except Exception as error:
            self._recorder.trouble(what, error)
            return False
        return True

    @contextlib.contextmanager
    def _in_step(self) -> Iterator[None]:
        self._unscaling.in_step = True
        try:
            yield
        finally:
            self._unscaling.in_step = False

    def __enter__(self) -> Self:
        self._recorder.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish(*ending_of(kind, error))
        self._recorder.__exit__(kind, error, trace)
