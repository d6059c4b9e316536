"""The grid of all metrics: what its browser's part is told of the charts, and how it answers what that asks for."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import streamlit as st

from strobe.ui.curves import ahead, asking, panel
from strobe.ui.curves.asking import Ask, Look
from strobe.ui.curves.files import files
from strobe.ui.curves.options import CurveOptions
from strobe.ui.curves.tile import MOST_BYTES, tile, wanted
from strobe.ui.panel.panel import caption
from strobe.ui.shell import address, components
from strobe.ui.shell.cache import cached_by_run
from strobe.ui.shell.moments import found
from strobe.ui.shell.page import Page
from strobe.views import curve_sql
from strobe.views.curves import NONE, X_AXES, Window, step_at
from strobe.views.metric_sections import MetricChart, charts_of
from strobe.views.readings import Cursor, Placed, reading_at, smoothed, stacked
from strobe.views.run_view import Answer
from strobe.views.words import visible

KEY: Final = "board"
FIRST: Final = 6
"""Charts of a first answer, before the browser told how many it shows."""

_LOOK, _PAGE, _ARRIVALS, _PLACE = "_board_look", "_board_page", "_board_arrivals", "_board_place"
_DRAWN: Final = "_board_drawn"


@dataclass(frozen=True)
class Board:
    """The page, how its curves are looked at, and its charts by their keys."""

    page: Page
    view: CurveOptions
    charts: Mapping[str, MetricChart]

    @property
    def subject(self) -> str:
        """What the browser's charts are of: what it holds of another subject is old."""
        page, view = self.page, self.view
        runs = view.runs(page)
        version = page.of(*runs).key[1]
        return f"{zlib.crc32(repr((version, runs, view)).encode()):08x}"

    def cursor(self, x: float) -> Cursor | None:
        """The cursor at a place on x; None where the first run has no step there."""
        page, view = self.page, self.view
        origin = view.alignment.origin(page.view.tables, page.run, view.axis, found) or 0.0
        step = step_at(page.view.tables, page.run, view.axis, x + origin)
        return None if step is None else Cursor(page.run, (step,), view.axis, origin, (x,))


def draw(page: Page, view: CurveOptions) -> None:
    """The board, and below it the files of one of its charts."""
    runs = view.runs(page)
    if st.session_state.get("runs", page.runs) != page.runs:
        st.rerun()
    charts = _charts(page.of(*runs).ask(curve_sql.catalogue(runs)))
    if not charts:
        caption("No metric was recorded: a training program writes them to metrics.jsonl.")
        return
    board = Board(page, view, charts)
    look = _look(board)
    ask, _ = asking.parsed(_sent())
    fresh = st.session_state.get(_PAGE) is not page
    st.session_state[_PAGE] = page
    chart = board.charts.get(ask.files) or next(iter(board.charts.values()))
    log = (chart.log or chart.key in look.log) and chart.key not in look.linear
    drawn = _drawn(board, chart, log, look.zoom)
    st.session_state[_DRAWN] = ((board.subject, chart.key, log, look.zoom), drawn)
    header, arrays = _answer(board, ask, look, framed=ask.framed and not fresh)
    components.board()(key=KEY, data=components.pack(header, arrays), on_ask_change=_asked)
    files(page, view, chart, log, drawn)


def _drawn(board: Board, chart: MetricChart, log: bool, window: Window) -> panel.Drawn:
    """The lines of a chart. Those of the chart whose files are offered are held from one request to the next: to make
    them anew would cost as much as all else that is asked for with them."""
    asked = (board.subject, chart.key, log, window)
    held: Any = st.session_state.get(_DRAWN)
    if held is not None and held[0] == asked:
        drawn: panel.Drawn = held[1]
        return drawn
    curves = wanted(board.page, chart, board.view)
    return panel.fetch(board.page, curves, board.view, log=log, window=panel.wider(window))


@cached_by_run
def _charts(catalogue: Answer) -> dict[str, MetricChart]:
    """The charts by their keys, which each request of the browser needs."""
    return {chart.key: chart for chart in charts_of(catalogue.table.to_pylist())}


def _sent() -> Any:
    sent: Any = st.session_state.get(KEY)
    return sent.get("ask") if hasattr(sent, "get") else None


def _asked() -> None:
    """What the browser remembers goes into the address; a chosen run becomes the first one."""
    ask, look = asking.parsed(_sent())
    st.session_state[_LOOK] = look
    asking.write(look)
    runs = st.session_state.get("runs", [])
    if ask.chosen in runs and runs[0] != ask.chosen:
        st.session_state["runs"] = [ask.chosen, *(run for run in runs if run != ask.chosen)]


