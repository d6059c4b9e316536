"""Every tensor at every snapshot: a heatmap first, lines for the rows that were picked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow.compute as pc
import streamlit as st

from strobe.charts.curves import curves, numbered, tensor_heatmap
from strobe.ui.panel import choice, filtered, panel
from strobe.ui.panel.kinds import CurvesPanel, GridPanel, line_of
from strobe.ui.shell import address
from strobe.ui.shell.cache import cached_by_run
from strobe.ui.shell.page import Page
from strobe.ui.shell.words import ends
from strobe.views.narrow import narrow_all
from strobe.views.readings import of_rows
from strobe.views.run_view import RunView
from strobe.views.tensors import QUANTITIES, TensorSeries, sections_sql, shades, statistic_sql, tensor_series


def read(view: RunView, quantity: str) -> TensorSeries:
    """The chosen statistic of every tensor of a run."""
    return _series(view.tables.ask(statistic_sql(view.run, quantity)))


_series = cached_by_run(tensor_series)


def draw(page: Page) -> None:
    """The heatmap of the chosen statistic, and under it the lines of the picked rows."""
    present = {row["section"] for row in page.view.rows(sections_sql(page.run))}
    names = [name for name, quantity in QUANTITIES.items() if quantity.section in present]
    if not names:
        panel.title("Tensors")
        panel.caption(
            "This run has no tensor statistics, which come from its snapshots: record some and ingest again."
        )
        return
    with panel.head("tensors"):
        panel.title(_title(page))
        chosen = choice.segmented("tensors", "Statistic", names, words=lambda name: QUANTITIES[name].label)
    quantity, matrix = QUANTITIES[chosen], read(page.view, chosen)
    if not matrix.steps:
        panel.caption(f"{quantity.label}: needs two snapshots; this run has {len(page.view.steps)}.")
        return
    picked = _picked(matrix)
    found, rows = filtered.shown(matrix.rows)
    if rows:
        _heatmap(page, chosen, matrix.of(found), rows, picked)
    else:
        panel.caption(f"None of the {len(matrix.rows):,} tensors has this in its name.")
    _lines(page, chosen, matrix, picked)


def _title(page: Page) -> str:
    who = f" of {page.title_of(page.run)}" if len(page.runs) > 1 else ""
    return f"Every tensor{who}, step by step"


def _picked(matrix: TensorSeries) -> list[str]:
    """The picked rows: a click on a row adds or removes it."""
    click = panel.held("tensors_heatmap", "picked")
    if isinstance(click, dict) and click.get("nonce") != st.session_state.get("_picked_nonce"):
        st.session_state["_picked_nonce"] = click.get("nonce")
        row, before = click.get("row"), st.session_state.get("row", matrix.rows[:1])
        if row in matrix.rows:
            st.session_state["row"] = (
                [r for r in before if r != row] if row in before else [*before, row][-address.MOST_NAMES :]
            )
    return address.offer_several("row", matrix.rows, _first_rows(matrix))


def _first_rows(matrix: TensorSeries) -> list[str]:
    """The embedding and the two MLP matrices where the model has them: the rows that tell most at first sight."""
    wanted = [name for name in matrix.rows if name.split(".")[0] in ("wte", "fcw", "fcprojw")]
    return (wanted or matrix.rows)[:3]


def _heatmap(page: Page, name: str, matrix: TensorSeries, rows: list[str], picked: list[str]) -> None:
    """The `rows` that are drawn of a matrix, in the colours of all of it."""
    quantity, at = QUANTITIES[name], [matrix.rows.index(row) for row in rows]
    colours, low, high = shades(matrix.values)
    least, most = ends(low, high)
    header = GridPanel(
        subject=f"{name} {page.run}", run=page.run, steps=page.view.steps,
        alt=f"{quantity.explains}: {len(rows)} tensors by {len(matrix.steps)} snapshots",
        rows=rows, columns=matrix.steps, row_height=20 if len(rows) <= 24 else 12,
        picked=[rows.index(row) for row in picked if row in rows],
        quantity=f"{quantity.label.lower()}, {quantity.unit}",
        low=least if np.isfinite(low) else "no value above 0", high=most if np.isfinite(high) else "",
    )  # fmt: skip
    arrays = {"values": colours[at], "exact": narrow_all(matrix.values[at]), "recorded": matrix.recorded[at]}
    panel.show("tensors_heatmap", header, arrays, on_picked_change=lambda: None)
    many = pc.count_distinct(matrix.every["step"]).as_py()
    what = quantity.explains[0].upper() + quantity.explains[1:]
    text = f"{what}. Colour on a log scale; empty: zero, not finite, or not recorded. Click a row for its line."
    if len(rows) < len(matrix.rows):
        text += f" {len(rows):,} of {len(matrix.rows):,} tensors, in the colours of all; the files have all."
    if len(matrix.steps) < many:
        text += f" Drawn at {len(matrix.steps):,} of {many:,} snapshots; the files have all."
    panel.tools(
        "tensors_heatmap", text, [matrix.sql], matrix.table,
        lambda: tensor_heatmap(matrix.drawn(rows), rows, quantity=f"{quantity.label}, {quantity.unit}"),
    )  # fmt: skip


def _lines(page: Page, name: str, matrix: TensorSeries, picked: list[str]) -> None:
    if not picked:
        panel.caption("Click a row of the heatmap to draw it as a line.")
        return
    quantity = QUANTITIES[name]
    series = [numbered(row, k) for k, row in enumerate(picked)]
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    for k, row in enumerate(picked):
        own = matrix.lines([row])
        arrays[f"x{k}"], arrays[f"y{k}"] = own["x"].to_numpy(), own["y"].to_numpy()
    read_off = of_rows(matrix.history(picked), picked, page.view.steps, by="row")
    header = CurvesPanel(
        subject=f"{name} {page.run} {' '.join(picked)}", run=page.run, steps=page.view.steps,
        alt=f"{quantity.explains} of {', '.join(picked)}", cursor_x=[float(step) for step in page.view.steps],
        series=[line_of(s) for s in series], log=True, height=220, read_at=read_off.at,
        y_title=f"{quantity.label}, {quantity.unit}",
    )  # fmt: skip
    panel.show("tensors_lines", header, arrays | read_off.arrays(), on_window_change=lambda: None)
    y_title = f"{quantity.label}, {quantity.unit}"

    def figure() -> Any:
        return curves(matrix.lines(picked), series, x_title="step", y_title=y_title, log=True)

    panel.tools(
        "tensors_lines", f"{y_title}, log scale.", [matrix.sql], lambda: matrix.table(picked), figure
    )  # fmt: skip
