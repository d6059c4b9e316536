"""What a run used of its devices: the logged MFU beside the one that its own figures come to, and why they differ."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from strobe.analysis.device_peaks import device_peak
from strobe.analysis.model_flops import dense_flops, utilization
from strobe.analysis.step_times import usual
from strobe.views.run_view import RunView, literal
from strobe.views.words import count

_LENGTHS: Final = ("sequence_length", "block_size", "sequence length T", "max_sequence_length T", "n_ctx", "seq_len")
_DEVICES: Final = ("world_size", "num_gpus", "num_processes", "n_devices", "ddp_world_size")
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
    """`logged` and `recomputed` are fractions at `step`, the last with both; `mean` is that of the logged ones beside
    no evaluation, of which `left_out` were slow. `terms` is None where `missing` says what is not known."""

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
        return " ".join([f"MFU: {'; '.join(parts)}.", *self._reasons(self.terms)])

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
    rows = view.rows(
        f"SELECT name, step, value FROM scalars WHERE run = {literal(view.run)} AND isfinite(value) AND value > 0 "
        "AND name IN ('mfu', 'step_time_ms', 'tokens_per_second', 'val_loss') ORDER BY name, step"
    )
    series: dict[str, dict[int, float]] = {}
    for row in rows:
        series.setdefault(row["name"], {})[row["step"]] = row["value"]
    mfu, times = series.get("mfu", {}), series.get("step_time_ms", {})
    if not mfu and not times:
        return Cost()
    terms, missing = _terms(view)
    timed = sorted(times.keys() & mfu.keys() if mfu else times.keys())
    step = timed[-1] if timed else max(mfu)
    mean, left_out = _mean(mfu, times, series.get("val_loss", {}))
    seconds = times[step] / 1e3 if step in times else None
    rate = series.get("tokens_per_second", {}).get(step)
    again = None
    if terms is not None and seconds is not None:
        again = utilization(terms.flops_per_token, terms.tokens, seconds, terms.peak, terms.devices)
    return Cost(
        terms, missing if seconds is not None else [*missing, "the time of a step"], step, mfu.get(step), again,
        mean, left_out, rate * seconds if rate is not None and seconds is not None else None,
    )  # fmt: skip


def _mean(
    mfu: Mapping[int, float], times: Mapping[int, float], evaluated: Mapping[int, float]
) -> tuple[float | None, int]:
    """Of the logged MFU, without the steps that an evaluation made slow."""
    if not mfu:
        return None, 0
    steps = sorted(mfu)
    if not times.keys() >= mfu.keys():
        return float(np.mean(list(mfu.values()))), 0
    kept = usual(np.array(steps), np.array([times[step] for step in steps]), np.array(sorted(evaluated), np.int64))
    values = np.array([mfu[step] for step in steps])[kept]
    return float(values.mean()), len(steps) - len(values)


def _terms(view: RunView) -> tuple[Terms | None, list[str]]:
    (row,) = view.rows(f"SELECT * FROM runs WHERE run = {literal(view.run)}")
    config = dict(_named(json.loads(row["config"] or "{}")))
    length, devices = _whole(config, _LENGTHS), _whole(config, _DEVICES) or 1
    known = device_peak(row["device"] or "")
    peak: float = row["peak_flops"] or (known.flops if known else 0.0)
    needed = {
        "the number of parameters": row["n_params"], "the number of layers": row["n_layer"],
        "the number of heads": row["n_head"], "the width": row["n_embd"], "the sequence length": length,
        "the tokens of a step": row["tokens_per_step"],
        f"the peak of {row['device'] or 'the device'}": peak,
    }  # fmt: skip
    missing = [name for name, value in needed.items() if not value]
    if missing:
        return None, missing
    size = _whole(config, ("head_size", "head_dim")) or row["n_embd"] // row["n_head"]
    source = "as the run says" if row["peak_flops"] or known is None else f"{known.device}: {known.source}"
    return Terms(
        row["n_params"], row["n_layer"], row["n_head"], size, length or 0, row["tokens_per_step"], devices, peak,
        row["device"] or "", source,
    ), []  # fmt: skip


def _named(config: object) -> Iterator[tuple[str, Any]]:
    """Every key of a configuration with its value, the outer ones last, so that they count."""
    if isinstance(config, Mapping):
        for value in config.values():
            yield from _named(value)
        yield from config.items()


def _whole(config: Mapping[str, Any], names: Sequence[str]) -> int | None:
    for name in names:
        text = str(config.get(name, ""))
        if text.isdigit() and int(text) > 0:
            return int(text)
    return None


def _same(one: float, other: float) -> bool:
    return abs(one / other - 1) < AGREES


def _ratio(value: float) -> str:
    inverse = round(1 / value)
    return f"1/{inverse}" if inverse > 1 and _same(value * inverse, 1) else f"{value:.2f} times"
