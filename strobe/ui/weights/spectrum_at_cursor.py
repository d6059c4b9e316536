"""The singular values of a matrix at the cursor: stored ones, or computed when they are asked for."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import streamlit as st

from etl.errors import StrobeError
from strobe.analysis import spectrum
from strobe.charts.curves import Curves, Series, curves
from strobe.charts.theme import SERIES
from strobe.ui.panel import downloads, panel
from strobe.ui.panel.frames import snapshots_of
from strobe.ui.panel.kinds import Line, ProfilePanel, presence
from strobe.ui.shell import address
from strobe.ui.shell.cursor import settled
from strobe.ui.shell.page import Page
from strobe.ui.shell.parts import follow_server
from strobe.ui.weights import frames
from strobe.ui.weights.frames import Matrix
from strobe.ui.weights.spectrum import analysed, rows_of
from strobe.views.words import number

MOST_VALUES: Final = 512
"""Singular values that a panel shows; of more, the largest."""
CHEAP_SECONDS: Final = 0.1
MOST_SECONDS: Final = 60
"""What one step's singular values may cost on demand."""
_PER_OPERATION: Final = 1.2e-11
"""Seconds; the Gram matrix of (m, n), m <= n, takes 2 m^2 n operations and its eigenvalues about as long again."""
_SCALES: Final = {"log": "Log", "linear": "Linear"}


def draw(page: Page, matrix: Matrix, *, key: str = "singular_values", height: int = 240) -> None:
    """The singular values at the cursor, largest first: stored ones, or those of the settled step on demand."""
    with panel.head(key):
        panel.title("Singular values at the cursor")
        address.offer("scale", list(_SCALES), "log")
        # Beside another run the one control serves both.
        if not page.suffix:
            st.segmented_control(
                "Scale", list(_SCALES), key="scale", required=True, persist_state="session",
                label_visibility="collapsed", format_func=lambda name: _SCALES[name],
            )  # fmt: skip
    address.remember("scale", st.session_state["scale"], "log")
    if not analysed(page, matrix):
        _on_demand(page, matrix, key, height)
        return
    answer = page.reader.ask(f"""SELECT step, singular_values[:{MOST_VALUES}] AS singular_values
{rows_of(page, matrix)} AND singular_values IS NOT NULL ORDER BY step""")
    if not answer.table.num_rows:
        panel.caption("No singular values: a weight of this matrix is not finite at every snapshot.")
        return
    steps = answer.table["step"].to_pylist()
    values = np.stack([np.asarray(row, np.float32) for row in answer.table["singular_values"].to_pylist()])
    many = min(matrix.shape)
    text = f"The largest {MOST_VALUES} of {many:,}." if many > MOST_VALUES else f"All {many:,}, largest first."
    _draw(page, matrix, key, height, steps, values, answer.sql, text)


def _draw(
    page: Page, matrix: Matrix, key: str, height: int, steps: list[int], values: Any, sql: str, text: str,
    *, sampled: bool = False, tried: Sequence[int] = (), lack: str = "not analysed",
) -> None:  # fmt: skip
    log, n = st.session_state["scale"] == "log", values.shape[1]
    ghosts = [steps[0], steps[-1]] if len(steps) > 2 else []
    header = ProfilePanel(
        subject=f"spectrum {page.run} {matrix.label}", run=page.run, steps=steps, count=n, log=log, height=height,
        lines=[Line("at the cursor" if ghosts else "value", SERIES[0])], ghosts=ghosts, x_name="number",
        presence=presence(page.view, tried, steps, sampled=sampled, lack=lack),
        alt=f"Singular values of {matrix.label} at the step of the cursor",
    )  # fmt: skip
    x = np.arange(1, n + 1, dtype=np.float32)
    panel.show(key, header, {"x": x, "y": np.ascontiguousarray(values)})

    def table(at: int) -> pa.Table:
        return pa.table({"number": np.arange(1, n + 1), "singular_value": values[at].astype(np.float64)})

    def figure(at: int) -> Curves:
        series = Series(matrix.label, SERIES[0])
        drawn = pa.table({"series": [series.label] * n, "x": x.astype(float), "y": values[at].astype(float)})
        return curves(drawn, [series], x_title="number", y_title="singular value", log=log)

    downloads.draw(page, key, text, steps, sql, table, figure)


