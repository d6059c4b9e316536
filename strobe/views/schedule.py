"""The learning rate of a run: as it was logged, or recomputed from its configuration, and where its warm-up ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from strobe.analysis.learning_rate import warmup_cosine, warmup_end
from strobe.views.configuration import real
from strobe.views.training_log import DRAWN, Floats, TrainingLog

_NONE: Final = np.zeros(0)
_NEEDED: Final = {
    "learning_rate": ("learning_rate",), "warmup_iters": ("warmup_iters",), "lr_decay_iters": ("lr_decay_iters",),
    "min_lr": ("min_lr",),
}  # fmt: skip
FORMULA: Final = "nanoGPT's linear warm-up and half cosine"


@dataclass(frozen=True)
class Schedule:
    """`step` and `rate`, each (n,); `recomputed` where they are what the configuration comes to and no log's.
    `warmup_end` is a step. Without a rate, `reason` says why."""

    step: Floats
    rate: Floats
    recomputed: bool = False
    warmup_end: float | None = None
    warmup_left: float | None = None
    """The step of the configured end of a warm-up that the run did not reach."""
    reason: str = ""

    def sentence(self) -> str:
        """What is not seen in the line."""
        parts = []
        if self.recomputed:
            parts.append(f"not logged; recomputed from the configuration by {FORMULA}.")
        if self.reason:
            parts.append(f"{self.reason}.")
        if self.warmup_left is not None:
            parts.append(f"ends within its warm-up, which goes on to step {self.warmup_left:,.0f}.")
        return "; ".join(part.rstrip(".") for part in parts) + ("." if parts else "")


def schedule(log: TrainingLog) -> Schedule:
    """Of one run."""
    logged = log.trace("learning_rate").finite()
    configured = real(log.config, ("warmup_iters", "warmup_steps"))
    if len(logged):
        drawn = logged.drawn()
        end = warmup_end(logged.step, logged.value)
        last = float(logged.step[-1])
        left = configured if configured is not None and end is None and configured > last else None
        return Schedule(drawn.step, drawn.value, warmup_end=end, warmup_left=left)
    return _recomputed(log)


def _recomputed(log: TrainingLog) -> Schedule:
    known = {name: real(log.config, names) for name, names in _NEEDED.items()}
    missing = [name for name, value in known.items() if value is None]
    last = log.last_step
    if str(log.config.get("decay_lr", "True")).lower() == "false" and known["learning_rate"] is not None and last:
        ends = np.array([0.0, float(last)])
        return Schedule(ends, np.full(2, known["learning_rate"]), recomputed=True)
    if missing or not last:
        why = f"the configuration lacks {', '.join(missing)}" if missing else "the run recorded no step"
        return Schedule(_NONE, _NONE, reason=f"no learning rate was logged, and it cannot be recomputed: {why}")
    warmup, until = known["warmup_iters"] or 0.0, known["lr_decay_iters"] or 0.0
    steps = np.unique(np.append(np.linspace(0, last, min(DRAWN, last + 1)).round(), min(warmup, last)))
    rates = warmup_cosine(
        steps, highest=known["learning_rate"] or 0.0, lowest=known["min_lr"] or 0.0, warmup=warmup, decay_until=until
    )
    return Schedule(
        steps, rates, recomputed=True, warmup_end=warmup if 0 < warmup < last else None,
        warmup_left=warmup if warmup >= last else None,
    )  # fmt: skip
