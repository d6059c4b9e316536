"""What runs came to, and in which settings they differ: tables with a column a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pyarrow as pa
import streamlit as st

from strobe.ui.panel import panel
from strobe.ui.shell.page import Page
from strobe.ui.shell.words import dot_style, escaped
from strobe.views.compared import Laid
from strobe.views.config_diff import NOT_SET, RULE, config_diff
from strobe.views.configuration import settings
from strobe.views.results import NOT_RECORDED, Cell, Price, not_recorded, results
from strobe.views.run_use import RunUse
from strobe.views.run_view import literal

MOST_SETTINGS: Final = 40
"""Settings that differ and are shown at once."""

Rows = Sequence[tuple[str, Sequence[Cell]]]


def results_table(page: Page, uses: Sequence[RunUse], laid: Laid, price: Price) -> None:
    """A row a quantity; what a run has none of is said below with its reason."""
    runs = [use.run for use in uses]
    found = results(uses, price)
    rows = [(row.name + (f" ({row.unit})" if row.unit else ""), row.cells) for row in found]
    _table(page, runs, laid, rows)
    lacking = " ".join(not_recorded(found, [laid.title(run) for run in runs]))
    words = "Means and percentiles leave out what an evaluation made slow."
    sql = (
        "SELECT run, name, n, last_step, last_value, min, min_step FROM metrics\n"
        f"WHERE run IN ({', '.join(map(literal, runs))})\nORDER BY run, name"
    )
    said = f"{words} Not recorded, and why: {lacking}" if lacking else words
    panel.tools("compare_results", said, [sql], lambda: _file("quantity", runs, rows), None)


def settings_table(page: Page, uses: Sequence[RunUse], laid: Laid) -> None:
    """The settings that differ between the runs, the telling ones first."""
    runs = [use.run for use in uses]
    if len(runs) < 2:
        panel.caption("Tick a second run in the sidebar to see in which settings the two differ.")
        return
    found = config_diff([settings(page.rows[run].get("config")) for run in runs])
    without = ", ".join(laid.title(runs[k]) for k in found.without)
    said = f"No configuration was recorded of {without}. " if without else ""
    if not found.differences:
        panel.caption(f"{said}None of {found.alike:,} settings differs.")
        return
    rows = [(one.name, [Cell(value) for value in one.values]) for one in found.differences]
    _table(page, runs, laid, rows[:MOST_SETTINGS])
    if len(rows) > MOST_SETTINGS:
        said += f"{MOST_SETTINGS} of {len(rows)} that differ are shown, the files have all. "
    sql = f"SELECT run, config FROM runs\nWHERE run IN ({', '.join(map(literal, runs))})"
    words = f"{said}{found.alike:,} settings are the same. {RULE}"
    panel.tools("compare_settings", words, [sql], lambda: _file("setting", runs, rows), None)


def _file(what: str, runs: Sequence[str], rows: Rows) -> pa.Table:
    columns = {run: [cells[k].text for _, cells in rows] for k, run in enumerate(runs)}
    return pa.table({what: [name for name, _ in rows]} | columns)


def _table(page: Page, runs: Sequence[str], laid: Laid, rows: Rows) -> None:
    head = "".join(
        f'<th scope="col"><i class="st-dot" style="{dot_style(page.looks[run])}"></i> {escaped(laid.title(run), 60)}'
        "</th>"
        for run in runs
    )
    body = "".join(
        f'<tr><th scope="row">{escaped(name)}</th>{"".join(map(_cell, cells))}</tr>' for name, cells in rows
    )
    # What is wider than the page scrolls by itself, and by keys where it has the focus.
    st.html(f'<div class="st-table" tabindex="0"><table><tr><td></td>{head}</tr>{body}</table></div>')


def _cell(cell: Cell) -> str:
    none = ' class="st-none"' if cell.text in (NOT_RECORDED, NOT_SET) else ""
    return f'<td{none} title="{escaped(cell.more)}">{escaped(cell.text, 80)}</td>'
