"""A panel of curves: what is drawn, from which rows, with which marks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
import streamlit as st

from strobe.charts.axes import label_number
from strobe.charts.curves import Mark, Series, curves
from strobe.charts.theme import SERIES, TEST, TRAIN, Look
from strobe.ui.curves import ahead, growing
from strobe.ui.curves.options import BASELINE, CurveOptions
from strobe.ui.curves.read_off import DrawnLine, every_row, queries, readings_of
from strobe.ui.panel import panel
from strobe.ui.panel.kinds import CurvesPanel, line_of, placed_marks
from strobe.ui.shell.cache import cached_by_run
from strobe.ui.shell.moments import found
from strobe.ui.shell.page import Page
from strobe.views.curve_remarks import together
from strobe.views.curves import (
    NONE,
    Curve,
    CurvePoints,
    Points,
    Range,
    Window,
    metric_row,
    place_steps,
    read,
    smooth,
    whole_series,
)
from strobe.views.readings import Cursor, Placed
from strobe.views.words import count, visible

ONSET = SERIES[2]
MOST_MARKED: Final = 8
"""Runs whose moments are marked on a chart."""


@dataclass
class Drawn:
    """What a panel of curves shows."""

    lines: list[DrawnLine] = field(default_factory=list)
    sql: list[str] = field(default_factory=list)
    shown: int = 0
    total: int = 0
    remarks: list[str] = field(default_factory=list)

    @property
    def series(self) -> list[Series]:
        return [line.series for line in self.lines]

    def table(self) -> pa.Table:
        """series, step, x, y of every point on screen, which is what a figure draws; y is NULL at a break."""
        columns = {name: [getattr(line.points, name) for line in self.lines] for name in ("step", "x", "y")}
        labels = [np.repeat(line.series.label, len(line.points.x)) for line in self.lines]
        joined = {name: np.concatenate(parts) if parts else np.zeros(0) for name, parts in columns.items()}
        return pa.table(
            {
                "series": pa.array(np.concatenate(labels).tolist() if labels else [], pa.string()),
                "step": pa.array(joined["step"].astype(np.int64)),
                "x": pa.array(joined["x"]),
                "y": pa.array(joined["y"], from_pandas=True),
            }
        )


def _looks(page: Page, curve: Curve, view: CurveOptions, several: bool) -> Series:
    if not several:
        return Series(curve.split or curve.metric, TRAIN if curve.split == "train" else TEST, run=curve.run)
    words = [page.title_of(curve.run), view.labels.get(curve.run, ""), curve.split]
    if curve.run == view.baseline:
        words.append("baseline")
    own = Look(BASELINE) if curve.run == view.baseline else view.looks.get(curve.run) or page.looks[curve.run]
    label = " · ".join(word for word in words if word)
    return Series(label, own.colour, dash=curve.split == "train", run=curve.run, turn=own.turn)


def recorded_row(page: Page, curve: Curve) -> dict[str, Any] | None:
    """What the catalogue of metrics says of a curve; None where it was not recorded."""
    return metric_row(page.of(curve.run), curve)


def whole(page: Page, curve: Curve, view: CurveOptions) -> Points:
    """The smoothed series of a curve, over all its points."""
    return whole_series(page.of(curve.run), curve, view.axis, view.smoother, _smooth)


def fetch(page: Page, wanted: Sequence[Curve], view: CurveOptions, *, log: bool, window: Window) -> Drawn:
    """The points of the curves that exist; what cannot be drawn is remarked on."""
    drawn = Drawn()
    several = len({curve.run for curve in wanted}) > 1
    long = ahead.read(page, wanted, view, log=log, window=window)
    for curve in wanted:
        tables = page.of(curve.run)
        recorded = recorded_row(page, curve)
        if recorded is None:
            continue
        series = _looks(page, curve, view, several)
        origin = view.alignment.origin(tables, curve.run, view.axis, found)
        if origin is None:
            drawn.remarks.append(f"{page.title_of(curve.run)} has no onset to align at, and is left out.")
            continue
        part = Range(view.axis, origin, log, window, view.every_point)
        live = page.rows[curve.run].get("status") == "running"
        keeper, least = (growing.points, 0) if live else (ahead.whole, long)
        points = read(tables, curve, part, view.smoother, series.label, recorded, _smooth, keeper, least)
        _add(drawn, series, points, Placed(curve, origin))
    drawn.remarks = together(drawn.remarks)
    return drawn


def _add(drawn: Drawn, series: Series, points: CurvePoints, of: Placed) -> None:
    """The raw line, and where it is smoothed the smoothed one on top of it."""
    drawn.sql.append(points.sql)
    drawn.total += points.total
    drawn.shown += points.raw.count
    drawn.remarks += points.remarks
    if points.smoothed is None:
        drawn.lines.append(DrawnLine(series, points.raw, of))
        return
    faint = replace(series, label=f"{series.label} (raw)", of=series.label)
    drawn.lines += [DrawnLine(faint, points.raw, of), DrawnLine(series, points.smoothed, of, points.whole)]


_smooth = cached_by_run(smooth)


def marks(page: Page, wanted: Sequence[Curve], drawn: Drawn, view: CurveOptions, metric: str) -> list[Mark]:
    """On test curves: the onset of each run, and the peak of its test loss where that is what is drawn."""
    runs = len({curve.run for curve in wanted})
    several = runs > 1
    made: list[Mark] = []
    if metric not in ("val_loss", "val_accuracy") or runs > MOST_MARKED:
        return made
    for line in drawn.lines:
        run, label = line.series.run, line.series.label
        if line.series.of or line.series.dash or (not several and line.series.colour == TRAIN):
            continue
        moments = page.milestones_of(run)
        who = f"{page.title_of(run)}: " if several else ""
        if moments.onset is not None and moments.onset.step is not None:
            at = _x_of(page, run, view, moments.onset.step)
            made.append(Mark(at, f"{who}onset {moments.onset.step:,}", line.series.colour if several else ONSET))
        peak = moments.peak
        if metric == "val_loss" and peak is not None and peak.step is not None and peak.fallen is not None:
            at = _x_of(page, run, view, peak.step)
            words = f"{who}peak {label_number(peak.value)} at {peak.step:,}"
            made.append(Mark(at, words, line.series.colour if several else TEST, y=peak.value, of=label))
    return [mark for mark in made if math.isfinite(mark.x)]


def _x_of(page: Page, run: str, view: CurveOptions, step: int) -> float:
    tables = page.of(run)
    origin = view.alignment.origin(tables, run, view.axis, found)
    return math.nan if origin is None else float(place_steps(tables, run, view.axis, [step])[0]) - origin


def draw(
    page: Page, key: str, wanted: Sequence[Curve], *, y_title: str, log: bool, height: int = 300
) -> None:  # fmt: skip
    """Fetches, draws, and says below what is drawn and what is not. `key` names the panel."""
    if st.session_state.get("runs", page.runs) != page.runs:
        st.rerun()
    view = CurveOptions()
    zoom = _zoom(page, key, view)
    drawn = fetch(page, wanted, view, log=log, window=wider(zoom))
    if not drawn.lines:
        runs = "these runs" if len(page.runs) > 1 else "this run"
        nothing = f"No {visible(y_title.partition(' (')[0])} was recorded for {runs}."
        panel.caption(" ".join(drawn.remarks) or nothing)
        return
    moments = marks(page, wanted, drawn, view, wanted[0].metric)
    placed = place_of(page, view)
    read_off = readings_of(page, drawn.lines, placed)
    arrays = _points(drawn, view) | read_off.arrays()
    header = _header(
        page, key, drawn, moments, view, placed, read_at=read_off.at, zoom=zoom, log=log, height=height,
        y_title=y_title,
    )  # fmt: skip
    panel.show(key, header, arrays, on_window_change=lambda: None, on_chosen_change=lambda: _choose(key))
    panel.tools(
        key, caption_of(drawn, view, ""), [*drawn.sql, *queries(page, drawn.lines)],
        lambda: every_row(page, drawn.lines, view),
        lambda: replace(
            curves(
                drawn.table(), drawn.series, x_title=view.x_title(), y_title=y_title, log=log, marks=moments
            ),
            caption=" ".join(drawn.remarks),
        ),
    )  # fmt: skip


def _choose(key: str) -> None:
    """A click on a curve makes its run the first one: the one whose snapshots the cursor moves through."""
    run, runs = panel.held(key, "chosen"), st.session_state.get("runs", [])
    if run in runs:
        st.session_state["runs"] = [run, *(other for other in runs if other != run)]


def caption_of(drawn: Drawn, view: CurveOptions, about: str) -> str:
    """What is smoothed, thinned and left out."""
    parts = [about, *drawn.remarks]
    if drawn.shown < drawn.total:
        words = f"{count(drawn.shown)} of {count(drawn.total)} points are drawn, with every spike and both ends"
        parts.insert(0, f"{words}; the numbers beside the names, and the files, are of all.")
    if view.smoother.words():
        parts.insert(0, f"Smoothed over all points: {view.smoother.words()}; the faint line is what was logged.")
    return " ".join(parts).strip()


def _subject(page: Page, key: str, view: CurveOptions) -> str:
    """What a zoom is of: on another axis, or with other runs, the same numbers are another place."""
    return f"{key} {view.axis} {view.align} {view.align_step} {' '.join(sorted(view.runs(page)))}"


def _zoom(page: Page, key: str, view: CurveOptions) -> Window:
    """From where to where the visitor dragged in this panel, in units of x; None where it shows everything."""
    held = panel.held(key, "window")
    if not isinstance(held, list) or len(held) != 3 or held[2] != _subject(page, key, view):
        return None
    return float(held[0]), float(held[1])


def wider(zoom: tuple[float, float] | None) -> tuple[float, float] | None:
    """A little more than what is seen, so that lines run on to the edges."""
    if zoom is None:
        return None
    margin = (zoom[1] - zoom[0]) * 0.05
    return zoom[0] - margin, zoom[1] + margin


def place_of(page: Page, view: CurveOptions) -> Cursor:
    """Where the cursor can rest on this axis; nowhere where the first run has no place on it."""
    tables = page.view.tables
    origin = view.alignment.origin(tables, page.run, view.axis, found)
    steps = page.stops or page.view.steps
    xs = place_steps(tables, page.run, view.axis, steps) - (math.nan if origin is None else origin)
    if origin is None or not np.isfinite(xs).all():
        return Cursor(page.run, ())
    return Cursor(page.run, steps, view.axis, origin, xs.tolist())


def _points(drawn: Drawn, view: CurveOptions) -> dict[str, np.ndarray[Any, Any]]:
    """What is drawn of each line; the steps of its points where x does not tell them."""
    names = "xy" if view.axis == "step" else "xys"
    parts = {"x": "x", "y": "y", "s": "step"}
    return {f"{name}{k}": getattr(line.points, parts[name]) for k, line in enumerate(drawn.lines) for name in names}


def _header(
    page: Page, key: str, drawn: Drawn, moments: list[Mark], view: CurveOptions, placed: Cursor, **look: Any
) -> CurvesPanel:
    points = f"{drawn.shown:,} points. The data button has the numbers."
    y_title = look.pop("y_title")
    names = ", ".join(series.label for series in drawn.series if not series.of)
    unit: Literal["", "s", "clock"] = ""
    if view.axis in ("time", "clock"):
        unit = "clock" if view.axis == "clock" and view.align == "none" else "s"
    return CurvesPanel(
        subject=_subject(page, key, view), run=page.run, y_title=y_title,
        alt=f"{y_title} against {view.x_title()}: {names}; {points}",
        steps=placed.steps, cursor_x=placed.xs, marks=placed_marks(moments), unit=unit,
        series=[line_of(line.series, line.of.origin, line.whole is not None) for line in drawn.lines],
        x_name=view.axis + view.alignment.words(), plain=view.axis == "step" and view.align == NONE, **look,
    )  # fmt: skip
