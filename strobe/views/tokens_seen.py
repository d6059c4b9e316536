"""Tokens that a run has seen: as it logged them, as its steps come to, and how far that is from a target."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import numpy as np

from strobe.views.training_log import NOTHING, Floats, Trace, TrainingLog
from strobe.views.words import parameters

PER_PARAMETER: Final = 20.0
"""Tokens a parameter that Hoffmann et al. ("Chinchilla", 2022) find optimal for the compute they take."""
DISAGREES: Final = 0.05
"""Two counts that differ by more than this part are not the same."""
_PRINTED: Final = re.compile(r"([\d.]+)([KMB])")
_SCALES: Final = {"K": 1e3, "M": 1e6, "B": 1e9}


@dataclass(frozen=True)
class TokensSeen:
    """`logged` are the counts that were logged, without rows where none were; `each` the tokens of one step by batch,
    length and accumulation, None where `reason` says why. `steps` is the last step, `size` the parameters."""

    logged: Trace = NOTHING
    each: int | None = None
    steps: int | None = None
    size: float | None = None
    reason: str = ""

    @property
    def source(self) -> str:
        """ "logged", "counted" (steps x tokens of one), or "" where neither can be."""
        return "logged" if len(self.logged) else "counted" if self.each and self.steps else ""

    @property
    def total(self) -> float | None:
        """At the last step, by what was logged where it was."""
        return float(self.logged.value[-1]) if len(self.logged) else self.counted

    @property
    def counted(self) -> float | None:
        """Steps times the tokens of one."""
        return float(self.each * self.steps) if self.each and self.steps else None

    def at(self, steps: Floats) -> Floats:
        """Tokens (n,) at `steps` (n,), linear between the logged ones; NaN beyond them, or without a count."""
        if len(self.logged):
            known = self.logged.step, self.logged.value
            return np.asarray(np.interp(steps, *known, left=np.nan, right=np.nan))
        return steps * float(self.each) if self.each else np.full(len(steps), np.nan)

    def line(self) -> tuple[Floats, Floats]:
        """Steps and tokens, each (n,), as they are drawn."""
        if len(self.logged):
            drawn = self.logged.drawn()
            return drawn.step, drawn.value
        ends = np.array([0.0, float(self.steps or 0)]) if self.source else np.zeros(0)
        return ends, self.at(ends)

    def target(self, per_parameter: float) -> float | None:
        """Tokens that the parameters call for; None where their number is not known."""
        return self.size * per_parameter if self.size else None

    def sentence(self) -> str:
        """Where something is to be said: that it was counted, that counts disagree, or why there is none."""
        if self.source == "counted":
            return f"{self.each:,} tokens a step, counted and not logged."
        if not self.source:
            return f"not logged, and cannot be counted: {self.reason}."
        if self.counted is None or not self.steps or not self.each:
            return ""
        # At the last step that has a count: other metrics may go on after it.
        step, value = float(self.logged.step[-1]), float(self.logged.value[-1])
        ratio = value / (self.each * step) if step else 1.0
        if abs(ratio - 1) <= DISAGREES:
            return ""
        return (
            f"logged at step {step:,.0f}: {parameters(value)} tokens; {self.each:,} a step come to "
            f"{parameters(self.each * step)}, {1 / ratio:.3g} times that."
        )


def tokens_seen(log: TrainingLog) -> TokensSeen:
    """Of one run."""
    logged = log.trace("tokens_seen").finite()
    if not len(logged):
        logged = _beside_the_loss(log)
    each, steps = log.row.get("tokens_per_step"), log.last_step
    reason = "" if each and steps else "the tokens of a step are not known" if steps else "it recorded no step"
    return TokensSeen(logged, each, steps, size_of(log), reason)


def size_of(log: TrainingLog) -> float | None:
    """Parameters of the model, or as many as its log printed of them ("124.34M")."""
    known = log.row.get("n_params")
    printed = _PRINTED.fullmatch(str(log.config.get("number of parameters", "")))
    if known or printed is None:
        return float(known) if known else None
    return float(printed[1]) * _SCALES[printed[2]]


def _beside_the_loss(log: TrainingLog) -> Trace:
    """The counts that were logged with the losses."""
    for name in ("train_loss", "val_loss"):
        trace = log.trace(name)
        if np.isfinite(trace.tokens).any():
            counted = Trace(trace.step, trace.tokens, trace.time, trace.tokens)
            return counted.finite()
    return NOTHING
