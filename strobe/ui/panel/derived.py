"""Panels over derived tables: what is missing in words, lines over training, and heatmaps of rows by step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import streamlit as st

from strobe.charts.curves import Level, Mark, Series, Span, curves, tensor_heatmap
from strobe.ui.panel import analysing, panel
from strobe.ui.panel.kinds import CurvesPanel, GridPanel, line_of, placed_marks
from strobe.ui.shell import writing
from strobe.ui.shell.cache import cached_by_run
from strobe.ui.shell.words import ends, inert
from strobe.views.derived import has_rows, outdated, readiness, why_lacking
from strobe.views.narrow import narrow_all
from strobe.views.readings import of_rows
from strobe.views.run_view import Answer, RunView
from strobe.views.tensors import shades


def ready(view: RunView, tables: Sequence[str], also: Sequence[str] = ()) -> bool:
    """Whether there are rows in all of these derived tables to show; where not, says why and what to do.

    `also` are tables of parts that the page can be without (`part_ready`): kept up to date with the others.
    """
    shown = (*tables, *(table for table in also if has_rows(view, table)))
    state = readiness(view, tables, _outdated(view, shown))
    if state.status == "never":
        st.info(inert(state.sentence))
    elif state.status == "missing":
        st.info(_remedy(view, state.sentence))
        _button(view, (*tables, *also))
    elif state.status == "partly":
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            st.caption(_remedy(view, state.sentence), width="content")
            _button(view, (*tables, *also))
    return state.status in ("ready", "partly")


def part_ready(view: RunView, tables: Sequence[str], title: str, key: str) -> bool:
    """Whether a part of a page has rows in all of its derived tables; where not, says so under its title, beside the
    button `key` that fills them."""
    if not (why := why_lacking(view, tables)):
        return True
    with panel.head(key):
        panel.title(title)
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.caption(_remedy(view, why), width="content")
        _button(view, tables, key)
    return False


_outdated = cached_by_run(outdated)


def _remedy(view: RunView, why: str) -> str:
    return f"{inert(why)} Run `strobe analyze {view.run}`, then reload."


def _button(view: RunView, tables: Sequence[str], key: str = "analyse") -> None:
    """Queues the analysis of these tables, and shows how it goes until their rows are there."""
    if writing.on():
        analysing.offer(view.run, list(dict.fromkeys([*tables, "transitions"])), key)


def lines(
    view: RunView, key: str, answer: Answer, looks: dict[str, Series], *, y_title: str, log: bool = False,
    height: int = 220, marks: Sequence[Mark] = (), about: str = "", share: bool = False, spans: Sequence[Span] = (),
    queries: Sequence[str] = (), levels: Sequence[Level] = (),
) -> None:  # fmt: skip
    """Lines over steps from rows (series, step, value), for the series in `looks`; what is NULL leaves a gap.
    `queries` are those of the numbers in `about`, shown with the answer's own."""
    table = answer.table
    names, gap = (c.to_numpy(zero_copy_only=False) for c in (table["series"], table["value"].is_null()))
    values, steps = (table[name].cast("float64").to_numpy() for name in ("value", "step"))
    drawn = [name for name in looks if ((names == name) & ~gap).any()]
    if not drawn:
        panel.caption(f"No {y_title} to draw.")
        return
    good = gap | np.isfinite(values) & ((values > 0) if log else True)
    arrays = {}
    for k, name in enumerate(drawn):
        own = good & (names == name)
        arrays[f"x{k}"], arrays[f"y{k}"] = steps[own], values[own]
    series = [looks[name] for name in drawn]
    read_off = of_rows(answer.table, drawn, view.steps)
    header = CurvesPanel(
        subject=f"{key} {view.run}", run=view.run, steps=list(view.steps),
        alt=f"{y_title} against step: {', '.join(s.label for s in series)}",
        cursor_x=[float(step) for step in view.steps], marks=placed_marks(marks), spans=spans, levels=levels,
        series=[line_of(replace(s, run=view.run)) for s in series], log=log, share=share, height=height,
        read_at=read_off.at, y_title=y_title,
    )  # fmt: skip
    panel.show(key, header, arrays | read_off.arrays(), on_window_change=lambda: None, on_chosen_change=lambda: None)

    def figure() -> Any:
        labels = pa.array([looks[n].label if n in looks else "" for n in names[good].tolist()], pa.string())
        points = pa.table({"series": labels, "x": steps[good], "y": pa.array(values[good], from_pandas=True)})
        return curves(
            points, series, x_title="step", y_title=y_title, log=log, marks=marks, spans=spans, levels=levels
        )

    panel.tools(key, about, [answer.sql, *queries], lambda: answer.table, figure)


@dataclass(frozen=True)
class Banded:
    """Colours on both sides of a band: `shades` of values, 128 inside, and the words for the ends and the middle."""

    shades: Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]
    ends: tuple[str, str, str]


def grid(
    view: RunView, key: str, answer: Answer, rows: Sequence[str], *,
    quantity: str, row_height: int = 8, about: str = "", signed: bool = False, banded: Banded | None = None,
) -> None:  # fmt: skip
    """Rows by steps as a heatmap, from rows (row, step, value); every column is a snapshot. On a log scale, or where
    values may be `signed` on a linear one centred on 0, or in the colours of a band."""
    table = answer.table
    steps = np.unique(table["step"].to_numpy())
    place = {name: i for i, name in enumerate(rows)}
    exact = np.full((len(rows), len(steps)), np.nan)
    recorded = np.zeros(exact.shape, np.uint8)
    at = np.array([place.get(name, -1) for name in table["row"].to_pylist()])
    known = at >= 0
    column = np.searchsorted(steps, table["step"].to_numpy())
    exact[at[known], column[known]] = table["value"].cast("float64").fill_null(np.nan).to_numpy()[known]
    recorded[at[known], column[known]] = table["value"].is_valid().to_numpy(zero_copy_only=False)[known]
    colours, low, high = (_signed if signed else shades)(exact)
    least, most = ends(low, high)
    least, most = (least if np.isfinite(low) else "no value above 0", most if np.isfinite(high) else "")
    middle = ""
    if banded is not None:
        colours, (least, middle, most) = banded.shades(exact), banded.ends
    header = GridPanel(
        subject=f"{key} {view.run}", run=view.run, steps=list(view.steps),
        alt=f"{quantity}: {len(rows)} rows by {len(steps)} snapshots", rows=list(rows), columns=steps.tolist(),
        row_height=row_height, map="diverging" if signed or banded else "sequential", quantity=quantity,
        low=least, middle=middle, high=most,
    )  # fmt: skip
    arrays = {"values": colours, "exact": narrow_all(exact), "recorded": recorded}
    panel.show(key, header, arrays, on_picked_change=lambda: None)

    def figure() -> Any:
        kept = pc.is_valid(table["value"]) if signed else pc.greater(table["value"], 0)
        return tensor_heatmap(table.filter(kept), rows, quantity=quantity, log=not signed)

    panel.tools(key, about, [answer.sql], lambda: table, figure)


def _signed(values: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], float, float]:
    """Bytes 1..255, 128 = 0, 0 where there is no value; and the two ends of the scale."""
    good = np.isfinite(values)
    reach = float(np.abs(values[good]).max(initial=0.0)) or 1.0
    place = 128 + 127 * np.where(good, values, 0) / reach
    return np.where(good, np.round(place), 0).astype(np.uint8), -reach, reach
