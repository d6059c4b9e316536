"""The first panel of Health: the state of the run in a sentence, and every alert."""

from __future__ import annotations

from typing import Any

import streamlit as st

from strobe.ui.panel import panel
from strobe.ui.shell import cursor
from strobe.ui.shell.cache import cached_by_run
from strobe.views import health
from strobe.views.health import Health
from strobe.views.run_view import RunView


@cached_by_run
def _health(view: RunView) -> Health:
    return health.health(view.tables, view.run)


def alerts(view: RunView) -> None:
    """The state of the run in a sentence, and under it what is wrong with which tensor since when."""
    state = _health(view)
    panel.title("Is every tensor learning?")
    panel.say(state.sentence())
    if state.alerts:
        _alert_table(state)
    panel.tools("health", health.RULE, [state.answer.sql], lambda: state.answer.table, None)


def _alert_table(state: Health) -> None:
    columns = st.column_config
    chosen: Any = st.dataframe(
        state.table(), hide_index=True, key="alerts", placeholder="", height=min(380, 72 + 35 * len(state.alerts)),
        on_select="rerun", selection_mode="single-row",
        column_config={
            "tensor": columns.TextColumn("Tensor", width=310),
            "what": columns.TextColumn("What is wrong", width=170),
            "first": columns.NumberColumn("From step", format="localized"),
            "last": columns.NumberColumn("to", format="localized"),
            "snapshots": columns.NumberColumn("Snapshots", format="localized"),
            "value": columns.NumberColumn(
                "Value", format="%.3g",
                help="At the first step: a gradient's L2, a frozen tensor's movement, elements that are not finite",
            ),
        },
    )  # fmt: skip
    left_out = f" The first {len(state.alerts):,} of {state.found:,}." if state.found > len(state.alerts) else ""
    panel.caption(f"Choose a row: the cursor goes to its first step.{left_out}")
    rows = chosen["selection"]["rows"]
    step = state.alerts[rows[0]].first_step if rows and rows[0] < len(state.alerts) else None
    before, st.session_state["_alert_step"] = st.session_state.get("_alert_step"), step
    if step is not None and step != before:
        cursor.move_to(step)
