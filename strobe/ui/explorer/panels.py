"""The Explorer: one moment of a run, or of two side by side, in five panels that the cursor moves together in the
browser."""

from __future__ import annotations

import streamlit as st

from strobe.ui.attention import frames
from strobe.ui.attention.panels import one_layer
from strobe.ui.curves import charts
from strobe.ui.embeddings.flat import token_embedding
from strobe.ui.fourier import panels as fourier_panels
from strobe.ui.panel import choice, panel
from strobe.ui.panel.second_run import SUFFIX
from strobe.ui.panel.settled import Later
from strobe.ui.shell.page import Page
from strobe.ui.weights import panels as weight_panels
from strobe.ui.weights import spectrum_at_cursor
from strobe.ui.weights.kept import matrices
from strobe.views.derived import has_rows
from strobe.views.matrices import WeightMatrix
from strobe.views.run_view import RunView


def timeline(page: Page) -> None:
    """The losses as the time line: a click moves the cursor."""
    panel.title("Loss")
    charts.loss_line(page, "explorer_loss", 180)


def pickers(view: RunView) -> tuple[int, WeightMatrix | None]:
    """Which layer's heads, and which matrix."""
    layers, layer = [str(layer) for layer in range(frames.layers(view))], "0"
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        if len(layers) > 1:
            layer = choice.segmented("layer", "Layer", layers, labelled=True)
        matrix = weight_panels.pick(view)
    return int(layer), matrix


def one_run(view: RunView, layer: int, matrix: WeightMatrix | None) -> None:
    """The panels of the one run, in two columns."""
    left, right = st.columns(2, gap="medium")
    with left:
        attention(view, layer)
        later = weights(view, matrix) if matrix is not None else _nothing_left
    with right:
        embedding(view)
        frequencies(view, matrix)
    later()


def side_by_side(first: RunView, second: RunView, layer: int, matrix: WeightMatrix | None) -> None:
    """The panels of both runs, each in its column; a matrix on one scale."""
    reach = weight_panels.shared_reach([first, second], matrix)
    left, right = st.columns(2, gap="medium")
    with left:
        later = _stack(first, layer, matrix, reach)
    with right:
        _stack(second, layer, matrix, reach, SUFFIX)()
    later()


def _stack(view: RunView, layer: int, wanted: WeightMatrix | None, reach: float, suffix: str = "") -> Later:
    """The panels of one run below one another, with the same matrix where it has one of that name."""
    later: Later = _nothing_left
    panel.title(view.title)
    attention(view, min(layer, max(0, frames.layers(view) - 1)), suffix)
    embedding(view, suffix)
    own = {matrix.label: matrix for matrix in matrices(view)}
    matrix = own.get(wanted.label) if wanted is not None else None
    if matrix is not None:
        later = weights(view, matrix, suffix, reach)
    elif wanted is not None:
        panel.caption(f"This run has no matrix {wanted.label}.")
    frequencies(view, matrix, suffix)
    return later


def _nothing_left() -> None:
    """All of it is drawn already."""


def attention(view: RunView, layer: int, suffix: str = "") -> None:
    """All heads of one layer, mean of the probe sequences."""
    one_layer(view, layer, f"explorer_attention{suffix}")


def embedding(view: RunView, suffix: str = "") -> None:
    """Where the tokens are."""
    token_embedding(view, key=f"explorer_embedding{suffix}", height=330)


def weights(view: RunView, matrix: WeightMatrix, suffix: str = "", reach: float = 0.0) -> Later:
    """One weight matrix, whose colours end at `reach` or beyond; the function that is returned adds the steps that
    were not read yet."""
    panel.title(matrix.label)
    return weight_panels.matrix_at_once(view, matrix, key=f"explorer_weights{suffix}", tallest=300, reach=reach)


def frequencies(view: RunView, matrix: WeightMatrix | None, suffix: str = "") -> None:
    """The frequencies of the embedding where the task has them, else the singular values of the matrix."""
    if has_rows(view, "fourier"):
        fourier_panels.at_cursor(view, key=f"fourier_bars{suffix}")
    elif matrix is not None and not matrix.vector:
        key = f"explorer_spectrum{suffix}"
        spectrum_at_cursor.draw(view, matrix, key=key, height=250, control=not suffix)
