"""The training loop: one gradient a step, recorded between the backward pass and the update."""

from __future__ import annotations

import dataclasses
import math
import platform
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor

from etl.errors import StrobeError
from etl.run.file_names import has_step
from strobe.train.config import ConfigError, Training, training_entry
from strobe.train.model import GPT
from strobe.train.movement import Movement, weight_norm
from strobe.train.recording import Ending, Monitor, Recording, StartRecording
from strobe.train.schedule import is_auto, snapshot_steps
from strobe.train.state import read_state, restore, save_state
from strobe.train.tasks import Task

Report = Callable[[int, dict[str, float]], None]
"""Called after each step with the metrics that it logged."""

_MATRICES = frozenset({"wte", "wpe", "qkvw", "attprojw", "fcw", "fcprojw", "unembed"})


def pick_device(name: str) -> torch.device:
    """CUDA when it is there and `name` is auto. Raises ConfigError for a device that is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        first = str(error).partition("\n")[0]
        raise ConfigError(f"device {name!r} cannot be used ({first:.100}); try auto or cpu") from None
    return device


def device_name(device: torch.device) -> str:
    """The device in words, as the manifest keeps it."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or "cpu"


def make_optimizer(model: GPT, training: Training) -> torch.optim.AdamW:
    """AdamW, fused; weight decay on matrices only."""
    decayed = [p for name, p in model.named_parameters() if name in _MATRICES]
    others = [p for name, p in model.named_parameters() if name not in _MATRICES]
    groups = [{"params": decayed, "weight_decay": training.weight_decay}, {"params": others, "weight_decay": 0.0}]
    betas = (training.beta1, training.beta2)
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=training.learning_rate, betas=betas, fused=True)


