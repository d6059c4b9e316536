"""The panels of the Weights page: a matrix and its histograms at the cursor, then what its spectrum and bands tell.

The step under the cursor is read and shown first; the other snapshots follow once the page stands.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa
import streamlit as st

from strobe.charts import moment
from strobe.charts.curves import Curves, Series, curves
from strobe.charts.theme import SEQUENTIAL, SERIES
from strobe.plot.movies import MovieRequest
from strobe.ui.panel import derived, downloads, movie, panel
from strobe.ui.panel.frames import snapshots_of
from strobe.ui.panel.kinds import Line, ProfilePanel, TilesPanel, presence
from strobe.ui.panel.settled import Later, at_once
from strobe.ui.shell import address
from strobe.ui.shell.cursor import settled
from strobe.ui.shell.page import Page
from strobe.ui.weights import bands, frames, spectrum, spectrum_at_cursor
from strobe.ui.weights.frames import Histograms, Matrix, WeightFrames, matrices
from strobe.views.words import number, size

_AXES: Final = {
    "out": "outputs", "in": "inputs", "token": "tokens", "channel": "channels", "position": "positions",
}  # fmt: skip
"""What the dimensions of a matrix count; a name that is not here speaks for itself."""


def _axes(matrix: Matrix) -> tuple[str, str]:
    row, column = matrix.dims
    return f"row ({row})", f"column ({column})"


def pick(page: Page) -> Matrix | None:
    """The matrix that was chosen, from a select box; None, with a reason on the page, where there is none."""
    found = {matrix.label: matrix for matrix in matrices(page)} if page.steps else {}
    if not found:
        panel.caption(_why_none(page))
        return None
    first = next((name for name in found if name.startswith("fcw")), next(iter(found)))
    names = [first, *(name for name in found if name != first)]
    address.offer("matrix", names, first)
    st.selectbox("Matrix", sorted(names), key="matrix", persist_state="session", width=220)
    return found[address.remember("matrix", st.session_state["matrix"], first)]


def _why_none(page: Page) -> str:
    files = snapshots_of(page, page.run)
    if page.steps and (files is None or not files.current()):
        return (
            "The snapshots of this run are not where they were, so there is no weight matrix to show. Put its folder "
            f"back, or ingest it from where it is now; `strobe show {page.run}` names the folder."
        )
    return "This run has no weight matrices to show: record snapshots with the section “params”."


def matrix_at_once(page: Page, matrix: Matrix, *, key: str = "weights", tallest: int = 420) -> Later:
    """The heatmap of a matrix, its settled step first."""

    def draw(whole: bool) -> None:
        steps = frames.wanted(page, matrix) if whole else [settled(page.view)]
        heatmap(page, matrix, frames.frames(page, matrix, steps), whole, key=key, tallest=tallest)

    return at_once(frames.missing(page, matrix), draw)


def heatmap(page: Page, matrix: Matrix, found: WeightFrames, whole: bool, *, key: str, tallest: int) -> None:
    """The matrix at the cursor: blue below 0, red above, one scale for all steps."""
    if not found.steps:
        panel.caption(found.reason)
        return
    rows, columns = found.values.shape[1:]
    some = len(frames.wanted(page, matrix)) < len(page.steps)
    tried, shown = (frames.wanted(page, matrix), found.steps) if whole else ([], [])
    header = TilesPanel(
        subject=f"{page.run} {matrix.label}", run=page.run, steps=found.steps, labels=[matrix.label], rows=rows,
        columns=columns, widest=2 * tallest, tallest=tallest, map="diverging", low=f"−{number(found.reach, 2)}",
        high=number(found.reach, 2), low_value=-found.reach, high_value=found.reach, row_bin=found.bins[0],
        column_bin=found.bins[1], axes=("row", "column"),
        presence=presence(page.view, tried, shown, sampled=some and whole, partial=not whole),
        alt=f"Weights of {matrix.label}, {matrix.shape[0]} by {matrix.shape[1]}, at the step of the cursor",
    )  # fmt: skip
    panel.show(key if whole else f"{key}_first", header, {"values": found.values})
    text = _words(page, matrix, found, whole)
    if whole:
        _tools(page, matrix, found, key, text)
    else:
        panel.caption(text)


def _tools(page: Page, matrix: Matrix, found: WeightFrames, key: str, text: str) -> None:
    """The caption with the settled step as data and as an image."""

    def values(at: int) -> Any:
        return (found.values[at].astype(np.float64) - 128) / 127 * found.reach

    def table(at: int) -> pa.Table:
        row, column = (axis.ravel() for axis in np.indices(found.values.shape[1:]))
        return pa.table({
            "first_row": row * found.bins[0], "first_column": column * found.bins[1], "mean": values(at).ravel(),
        })  # fmt: skip

    def figure(at: int) -> moment.Matrix:
        return moment.Matrix(values(at), found.reach, matrix.label, _axes(matrix), found.bins)

    source = f"-- read from the snapshot under the cursor: params/{matrix.name}, to one part in 127"
    downloads.draw(page, key, text, found.steps, source, table, figure)


def _words(page: Page, matrix: Matrix, found: WeightFrames, whole: bool) -> str:
    rows, columns = (_AXES.get(dim, dim) for dim in matrix.dims)
    text = f"{matrix.shape[0]:,} rows ({rows}) by {matrix.shape[1]:,} columns ({columns})."
    if found.bins != (1, 1):
        text += f" Each cell is the mean of {found.bins[0]} by {found.bins[1]} weights."
    if not whole:
        return text + " Reading the other steps …"
    if len(found.steps) < len(page.steps):
        text += (
            f" Read at {len(found.steps)} of {len(page.steps):,} snapshots ({size(len(found.steps) * matrix.bytes)});"
        )
        text += " another is read when the cursor rests on it."
    if found.nonfinite:
        text += f" {found.nonfinite:,} weights are not finite."
    return text + " Colours end at the largest 99.9th percentile of these steps."


def histogram(page: Page, matrix: Matrix) -> Later:
    """How the weights of every layer are spread at the cursor; the function that is returned adds the other steps."""
    with panel.head("weight_histogram"):
        many = len(frames.layers_of(page, matrix)) > 1
        panel.title("Weights at the cursor" + (", by layer" if many else ""))
        address.offer("counts", ["linear", "log"], "linear")
        st.segmented_control(
            "Counts", ["linear", "log"], key="counts", required=True, persist_state="session",
            label_visibility="collapsed", format_func=str.capitalize,
        )  # fmt: skip
    address.remember("counts", st.session_state["counts"], "linear")

    def draw(whole: bool) -> None:
        steps = frames.histogram_steps(page, matrix) if whole else [settled(page.view)]
        _spread(page, matrix, frames.histograms(page, matrix, steps), whole)

    return at_once(frames.missing(page, matrix, histograms=True), draw)


def _spread(page: Page, matrix: Matrix, found: Histograms, whole: bool) -> None:
    if not found.steps or not np.isfinite(found.density).any():
        panel.caption("No histogram: the weights are all equal, not finite, or cannot be read.")
        return
    some, log = whole and len(found.steps) < len(page.steps), st.session_state["counts"] == "log"
    tried, shown = (frames.histogram_steps(page, matrix), found.steps) if whole else ([], [])
    header = ProfilePanel(
        subject=f"histogram {page.run} {matrix.name}", run=page.run, steps=found.steps,
        count=found.density.shape[2], log=log, height=230, lines=_looks(found.layers), x_name="weight",
        presence=presence(page.view, tried, shown, sampled=some, partial=not whole),
        alt=f"Density of the weights of {matrix.name} in {len(found.layers)} layers at the step of the cursor",
    )  # fmt: skip
    panel.show(
        "weight_histogram" if whole else "weight_histogram_first", header,
        {"x": np.ascontiguousarray(found.centres), "y": np.ascontiguousarray(found.density)},
    )  # fmt: skip
    text = "Density; every step and layer has bins of its own (Freedman-Diaconis) over its central 99.9%."
    if found.sampled < found.total:
        text += f" Counted: {found.sampled:,} of {found.total:,} weights a layer, evenly spaced rows."
    if not whole:
        panel.caption(text)
        return

    def table(at: int) -> pa.Table:
        layer, column = np.nonzero(np.isfinite(found.density[at]))
        return pa.table({
            "series": np.asarray(found.layers, dtype=object)[layer].tolist(),
            "x": found.centres[at][layer, column].astype(float), "y": found.density[at][layer, column].astype(float),
        })  # fmt: skip

    def figure(at: int) -> Curves:
        series = [Series(look.label, look.colour) for look in _looks(found.layers)]
        return curves(table(at), series, x_title=f"weight of {matrix.name}", y_title="density", log=log)

    source = f"-- read from the snapshot under the cursor: params/{matrix.name}"
    downloads.draw(page, "weight_histogram", text, found.steps, source, table, figure)


def _looks(layers: list[str]) -> list[Line]:
    """Few layers in colours that tell them apart, many in a ramp from the first to the last."""
    if len(layers) <= len(SERIES) - 1:
        return [Line(name, SERIES[k]) for k, name in enumerate(layers)]
    ramp = [SEQUENTIAL[round(k)] for k in np.linspace(0, len(SEQUENTIAL) - 2, len(layers))]
    return [Line(name, colour) for name, colour in zip(layers, ramp, strict=True)]


def matrix_row(page: Page) -> None:
    """The picker, and the panels of the matrix."""
    matrix = pick(page)
    if matrix is None:
        return
    left, right = st.columns([3, 2], gap="medium")
    with left:
        with panel.head("weights"):
            panel.title(f"{matrix.label} at the cursor")
        matrix_later = matrix_at_once(page, matrix)
        movie.draw(page, MovieRequest("weights", matrix.name, matrix.layer or 0))
        spread_later = histogram(page, matrix)
    with right:
        spectrum_at_cursor.draw(page, matrix)
        analysed = derived.ready(page.view, ("spectra",))
        if analysed:
            spectrum.over_training(page, matrix)
            spectrum.ranks(page, matrix)
    if analysed:
        with left:
            spectrum.tail(page, matrix)
    # From here on the page stands, and only what follows the cursor to other steps is still missing.
    matrix_later()
    spread_later()
    bands.draw(page, matrix, left if analysed else right, right)
