"""The panels of Health: a sentence and its alerts, spreads over tensors, and every tensor's movement."""

from __future__ import annotations

from typing import Any, Final

import streamlit as st

from strobe.charts.curves import Series
from strobe.charts.theme import SERIES
from strobe.ui.panel import derived, filtered, panel
from strobe.ui.panel.marks import step_marks
from strobe.ui.shell import cursor
from strobe.ui.shell.cache import cached_by_run
from strobe.views import health
from strobe.views.health import Health
from strobe.views.run_view import Answer, RunView
from strobe.views.tensors import QUANTITIES, statistic_sql, tensor_series

_MOVEMENT: Final = (
    "How far a tensor moved since the snapshot before, relative to its norm there, divided by the steps between: the "
    f"update ratio of one step only where snapshots are one step apart. {health.BAND}"
)


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


def spreads(view: RunView) -> None:
    """Gradients and movements over training: the middle and the ends over all tensors."""
    if not view.steps or not derived.ready(view, ["health"]):
        return
    _spread(view, "gradient_l2", "Gradients", "L2 of a tensor's gradient", "Over all tensors of a snapshot.")
    _spread(view, "update_ratio", "Movement", "net movement a step", _MOVEMENT)


def _spread(view: RunView, quantity: str, title: str, y_title: str, about: str) -> None:
    spread = health.spread(view, quantity)
    with panel.head(f"spread_{quantity}"):
        panel.title(title)
    looks = {
        name: Series(words, SERIES[k], dash=name != "median")
        for k, (name, words) in enumerate(health.STATISTICS.items())
    }
    left_out = (
        f" Snapshots where some have no finite value, and are left out: {spread.partly:,}." if spread.partly else ""
    )
    derived.lines(
        view, f"health_{quantity}", spread.answer, looks, y_title=y_title, log=True, about=f"{about}{left_out}",
        marks=step_marks(view),
    )  # fmt: skip


_matrix = cached_by_run(tensor_series)


def movement(view: RunView) -> None:
    """Every tensor's movement at every snapshot, as a heatmap."""
    quantity = QUANTITIES["update-ratio"]
    series = _matrix(view.tables.ask(statistic_sql(view.run, "update-ratio"))) if view.steps else None
    panel.title("How far each tensor moves")
    if series is None or not series.steps:
        panel.caption(f"{quantity.label}: needs two snapshots; this run has {len(view.steps)}.")
        return
    series = series.of(filtered.named(series.rows))
    if not series.rows:
        panel.caption("No tensor has this in its name.")
        return
    rows = health.furthest(series)
    shown = series.drawn(rows)
    left_out = (
        f" {len(rows):,} of {len(series.rows):,} tensors: those that move least and those that move most."
        if len(rows) < len(series.rows)
        else ""
    )
    derived.grid(
        view, "health_movement", Answer(series.sql, shown), rows, quantity="net movement a step",
        row_height=18 if len(rows) <= 24 else 10, about=f"{_MOVEMENT}{left_out}",
    )  # fmt: skip
