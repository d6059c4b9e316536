"""The Explorer: one moment of a run, in five panels that the cursor moves together in the browser."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import streamlit as st

from strobe.ui.curves import panel
from strobe.ui.fourier import panels as fourier_panels
from strobe.ui.panel import frames, model
from strobe.ui.panel import panel as panels
from strobe.ui.panel.kinds import AttentionPanel
from strobe.ui.panel.settled import Later
from strobe.ui.shell import address
from strobe.ui.shell.page import Page
from strobe.ui.weights import panels as weight_panels
from strobe.ui.weights import spectrum_at_cursor
from strobe.ui.weights.kept import matrices
from strobe.views.curves import Curve
from strobe.views.run_view import literal
from strobe.views.weights import WeightMatrix


def timeline(page: Page) -> None:
    """The losses as the time line: a click moves the cursor."""
    panels.title("Loss")
    curves = [
        Curve(run, metric, split)
        for run in page.runs
        for metric, split in {"val_loss": "test", "train_loss": "train"}.items()
    ]
    panel.draw(page, "explorer_loss", curves, y_title="loss (nats)", log=True, height=180)


def second(page: Page) -> Page | None:
    """The second selected run beside the first, where that is asked for."""
    if len(page.runs) < 2:
        return None
    choices = {"no": "One run", "step": "Beside it, at the same step", "onset": "Beside it, from the onset on"}
    address.offer("beside", list(choices), "no")
    name = page.title_of(page.runs[1])
    st.segmented_control(
        "Second run", list(choices), key="beside", required=True, persist_state="session",
        format_func=lambda choice: choices[choice], help="The second run that is ticked in the sidebar.",
    )  # fmt: skip
    asked = address.remember("beside", st.session_state["beside"], "no")
    if asked == "no":
        return None
    other = page.beside(page.runs[1], at_onset=asked == "onset")
    if not other.steps:
        panels.caption(f"{name} has no snapshots to show beside the first.")
        return None
    if asked == "onset" and not other.shift:
        panels.caption("Shown at the same step: both runs need a grokking onset to be aligned there.")
    elif other.shift:
        panels.caption(f"{name} is shown {abs(other.shift):,} steps {'later' if other.shift > 0 else 'earlier'}.")
    return other


def stack(page: Page, layer: int, wanted: WeightMatrix | None) -> Later:
    """The panels of one run below one another, with the same matrix where it has one of that name."""
    later: Later = _nothing_left
    panels.title(page.title_of(page.run))
    attention(page, min(layer, max(0, frames.attention_layers(page) - 1)))
    embedding(page)
    own = {matrix.label: matrix for matrix in matrices(page.view)}
    matrix = own.get(wanted.label) if wanted is not None else None
    if matrix is not None:
        later = weights(page, matrix)
    elif wanted is not None:
        panels.caption(f"This run has no matrix {wanted.label}.")
    frequencies(page, matrix)
    return later


def _nothing_left() -> None:
    """All of it is drawn already."""


def pickers(page: Page) -> tuple[int, WeightMatrix | None]:
    """Which layer's heads, and which matrix."""
    layers = [str(layer) for layer in range(frames.attention_layers(page))]
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        if len(layers) > 1:
            address.offer("layer", layers, layers[0])
            st.segmented_control("Layer", layers, key="layer", required=True, persist_state="session")
            address.remember("layer", st.session_state["layer"], layers[0])
        matrix = weight_panels.pick(page.view)
    return int(st.session_state.get("layer", 0)) if len(layers) > 1 else 0, matrix


def attention(page: Page, layer: int) -> None:
    """All heads of one layer, mean of the probe sequences."""
    many = frames.attention_layers(page) > 1
    with panels.head(f"explorer_attention{page.suffix}"):
        panels.title("Attention" + (f", layer {layer}" if many else ""))
    found = frames.attention(page, frames.MEAN)
    if not found.steps:
        model.instead(found)
        return
    values = np.ascontiguousarray(found.values[:, layer : layer + 1])
    header = AttentionPanel(
        subject=f"{page.run} {layer}", run=page.run, steps=found.steps, layers=1, heads=values.shape[2],
        tokens=found.labels, presence=frames.attention_presence(page, found),
        root=values.shape[3] > frames.LINEAR_UP_TO,
        alt=f"Attention of {values.shape[2]} heads of layer {layer} at the step of the cursor",
    )  # fmt: skip
    panels.show(f"explorer_attention{page.suffix}", header, {"values": values})
    shown = replace(found, values=values)
    text = "Mean of the probe sequences; rows attend to columns."
    model.attention_tools(page, f"explorer_attention{page.suffix}", shown, text)


def embedding(page: Page) -> None:
    """Where the tokens are."""
    model.embedding(page, key=f"explorer_embedding{page.suffix}", height=330)


def weights(page: Page, matrix: WeightMatrix) -> Later:
    """One weight matrix; the function that is returned adds the steps that were not read yet."""
    panels.title(matrix.label)
    return weight_panels.matrix_at_once(page.view, matrix, key=f"explorer_weights{page.suffix}", tallest=300)


def frequencies(page: Page, matrix: WeightMatrix | None) -> None:
    """The frequencies of the embedding where the task has them, else the singular values of the matrix."""
    rows = page.reader.rows(f"SELECT count(*) AS n FROM fourier WHERE run = {literal(page.run)}")
    if rows[0]["n"]:
        fourier_panels.at_cursor(page.view, key=f"fourier_bars{page.suffix}")
    elif matrix is not None:
        key = f"explorer_spectrum{page.suffix}"
        spectrum_at_cursor.draw(page.view, matrix, key=key, height=250, control=not page.suffix)
