"""An embedding on three axes, to be turned by hand."""

from __future__ import annotations

import streamlit as st

from strobe.ui.panel import panel
from strobe.ui.shell.cursor import settled_index
from strobe.ui.shell.parts import follow_server
from strobe.views.embedding_axes import EmbeddingPoints
from strobe.views.run_view import RunView
from strobe.views.words import visible


def draw(view: RunView, points: EmbeddingPoints) -> None:
    """Three axes at the settled cursor, coloured as the flat picture is."""
    with panel.head("solid"):
        panel.title("Three axes at the cursor")
        st.toggle("Draw", key="solid_on", persist_state="session")
    if not st.session_state.get("solid_on"):
        panel.caption("Off, since each step is made by the server.")
        return
    follow_server()
    from strobe.charts.three_axes import scatter

    at = settled_index(view, points.steps)
    figure = scatter(
        points.points, at, [visible(label) for label in points.rows.labels], points.rows.places(points.turn),
        cyclic=points.rows.modulus is not None, same_camera=view.run,
    )  # fmt: skip
    st.plotly_chart(figure, key="solid_chart", theme="streamlit")
    panel.caption(f"Step {points.steps[at]:,}. The same fixed range at every step.")