def _look(board: Board) -> Look:
    """How it is looked at: as a link asks, else as it was left."""
    linked = asking.arrived()
    if linked is not None:
        st.session_state[_ARRIVALS] = st.session_state.get(_ARRIVALS, 0) + 1
    look: Look = linked or st.session_state.get(_LOOK, Look())
    kept = asking.known(look, board.charts)
    view, before = board.view, st.session_state.get(_PLACE)
    st.session_state[_PLACE] = place = (view.axis, view.align, view.align_step)
    if linked is None and before not in (None, place):
        # On another axis the same numbers are another place.
        kept = replace(kept, zoom=None, at=None)
        st.session_state[_ARRIVALS] = st.session_state.get(_ARRIVALS, 0) + 1
    lost = [key for key in (*(look.pin or ()), *look.log, *look.linear, *look.y) if key not in board.charts]
    if linked is not None and lost:
        address.note(f"The link asks for a chart {address.short(lost[0])!r}, which these runs do not have.")
    st.session_state[_LOOK] = kept
    asking.write(kept)
    return kept


def _answer(
    board: Board, ask: Ask, look: Look, *, framed: bool
) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
    """Header and arrays: the charts that are lacking, what was read, and the frame where the browser has it not."""
    subject, page, view = board.subject, board.page, board.view
    asked = ask.lacks if ask.subject == subject else ask.seen
    window = ask.window if ask.subject == subject or not ask.n else look.zoom
    if not ask.n:
        asked, window = _first(board, look), look.zoom
    header: dict[str, Any] = {
        "n": ask.n, "subject": subject, "arrived": st.session_state.get(_ARRIVALS, 0), "look": look.plain(),
    }  # fmt: skip
    if not framed:
        header["frame"] = _frame(board)
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    header["charts"] = {}
    for k, (key, log) in enumerate(dict(asked).items()):
        # The browser asks again for what did not fit into this message.
        if key in board.charts and sum(array.nbytes for array in arrays.values()) < MOST_BYTES:
            drawn = _drawn(board, board.charts[key], log, window)
            header["charts"][key] = tile(page, board.charts[key], view, log, window, f"{k}", arrays, drawn)
    if ask.read is not None and ask.read[0] in board.charts:
        header["reading"] = _reading(board, ask.read, arrays)
    return header, arrays


def _first(board: Board, look: Look) -> tuple[tuple[str, bool], ...]:
    """The charts that a browser will show first: pinned ones before all others."""
    keys = list(dict.fromkeys([*(look.pin or ()), *board.charts]))[:FIRST]
    return tuple((key, (board.charts[key].log or key in look.log) and key not in look.linear) for key in keys)


def _frame(board: Board) -> dict[str, Any]:
    """What all charts share, and their names."""
    page, view = board.page, board.view
    place = panel.place_of(page, view)
    origin = view.alignment.origin(page.view.tables, page.run, view.axis, found)
    unit = {"time": "s", "clock": "clock" if view.align == NONE else "s"}.get(view.axis, "")
    return {
        "charts": [[c.key, c.title, c.section, c.points, c.log, len(c.metrics)] for c in board.charts.values()],
        "run": page.run, "steps": list(place.steps), "xs": list(place.xs), "unit": unit, "axis": view.axis,
        "title": view.x_title(), "word": X_AXES[view.axis][1], "plain": view.axis == "step" and view.align == NONE,
        "origin": origin or 0.0, "baseline": view.baseline or "", "smoothed": view.smoother.words(),
        "grouped": "" if view.group == NONE else visible(view.group),
        "runs": [[run, page.title_of(run)] for run in view.runs(page)],
    }  # fmt: skip


def _reading(board: Board, read: tuple[str, float], arrays: dict[str, np.ndarray[Any, Any]]) -> dict[str, Any]:
    """What every line of a chart recorded at a place on x."""
    key, x = read
    cursor = board.cursor(x)
    said: dict[str, Any] = {"key": key, "x": x, "step": None, "lines": []}
    if cursor is None:
        return said
    page, view = board.page, board.view
    chart, parts = board.charts[key], []
    curves = wanted(page, chart, view)
    rows = ahead.rows_at(page, curves, view, cursor)
    for curve in curves:
        tables = page.of(curve.run)
        origin = view.alignment.origin(tables, curve.run, view.axis, found)
        if origin is None or panel.recorded_row(page, curve) is None:
            continue
        part = reading_at(tables, cursor, Placed(curve, origin), rows.get(curve))
        said["lines"].append(f"{curve.run}|{curve.split}")
        parts.append(part)
        parts.append(smoothed(part, panel.whole(page, curve, view)) if view.smoother.words() else part)
    read_off = stacked(parts)
    arrays |= {f"read_{name}": getattr(read_off, name) for name in ("step", "value", "state")}
    return said | {"step": cursor.steps[0]}
