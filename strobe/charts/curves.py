"""Curves and tensor heatmaps as Altair figures, for papers: legend, labels and units included."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from strobe.charts.theme import SEQUENTIAL, altair


@dataclass(frozen=True)
class Series:
    """How one curve is drawn: `label` is its legend entry; `dash` tells splits apart where colour is the run."""

    label: str
    colour: str
    dash: bool = False
    of: str = ""
    """Label of the smoothed curve that this one is the raw, faint line of; it has no legend entry then."""
    run: str = ""


@dataclass(frozen=True)
class Mark:
    """A moment with its words: a rule at `x`, or a ring at (`x`, `y`)."""

    x: float
    label: str
    colour: str
    y: float | None = None
    of: str = ""
    """Label of the series it belongs to: hidden with it."""


def _text(value: str) -> str:
    return value.replace("\n", " ")


def curves(
    table: pa.Table, series: Sequence[Series], *, x_title: str, y_title: str, log: bool, marks: Sequence[Mark] = (),
    clock: bool = False,
) -> Any:  # fmt: skip
    """Lines over `table` (columns series: string, x: float64, y: float64), one per entry of `series`.

    Values that are not finite, and on a log axis those that are not positive, leave a gap in the table beforehand:
    the caller removes and reports them. A series of one point is a dot. With `clock`, x is Unix time in seconds.
    """
    alt = altair()
    labels, colours = [s.label for s in series], [s.colour for s in series]
    legend = alt.Legend(values=[s.label for s in series if not s.of])
    values = alt.Data(values=[{**row, "series": _text(row["series"])} for row in table.to_pylist()])
    scale = alt.Scale(type="log") if log else alt.Scale(zero=False)
    ends: dict[str, Any] = pc.min_max(table["y"]).as_py() if table.num_rows else {"min": None, "max": None}
    axis = alt.Axis(tickCount=5)
    if log and ends["min"]:
        axis = alt.Axis(values=decades(ends["min"], ends["max"]), format="~g")
    base = alt.Chart(values).encode(
        x=_x(alt, x_title, clock),
        y=alt.Y("y:Q", title=y_title, scale=scale, axis=axis),
        color=alt.Color("series:N", title=None, scale=alt.Scale(domain=labels, range=colours), legend=legend),
    )
    lines = base.mark_line(clip=True)
    if any(s.of for s in series):
        faint = alt.Scale(domain=labels, range=[0.28 if s.of else 1.0 for s in series])
        lines = lines.encode(opacity=alt.Opacity("series:N", scale=faint, legend=None))
    if any(s.dash for s in series):
        dashes = [[5, 4] if s.dash else [1, 0] for s in series]
        lines = lines.encode(
            strokeDash=alt.StrokeDash("series:N", scale=alt.Scale(domain=labels, range=dashes), legend=None)
        )
    layers = [lines]
    lone = [s.label for s in series if pc.sum(pc.equal(table["series"], s.label)).as_py() == 1]
    if lone:
        layers.append(
            base.transform_filter(alt.FieldOneOfPredicate("series", [_text(x) for x in lone])).mark_point(filled=True)
        )
    layers += [layer for number, mark in enumerate(marks) for layer in _mark(alt, mark, number, clock)]
    figure = alt.layer(*layers).properties(width=560, height=320)
    return figure.transform_calculate(x="1000 * datum.x") if clock else figure


def _x(alt: Any, title: str, clock: bool) -> Any:
    axis = alt.Axis() if clock else alt.Axis(format="~s")
    return alt.X("x:T" if clock else "x:Q", title=title, scale=alt.Scale(zero=False, nice=False), axis=axis)


def _mark(alt: Any, mark: Mark, number: int, clock: bool) -> list[Any]:
    at = {"x": mark.x, "words": _text(mark.label)} | ({} if mark.y is None else {"y": mark.y})
    base = alt.Chart(alt.Data(values=[at])).encode(x="x:T" if clock else "x:Q")
    if mark.y is None:
        rule = base.mark_rule(strokeDash=[2, 3], color=mark.colour)
        words = base.mark_text(align="left", dx=5, dy=8 + 14 * number).encode(y=alt.value(0), text="words:N")
    else:
        rule = base.mark_point(size=60, color=mark.colour).encode(y="y:Q")
        words = base.mark_text(align="left", dx=8, dy=-8).encode(y="y:Q", text="words:N")
    return [rule, words]


def decades(low: float, high: float) -> list[float]:
    """Powers of ten from at or below `low` to at or above `high`, thinned to at most nine: no fog of minor lines."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    every = max(1, -(-(last - first + 1) // 9))
    return [10.0**k for k in range(first, last + 1, every)]


def tensor_heatmap(table: pa.Table, rows: Sequence[str], *, quantity: str, log: bool = True) -> Any:
    """Tensor x step over `table` (columns row: string, step: int64, value: float64, > 0 where `log`), rows in the
    given order, steps evenly spaced by index: they are the snapshots that exist."""
    alt = altair()
    steps = sorted(set(table["step"].to_pylist()))
    values = alt.Data(values=table.to_pylist())
    every = max(1, len(steps) // 12)
    high = min(18.0, max(6.0, 420 / max(1, len(rows))))
    named = list(rows)[:: math.ceil(12 / high)]
    scale = alt.Scale(type="log" if log else "linear", range=list(SEQUENTIAL))
    return (
        alt.Chart(values)
        .mark_rect()
        .encode(
            x=alt.X(
                "step:O", title="step", sort=steps, axis=alt.Axis(values=steps[::every], labelAngle=0, format=",d")
            ),
            y=alt.Y("row:N", title=None, sort=list(rows), axis=alt.Axis(values=named)),
            color=alt.Color("value:Q", title=quantity, scale=scale, legend=alt.Legend(format=".1e")),
        )
        .properties(width=560, height=high * max(1, len(rows)))
    )
