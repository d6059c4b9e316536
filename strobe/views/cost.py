"""What a run used of its devices: the logged MFU beside the one that its own figures come to, and why they differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from strobe.analysis.device_peaks import device_peak
from strobe.analysis.model_flops import dense_flops, utilization
from strobe.analysis.step_times import usual
from strobe.views.configuration import DEVICES, whole
from strobe.views.run_view import RunView
from strobe.views.training_log import Trace, TrainingLog, training_log
from strobe.views.words import count

_LENGTHS: Final = ("sequence_length", "block_size", "sequence length T", "max_sequence_length T", "n_ctx", "seq_len")
AGREES: Final = 0.05
"""Two figures that differ by less than this part are the same."""


@dataclass(frozen=True)
class Terms:
    """What an MFU is made of; `device` names the peak's, `source` where the peak is from."""

    n_params: int
    n_layer: int
    n_head: int
    head_size: int
    sequence_length: int
    tokens: int
    devices: int
    peak: float
    device: str
    source: str

    @property
    def flops_per_token(self) -> float:
        return dense_flops(self.n_params, self.n_layer, self.n_head, self.head_size, self.sequence_length)

    def words(self) -> str:
        shape = f"N {count(self.n_params)}, L {self.n_layer}, H {self.n_head}, Q {self.head_size}, "
        devices = f"{self.devices} devices" if self.devices > 1 else "1 device"
        return (
            f"{self.flops_per_token:.4g} FLOPs a token (6N + 12LHQT; {shape}T {count(self.sequence_length)}), "
            f"{count(self.tokens)} tokens a step, {devices} of {self.peak / 1e12:,.0f} TFLOP/s ({self.source})"
        )


@dataclass(frozen=True)
class Cost:
    """`logged` and `recomputed` are fractions at `step`, the last with both beside no evaluation; `mean` is that of
    the logged ones beside no evaluation, of which `left_out` were slow. `terms` is None where `missing` says what
    is not known."""

    terms: Terms | None = None
    missing: Sequence[str] = ()
    step: int | None = None
    logged: float | None = None
    recomputed: float | None = None
    mean: float | None = None
    left_out: int = 0
    logged_tokens: float | None = None
    """Tokens of one step by the logged tokens a second and milliseconds."""

    def sentence(self) -> str:
        """In words; empty where neither an MFU nor a step time was logged."""
        if self.step is None:
            return ""
        parts = [] if self.logged is None else [f"{self.logged:.1%} logged at step {count(self.step)}"]
        if self.mean is not None:
            beside = f", without {count(self.left_out)} slow ones beside evaluations" if self.left_out else ""
            parts.append(f"mean {self.mean:.1%}{beside}")
        if self.terms is None or self.recomputed is None:
            parts.append(f"cannot be recomputed: {', '.join(self.missing)} not known")
            return f"MFU: {'; '.join(parts)}."
        parts.append(f"{self.recomputed:.1%} recomputed at step {count(self.step)}: {self.terms.words()}")
        return " ".join([f"MFU: {'; '.join(parts)}.", *self.reasons()])

    def reasons(self) -> list[str]:
        """Why the logged figures differ from what they come to, a sentence each; none where they agree, or where
        nothing can be recomputed."""
        return [] if self.terms is None else list(self._reasons(self.terms))

    def _reasons(self, terms: Terms) -> Iterator[str]:
        if self.logged_tokens is not None and not _same(self.logged_tokens, terms.tokens):
            yield (
                f"By the logged tokens a second a step has {count(round(self.logged_tokens))} tokens, "
                f"{_ratio(self.logged_tokens / terms.tokens)} of what batch, length and accumulation come to."
            )
        if self.logged is None or self.recomputed is None or _same(self.logged, self.recomputed):
            return
        ratio = self.logged / self.recomputed
        if terms.devices > 1 and _same(ratio, 1 / terms.devices):
            yield f"The log shows 1/{terms.devices} of it, as the tokens of one device over the peak of all come to."
        elif _same(ratio, 0.5):
            yield "The log shows half of it, as one does that takes the peak with sparsity."
        else:
            yield f"The log shows {_ratio(ratio)} of it, for a reason that its figures do not tell."


