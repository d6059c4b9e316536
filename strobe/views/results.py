"""What runs came to, side by side: a row a quantity, and where a run has none the reason in its place."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from strobe.views.run_use import Ends, RunUse
from strobe.views.tokens_seen import PER_PARAMETER
from strobe.views.words import count, duration, number, parameters, size

NOT_RECORDED: Final = "not recorded"


@dataclass(frozen=True)
class Cell:
    """`value` in the unit of its row, None where `text` is the reason why there is none; `more` explains."""

    text: str
    value: float | None = None
    more: str = ""


@dataclass(frozen=True)
class Row:
    """One quantity, `unit` "" where it has none, with a cell a run."""

    name: str
    unit: str
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Price:
    """What an hour of one device costs, in whatever money; None where no price was given."""

    hour: float | None = None
    per_parameter: float = PER_PARAMETER


def results(uses: Sequence[RunUse], price: Price = Price()) -> list[Row]:
    """The table. Costs are in it where a price is given."""
    rows = [Row(name, unit, [cell(use) for use in uses]) for name, (unit, cell) in _ROWS.items()]
    rows.insert(-1, Row("tokens of the target", "", [_share_of_target(use, price) for use in uses]))
    if price.hour is None:
        return rows
    return [
        *rows,
        Row("cost a day", "", [_cost(use, price, 24 * 3600.0) for use in uses]),
        Row("cost", "", [_cost(use, price, use.clock.total) for use in uses]),
    ]


def not_recorded(rows: Sequence[Row], names: Sequence[str]) -> list[str]:
    """Per run, called by `names`, the quantities that it has none of, as a sentence; no sentence where it has all."""
    said = []
    for k, name in enumerate(names):
        missing = [f"{row.name} ({row.cells[k].more})" for row in rows if row.cells[k].more and _is_missing(row, k)]
        if missing:
            said.append(f"{name}: {', '.join(missing)}.")
    return said


def _is_missing(row: Row, k: int) -> bool:
    return row.cells[k].value is None and row.cells[k].text == NOT_RECORDED


def _missing(reason: str) -> Cell:
    return Cell(NOT_RECORDED, None, reason)


def _of(value: float | None, text: Callable[[float], str], reason: str, more: str = "") -> Cell:
    return _missing(reason) if value is None else Cell(text(value), value, more)


def _last(ends: Ends, what: str) -> Cell:
    if ends.last is None:
        return _missing(f"no {what} was logged" if ends.lost_from is None else "none of its values is finite")
    at = f"at step {count(ends.last_step)}"
    if ends.lost_from is not None:
        return Cell(
            f"{number(ends.last, 4)} ({at})",
            ends.last,
            f"the last that is finite: from step {ends.lost_from:,} none is",
        )
    return Cell(number(ends.last, 4), ends.last, at)


def _status(use: RunUse) -> Cell:
    lost = use.train_ends.lost_from if use.train_ends.lost_from is not None else use.val_ends.lost_from
    return Cell(use.status if lost is None else f"diverged at {lost:,}", None, f"the run's own word is {use.status}")


def _perplexity(use: RunUse) -> Cell:
    if use.val_ends.last is None:
        return _missing("no validation loss was logged")
    if use.no_perplexity:
        return _missing(use.no_perplexity)
    value = math.exp(use.val_ends.last)
    return Cell(number(value, 4), value, f"at step {count(use.val_ends.last_step)}")


def _lowest(use: RunUse) -> Cell:
    ends = use.val_ends
    where = f"at step {count(ends.lowest_step)}"
    return _of(ends.lowest, lambda value: number(value, 4), "no validation loss was logged", where)


def _mfu(use: RunUse) -> Cell:
    cost = use.cost
    if cost.mean is not None:
        again = f", {cost.recomputed:.1%} recomputed" if cost.recomputed is not None else ""
        beside = (
            f"without {count(cost.left_out)} rows beside evaluations" if cost.left_out else "mean of the logged ones"
        )
        return Cell(f"{cost.mean:.1%}{again}", cost.mean, beside)
    if cost.recomputed is not None:
        return Cell(f"{cost.recomputed:.1%} (recomputed)", cost.recomputed, f"at step {count(cost.step)}")
    return _missing(
        ", ".join(cost.missing) + " not known" if cost.missing else "no MFU and no time of a step was logged"
    )


def _rate(use: RunUse) -> Cell:
    again = " (recomputed)" if use.rate.recomputed else ""
    beside = f"without {count(use.rate.left_out)} rows beside evaluations" if use.rate.left_out else ""
    return _of(use.rate.mean, lambda value: f"{value:,.0f}{again}", use.rate.reason, beside)


def _percentile(percent: int) -> Callable[[RunUse], Cell]:
    def cell(use: RunUse) -> Cell:
        times = use.times
        beside = f", {count(times.left_out)} beside evaluations left out" if times.left_out else ""
        more = f"of {count(times.counted)} steps{beside}"
        return _of(times.percentiles.get(percent), number, times.reason, more)

    return cell


def _memory(use: RunUse) -> Cell:
    highest, capacity = use.memory.highest, use.memory.capacity
    share = f" of {size(capacity)}" if capacity else ""
    return _of(highest, lambda value: f"{size(value)}{share}", "no memory was logged", use.memory.reason)


def _tokens(use: RunUse) -> Cell:
    return _of(use.tokens.total, parameters, use.tokens.reason, use.tokens.source)


def _share_of_target(use: RunUse, price: Price) -> Cell:
    target = use.tokens.target(price.per_parameter)
    if target is None:
        return _missing("the number of parameters is not known")
    words = f"{price.per_parameter:g} a parameter: {parameters(target)}"
    total = use.tokens.total
    return _of(
        None if total is None else total / target, lambda value: f"{value:.3g} times", use.tokens.reason, words
    )


def _time(use: RunUse) -> Cell:
    how = "the times of its steps, summed" if use.clock.summed else "from the first logged row to the last"
    return _of(use.clock.total, duration, use.clock.reason, how)


def _cost(use: RunUse, price: Price, seconds: float | None) -> Cell:
    if seconds is None:
        return _missing(use.clock.reason)
    devices = use.devices or 1
    value = (price.hour or 0.0) * devices * seconds / 3600
    who = f"{devices} devices" if devices > 1 else "1 device" if use.devices else "1 device, as nothing else is known"
    return Cell(f"{value:,.2f}", value, who)


_ROWS: Final[Mapping[str, tuple[str, Callable[[RunUse], Cell]]]] = {
    "status": ("", _status),
    "last step": ("", lambda use: _of(use.steps, count, "it recorded no step")),
    "train loss, last": ("", lambda use: _last(use.train_ends, "train loss")),
    "validation loss, last": ("", lambda use: _last(use.val_ends, "validation loss")),
    "validation loss, lowest": ("", _lowest),
    "perplexity, last validation": ("", _perplexity),
    "MFU, mean": ("", _mfu),
    "tokens/s, mean": ("", _rate),
    "time of a step, median": ("s", _percentile(50)),
    "time of a step, 90%": ("s", _percentile(90)),
    "time of a step, 99%": ("s", _percentile(99)),
    "memory, most": ("", _memory),
    "tokens seen": ("", _tokens),
    "time": ("", _time),
}
