"""The table of all runs: one row a run, a click selects it."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import streamlit as st

from strobe.analysis.onset_answer import RULE, Answer, Onset
from strobe.charts.theme import Look
from strobe.ui.panel import panel
from strobe.ui.shell import address
from strobe.ui.shell.page import Page
from strobe.views.milestones import onsets
from strobe.views.runs import NEWEST_FIRST, RUNS, SPARKS
from strobe.views.words import age, parameters, size, visible


def _dot(look: Look | None) -> str:
    """Filled for a run that is selected, half of it where its lines are dashed; a ring for the others."""
    if look is None:
        body = '<circle cx="8" cy="8" r="3.2" fill="none" stroke="#98A2B3"/>'
    elif look.turn:
        left = f'<path d="M8 4.4A3.6 3.6 0 0 0 8 11.6Z" fill="{look.colour}"/>'
        body = f'{left}<circle cx="8" cy="8" r="3.6" fill="none" stroke="{look.colour}"/>'
    else:
        body = f'<circle cx="8" cy="8" r="3.6" fill="{look.colour}"/>'
    return "data:image/svg+xml," + quote(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16">{body}</svg>'
    )


def rows(page: Page) -> list[dict[str, Any]]:
    """What the table shows, one dictionary a run."""
    reader, now = page.reader, time.time()
    grokked = reader.each_run("onset", onsets)
    # From their own minimum upwards: a line at log(loss) = 0 would mean nothing to a reader.
    sparks = {
        row["run"]: [v - min(row["spark"]) for v in row["spark"]] for row in reader.each(SPARKS).table.to_pylist()
    }
    return [
        {
            "": _dot(page.looks.get(row["run"])),
            "name": visible(row["name"] or row["run"]),
            "status": row["status"],
            "test loss": sparks.get(row["run"]),
            "final test": row["val_loss"],
            "final train": row["train_loss"],
            "accuracy": _share(row["val_accuracy"], grokked[row["run"]]),
            "onset": grokked[row["run"]].step,
            "grokking": str(grokked[row["run"]].answer),
            "steps": row["steps"],
            "task": None if row["task"] is None else visible(row["task"]),
            "parameters": parameters(row["n_params"]),
            "MFU": row["mfu"],
            "snapshots": size(row["bytes"]),
            "age": age(None if row["created_at"] is None else now - row["created_at"]),
        }
        for row in reader.each(RUNS, NEWEST_FIRST).table.to_pylist()
    ]


def _share(accuracy: float | None, onset: Onset) -> float | None:
    """An accuracy for a column of percentages; None where it is not clear what it is a share of."""
    if accuracy is None or onset.answer is Answer.SCALE:
        return None
    return accuracy / 100 if onset.percent else accuracy


def _columns() -> dict[str, Any]:
    c = st.column_config
    return {
        "": c.ImageColumn("", width=36),
        "name": c.TextColumn("Name", width=140),
        "status": c.TextColumn("Status", width=84),
        "test loss": c.LineChartColumn("Test loss (log)", width=116, help="Test loss over all steps, on a log scale"),
        "final test": c.NumberColumn("Final test", format="%.3g", help="Last test loss (nats)"),
        "final train": c.NumberColumn("Final train", format="%.3g", help="Last train loss (nats)"),
        "accuracy": c.NumberColumn("Test acc.", format="percent", help="Last test accuracy"),
        "onset": c.NumberColumn("Onset", format="localized", help=f"Grokking onset (step); empty: none. {RULE}"),
        "grokking": c.TextColumn("Grokking", width=136, help=f"What the rule of the onset answers. {RULE}"),
        "steps": c.NumberColumn("Steps", format="localized"),
        "task": c.TextColumn("Task", width=120),
        "parameters": c.TextColumn("Params", width=66),
        "MFU": c.NumberColumn(
            "MFU", format="percent", help="Model FLOP/s utilisation; empty: the device's peak is unknown"
        ),
        "snapshots": c.TextColumn("Snapshots", width=84, help="Size of the snapshots that can be opened"),
        "age": c.TextColumn("Age", width=70),
    }


def draw(page: Page) -> None:
    """The table; a click on a row selects that run, ticking boxes in the sidebar adds more."""
    listed = page.reader.each(RUNS, NEWEST_FIRST).table["run"].to_pylist()
    shown = rows(page)
    names = list(shown[0])
    # Columns that no run has anything in would only push the others off the screen.
    kept = [name for name in names if name in ("", "name") or any(row[name] not in (None, "–") for row in shown)]
    table = pa.table({name: [row[name] for row in shown] for name in kept})

    def clicked() -> None:
        cells = st.session_state["runs_table"]["selection"]["cells"]
        if cells:
            st.session_state["runs"] = [listed[cells[0][0]]]
            address.write("run", None)

    st.dataframe(
        table, key="runs_table", hide_index=True, column_config={k: v for k, v in _columns().items() if k in kept},
        on_select=clicked, selection_mode="single-cell", row_height=36, height="auto" if len(listed) < 8 else 306,
        placeholder="",
        alt=f"{len(listed)} runs: name, status, losses, onset and why there is none, steps, size",
    )  # fmt: skip
    several = f"{len(listed):,} runs. " if len(listed) > 1 else ""
    panel.tools("runs", several + "Click a row to look at that run; tick others in the sidebar to compare.",
                 [RUNS, SPARKS], lambda: page.reader.each(RUNS, NEWEST_FIRST).table, None)  # fmt: skip