@contextmanager
def stop_flag() -> Iterator[list[str]]:
    """A list that gets the name of a SIGINT or SIGTERM; a second one stops at once, as it would without us, or with
    KeyboardInterrupt where it would have ended the process.

    The loop looks at it between steps: an update is never left half done.
    """
    asked: list[str] = []

    def ask(number: int, frame: FrameType | None) -> None:
        if not asked:
            asked.append(signal.Signals(number).name)
            return
        own = before[signal.Signals(number)]
        if callable(own):
            own(number, frame)
        else:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Trainer:
    """One attempt at one run."""

    def __init__(self, folder: Path, model: GPT, task: Task, training: Training, device: torch.device) -> None:
        self.folder, self.model, self.task, self.training, self.device = folder, model, task, training, device
        self.optimizer = make_optimizer(model, training)
        self.snapshots = snapshot_steps(training.steps, every=training.snapshot_every, schedule=training.schedule)
        self.movement = Movement() if is_auto(training.schedule) else None
        self.config: dict[str, Any] = {
            "training": dataclasses.asdict(training),
            "model": dataclasses.asdict(model.config),
        }
        self.monitor: Monitor | None = None
        """Looks at every `monitor_every`-th update."""
        self.monitor_every = 100
        self.clip_scale = 1.0
        """By which the gradient that was computed last was multiplied."""
        self.step = 0
        self.again: int | None = None
        """A step whose snapshot was taken before and is to be taken again, due or not."""
        self.batch: Tensor | None = None
        """The tokens (B, T) of the gradient that was computed last."""
        self.trouble: str | None = None

    def resume(self) -> None:
        """Take up the saved state. Raises ConfigError when there is none, it is damaged, or nothing is left to do."""
        self.step = restore(self.folder, self.model, self.optimizer)
        since = saved_config(self.folder).get("since")
        if self.movement is not None and since is not None:
            self.movement.since = (since[0], since[1])
        # The attempt that finished here recorded its end, which counts no longer now that another begins there.
        self.again = self.step if has_step(self.folder, self.step) else None
        if self.step >= self.training.steps:
            raise ConfigError(f"{self.folder}: is at step {self.step:,} already; give --steps above that to go on")

    def entry(self) -> dict[str, Any]:
        """The manifest's `training`."""
        facts = {"tokens_per_step": self.task.tokens_per_step, "device": device_name(self.device)}
        return training_entry(self.training) | facts | {"sequence_length": self.task.block_size}

    def run(self, report: Report, start_recording: StartRecording) -> Ending:
        """Train to the last step, or to a signal. The run is readable at any moment."""
        with stop_flag() as stop, start_recording() as recording:
            self._save(recording)
            started, first = time.perf_counter(), self.step
            while True:
                values = self._gradient(recording, started, first)
                report(self.step, values)
                if self.step == self.training.steps or stop:
                    break
                self._monitored_update(recording)
                if self.step % self.training.checkpoint_every == 0:
                    self._save(recording)
            end: Ending = "finished" if self.step == self.training.steps else "interrupted"
            self._save(recording)
            recording.finish(end, stop[0] if stop else None)
        return end

    def _save(self, recording: Recording) -> None:
        # What the resumed run will not do again must be on disk first.
        recording.flush()
        if self.movement is not None:
            self.config["since"] = self.movement.since
        try:
            save_state(self.folder, self.step, self.model, self.optimizer, self.config)
            self.trouble = None
        except OSError as error:
            self.trouble = f"the state to resume from could not be saved ({error})"

    def _learning_rate(self) -> float:
        warm = min(1.0, (self.step + 1) / self.training.warmup) if self.training.warmup else 1.0
        return self.training.learning_rate * warm

    def _gradient(self, recording: Recording, started: float, first: int) -> dict[str, float]:
        """Forward and backward at this step, logged and, where it is due, recorded."""
        tokens, targets = self.task.batch(self.step)
        self.batch = tokens
        loss = self.task.loss(self.model, tokens, targets)
        self.optimizer.zero_grad(set_to_none=False)
        loss.backward()  # type: ignore[no-untyped-call]
        values, self.clip_scale = {"train_loss": float(loss.detach())}, 1.0
        due = self.step in self.snapshots or self.step == self.again
        if due or self.step % self.training.eval_every == 0 or self.step == self.training.steps:
            values |= self._observations(started, first)
            due = self._has_moved(values["val_loss"], due=due)
        elif self.training.grad_clip is not None:
            _, self.clip_scale = self._clip()
        if due:
            recording.snapshot(self.step, values | {"tokens_seen": self.step * self.task.tokens_per_step})
        recording.log(self.step, tokens=self.step * self.task.tokens_per_step, **values)
        return values

    def _has_moved(self, val_loss: float, *, due: bool) -> bool:
        """Whether a snapshot is due at this step, which was evaluated: it was already, or the training has moved."""
        if self.movement is None:
            return due
        norm = weight_norm(list(self.model.parameters()))
        due = due or self.movement.is_far(val_loss, norm)
        if due:
            self.movement.since = (val_loss, norm)
        return due

    def _clip(self) -> tuple[float, float]:
        """(norm before clipping, the factor that was applied)."""
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        norm = float(torch.nn.utils.get_total_norm(gradients))
        limit = self.training.grad_clip
        if limit is None or not math.isfinite(norm) or norm <= limit:
            return norm, 1.0
        torch._foreach_mul_(gradients, limit / norm)
        return norm, limit / norm

    def _observations(self, started: float, first: int) -> dict[str, float]:
        norm, self.clip_scale = self._clip()
        steps, seconds = self.step - first, time.perf_counter() - started
        values = self.task.evaluate(self.model)
        values |= {"learning_rate": self._learning_rate(), "grad_norm": norm, "grad_clip_scale": self.clip_scale}
        if steps:
            values["step_time_ms"] = 1000 * seconds / steps
            values["tokens_per_second"] = steps * self.task.tokens_per_step / seconds
        if self.device.type == "cuda":
            values["memory_allocated_bytes"] = float(torch.cuda.memory_allocated(self.device))
            values["memory_peak_bytes"] = float(torch.cuda.max_memory_allocated(self.device))
        return values

    def _monitored_update(self, recording: Recording) -> None:
        """The update, and what the monitor says of it as metrics of the step that it was made at."""
        monitor, step = self.monitor, self.step
        if monitor is None or step % self.monitor_every:
            self._update()
            return
        monitor.check_gradients(self.model, self.optimizer, step=step, clip_scale=self.clip_scale)
        self._update()
        monitor.check_updates(self.model, self.optimizer, step=step)
        series = monitor.aggregate_gradient_stats() | monitor.aggregate_update_stats()
        recording.log(step, **{f"monitor/{name}": value for name, value in series.items()})

    def _update(self) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate()
        self.optimizer.step()
        self.step += 1


def saved_config(folder: Path) -> dict[str, Any]:
    """What the run in `folder` was started with: {"training": ..., "model": ...}. Raises ConfigError."""
    config = read_state(folder)[0].get("config")
    if not isinstance(config, dict):
        raise StrobeError(f"{folder}: the saved state has no configuration")
    return config
