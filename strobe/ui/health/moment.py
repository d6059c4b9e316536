"""The tensors at both ends of what was measured at the cursor."""

from __future__ import annotations

import streamlit as st

from strobe.ui.panel import panel
from strobe.ui.shell.cursor import settled
from strobe.ui.shell.parts import follow_server
from strobe.views import health_moment
from strobe.views.health import MOST_SEEN
from strobe.views.run_view import RunView


def worst(view: RunView) -> None:
    """The largest and the smallest gradients and movements, by name, where the cursor rests."""
    if not view.steps:
        return
    follow_server()
    step = settled(view)
    answer = health_moment.worst_at(view, step)
    panel.title(f"Largest and smallest at step {step:,}")
    if not answer.table.num_rows:
        panel.caption(
            "Nothing to compare at this snapshot: it takes two tensors with a gradient or a movement above 0."
        )
        return
    columns = st.column_config
    st.dataframe(
        health_moment.worst_table(answer, MOST_SEEN), hide_index=True, key="worst", height="content", placeholder="",
        column_config={
            "quantity": columns.TextColumn("Of", width=90), "end": columns.TextColumn("Which", width=90),
            "tensor": columns.TextColumn("Tensor", width=310),
            "value": columns.NumberColumn(
                "Value", format="%.3g", help="A gradient's L2; a movement relative to the norm before, a step"
            ),
        },
    )  # fmt: skip
    panel.tools("worst", f"At most {health_moment.NAMED} at each end.", [answer.sql], lambda: answer.table, None)
