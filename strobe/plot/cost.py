"""What trainings used, of one run or several: learning rate, tokens, utilization, speed, memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import pyarrow as pa

from etl.errors import StrobeError
from strobe.charts.curves import Curves, Series, curves
from strobe.charts.theme import SERIES, Look, run_looks
from strobe.plot.request import Request
from strobe.plot.training import POINTS
from strobe.views import curve_sql
from strobe.views.cost import cost
from strobe.views.curves import Curve, Points, Range, metric_row, points_of, remarks_on, thinned
from strobe.views.run_view import CatalogueTables, RunView, literal

_GIGABYTE: Final = 1e9


class _Gathered:
    """Lines of several runs as they are drawn: a colour a run, a second metric dashed."""

    def __init__(self, request: Request) -> None:
        self.request, self.looks = request, run_looks(request.runs)
        self.tables = CatalogueTables(request.store.current(), str(request.store.path))
        self._series: list[Series] = []
        self._parts: list[pa.Table] = []
        self.remarks: list[str] = []

    def metric(self, run: str, name: str, word: str = "", *, scale: float = 1.0, dash: bool = False) -> bool:
        """Add one metric of a run, as recorded but for its scale; whether there was any."""
        row = metric_row(self.tables, Curve(run, name, ""))
        if row is None:
            return False
        points = points_of(self.tables.ask(Range().query(Curve(run, name, ""), curve_sql.points)))
        self.remarks += remarks_on(self._label(run, word) or name, row, False, points.count)
        self.line(run, word, Points(points.step, points.x, points.y * scale), dash=dash)
        return True

    def line(self, run: str, word: str, points: Points, *, dash: bool = False) -> None:
        if points.count:
            look = self.looks[run] if len(self.request.runs) > 1 else Look(next(iter(self.looks.values())).colour)
            self._add(Series(self._label(run, word), look.colour, dash=dash, turn=look.turn), thinned(points, POINTS))

    def level(self, label: str, value: float, until: float) -> None:
        """A line at one height."""
        points = Points(*(np.array(ends) for ends in ((0.0, until), (0.0, until), (value, value))))
        self._add(Series(label, SERIES[6], dash=True), points)

    def _label(self, run: str, word: str) -> str:
        return " · ".join(part for part in (run if len(self.request.runs) > 1 else "", word) if part) or run

    def _add(self, series: Series, points: Points) -> None:
        self._series.append(series)
        label = pa.array([series.label] * len(points.x), pa.string())
        self._parts.append(pa.table({"series": label, "x": points.x, "y": pa.array(points.y, from_pandas=True)}))

    def drawn(self, title: str, caption: str = "") -> Curves:
        """Raises StrobeError where nothing was recorded."""
        if not self._parts:
            raise StrobeError(f"no {title.partition(' (')[0]} was recorded")
        said = " ".join(part for part in (caption, *self.remarks) if part)
        made = curves(pa.concat_tables(self._parts), self._series, x_title="step", y_title=title, log=False)
        return replace(made, caption=" ".join(part for part in (made.caption, said) if part))


def learning_rate(request: Request) -> Curves:
    """The learning rate of every run."""
    lines = _Gathered(request)
    for run in request.runs:
        lines.metric(run, "learning_rate")
    return lines.drawn("learning rate")


def tokens(request: Request) -> Curves:
    """Tokens seen, beside 20 for each parameter."""
    lines, notes = _Gathered(request), []
    for run in request.runs:
        (row,) = lines.tables.ask(f"SELECT * FROM runs WHERE run = {literal(run)}").table.to_pylist()
        if not lines.metric(run, "tokens_seen", scale=1e-9) and row["tokens_per_step"] and row["steps"]:
            each, last = row["tokens_per_step"], float(row["steps"])
            ends = np.array([0.0, last])
            lines.line(run, "", Points(ends, ends, ends * each / 1e9))
            notes.append(f"{run}: {each:,} tokens a step, counted and not logged.")
        if len(request.runs) == 1 and row["optimal_tokens"] and row["steps"]:
            label = f"optimal: {row['optimal_tokens'] / 1e9:,.3g} (20 a parameter)"
            lines.level(label, row["optimal_tokens"] / 1e9, float(row["steps"]))
    return lines.drawn("tokens (billions)", " ".join(notes))


def mfu(request: Request) -> Curves:
    """Model FLOPs utilization as it was logged, with its mean."""
    lines, notes = _Gathered(request), []
    for run in request.runs:
        if lines.metric(run, "mfu", scale=100.0):
            found = cost(RunView(lines.tables, run))
            who = f"{run}: mean" if len(request.runs) > 1 else "Mean"
            again = f", {found.recomputed:.1%} recomputed at the last step" if found.recomputed is not None else ""
            notes.append(f"{who} {found.mean:.1%}{again}." if found.mean is not None else "")
    return lines.drawn("MFU (%)", " ".join(filter(None, notes)))


def throughput(request: Request) -> Curves:
    """Tokens a second of every run."""
    lines = _Gathered(request)
    for run in request.runs:
        lines.metric(run, "tokens_per_second", scale=1e-3)
    return lines.drawn("thousand tokens/s")


def memory(request: Request) -> Curves:
    """Memory of the device in use, and its peak dashed."""
    lines = _Gathered(request)
    for run in request.runs:
        lines.metric(run, "memory_allocated_bytes", "allocated", scale=1 / _GIGABYTE)
        lines.metric(run, "memory_peak_bytes", "peak", scale=1 / _GIGABYTE, dash=True)
    return lines.drawn("memory (GB)")
