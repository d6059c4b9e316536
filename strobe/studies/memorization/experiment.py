"""A study from its plan to its files: train, measure at each epoch point, write; or take up where it was killed.

One training after the other, one model in memory. The run's folder is an ordinary one: curve and snapshots by the
Recorder, the state to resume from by the training loop. Beside them lies a file for each epoch point, written once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import torch

from etl.errors import StrobeError
from etl.run.file_names import MANIFEST
from strobe.derive.study_files import points
from strobe.record import Recorder
from strobe.record.adapters.gpt2 import Gpt2Source
from strobe.record.empty import is_empty
from strobe.record.order import UpdateClock
from strobe.studies.memorization import plan as plans
from strobe.studies.memorization.measuring import measure, write_point
from strobe.studies.memorization.models import subject
from strobe.studies.memorization.plan import Plan
from strobe.studies.memorization.task import PassagesTask
from strobe.train.config import Training
from strobe.train.loop import Trainer, pick_device
from strobe.train.recording import Ending, Recording
from strobe.train.state import read_state

Report = Callable[[int, dict[str, float]], None]
"""Called with the updates so far, of all trainings, and what was logged."""

_SAVES: Final = 20
"""States that a training saves about, besides the first and the last."""
_WARM: Final = 20
_STATE: Final = "state.pt"


class Study:
    """The study in a folder, begun or about to begin. `done` and `total` count updates, of all trainings."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.folder, self.plan = folder, plan
        self.device = pick_device(plan.device)
        self.passages, self.make = subject(plan)
        self.per_epoch = self._task(0).steps_per_epoch

    @property
    def legs(self) -> list[tuple[int, ...]]:
        """The epochs that each training measures: all in one, or one each."""
        return [self.plan.epochs] if self.plan.training == "continuous" else [(epoch,) for epoch in self.plan.epochs]

    @property
    def total(self) -> int:
        """Updates of all trainings."""
        return sum(leg[-1] for leg in self.legs) * self.per_epoch

    def run(self, report: Report) -> Ending:
        """Train and measure what is left. Raises StrobeError, and what the Recorder raises."""
        torch.set_num_threads(self.plan.threads)
        plans.save(self.plan, self.folder)
        first, step = self._left_at()
        before = sum(leg[-1] for leg in self.legs[:first]) * self.per_epoch
        for number in range(first, len(self.legs)):
            done = before
            end = self._leg(number, step, lambda at, values, done=done: report(done + at, values))  # type: ignore[misc]
            if end != "finished":
                return end
            before += self.legs[number][-1] * self.per_epoch
            step = None
        return "finished"

    def _left_at(self) -> tuple[int, int | None]:
        """(the training that was at work, the step of its saved state); None where it has none."""
        if not (self.folder / "resume" / _STATE).exists():
            return 0, None
        state, _ = read_state(self.folder)
        number, step = int(state["config"].get("leg", 0)), int(state["step"])
        if step < self.legs[number][-1] * self.per_epoch:
            return number, step
        measured = points(self.folder).keys() >= set(self.legs[number])
        return (number + 1, None) if measured else (number, step)

    def _task(self, number: int) -> PassagesTask:
        plan = self.plan
        return PassagesTask(self.passages, batch_size=plan.batch_size, seed=plan.seed + number, device=self.device)

    def _trainer(self, number: int) -> Trainer:
        plan, leg = self.plan, self.legs[number]
        schedule = ",".join(str(epoch * self.per_epoch) for epoch in ((0,) if not number else ()) + leg)
        training = Training(
            steps=leg[-1] * self.per_epoch, learning_rate=plan.learning_rate, weight_decay=0.0, beta2=0.99,
            warmup=_WARM, batch_size=plan.batch_size, grad_clip=1.0, eval_every=self.per_epoch,
            snapshot_every=None, schedule=schedule, checkpoint_every=self.per_epoch * max(1, leg[-1] // _SAVES),
            model_seed=plan.seed + number, data_seed=plan.seed + number, device=plan.device, threads=plan.threads,
        )  # fmt: skip
        model = self.make(training.model_seed).to(self.device)
        trainer = Trainer(self.folder, model, self._task(number), training, self.device)
        trainer.config |= {"leg": number}
        return trainer

    def _leg(self, number: int, step: int | None, report: Report) -> Ending:
        trainer = self._trainer(number)
        last = number == len(self.legs) - 1
        floor = -1 if not number else self.legs[number - 1][-1] * self.per_epoch
        if step is not None:
            self._restore(trainer)

        def each(at: int, values: dict[str, float]) -> None:
            report(at, values)
            self._measure(trainer, number, at)

        if step == trainer.training.steps:
            # Killed between the last update and the last file: there is nothing to train.
            each(step, {})
            return "finished"
        return trainer.run(each, lambda: _From(self._recorder(trainer, floor + 1), floor, last=last))

    def _restore(self, trainer: Trainer) -> None:
        from strobe.train.state import restore

        trainer.step = restore(self.folder, trainer.model, trainer.optimizer)

    def _recorder(self, trainer: Trainer, first: int) -> Recorder:
        return Recorder(
            self.folder,
            Gpt2Source(trainer.model, trainer.optimizer, trainer.task.probe(), lambda: trainer.batch),
            task=trainer.task.entry() | {"training": self.plan.training},
            training=trainer.entry(),
            optimizer=UpdateClock(trainer.optimizer, trainer.step),
            resume=(self.folder / MANIFEST).exists() and not is_empty(self.folder),
            step=max(first, trainer.step),
            when_full="wait",
        )

    def _measure(self, trainer: Trainer, number: int, step: int) -> None:
        epoch, rest = divmod(step, self.per_epoch)
        if rest or epoch not in self.legs[number] or epoch in points(self.folder):
            return
        plan = self.plan
        rows = measure(
            trainer.model, self.passages, epoch=epoch, step=step, threshold=plan.threshold,
            neighbours=plan.neighbours,
        )  # fmt: skip
        write_point(self.folder, epoch, rows)


class _From:
    """A recording that takes in what comes after a step: what lies before it is told by the training before."""

    def __init__(self, recorder: Recorder, floor: int, *, last: bool) -> None:
        self._recorder, self._floor, self._last = recorder, floor, last

    def __enter__(self) -> Self:
        self._recorder.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._recorder.__exit__(kind, error, trace)

    def log(self, step: int, /, **metrics: Any) -> None:
        if step > self._floor:
            self._recorder.log(step, **metrics)

    def snapshot(self, step: int, scalars: Mapping[str, Any] | None = None) -> bool:
        return step > self._floor and self._recorder.snapshot(step, scalars)

    def flush(self) -> bool:
        return self._recorder.flush()

    def finish(self, end: Ending, reason: str | None = None) -> None:
        if end == "finished" and not self._last:
            self._recorder.finish("interrupted", "the training up to the next epoch point begins anew")
        else:
            self._recorder.finish(end, reason)


def begin(folder: Path, plan: Plan, *, resume: bool) -> Study:
    """The study of `plan` in a run's folder; with `resume` that which was begun there, or a new one where none was.

    Raises StrobeError where a study stands there and is not resumed, or is resumed otherwise than it was begun.
    """
    kept = plans.saved(folder)
    if kept is not None and resume:
        plans.same(plan, kept)
    elif kept is not None and (points(folder) or not is_empty(folder)):
        raise StrobeError(f"{folder}: holds a study already; give --resume, or another folder")
    elif kept is None and (folder / MANIFEST).exists():
        raise StrobeError(f"{folder}: holds another run; record into another folder")
    return Study(folder, plan)


_: type[Recording] = _From
