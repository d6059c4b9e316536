"""How the cells of a list of runs read, on a page and in a terminal alike."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from strobe.views.run_columns import Column
from strobe.views.run_filter import is_blank
from strobe.views.run_list import Band
from strobe.views.run_values import is_number
from strobe.views.words import age, number, parameters, size

DASH: Final = "–"
_TEXTS: Final = ("name", "run", "status", "exit", "task", "source", "device", "grokking", "tags", "note", "archived")


def is_numeric(column: Column, rows: list[Mapping[str, Any]]) -> bool:
    """Whether a column's cells are numbers, which stand to the right."""
    if column.of == "fact":
        return column.key not in _TEXTS
    there = [row["values"][column.name] for row in rows if not is_blank(row["values"][column.name])]
    return column.is_metric or (bool(there) and all(isinstance(value, Band) or is_number(value) for value in there))


def cell(column: Column, row: Mapping[str, Any], now: float | None = None) -> str:
    """One cell of a row of a `Listing`; a dash where there is no value."""
    value = row["values"][column.name]
    if column.key == "status" and row["diverged"] is not None:
        return f"diverged at {row['diverged']:,}"
    if isinstance(value, Band):
        spread = "" if value.sd is None else f" ± {_number(column, value.sd, '', now, spread=True, rounded=True)}"
        return f"{_number(column, value.mean, '', now, rounded=True)}{spread} ({value.n})"
    if isinstance(value, bool):
        return ("yes" if value else DASH) if column.key == "archived" else str(value).lower()
    if value is None or value == "":
        return DASH
    if isinstance(value, int | float):
        return _number(column, value, row["units"].get(column.name, ""), now)
    return str(value)


def _number(
    column: Column, value: float, unit: str, now: float | None, *, spread: bool = False, rounded: bool = False
) -> str:
    if column.of == "fact":
        return _fact(column.key, value, now, spread)
    if unit in ("fraction", "percent"):
        return f"{number(value * 100 if unit == 'fraction' else value)}%"
    # A setting is said with the digits that it was given with.
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.6g}" if column.of == "config" and not rounded else number(value, 4)


def _fact(key: str, value: float, now: float | None, spread: bool) -> str:
    if key == "snapshots":
        return size(value)
    if key == "parameters":
        return parameters(value)
    if key == "seconds":
        return duration(value)
    if key in ("created", "ended"):
        return duration(value) if spread else age((time.time() if now is None else now) - value)
    return f"{value:,.0f}" if spread or not float(value).is_integer() else f"{int(value):,}"


def duration(seconds: float) -> str:
    """A stretch of time in its two largest units: 3 h 12 min, 42 s."""
    whole = max(0, round(seconds))
    for large, small, scale, part in (("d", "h", 86_400, 3_600), ("h", "min", 3_600, 60), ("min", "s", 60, 1)):
        if whole >= scale:
            rest = whole % scale // part
            return f"{whole // scale} {large} {rest} {small}" if rest else f"{whole // scale} {large}"
    return f"{whole} s"


def hint(column: Column, row: Mapping[str, Any]) -> str:
    """What is said of a cell beside it: at which step a metric had the value, and the value in full."""
    value, step = row["values"][column.name], row["steps"].get(column.name)
    if not column.is_metric or isinstance(value, Band) or value is None:
        return ""
    where = f" at step {step:,}" if step is not None else ""
    return f"{column.heading}: {value!r}{where}"