def seconds(matrix: Matrix) -> float:
    """About what the singular values of one step cost here."""
    short, long = sorted(matrix.shape)
    return 2e-3 + _PER_OPERATION * 2 * short**2 * long


@dataclass(frozen=True)
class _Computed:
    """`values` float32, the largest first, and how they came about; or why there are none."""

    values: np.ndarray[Any, Any] | None
    words: str


def _on_demand(page: Page, matrix: Matrix, key: str, height: int) -> None:
    """What takes less than the eye notices follows the cursor; the rest waits for a button, step by step."""
    cost, step = seconds(matrix), settled(page.view)
    words = f"less than {CHEAP_SECONDS} s" if cost < CHEAP_SECONDS else f"about {number(cost, 2)} s"
    if cost > MOST_SECONDS:
        size = f"{matrix.shape[0]:,} by {matrix.shape[1]:,}"
        panel.caption(f"Not analysed. At {size} one step would take {words}: `strobe analyze {page.run}` can.")
        return
    kept = _kept(*page.reader.key, page.run, matrix)
    if cost < CHEAP_SECONDS:
        follow_server()
        wanted = step not in kept
    else:
        wanted = st.button(f"Compute at the cursor ({words})", key=f"{key}_compute", icon=":material/calculate:")
    if wanted and step not in kept:
        with st.spinner("Computing singular values …"):
            kept[step] = _compute(page, matrix, step)
    if not kept:
        panel.caption(f"Not analysed: compute one step here, or all with `strobe analyze {page.run}`.")
        return
    last = kept[step] if step in kept else next(reversed(kept.values()))
    found = {at: made.values for at, made in sorted(kept.items()) if made.values is not None}
    if last.values is None:
        panel.caption(last.words)
    if not found:
        return
    # A panel that is not made again when the cursor moves on says what was computed, not what it shows.
    follows = cost < CHEAP_SECONDS
    text = last.words if follows else f"Computed at {len(found)} of {len(page.steps):,} snapshots. Last: {last.words}"
    sql = f"-- computed from the snapshot under the cursor: params/{matrix.name}"
    _draw(
        page, matrix, key, height, list(found), np.stack(list(found.values())), sql, text,
        sampled=follows and len(kept) < len(page.steps), tried=list(kept), lack="not computed",
    )  # fmt: skip


@st.cache_resource(max_entries=64, show_spinner=False)
def _kept(key: str, version: str, run: str, matrix: Matrix) -> dict[int, _Computed]:
    """Step -> what was computed for it, filled as pages ask."""
    del key, version, run, matrix
    return {}


def _compute(page: Page, matrix: Matrix, step: int) -> _Computed:
    files, started = snapshots_of(page, page.run), time.perf_counter()
    try:
        if files is None:
            return _Computed(None, "The snapshots of this run are not on this machine.")
        made = spectrum.singular_values(frames.weights(files.open(files.current()[step]), matrix))
    except (StrobeError, OSError, KeyError):
        return _Computed(None, f"The snapshot of step {step:,} cannot be read: `strobe verify` says why.")
    if not np.isfinite(made.values).all():
        return _Computed(None, f"A weight is not finite at step {step:,}, so there are no singular values.")
    method = "the Gram matrix in float64" if made.method == "gram" else "an SVD in float64"
    took = (time.perf_counter() - started) * 1e3
    largest = number(float(made.error[0] / made.values[0]) if made.values[0] else 0.0, 1)
    return _Computed(
        made.values[:MOST_VALUES].astype(np.float32),
        f"Step {step:,}, by {method} in {took:,.0f} ms; the largest is off by at most {largest} of itself, the "
        f"smallest by {number(float(made.error[-1]), 1)}.",
    )
