"""A panel of curves: what is drawn, from which rows, with which marks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
import streamlit as st

from strobe.analysis.smoothing import Floats, extremes
from strobe.charts.curves import Mark, Series, curves
from strobe.charts.theme import SERIES, TEST, TRAIN
from strobe.ui.curves import queries
from strobe.ui.curves.view import BASELINE, View, place_steps
from strobe.ui.panel import panel
from strobe.ui.panel.kinds import CurvesPanel, line_of, placed_marks
from strobe.ui.shell.page import Page
from strobe.views.milestones import milestones
from strobe.views.run_view import Answer
from strobe.views.words import count, visible

ONSET = SERIES[2]
MOST_RAW: Final = 200_000
"""Points of one curve that a browser still draws at once when every point is asked for."""

Window = tuple[float, float] | None


@dataclass(frozen=True)
class Curve:
    """One line to fetch: a metric of a run, and the word for its split."""

    run: str
    metric: str
    split: str


@dataclass(frozen=True)
class Line:
    """One line on screen: what it looks like, and its points."""

    series: Series
    step: Floats
    x: Floats
    y: Floats


@dataclass
class Drawn:
    """What a panel of curves shows."""

    lines: list[Line] = field(default_factory=list)
    sql: list[str] = field(default_factory=list)
    shown: int = 0
    total: int = 0
    remarks: list[str] = field(default_factory=list)

    @property
    def series(self) -> list[Series]:
        return [line.series for line in self.lines]

    def table(self) -> pa.Table:
        """series, step, x, y of every point on screen."""
        columns = {name: [getattr(line, name) for line in self.lines] for name in ("step", "x", "y")}
        labels = [np.repeat(line.series.label, len(line.x)) for line in self.lines]
        joined = {name: np.concatenate(parts) if parts else np.zeros(0) for name, parts in columns.items()}
        return pa.table(
            {
                "series": pa.array(np.concatenate(labels).tolist() if labels else [], pa.string()),
                "step": pa.array(joined["step"].astype(np.int64)),
                "x": pa.array(joined["x"]),
                "y": pa.array(joined["y"]),
            }
        )


def _looks(page: Page, curve: Curve, view: View, several: bool) -> Series:
    if not several:
        return Series(curve.split or curve.metric, TRAIN if curve.split == "train" else TEST, run=curve.run)
    words = [page.title_of(curve.run), view.labels.get(curve.run, ""), curve.split]
    if curve.run == view.baseline:
        words.append("baseline")
    colour = BASELINE if curve.run == view.baseline else view.colours.get(curve.run) or page.colours[curve.run]
    return Series(" · ".join(word for word in words if word), colour, dash=curve.split == "train", run=curve.run)


def fetch(page: Page, wanted: Sequence[Curve], view: View, *, log: bool, window: Window) -> Drawn:
    """The points of the curves that exist; what cannot be drawn is remarked on."""
    drawn = Drawn()
    several = len({curve.run for curve in wanted}) > 1
    for curve in wanted:
        row = next(iter(page.reader.rows(queries.metric(curve.run, curve.metric))), None)
        if row is None:
            continue
        series = _looks(page, curve, view, several)
        origin = view.origin(page, curve.run)
        if origin is None:
            drawn.remarks.append(f"{page.title_of(curve.run)} has no onset to align at, and is left out.")
            continue
        lines = _lines(page, curve, series, view, drawn, {"origin": origin, "log": log, "window": window})
        drawn.lines += lines
        drawn.remarks += _remarks(series.label, row, log, len(lines[-1].x))
    drawn.remarks = list(dict.fromkeys(drawn.remarks))
    return drawn


def _lines(
    page: Page, curve: Curve, series: Series, view: View, drawn: Drawn, how: dict[str, Any]
) -> list[Line]:  # fmt: skip
    """The raw line, and where it is smoothed the smoothed one on top of it."""
    answer = page.reader.ask(queries.curve(curve.run, curve.metric, view.axis, **how))
    n = answer.table["n"][0].as_py() if answer.table.num_rows else 0
    if view.every_point and n > answer.table.num_rows:
        if n <= MOST_RAW:
            answer = page.reader.ask(queries.points(curve.run, curve.metric, view.axis, **how))
        else:
            drawn.remarks.append(f"{series.label}: {n:,} points are too many to draw each; zoom in to {MOST_RAW:,}.")
    step, x, y = (answer.table[name].cast("float64").to_numpy() for name in ("step", "x", "y"))
    drawn.sql.append(answer.sql)
    drawn.total += n
    drawn.shown += len(x)
    raw = Line(series, step, x, y)
    if not view.smooth_words():
        return [raw]
    faint = replace(series, label=f"{series.label} (raw)", of=series.label)
    return [replace(raw, series=faint), _smoothed(page, curve, series, view, how)]


def _smoothed(page: Page, curve: Curve, series: Series, view: View, how: dict[str, Any]) -> Line:
    """Smoothed over all its points first, then cut to the window and thinned."""
    whole = page.reader.ask(queries.points(curve.run, curve.metric, view.axis, origin=how["origin"]))
    step, x, y = _smooth(*page.reader.key, whole, view)
    keep = y > 0 if how["log"] else np.ones(len(y), bool)
    if how["window"] is not None:
        keep = keep & (x >= how["window"][0]) & (x <= how["window"][1])
    kept = np.flatnonzero(keep)
    kept = kept[extremes(x[kept], y[kept], queries.POINTS)]
    return Line(series, step[kept], x[kept], y[kept])


@st.cache_resource(
    max_entries=32, show_spinner=False,
    hash_funcs={Answer: lambda answer: answer.sql, View: lambda view: view.smoothing},
)  # fmt: skip
def _smooth(key: str, version: str, whole: Answer, view: View) -> tuple[Floats, Floats, Floats]:
    del key, version
    step, x, y = (whole.table[name].cast("float64").to_numpy() for name in ("step", "x", "y"))
    return step, x, view.smooth(y)


def _remarks(label: str, row: dict[str, Any], log: bool, drawn: int) -> list[str]:
    remarks = []
    if row["nonfinite"]:
        remarks.append(
            f"{label}: {row['n'] - row['nonfinite']:,} of {row['n']:,} values are finite, "
            f"the first that is not at step {row['first_nonfinite_step']:,}."
        )
    if log and row["min"] is not None and row["min"] <= 0:
        remarks.append(f"{label}: values of zero or less have no place on a log axis and are left out.")
    if not drawn and not remarks:
        remarks.append(f"{label}: nothing in this range.")
    return remarks


def marks(page: Page, wanted: Sequence[Curve], drawn: Drawn, view: View, metric: str) -> list[Mark]:
    """On test curves: the onset of each run, and the peak of its test loss where that is what is drawn."""
    several = len({curve.run for curve in wanted}) > 1
    made: list[Mark] = []
    if metric not in ("val_loss", "val_accuracy"):
        return made
    for line in drawn.lines:
        run, label = line.series.run, line.series.label
        if line.series.of or line.series.dash or (not several and line.series.colour == TRAIN):
            continue
        found = milestones(page.reader, run)
        who = f"{page.title_of(run)}: " if several else ""
        if found.onset is not None and found.onset.step is not None:
            at = _x_of(page, run, view, found.onset.step)
            made.append(Mark(at, f"{who}onset {found.onset.step:,}", line.series.colour if several else ONSET))
        peak = found.peak
        if metric == "val_loss" and peak is not None and peak.step is not None and peak.fallen is not None:
            at = _x_of(page, run, view, peak.step)
            words = f"{who}peak {peak.value:.3g} at {peak.step:,}"
            made.append(Mark(at, words, line.series.colour if several else TEST, y=peak.value, of=label))
    return [mark for mark in made if math.isfinite(mark.x)]


def _x_of(page: Page, run: str, view: View, step: int) -> float:
    origin = view.origin(page, run)
    return math.nan if origin is None else float(place_steps(page, run, view.axis, [step])[0]) - origin


def draw(
    page: Page, key: str, wanted: Sequence[Curve], *, view: View | None = None, y_title: str, log: bool,
    share: bool = False, height: int = 300, about: str = "",
) -> None:  # fmt: skip
    """Fetches, draws, and says below what is drawn and what is not. `key` names the panel; `share` fixes 0 to 1."""
    if st.session_state.get("runs", page.runs) != page.runs:
        st.rerun()
    view = view or View()
    zoom = _zoom(page, key, view)
    drawn = fetch(page, wanted, view, log=log, window=_wider(zoom))
    if not drawn.lines:
        runs = "these runs" if len(page.runs) > 1 else "this run"
        nothing = f"No {visible(y_title.partition(' (')[0])} was recorded for {runs}."
        panel.caption(" ".join(drawn.remarks) or nothing)
        return
    moments = marks(page, wanted, drawn, view, wanted[0].metric)
    arrays = {f"{name}{k}": getattr(line, name) for k, line in enumerate(drawn.lines) for name in "xy"}
    header = _header(page, key, drawn, moments, view, zoom=zoom, log=log, share=share, height=height, y_title=y_title)
    panel.show(key, header, arrays, on_window_change=lambda: None, on_chosen_change=lambda: _choose(key))
    panel.tools(
        key, _caption(drawn, view, about), drawn.sql, drawn.table,
        lambda: curves(
            drawn.table(), drawn.series, x_title=view.x_title(), y_title=y_title, log=log, marks=moments,
            clock=view.axis == "clock" and view.align == "none",
        ),
    )  # fmt: skip


def _choose(key: str) -> None:
    """A click on a curve makes its run the first one: the one whose snapshots the cursor moves through."""
    run, runs = panel.held(key, "chosen"), st.session_state.get("runs", [])
    if run in runs:
        st.session_state["runs"] = [run, *(other for other in runs if other != run)]


def _caption(drawn: Drawn, view: View, about: str) -> str:
    parts = [about, *drawn.remarks]
    if drawn.shown < drawn.total:
        parts.insert(0, f"{count(drawn.shown)} of {count(drawn.total)} points: every spike and both ends are kept.")
    if view.smooth_words():
        parts.insert(0, f"Smoothed over all points: {view.smooth_words()}; the faint line is what was logged.")
    return " ".join(parts).strip()


def _subject(page: Page, key: str, view: View) -> str:
    """What a zoom is of: on another axis, or with other runs, the same numbers are another place."""
    return f"{key} {view.axis} {view.align} {view.align_step} {' '.join(sorted(view.runs(page)))}"


def _zoom(page: Page, key: str, view: View) -> Window:
    """From where to where the visitor dragged in this panel, in units of x; None where it shows everything."""
    held = panel.held(key, "window")
    if not isinstance(held, list) or len(held) != 3 or held[2] != _subject(page, key, view):
        return None
    return float(held[0]), float(held[1])


def _wider(zoom: tuple[float, float] | None) -> tuple[float, float] | None:
    """A little more than what is seen, so that lines run on to the edges."""
    if zoom is None:
        return None
    margin = (zoom[1] - zoom[0]) * 0.05
    return zoom[0] - margin, zoom[1] + margin


def _header(page: Page, key: str, drawn: Drawn, moments: list[Mark], view: View, **look: Any) -> CurvesPanel:
    origin = view.origin(page, page.run)
    xs = place_steps(page, page.run, view.axis, page.steps) - (math.nan if origin is None else origin)
    placed = bool(np.isfinite(xs).all())
    points = f"{drawn.shown:,} points. The data button has the numbers."
    y_title = look.pop("y_title")
    names = ", ".join(series.label for series in drawn.series if not series.of)
    unit: Literal["", "s", "clock"] = ""
    if view.axis in ("time", "clock"):
        unit = "clock" if view.axis == "clock" and view.align == "none" else "s"
    return CurvesPanel(
        subject=_subject(page, key, view), run=page.run, alt=f"{y_title} against {view.x_title()}: {names}; {points}",
        steps=page.steps if placed else [], cursor_x=xs.tolist() if placed else [],
        series=[line_of(series) for series in drawn.series], marks=placed_marks(moments), unit=unit,
        x_name=view.axis, **look,
    )  # fmt: skip
