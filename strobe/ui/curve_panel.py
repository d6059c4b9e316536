"""A panel of curves: what is drawn, from which rows, with which marks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import streamlit as st

from strobe.charts.curves import Mark, Series, curves
from strobe.charts.theme import SERIES, TEST, TRAIN
from strobe.ui import panels, queries
from strobe.ui.data import Answer
from strobe.ui.frame import Frame
from strobe.ui.milestones import milestones

ONSET = SERIES[2]
X_TITLES = {"step": "step", "tokens": "tokens seen", "time": "time since the start"}


@dataclass(frozen=True)
class Curve:
    """One line to fetch: a metric of a run, and the word for its split."""

    run: str
    metric: str
    split: str


@dataclass
class Drawn:
    """What a panel of curves shows."""

    series: list[Series] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    total: int = 0
    remarks: list[str] = field(default_factory=list)

    def table(self) -> pa.Table:
        """series, step, x, y of every point on screen."""
        parts = [
            answer.table.select(["step", "x", "y"]).add_column(
                0, "series", pa.array([series.label] * answer.table.num_rows, pa.string())
            )
            for series, answer in zip(self.series, self.answers, strict=True)
        ]
        empty = pa.schema([("series", pa.string()), ("step", pa.int64()), ("x", pa.float64()), ("y", pa.float64())])
        return pa.concat_tables(parts) if parts else empty.empty_table()

    @property
    def shown(self) -> int:
        return sum(answer.table.num_rows for answer in self.answers)


def _looks(page: Frame, curve: Curve, several: bool) -> Series:
    if not several:
        return Series(curve.split, TRAIN if curve.split == "train" else TEST)
    name = page.title_of(curve.run)
    label = f"{name} · {curve.split}" if curve.split else name
    return Series(label, page.colours[curve.run], dash=curve.split == "train")


def fetch(page: Frame, wanted: Sequence[Curve], axis: str, *, log: bool, window: tuple[float, float] | None) -> Drawn:
    """The points of the curves that exist; what cannot be drawn is remarked on."""
    drawn = Drawn()
    several = len({curve.run for curve in wanted}) > 1
    for curve in wanted:
        row = next((m for m in page.reader.rows(queries.catalogue(curve.run)) if m["name"] == curve.metric), None)
        if row is None:
            continue
        answer = page.reader.ask(queries.curve(curve.run, curve.metric, axis, log=log, window=window))
        series = _looks(page, curve, several)
        drawn.series.append(series)
        drawn.answers.append(answer)
        drawn.total += answer.table["n"][0].as_py() if answer.table.num_rows else 0
        drawn.remarks += _remarks(series.label or curve.metric, row, log, answer.table.num_rows)
    return drawn


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


def marks(page: Frame, wanted: Sequence[Curve], drawn: Drawn, axis: str, metric: str) -> list[Mark]:
    """On test curves: the onset of each run, and the peak of its test loss where that is what is drawn."""
    several = len({curve.run for curve in wanted}) > 1
    made: list[Mark] = []
    if metric not in ("val_loss", "val_accuracy"):
        return made
    for run in dict.fromkeys(curve.run for curve in wanted):
        found = milestones(page.reader, run)
        who = f"{page.title_of(run)}: " if several else ""
        colour = page.colours[run] if several else ONSET
        if found.onset is not None and found.onset.step is not None:
            made.append(Mark(_x_of(page, run, axis, found.onset.step), f"{who}onset {found.onset.step:,}", colour))
        peak = found.peak
        if metric == "val_loss" and peak is not None and peak.step is not None and peak.fallen is not None:
            ring = page.colours[run] if several else TEST
            label = next((s.label for s, c in zip(drawn.series, wanted, strict=False) if c.run == run), "")
            at = _x_of(page, run, axis, peak.step)
            made.append(Mark(at, f"{who}peak {peak.value:.3g} at {peak.step:,}", ring, y=peak.value, of=label))
    return [mark for mark in made if math.isfinite(mark.x)]


def _x_of(page: Frame, run: str, axis: str, step: int) -> float:
    return float(place_steps(page, run, axis, [step])[0])


def place_steps(page: Frame, run: str, axis: str, steps: Sequence[int]) -> np.ndarray[Any, Any]:
    """Where steps stand on the x axis (float64): themselves, or tokens or seconds between the logged rows."""
    wanted = np.asarray(steps, dtype=np.float64)
    if axis == "step" or not len(wanted):
        return wanted
    names = [row["name"] for row in page.reader.rows(queries.catalogue(run))]
    name = "val_loss" if "val_loss" in names else next(iter(names), "")
    table = page.reader.ask(queries.curve(run, name, axis)).table
    if not table.num_rows:
        return np.full(len(wanted), np.nan)
    return np.asarray(np.interp(wanted, table["step"].to_numpy(), table["x"].to_numpy()))


def draw(
    page: Frame, key: str, wanted: Sequence[Curve], *, axis: str, y_title: str, log: bool, share: bool = False,
    height: int = 300, about: str = "",
) -> None:  # fmt: skip
    """Fetches, draws, and says below what is drawn and what is not. `key` names the panel; `share` fixes 0 to 1."""
    window = panels.held(key, "window")
    zoom = (float(window[0]), float(window[1])) if isinstance(window, list) and len(window) == 2 else None
    drawn = fetch(page, wanted, axis, log=log, window=_wider(zoom))
    if not drawn.series:
        panels.caption(
            f"No {y_title.partition(' (')[0]} was recorded for {'these runs' if len(page.runs) > 1 else 'this run'}."
        )
        return
    moments = marks(page, wanted, drawn, axis, wanted[0].metric)
    table = drawn.table()
    panels.show(
        key,
        _header(page, key, drawn, moments, axis, log=log, share=share, height=height, y_title=y_title),
        {
            f"{name}{k}": answer.table[name].cast("float64").to_numpy()
            for k, answer in enumerate(drawn.answers)
            for name in "xy"
        },
        on_window_change=lambda: None,
    )
    text = " ".join([about, *drawn.remarks]).strip()
    if drawn.shown < drawn.total:
        text = f"{drawn.shown:,} of {drawn.total:,} points: every spike and both ends are kept. {text}"
    x_title = X_TITLES[axis] + (" (s)" if axis == "time" else "")
    panels.tools(
        key, text, [answer.sql for answer in drawn.answers], lambda: table,
        lambda: curves(table, drawn.series, x_title=x_title, y_title=y_title, log=log, marks=moments),
    )  # fmt: skip


def _wider(zoom: tuple[float, float] | None) -> tuple[float, float] | None:
    """A little more than what is seen, so that lines run on to the edges."""
    if zoom is None:
        return None
    margin = (zoom[1] - zoom[0]) * 0.05
    return zoom[0] - margin, zoom[1] + margin


def _header(page: Frame, key: str, drawn: Drawn, moments: list[Mark], axis: str, **look: Any) -> dict[str, Any]:
    xs = place_steps(page, page.run, axis, page.steps)
    placed = bool(np.isfinite(xs).all())
    points = f"{drawn.shown:,} points. The data button has the numbers."
    y_title = look.pop("y_title")
    names = ", ".join(series.label for series in drawn.series)
    return {
        "kind": "curves", "subject": f"{key} {axis} {' '.join(page.runs)}", "run": page.run, "follows": False,
        "alt": f"{y_title} against {X_TITLES[axis]}: {names}; {points}",
        "steps": page.steps if placed else [], "cursor_x": xs.tolist() if placed else [],
        "series": [{"label": s.label, "colour": s.colour, "dash": s.dash} for s in drawn.series],
        "marks": _placed(moments),
        "unit": "s" if axis == "time" else "", "x_name": axis, **look,
    }  # fmt: skip


def _placed(moments: Sequence[Mark]) -> list[dict[str, Any]]:
    """Marks for the browser; the words of each rule get a line of their own above the plot."""
    placed: list[dict[str, Any]] = []
    row = 0
    for m in moments:
        placed.append({"x": m.x, "label": m.label, "colour": m.colour, "of": m.of, "row": row})
        if m.y is None:
            row += 1
        else:
            placed[-1]["y"] = m.y
    return placed


@st.cache_data(max_entries=64, show_spinner=False)
def available_axes(key: str, version: str, run: str, _page: Frame) -> list[str]:
    """Which x axes a run can be drawn on: step always, tokens and time where they were logged."""
    del key, version
    rows = _page.reader.rows(queries.axes(run))
    return ["step", *(name for name in ("tokens", "time") if rows and rows[0][name])]
