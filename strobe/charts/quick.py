"""A chart of any result, with no more said about it than which columns."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from strobe.charts.theme import SERIES, altair

MOST_COLOURS: Final = 12
_BARS = 60


@dataclass(frozen=True)
class Axes:
    """Columns of the result: x, y, and colour or None. `logs` has which of "x" and "y" are log axes."""

    x: str
    y: str
    colour: str | None
    mark: str
    logs: tuple[str, ...] = ()


def is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _is_axis(kind: pa.DataType) -> bool:
    return is_number(kind) or _is_text(kind) or (pa.types.is_temporal(kind) and not pa.types.is_time(kind))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_boolean(kind))


def choices(table: pa.Table) -> tuple[list[str], list[str], list[str]]:
    """Columns that may be x, y and colour: colour is text of at most 12 different values."""
    fields = list(table.schema)
    x = [field.name for field in fields if _is_axis(field.type)]
    y = [field.name for field in fields if is_number(field.type)]
    texts = [field.name for field in fields if _is_text(field.type)]
    return x, y, [name for name in texts if pc.count_distinct(table[name]).as_py() <= MOST_COLOURS]


def suggest(table: pa.Table) -> Axes | None:
    """What to draw first: a value over `step` where there is one, else over the first other column. None where no
    column is a number, or there is nothing to compare."""
    x_names, y_names, colours = choices(table)
    clocks = [name for name in ("step", "epoch", "time") if name in x_names]
    x = next(iter([*clocks, *(name for name in x_names if name not in y_names), *x_names]), None)
    y = next((name for name in y_names if name != x and name not in ("layer", "attempt")), None)
    if x is None or y is None or table.num_rows == 0:
        return None
    rises = is_number(table.schema.field(x).type)
    colour = next((name for name in colours if name != x and pc.count_distinct(table[name]).as_py() > 1), None)
    return Axes(x, y, colour, "line" if rises else "bars")


def figure(table: pa.Table, axes: Axes) -> Any:
    """The chart, an Altair figure. Values that are not finite are left out; bars show the first 60 rows."""
    alt = altair()
    rows = _rows(table, axes)
    kind = table.schema.field(axes.x).type
    x_type = "Q" if is_number(kind) else "T" if pa.types.is_temporal(kind) else "N"
    sort = None if x_type == "N" else alt.Undefined
    x_scale = {"type": "log"} if "x" in axes.logs else {"zero": False}
    scale = alt.Undefined if x_type == "N" else alt.Scale(nice=False, **x_scale)
    y_scale = alt.Scale(type="log") if "y" in axes.logs else alt.Scale(zero=axes.mark == "bars")
    x = alt.X(f"x:{x_type}", title=_title(axes.x), sort=sort, scale=scale)
    y = alt.Y("y:Q", title=_title(axes.y), scale=y_scale)
    colour = alt.value(SERIES[0])
    if axes.colour is not None:
        colour = alt.Color("colour:N", title=_title(axes.colour), scale=alt.Scale(range=list(SERIES)))
    base = alt.Chart(alt.Data(values=rows))
    drawn = {"line": base.mark_line(), "points": base.mark_circle(size=36), "bars": base.mark_bar()}[axes.mark]
    tooltip = [
        alt.Tooltip(f"x:{x_type}", title=_title(axes.x)),
        alt.Tooltip("y:Q", title=_title(axes.y), format=".6~g"),
    ]
    return drawn.encode(x=x, y=y, color=colour, tooltip=tooltip).properties(height=360)


def _rows(table: pa.Table, axes: Axes) -> list[dict[str, Any]]:
    names = {"x": axes.x, "y": axes.y} | ({"colour": axes.colour} if axes.colour else {})
    columns = {key: table[name].to_pylist() for key, name in names.items()}
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    rows = [
        {**row, "x": _drawable(row["x"]), "y": float(row["y"])}
        for row in rows
        if row["y"] is not None
        and math.isfinite(row["y"])
        and _finite(row["x"])
        and all(row[axis] > 0 for axis in axes.logs)
    ]
    return rows[:_BARS] if axes.mark == "bars" else rows


def may_be_log(table: pa.Table, x: str, y: str, mark: str) -> list[str]:
    """Which of "x" and "y" a log axis makes sense of: numbers, some of them above 0. A bar begins at 0."""
    names = {"x": x, "y": y}
    return [axis for axis, name in names.items() if mark != "bars" and _is_positive(table[name])]


def _is_positive(column: pa.ChunkedArray) -> bool:
    if not is_number(column.type) or column.null_count == len(column):
        return False
    most = pc.max(column).as_py()
    return most is not None and most > 0


def without_place(table: pa.Table, axes: Axes) -> int:
    """How many rows with both values have no place on a log axis."""
    if not axes.logs:
        return 0
    every = Axes(axes.x, axes.y, axes.colour, axes.mark)
    return len(_rows(table, every)) - len(_rows(table, axes))


def _finite(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and not math.isfinite(value))


def _drawable(value: Any) -> Any:
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value if isinstance(value, (str, bool)) else float(value)


def _title(name: str) -> str:
    return name if len(name) <= 60 else name[:59] + "…"