def cost(view: RunView) -> Cost:
    """The MFU of a run, as far as its log and its configuration tell."""
    return cost_of(training_log(view))


def cost_of(log: TrainingLog) -> Cost:
    """The same, of what was read already."""
    mfu, times = log.positive("mfu"), log.positive("step_time_ms")
    if not len(mfu) and not len(times):
        return Cost()
    terms, missing = _terms(log)
    # A step that is slow beside an evaluation says little of the training.
    steady = times.some(beside_no_evaluation(times, times, log.trace("val_loss")))
    timed = np.intersect1d(steady.step, mfu.step) if len(mfu) else steady.step
    step = int(timed[-1]) if len(timed) else int((mfu if len(mfu) else times).step[-1])
    mean, left_out = _mean(mfu, times, log.trace("val_loss"))
    milliseconds, rate = times.at(step), log.positive("tokens_per_second").at(step)
    seconds = milliseconds / 1e3 if milliseconds is not None else None
    again = None
    if terms is not None and seconds is not None:
        again = utilization(terms.flops_per_token, terms.tokens, seconds, terms.peak, terms.devices)
    return Cost(
        terms, missing if seconds is not None else [*missing, "the time of a step"], step, mfu.at(step), again,
        mean, left_out, rate * seconds if rate is not None and seconds is not None else None,
    )  # fmt: skip


def beside_no_evaluation(trace: Trace, times: Trace, evaluated: Trace) -> npt.NDArray[np.bool_]:
    """Which rows of `trace` (n,) are not slow beside an evaluation, by the `times` of the same steps; all of them
    where some step was not timed."""
    at = np.searchsorted(times.step, trace.step)
    if not len(times) or (at >= len(times)).any() or (times.step[at] != trace.step).any():
        return np.ones(len(trace), bool)
    return usual(trace.step.astype(np.int64), times.value[at], evaluated.step.astype(np.int64))


def _mean(mfu: Trace, times: Trace, evaluated: Trace) -> tuple[float | None, int]:
    """Of the logged MFU, without the steps that an evaluation made slow."""
    if not len(mfu):
        return None, 0
    kept = beside_no_evaluation(mfu, times, evaluated)
    return float(mfu.value[kept].mean()), int((~kept).sum())


def _terms(log: TrainingLog) -> tuple[Terms | None, list[str]]:
    row, config = log.row, log.config
    length, devices = whole(config, _LENGTHS), whole(config, DEVICES) or 1
    known = device_peak(row.get("device") or "")
    peak: float = row.get("peak_flops") or (known.flops if known else 0.0)
    needed = {
        "the number of parameters": row.get("n_params"), "the number of layers": row.get("n_layer"),
        "the number of heads": row.get("n_head"), "the width": row.get("n_embd"), "the sequence length": length,
        "the tokens of a step": row.get("tokens_per_step"),
        f"the peak of {row.get('device') or 'the device'}": peak,
    }  # fmt: skip
    missing = [name for name, value in needed.items() if not value]
    if missing:
        return None, missing
    size = whole(config, ("head_size", "head_dim")) or row["n_embd"] // row["n_head"]
    source = "as the run says" if row["peak_flops"] or known is None else f"{known.device}: {known.source}"
    return Terms(
        row["n_params"], row["n_layer"], row["n_head"], size, length or 0, row["tokens_per_step"], devices, peak,
        row["device"] or "", source,
    ), []  # fmt: skip


def _same(one: float, other: float) -> bool:
    return abs(one / other - 1) < AGREES


def _ratio(value: float) -> str:
    inverse = round(1 / value)
    return f"1/{inverse}" if inverse > 1 and _same(value * inverse, 1) else f"{value:.2f} times"
