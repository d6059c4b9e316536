"""Points on three axes, to be turned by hand: Plotly, which the browser draws and names on hover."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from strobe.charts.theme import CYCLIC, SEQUENTIAL, SERIES

Array = np.ndarray[Any, Any]


def scatter(
    points: Array, at: int, labels: Sequence[str], places: Sequence[float], *, cyclic: bool, same_camera: str
) -> Any:
    """A Plotly figure of `points` (steps, rows, 3) at the index `at`, in the range of all steps.

    `labels` name the rows on hover; `places` (rows,) are on the map of colours, -1 for none. The reader's camera is
    kept from one figure to the next of the same `same_camera`.
    """
    import plotly.graph_objects as go

    stops, around = _stops(cyclic), np.asarray(places)
    traces = []
    for rows, marker in (
        (np.flatnonzero(around >= 0), {"colorscale": stops, "cmin": 0, "cmax": 1}),
        (np.flatnonzero(around < 0), {}),
    ):
        x, y, z = points[at][rows].T
        colours = around[rows] if marker else SERIES[-1]
        traces.append(go.Scatter3d(
            x=x, y=y, z=z, mode="markers", text=[labels[k] for k in rows.tolist()], hoverinfo="text",
            marker={"size": 4, "color": colours, **marker},
        ))  # fmt: skip
    reach = float(np.nanmax(np.abs(points))) or 1.0
    axis = {"range": [-reach, reach], "showticklabels": False, "title": ""}
    return go.Figure(traces, go.Layout(
        height=460, margin={"l": 0, "r": 0, "t": 0, "b": 0}, uirevision=same_camera, paper_bgcolor="rgba(0,0,0,0)",
        scene={"xaxis": axis, "yaxis": axis, "zaxis": axis, "aspectmode": "cube"}, showlegend=False,
    ))  # fmt: skip


def _stops(cyclic: bool) -> list[list[Any]]:
    """Of the map of colours: [place from 0 to 1, colour]."""
    colours = CYCLIC if cyclic else SEQUENTIAL
    return [[k / (len(colours) - 1), colour] for k, colour in enumerate(colours)]
