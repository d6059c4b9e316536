"""The panels of the Weights page: a matrix at the cursor, then what its spectrum and bands tell.

The step under the cursor is read and shown first; the other snapshots follow once the page stands.
"""

from __future__ import annotations

from typing import Any, Final

import streamlit as st

from strobe.charts import moment
from strobe.ui.panel import choice, derived, downloads, movie, panel
from strobe.ui.panel.kinds import TilesPanel, presence
from strobe.ui.panel.settled import Later, at_once
from strobe.ui.shell.cursor import settled
from strobe.ui.weights import bands, histogram, history, kept, spectrum, spectrum_at_cursor
from strobe.ui.weights import vector as vector_panels
from strobe.views.binning import bin_words
from strobe.views.matrices import WeightMatrix, default_matrix, matrix_at
from strobe.views.missing import why_missing
from strobe.views.ordering import natural
from strobe.views.run_view import RunView
from strobe.views.weights import MatrixFrames, picture, wanted
from strobe.views.weights_table import files_words, weights_table
from strobe.views.words import number, size, visible

_SEEN: Final = 46
"""Characters of a name that the picker has room for: a longer one is cut in the middle, not at its end."""


def pick(view: RunView) -> WeightMatrix | None:
    """The matrix that was chosen, from a select box; None, with a reason on the page, where there is none."""
    every = kept.matrices(view) if view.steps else []
    first = default_matrix(every)
    if first is None:
        panel.caption(why_missing(view, "weight matrix", "params"))
        return None
    by_label = {matrix.label: matrix for matrix in every}
    labels = sorted(by_label, key=natural)
    return by_label[
        choice.select(
            "matrix", "Matrix", labels, first.label, words=lambda label: visible(label, _SEEN), labelled=True,
            width=360,
        )
    ]  # fmt: skip


def matrix_at_once(view: RunView, matrix: WeightMatrix, *, key: str = "weights", tallest: int = 420) -> Later:
    """The heatmap of a matrix, its settled step first; of a vector its values in order."""
    if matrix.vector:
        return vector_panels.at_cursor(view, matrix, key=f"{key}_vector", height=tallest)

    def draw(whole: bool) -> None:
        steps = wanted(view, matrix, settled(view)) if whole else [settled(view)]
        _heatmap(view, matrix, kept.matrix_frames(view, matrix, steps), steps if whole else None, key, tallest)

    missing = kept.missing(kept.pictures(view, matrix), wanted(view, matrix, settled(view)))
    return at_once(missing, draw)


def _heatmap(
    view: RunView, matrix: WeightMatrix, shown: MatrixFrames, tried: list[int] | None, key: str, tallest: int
) -> None:
    """The matrix at the cursor: blue below 0, red above, one scale for all steps. `tried` are the steps that were
    read, None while the settled one alone is."""
    if not shown.steps:
        panel.caption(shown.reason)
        return
    whole, header = tried is not None, _header(view, matrix, shown, tried, tallest)
    panel.show(key if whole else f"{key}_first", header, {"values": shown.values})
    text = _words(view, matrix, shown, whole)
    if whole:
        _tools(view, matrix, shown, key, text)
    else:
        panel.caption(text)


def _header(
    view: RunView, matrix: WeightMatrix, shown: MatrixFrames, tried: list[int] | None, tallest: int
) -> TilesPanel:
    rows, columns = shown.values.shape[1:]
    end = number(shown.reach, 2)
    if tried is None:
        there = presence(view, partial=True)
    else:
        there = presence(view, tried, shown.steps, sampled=len(tried) < len(view.steps))
    return TilesPanel(
        subject=f"{view.run} {matrix.label}", run=view.run, steps=shown.steps, labels=[matrix.label], rows=rows,
        columns=columns, widest=2 * tallest, tallest=tallest, map="diverging", low=f"−{end}", high=end,
        low_value=-shown.reach, high_value=shown.reach, open_ended=True, row_bin=shown.bins[0],
        column_bin=shown.bins[1], axes=("row", "column"), presence=there,
        alt=f"Weights of {matrix.label}, {matrix.shape[0]} by {matrix.shape[1]}, at the step of the cursor",
    )  # fmt: skip


def _tools(view: RunView, matrix: WeightMatrix, shown: MatrixFrames, key: str, text: str) -> None:
    """The caption with the settled step as data and as an image."""
    down, across = matrix.dims

    def figure(at: int) -> moment.Matrix:
        names = (f"row ({down})", f"column ({across})")
        cells = picture(matrix_at(view, matrix, shown.steps[at])).cells
        return moment.Matrix(cells, shown.reach, matrix.label, names, shown.bins)

    source = f"-- read from the snapshot under the cursor: params/{matrix.name}"
    downloads.offer(
        view, key, f"{text} {files_words(matrix)}".rstrip(), shown.steps, source,
        lambda at: weights_table(matrix_at(view, matrix, shown.steps[at])), figure,
    )  # fmt: skip


def _words(view: RunView, matrix: WeightMatrix, shown: MatrixFrames, whole: bool) -> str:
    sentences = [matrix.shape_words, bin_words(shown.bins, "by")]
    if not whole:
        sentences.append("Reading the other steps …")
        return " ".join(filter(None, sentences))
    if len(shown.steps) < len(view.steps):
        read = size(len(shown.steps) * matrix.bytes)
        sentences.append(
            f"Read at {len(shown.steps)} of {len(view.steps):,} snapshots ({read}); another is read when the cursor "
            "rests on it."
        )
    sentences.append(shown.nonfinite_words)
    sentences.append("Colours end at the largest 99.9th percentile of these steps.")
    return " ".join(filter(None, sentences))


def matrix_row(view: RunView) -> None:
    """The picker, and the panels of what was picked."""
    matrix = pick(view)
    if matrix is None:
        return
    left, right = st.columns([3, 2], gap="medium")
    (_vector_panels if matrix.vector else _matrix_panels)(view, matrix, left, right)
    history.over_steps(view, matrix)()


def _vector_panels(view: RunView, vector: WeightMatrix, left: Any, right: Any) -> None:
    with left:
        panel.title(f"{vector.label} at the cursor, in order")
        values_later = vector_panels.at_cursor(view, vector)
        spread_later = histogram.at_cursor(view, vector)
    with right:
        vector_panels.over_training(view, vector)
    values_later()
    spread_later()


def _matrix_panels(view: RunView, matrix: WeightMatrix, left: Any, right: Any) -> None:
    with left:
        with panel.head("weights"):
            panel.title(f"{matrix.label} at the cursor")
        matrix_later = matrix_at_once(view, matrix)
        movie.offer(view, "weights", matrix.label if matrix.part else matrix.tensor, matrix.layer or 0)
        spread_later = histogram.at_cursor(view, matrix)
    with right:
        spectrum_at_cursor.draw(view, matrix)
        analysed = derived.ready(view, ("spectra",))
        if analysed:
            spectrum.over_training(view, matrix)
            spectrum.ranks(view, matrix)
    if analysed:
        with left:
            spectrum.tail(view, matrix)
    # From here on the page stands, and only what follows the cursor to other steps is still missing.
    matrix_later()
    spread_later()
    # Rows and columns that are not one axis each have no diagonal.
    if not matrix.folded:
        bands.panels(view, matrix, left if analysed else right, right)
