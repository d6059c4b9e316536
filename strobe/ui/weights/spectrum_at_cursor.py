"""The singular values of a matrix at the cursor: stored ones, or computed when they are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import streamlit as st

from strobe.charts.curves import Curves, Series, curves
from strobe.charts.theme import SERIES
from strobe.ui.panel import choice, downloads, panel
from strobe.ui.panel.kinds import Line, Presence, ProfilePanel, line_of, presence
from strobe.ui.shell.cache import filled
from strobe.ui.shell.cursor import settled
from strobe.ui.shell.parts import follow_server
from strobe.ui.weights.spectrum import EDGE
from strobe.views import spectrum
from strobe.views.matrices import WeightMatrix
from strobe.views.run_view import RunView
from strobe.views.spectrum import ComputedSpectrum, SpectrumFrames
from strobe.views.words import number

CHEAP_SECONDS: Final = 0.1
MOST_SECONDS: Final = 60
"""What one step's singular values may cost on demand."""
_SCALES: Final = {"log": "Log", "linear": "Linear"}


@dataclass(frozen=True)
class _Place:
    """Where the panel stands: the key of its canvas, its height, and whether its axis is logarithmic."""

    key: str
    height: int
    log: bool


def draw(
    view: RunView, matrix: WeightMatrix, *, key: str = "singular_values", height: int = 240, control: bool = True
) -> None:
    """The singular values at the cursor, largest first: stored ones, or those of the settled step on demand. Without
    its own `control` the panel has the scale that another's was set to: one serves two runs side by side."""
    with panel.head(key):
        panel.title("Singular values at the cursor")
        if control:
            scale = choice.segmented("scale", "Scale", list(_SCALES), words=_SCALES)
        else:
            scale = st.session_state.get("scale", "log")
    place = _Place(key, height, scale == "log")
    if not spectrum.analysed(view, matrix):
        _on_demand(view, matrix, place)
        return
    stored = spectrum.stored(view, matrix)
    if stored.reason:
        panel.caption(stored.reason)
        return
    _panel(view, matrix, place, stored, stored.left_out, presence(view, (), stored.steps, lack="not analysed"))


def _panel(
    view: RunView, matrix: WeightMatrix, place: _Place, shown: SpectrumFrames, text: str, there: Presence
) -> None:
    edge = [] if shown.edges is None else [line_of(EDGE)]
    n, ghosts = shown.values.shape[1], [shown.steps[0], shown.steps[-1]] if len(shown.steps) > 2 else []
    header = ProfilePanel(
        subject=f"spectrum {view.run} {matrix.label}", run=view.run, steps=shown.steps, count=n, log=place.log,
        height=place.height, lines=[Line("at the cursor" if ghosts else "value", SERIES[0]), *edge], ghosts=ghosts,
        x_name="number", presence=there, alt=f"Singular values of {matrix.label} at the step of the cursor",
    )  # fmt: skip
    x = np.arange(1, n + 1, dtype=np.float32)
    panel.show(place.key, header, {"x": x, "y": _lines(shown)})

    def table(at: int) -> pa.Table:
        every = shown.every(view, matrix, at)
        return pa.table({"number": np.arange(1, len(every) + 1), "singular_value": every})

    def figure(at: int) -> Curves:
        series, values = Series(matrix.label, SERIES[0]), shown.values[at].astype(float)
        drawn = pa.table({"series": [series.label] * n, "x": x.astype(float), "y": values})
        looks = [series]
        if shown.edges is not None and np.isfinite(shown.edges[at]):
            level = {"series": [EDGE.label] * 2, "x": [1.0, float(n)], "y": [float(shown.edges[at])] * 2}
            drawn, looks = pa.concat_tables([drawn, pa.table(level)]), [series, EDGE]
        return curves(drawn, looks, x_title="number", y_title="singular value", log=place.log)

    downloads.offer(view, place.key, text, shown.steps, shown.sql, table, figure)


def _lines(shown: SpectrumFrames) -> np.ndarray[Any, Any]:
    """float32 (step, line, number): the singular values, and where it is known the edge of random entries."""
    if shown.edges is None:
        return np.ascontiguousarray(shown.values)
    return np.stack([shown.values, np.broadcast_to(shown.edges[:, None], shown.values.shape)], axis=1)


def _on_demand(view: RunView, matrix: WeightMatrix, place: _Place) -> None:
    """What takes less than the eye notices follows the cursor; the rest waits for a button, step by step."""
    cost = spectrum.seconds(matrix)
    words = f"less than {CHEAP_SECONDS} s" if cost < CHEAP_SECONDS else f"about {number(cost, 2)} s"
    if cost > MOST_SECONDS:
        size = f"{matrix.shape[0]:,} by {matrix.shape[1]:,}"
        panel.caption(f"Not analysed. At {size} one step would take {words}: `strobe analyze {view.run}` can.")
        return
    follows = cost < CHEAP_SECONDS
    kept: dict[int, ComputedSpectrum] = filled("spectrum", view, matrix)
    if _asked(place.key, words, follows) and settled(view) not in kept:
        with st.spinner("Computing singular values …"):
            kept[settled(view)] = spectrum.computed(view, matrix, settled(view))
    if not kept:
        panel.caption(f"Not analysed: compute one step here, or all with `strobe analyze {view.run}`.")
        return
    _computed(view, matrix, place, kept, follows)


def _asked(key: str, words: str, follows: bool) -> bool:
    """Whether the settled step is to be computed: always where the panel `follows` the cursor, else by a button."""
    if follows:
        follow_server()
        return True
    return st.button(f"Compute at the cursor ({words})", key=f"{key}_compute", icon=":material/calculate:")


def _computed(
    view: RunView, matrix: WeightMatrix, place: _Place, kept: dict[int, ComputedSpectrum], follows: bool
) -> None:
    step = settled(view)
    last = kept[step] if step in kept else next(reversed(kept.values()))
    if last.reason:
        panel.caption(last.reason)
    shown = spectrum.of_computed(matrix, kept)
    if not shown.steps:
        return
    # A panel that is not made again when the cursor moves on says what was computed, not what it shows.
    text = f"Computed at {len(shown.steps)} of {len(view.steps):,} snapshots. Last: " if not follows else ""
    sampled = follows and len(kept) < len(view.steps)
    there = presence(view, list(kept), shown.steps, sampled=sampled, lack="not computed")
    _panel(view, matrix, place, shown, f"{text}{_how(last)} {shown.left_out}", there)


def _how(made: ComputedSpectrum) -> str:
    """How one step's values came about, and how far off they may be; or why there are none."""
    if made.reason:
        return made.reason
    return (
        "The edge of random entries comes with `strobe analyze`. "
        f"Step {made.step:,}, by {made.method} in {made.seconds * 1e3:,.0f} ms; the largest is off by at most "
        f"{number(made.largest_off, 1)} of itself, the smallest by {number(made.smallest_off, 1)}."
    )
