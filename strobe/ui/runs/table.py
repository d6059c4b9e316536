"""The table of all runs, which is the picker of every page: a box selects, a name opens that run alone."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any, Final

import streamlit as st

from strobe.analysis.onset_answer import RULE
from strobe.ui.panel import panel
from strobe.ui.runs import controls
from strobe.ui.shell import components, selection
from strobe.ui.shell import cursor as step_cursor
from strobe.ui.shell.page import Page
from strobe.ui.shell.parts import part
from strobe.ui.shell.words import inert
from strobe.views.run_cells import cell, hint, is_numeric
from strobe.views.run_columns import Column
from strobe.views.run_filter import FilterError
from strobe.views.run_list import NEWEST, PAGE, Listing, Wanted, listing
from strobe.views.runs import LISTED, SPARKS
from strobe.views.words import visible

_HELP: Final = {
    "onset": f"Grokking onset (step); –: none. {RULE}", "grokking": f"What the rule of the onset answers. {RULE}",
    "snapshots": "Size of the snapshots that can be opened", "created": "How long ago",
    "status": "How the run ended; diverged: a loss is no number from that step to the end",
}  # fmt: skip
_KEY: Final = "runs_table"


def draw(page: Page) -> None:
    """What is asked for, and the table, which are made again alone; a selection makes the page again."""

    @part("table")
    def table() -> None:
        wanted = controls.wanted(page)
        try:
            found = listing(page.reader, wanted)
        except FilterError as error:
            st.warning(inert(str(error), panel.MOST_WORDS), icon=":material/filter_alt_off:")
            wanted = Wanted(archived=wanted.archived)
            found = listing(page.reader, wanted)
        _mount(page, wanted, found)
        panel.tools("runs", _caption(found), [LISTED, SPARKS], lambda: page.reader.each(LISTED).table, None)

    table()


def _caption(found: Listing) -> str:
    hidden = f" {found.archived:,} archived are left out." if found.archived else ""
    return f"Tick runs to look at them together; a name opens its run alone.{hidden}"


def _mount(page: Page, wanted: Wanted, found: Listing) -> None:
    before = list(page.runs)

    def selected() -> None:
        runs = [run for run in _sent("selected") or [] if run in page.rows]
        _select(runs, before)

    def opened() -> None:
        run = str(_sent("opened") or "").partition("@")[0]
        if run in page.rows:
            step_cursor.open_at_end()
            _select([run], [])

    def every() -> None:
        first = [run for run in before[:1] if run in found.found]
        _select(list(dict.fromkeys([*first, *found.found])), before)

    def sorted_anew() -> None:
        st.session_state[controls.SORT], st.session_state[controls.AT] = str(_sent("sort") or NEWEST), 0

    def turned() -> None:
        st.session_state[controls.AT] = int(_sent("page") or 0)

    components.runs()(
        key=_KEY, data=data(page, wanted, found), on_selected_change=selected, on_opened_change=opened,
        on_every_change=every, on_sort_change=sorted_anew, on_page_change=turned,
    )  # fmt: skip
    if st.session_state.pop("_runs_chosen", False):
        st.rerun()


def _sent(name: str) -> Any:
    return st.session_state[_KEY].get(name)


def _select(runs: list[str], before: list[str]) -> None:
    if runs and runs != before:
        selection.put(runs[: selection.MOST_RUNS])
        # A callback of a part makes that part again, and a selection is the whole page's.
        st.session_state["_runs_chosen"] = True


def data(page: Page, wanted: Wanted, found: Listing) -> dict[str, Any]:
    """What the browser draws: one page of the list, as text."""
    now = time.time()
    sparks = {} if wanted.group else _sparks(page, [row["run"] for row in found.rows])
    columns = [_column(column, list(found.rows)) for column in found.columns]
    spark = {"id": "spark", "heading": "Loss (log)", "right": False, "sorts": False,
             "help": "The test loss, else the loss that there is, over all steps, on a log scale"}  # fmt: skip
    place = next((k + 1 for k, column in enumerate(columns) if column["id"] == "status"), len(columns))
    if sparks:
        columns.insert(place, spark)
    rows = []
    for row in found.rows:
        cells: list[Any] = [visible(cell(column, row, now)) for column in found.columns]
        if sparks:
            cells.insert(place, sparks.get(row["run"]))
        rows.append(_row(page, row, cells, found.columns))
    return {
        "columns": columns, "rows": rows, "selected": page.runs, "most": selection.MOST_RUNS, "sort": wanted.sort,
        "first": NEWEST, "page": found.page, "pages": found.pages, "words": _words(wanted, found),
    }  # fmt: skip


def _words(wanted: Wanted, found: Listing) -> dict[str, str]:
    count, most = len(found.found), selection.MOST_RUNS
    groups = f" in {len(found.rows):,} groups" if wanted.group and found.pages == 1 else ""
    said = f"{count:,} runs{groups}" if count == found.total else f"{count:,} of {found.total:,} runs{groups}"
    first = found.page * PAGE + 1
    return {
        "what": "Runs", "said": said if count != 1 or count != found.total else "1 run",
        "all": "" if count < 2 else f"Select all {count:,}" if count <= most else f"Select the first {most}",
        "where": f"{first:,}–{first + len(found.rows) - 1:,}",
    }  # fmt: skip


def _column(column: Column, rows: list[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "id": column.name, "heading": visible(column.heading, 60), "right": is_numeric(column, rows), "sorts": True,
        "help": _HELP.get(column.key, "") if column.of == "fact" else visible(column.key),
    }  # fmt: skip


def _row(page: Page, row: Mapping[str, Any], cells: list[Any], columns: tuple[Column, ...]) -> dict[str, Any]:
    run = row["run"]
    if run is None:
        name = f"{visible(row['group'] if row['group'] is not None else 'not set')} ({len(row['of'])})"
        title, look = f"{len(row['of'])} runs", None
    else:
        name, look = visible(page.title_of(run)), page.looks.get(run)
        title = f"Open {name} alone" if name == run else f"Open {name} ({run}) alone"
    hints = {column.name: visible(text) for column in columns if (text := hint(column, row))}
    return {
        "ids": list(row["of"]), "name": name, "title": title, "cells": cells, "hints": hints,
        "colour": look.colour if look else "", "dashed": bool(look and look.turn),
    }  # fmt: skip


def _sparks(page: Page, runs: list[str]) -> dict[str, list[float | None]]:
    """Run -> its loss in forty stretches of its steps, log10."""
    table = page.reader.each(SPARKS, (), runs).table
    found = {row["run"]: row["spark"] for row in table.to_pylist()}
    return {run: [round(v, 4) if math.isfinite(v) else None for v in spark] for run, spark in found.items()}
