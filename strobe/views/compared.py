"""Several runs on the same axes: the six panels of what trainings did and used, and what each run lacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from strobe.views.curve_remarks import together
from strobe.views.run_use import AXES, Axis, RunUse
from strobe.views.tokens_seen import PER_PARAMETER
from strobe.views.training_log import Floats, Trace
from strobe.views.words import count, parameters, size, visible

MOST_RUNS: Final = 8
"""Of runs on the same axes: more lines cannot be told apart."""
_COUNTS: Final = ((1e9, "billions"), (1e6, "millions"), (1e3, "thousands"), (1.0, ""))
_SECONDS: Final = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s"))
FAR: Final = 4.0
"""A level this many times above all that was measured is said and not drawn, or the lines would lie on the ground."""


@dataclass(frozen=True)
class Line:
    """One line, or with `points` dots: `step`, `x` and `y`, each (n,); it breaks where y is NaN."""

    run: str
    word: str
    step: Floats
    x: Floats
    y: Floats
    points: bool = False
    dash: bool = False


@dataclass(frozen=True)
class Rule:
    """A line across the panel at one height: of one `run`, or where it is "" of all."""

    run: str
    word: str
    y: float


@dataclass(frozen=True)
class Moment:
    """A place on the x axis of one run."""

    run: str
    word: str
    x: float


@dataclass(frozen=True)
class Panel:
    """One panel: lines, levels and moments, and in `remarks` what is not seen in them."""

    key: str
    title: str
    y_title: str
    lines: Sequence[Line] = ()
    rules: Sequence[Rule] = ()
    moments: Sequence[Moment] = ()
    log: bool = False
    perplexity: bool = False
    """Whether exp(y) is the perplexity."""
    x_title: str = "step"
    remarks: Sequence[str] = ()


@dataclass(frozen=True)
class Laid:
    """How runs are laid beside each other: on which axis, where their onsets are, what they are called, and the
    tokens a parameter of the target."""

    axis: Axis = "step"
    onsets: Mapping[str, int | None] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)
    per_parameter: float = PER_PARAMETER

    def title(self, run: str) -> str:
        return self.titles.get(run, run)

    def short(self, run: str) -> str:
        """As a sentence has room for it."""
        return visible(self.title(run), 32)


def panels(uses: Sequence[RunUse], laid: Laid) -> list[Panel]:
    """The six panels of some runs. A run without a place on the axis is left out of all, and that is said once, in
    the first."""
    placed = [use for use in uses if not use.no_place(laid.axis, laid.onsets.get(use.run))]
    first, *others = (_PANELS[key](placed, laid) for key in _PANELS)
    left_out = [
        f"{laid.short(use.run)}: {reason}."
        for use in uses
        if (reason := use.no_place(laid.axis, laid.onsets.get(use.run)))
    ]
    made = [replace(first, remarks=[*left_out, *first.remarks]), *others]
    return [replace(panel, remarks=together(panel.remarks)) for panel in _on_axis(made, laid.axis)]


def _on_axis(found: Sequence[Panel], axis: Axis) -> list[Panel]:
    """The panels with x in a unit that people read."""
    ends = [float(np.nanmax(line.x)) for panel in found for line in panel.lines if np.isfinite(line.x).any()]
    units = {"tokens": _COUNTS, "time": _SECONDS}.get(axis, ((1.0, ""),))
    scale, unit = _unit(max(ends, default=0.0), units)
    title = AXES[axis] + (f" ({unit})" if unit else "")
    return [
        replace(
            panel, x_title=title, lines=[replace(line, x=line.x / scale) for line in panel.lines],
            moments=[replace(moment, x=moment.x / scale) for moment in panel.moments],
        )
        for panel in found
    ]  # fmt: skip


def _unit(most: float, units: Sequence[tuple[float, str]]) -> tuple[float, str]:
    """The largest unit that `most` is two of at least, else the smallest."""
    return next((unit for unit in units if most >= 2 * unit[0]), units[-1])


def _line(
    use: RunUse, laid: Laid, trace: Trace, word: str = "", *, scale: float = 1.0, points: bool = False,
    dash: bool = False,
) -> list[Line]:  # fmt: skip
    """None where the metric was not logged."""
    if not np.isfinite(trace.value).any():
        return []
    x = use.place(laid.axis, trace, laid.onsets.get(use.run))
    return [Line(use.run, word, trace.step, x, trace.value * scale, points, dash)]


def _loss(uses: Sequence[RunUse], laid: Laid) -> Panel:
    lines, moments, remarks = [], [], []
    for use in uses:
        own = _line(use, laid, use.train) + _line(use, laid, use.val, "validation", points=True)
        lines += own
        if not own:
            remarks.append(f"{laid.short(use.run)}: no loss was logged.")
        for word, ends in (("train", use.train_ends), ("validation", use.val_ends)):
            if ends.lost_from is not None:
                lost = f"{word} loss not finite from step {count(ends.lost_from)} on"
                remarks.append(f"{laid.short(use.run)}: {lost}.")
                moments += [Moment(use.run, lost, x) for x in _last(own, word)]
    values = np.concatenate([line.y[np.isfinite(line.y)] for line in lines] or [np.zeros(0)])
    wide = bool(len(values)) and bool(values.min() > 0) and bool(values.max() > 100 * values.min())
    without: dict[str, list[str]] = {}
    for use in uses:
        if use.no_perplexity and (len(use.train) or len(use.val)):
            without.setdefault(use.no_perplexity, []).append(laid.short(use.run))
    remarks += [f"{', '.join(runs)}: no perplexity, since {why}." for why, runs in without.items()]
    return Panel(
        "loss", "Loss", "loss", lines, moments=moments, log=wide, perplexity=bool(lines) and not without,
        remarks=remarks,
    )  # fmt: skip


def _last(lines: Sequence[Line], word: str) -> list[float]:
    """Where the line of the train loss, or of that of the validation, has its last finite value."""
    own = [line for line in lines if (line.word == "validation") == (word == "validation")]
    return [float(line.x[np.isfinite(line.y)][-1]) for line in own if np.isfinite(line.y).any()]


def _learning_rate(uses: Sequence[RunUse], laid: Laid) -> Panel:
    lines, moments, remarks = [], [], []
    for use in uses:
        found, onset = use.schedule, laid.onsets.get(use.run)
        if len(found.step):
            x = use.place_steps(laid.axis, found.step, onset)
            word = "recomputed" if found.recomputed else ""
            lines.append(Line(use.run, word, found.step, x, found.rate, dash=found.recomputed))
        if found.warmup_end is not None:
            at = use.place_steps(laid.axis, np.array([found.warmup_end]), onset)
            moments.append(Moment(use.run, f"warm-up ends at step {count(found.warmup_end)}", float(at[0])))
        if said := found.sentence():
            remarks.append(f"{laid.short(use.run)}: {said}")
    return Panel("learning_rate", "Learning rate", "learning rate", lines, moments=moments, remarks=remarks)


def _tokens(uses: Sequence[RunUse], laid: Laid) -> Panel:
    lines, levels, remarks = [], [], []
    for use in uses:
        step, seen = use.tokens.line()
        if len(step):
            x = use.place_steps(laid.axis, step, laid.onsets.get(use.run))
            counted = use.tokens.source == "counted"
            lines.append(Line(use.run, "counted" if counted else "", step, x, seen, dash=counted))
        if said := use.tokens.sentence():
            remarks.append(f"{laid.short(use.run)}: {said}")
        target = use.tokens.target(laid.per_parameter)
        if target is None:
            remarks.append(f"{laid.short(use.run)}: no target, since its number of parameters is not known.")
        else:
            words = f"target {parameters(target)} ({laid.per_parameter:g} a parameter)"
            levels.append(Rule(use.run, words, target))
    drawn, said_levels = _levels(lines, levels, laid)
    scale, unit = _unit(max((float(np.nanmax(line.y)) for line in lines), default=0.0), _COUNTS)
    lines = [replace(line, y=line.y / scale) for line in lines]
    drawn = [replace(rule, y=rule.y / scale) for rule in drawn]
    title = f"tokens ({unit})" if unit else "tokens"
    return Panel("tokens", "Tokens seen", title, lines, drawn, remarks=[*remarks, *said_levels])


def _mfu(uses: Sequence[RunUse], laid: Laid) -> Panel:
    lines, levels, remarks = [], [], []
    for use in uses:
        own = _line(use, laid, use.mfu, scale=100.0)
        lines += own
        if use.cost.mean is not None:
            levels.append(Rule(use.run, f"mean {use.cost.mean:.1%}", 100 * use.cost.mean))
        if own:
            remarks += [f"{laid.short(use.run)}: {reason}" for reason in use.cost.reasons()]
        else:
            remarks.append(f"{laid.short(use.run)}: no MFU was logged{_recomputed(use)}.")
    return Panel("mfu", "MFU", "MFU (%)", lines, levels, remarks=remarks)


def _recomputed(use: RunUse) -> str:
    if use.cost.recomputed is not None and use.cost.step is not None:
        return f"; {use.cost.recomputed:.1%} recomputed at step {count(use.cost.step)}"
    why = ", ".join(use.cost.missing) or "the time of a step"
    return f", and it cannot be recomputed: {why} not known"


def _throughput(uses: Sequence[RunUse], laid: Laid) -> Panel:
    lines, levels, remarks = [], [], []
    for use in uses:
        word = "recomputed" if use.rate.recomputed else ""
        lines += _line(use, laid, use.rate.trace, word, scale=1e-3, dash=use.rate.recomputed)
        if use.rate.mean is not None:
            levels.append(Rule(use.run, f"mean {use.rate.mean / 1e3:,.4g}", use.rate.mean / 1e3))
        if use.rate.reason:
            remarks.append(f"{laid.short(use.run)}: {use.rate.reason}.")
        elif use.rate.recomputed:
            remarks.append(f"{laid.short(use.run)}: not logged; tokens of a step over its time.")
    return Panel("throughput", "Throughput", "thousand tokens/s", lines, levels, remarks=remarks)


def _memory(uses: Sequence[RunUse], laid: Laid) -> Panel:
    lines, levels, remarks = [], [], []
    for use in uses:
        own = _line(use, laid, use.memory.allocated, "allocated", scale=1e-9)
        own += _line(use, laid, use.memory.peak, "peak", scale=1e-9, dash=True)
        lines += own
        if not own:
            remarks.append(f"{laid.short(use.run)}: no memory was logged.")
        elif use.memory.capacity is None:
            remarks.append(f"{laid.short(use.run)}: {use.memory.reason}.")
        else:
            levels.append(Rule(use.run, f"capacity {size(use.memory.capacity)}", use.memory.capacity / 1e9))
    drawn, said = _levels(lines, levels, laid)
    return Panel("memory", "Memory", "memory (GB)", lines, drawn, remarks=[*remarks, *said])


def _levels(lines: Sequence[Line], levels: Sequence[Rule], laid: Laid) -> tuple[list[Rule], list[str]]:
    """The levels that are drawn, one of each height, and in words those that are too far above the lines."""
    top = max((float(np.nanmax(line.y)) for line in lines), default=0.0)
    heights: dict[tuple[str, float], list[str]] = {}
    for level in levels:
        heights.setdefault((level.word, level.y), []).append(level.run)
    drawn, said = [], []
    for (word, y), runs in heights.items():
        if lines and y <= FAR * top:
            drawn.append(Rule(runs[0] if len(runs) == 1 else "", word, y))
        elif lines:
            said += [f"{laid.short(run)}: {word}, above this panel." for run in runs]
        else:
            said += [f"{laid.short(run)}: {word}." for run in runs]
    return drawn, said


_PANELS: Final[dict[str, Callable[[Sequence[RunUse], Laid], Panel]]] = {
    "loss": _loss, "learning_rate": _learning_rate, "tokens": _tokens, "mfu": _mfu, "throughput": _throughput,
    "memory": _memory,
}  # fmt: skip
KEYS: Final = tuple(_PANELS)
"""The names of the panels, in their order."""
