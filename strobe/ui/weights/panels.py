"""The panels of the Weights page: a matrix at the cursor, then what its spectrum and bands tell.

The step under the cursor is read and shown first; the other snapshots follow once the page stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import streamlit as st

from strobe.charts import moment
from strobe.ui.panel import choice, derived, downloads, movie, panel
from strobe.ui.panel.kinds import TilesPanel, presence
from strobe.ui.panel.second_run import SUFFIX
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


def shared_reach(views: Sequence[RunView], wanted_matrix: WeightMatrix | None) -> float:
    """Where the colours of a matrix end in all of these runs, of those that have it; 0 where none has."""
    found = [(view, own) for view in views if (own := named(view, wanted_matrix)) is not None and not own.vector]
    return max(
        (kept.matrix_frames(view, own, wanted(view, own, settled(view))).reach for view, own in found), default=0.0
    )


def named(view: RunView, matrix: WeightMatrix | None) -> WeightMatrix | None:
    """The matrix of the same name in a run; None where it has none."""
    label = None if matrix is None else matrix.label
    return next((own for own in kept.matrices(view) if own.label == label), None)


def matrix_at_once(
    view: RunView, matrix: WeightMatrix, *, key: str = "weights", tallest: int = 420, reach: float = 0.0
) -> Later:
    """The heatmap of a matrix, its settled step first, with colours to `reach` or beyond; of a vector its values in
    order."""
    if matrix.vector:
        return vector_panels.at_cursor(view, matrix, key=f"{key}_vector", height=tallest)

    def draw(whole: bool) -> None:
        steps = wanted(view, matrix, settled(view)) if whole else [settled(view)]
        shown = kept.matrix_frames(view, matrix, steps, least=reach)
        _heatmap(view, matrix, shown, steps if whole else None, key, tallest, shared=reach > 0)

    missing = kept.missing(kept.pictures(view, matrix), wanted(view, matrix, settled(view)))
    return at_once(missing, draw)


def _heatmap(
    view: RunView, matrix: WeightMatrix, shown: MatrixFrames, tried: list[int] | None, key: str, tallest: int,
    shared: bool,
) -> None:  # fmt: skip
    """The matrix at the cursor: blue below 0, red above, one scale for all steps. `tried` are the steps that were
    read, None while the settled one alone is."""
    if not shown.steps:
        panel.caption(shown.reason)
        return
    whole, header = tried is not None, _header(view, matrix, shown, tried, tallest)
    panel.show(key if whole else f"{key}_first", header, {"values": shown.values})
    text = _words(view, matrix, shown, whole, shared)
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
        lambda at: weights_table(matrix_at(view, matrix, shown.steps[at])), figure, [f"params/{matrix.name}"],
    )  # fmt: skip


def _words(view: RunView, matrix: WeightMatrix, shown: MatrixFrames, whole: bool, shared: bool) -> str:
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
    of = "these steps of both runs" if shared else "these steps"
    sentences.append(f"Colours end at the largest 99.9th percentile of {of}.")
    return " ".join(filter(None, sentences))


def matrix_row(view: RunView, other: RunView | None = None) -> None:
    """The picker, and the panels of what was picked: the matrix itself of both runs, where there is an `other`."""
    matrix = pick(view)
    if matrix is None:
        return
    later = _side_by_side(view, other, matrix) if other is not None else None
    left, right = st.columns([3, 2], gap="medium")
    if matrix.vector:
        _vector_panels(view, matrix, left, right)
        (later or (lambda: None))()
    else:
        _matrix_panels(view, matrix, left, right, later)
    history.over_steps(view, matrix)()


def _side_by_side(view: RunView, other: RunView, matrix: WeightMatrix) -> Later:
    """The matrix of both runs at the cursor, on one scale."""
    reach, laters = shared_reach([view, other], matrix), []
    for run, place, suffix in zip((view, other), st.columns(2, gap="medium"), ("", SUFFIX), strict=True):
        with place:
            own = named(run, matrix)
            panel.title(f"{matrix.label} at the cursor: {run.title}")
            if own is None:
                panel.caption(f"This run has no matrix {matrix.label}.")
            else:
                laters.append(matrix_at_once(run, own, key=f"weights{suffix}", tallest=330, reach=reach))
    if matrix.vector:
        panel.caption("Each has a scale of its own.")

    def all_of_it() -> None:
        for later in laters:
            later()

    return all_of_it


def _vector_panels(view: RunView, vector: WeightMatrix, left: Any, right: Any) -> None:
    with left:
        panel.title(f"{vector.label} at the cursor, in order")
        values_later = vector_panels.at_cursor(view, vector)
        spread_later = histogram.at_cursor(view, vector)
    with right:
        vector_panels.over_training(view, vector)
    values_later()
    spread_later()


def _matrix_panels(
    view: RunView, matrix: WeightMatrix, left: Any, right: Any, drawn_above: Later | None = None
) -> None:
    with left:
        if drawn_above is None:
            with panel.head("weights"):
                panel.title(f"{matrix.label} at the cursor")
        matrix_later = drawn_above or matrix_at_once(view, matrix)
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
