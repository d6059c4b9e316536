"""An embedding on three axes, to be turned by hand."""

from __future__ import annotations

import numpy as np
import streamlit as st

from strobe.charts.theme import CYCLIC, SEQUENTIAL, SERIES
from strobe.ui.embeddings.panels import Movie, turn_of_view
from strobe.ui.panel import panel
from strobe.ui.panel.frames import colour_places, modulus
from strobe.ui.shell.cursor import settled_index
from strobe.ui.shell.page import Page
from strobe.ui.shell.parts import follow_server


def draw(page: Page, name: str, view: str, found: Movie) -> None:
    """Three axes at the settled cursor, to be turned by hand; coloured as the flat picture is."""
    with panel.head("solid"):
        panel.title("Three axes at the cursor")
        st.toggle("Draw", key="solid_on", persist_state="session")
    if not st.session_state.get("solid_on"):
        panel.caption("Off, since each step is made by the server.")
        return
    follow_server()
    import plotly.graph_objects as go

    at, p = settled_index(page.view, found.steps), modulus(page) if name != "wpe" else None
    x, y, z = found.points[at].T
    places = colour_places(found.rows, found.total, p, turn_of_view(found, view, p))
    scale = CYCLIC if p else SEQUENTIAL
    stops = [[k / (len(scale) - 1), colour] for k, colour in enumerate(scale)]
    table = np.asarray(places)
    traces = []
    for rows, marker in (
        (np.flatnonzero(table >= 0), {"colorscale": stops, "cmin": 0, "cmax": 1}),
        (np.flatnonzero(table < 0), {}),
    ):
        colours = table[rows] if marker else SERIES[-1]
        traces.append(go.Scatter3d(
            x=x[rows], y=y[rows], z=z[rows], mode="markers", text=[found.labels[k] for k in rows], hoverinfo="text",
            marker={"size": 4, "color": colours, **marker},
        ))  # fmt: skip
    reach = float(np.nanmax(np.abs(found.points))) or 1.0
    axis = {"range": [-reach, reach], "showticklabels": False, "title": ""}
    layout = go.Layout(
        height=460, margin={"l": 0, "r": 0, "t": 0, "b": 0}, uirevision=page.run, paper_bgcolor="rgba(0,0,0,0)",
        scene={"xaxis": axis, "yaxis": axis, "zaxis": axis, "aspectmode": "cube"}, showlegend=False,
    )  # fmt: skip
    st.plotly_chart(go.Figure(traces, layout), key="solid_chart", theme="streamlit")
    panel.caption(f"Step {found.steps[at]:,}. The same fixed range at every step.")
