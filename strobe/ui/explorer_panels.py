"""The Explorer: one moment of a run, in five panels that the cursor moves together in the browser."""

from __future__ import annotations

import numpy as np
import streamlit as st

from strobe.charts.theme import CYCLIC
from strobe.ui import curve_panel, fourier_panels, frames, panels, state, weight_frames, weight_panels
from strobe.ui.curve_panel import Curve
from strobe.ui.data import literal
from strobe.ui.frame import Frame
from strobe.ui.weight_frames import Matrix


def timeline(page: Frame) -> None:
    """The losses as the time line: a click moves the cursor."""
    panels.title("Loss")
    curves = [
        Curve(run, metric, split)
        for run in page.runs
        for metric, split in {"val_loss": "test", "train_loss": "train"}.items()
    ]
    curve_panel.draw(page, "explorer_loss", curves, y_title="loss (nats)", log=True, height=180)


def pickers(page: Frame) -> tuple[int, Matrix | None]:
    """Which layer's heads, and which matrix."""
    layers = [str(layer) for layer in range(frames.attention_layers(page))]
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        if len(layers) > 1:
            state.offer("layer", layers, layers[0])
            st.segmented_control("Layer", layers, key="layer", required=True, persist_state="session")
            state.remember("layer", st.session_state["layer"], layers[0])
        matrix = weight_panels.pick(page)
    return int(st.session_state.get("layer", 0)) if len(layers) > 1 else 0, matrix


def attention(page: Frame, layer: int) -> None:
    """All heads of one layer, mean of the probe sequences."""
    panels.title("Attention" + (f", layer {layer}" if layer else ""))
    found = frames.attention(page, frames.MEAN)
    if not found.steps:
        panels.caption(found.reason)
        return
    st.session_state["_follows_server"] = st.session_state["_follows_server"] or found.windowed
    values = np.ascontiguousarray(found.values[:, layer : layer + 1])
    header = {
        "kind": "attention", "subject": f"{page.run} {layer}", "follows": True, "run": page.run,
        "steps": found.steps, "layers": 1, "heads": values.shape[2], "tokens": found.labels,
        "windowed": found.windowed, "root": values.shape[3] > frames.LINEAR_UP_TO,
        "alt": f"Attention of {values.shape[2]} heads of layer {layer} at the step of the cursor",
    }  # fmt: skip
    panels.show("explorer_attention", header, {"values": values})
    panels.caption("Mean of the probe sequences; rows attend to columns.")


def embedding(page: Frame) -> None:
    """Where the tokens are."""
    panels.title("Token embedding")
    found = frames.embedding(page)
    if not found.steps:
        panels.caption(found.reason)
        return
    tokens = len(found.labels)
    header = {
        "kind": "embedding", "subject": page.run, "follows": True, "run": page.run, "steps": found.steps,
        "labels": found.labels, "label_every": max(10, tokens // 10), "colours": list(CYCLIC), "height": 330,
        "alt": f"{tokens} token embeddings on two principal axes, at the step of the cursor",
    }  # fmt: skip
    panels.show("explorer_embedding", header, {"points": found.values})
    panels.caption("Principal axes of the last snapshot, kept for all steps.")


def weights(page: Frame, matrix: Matrix) -> None:
    """One weight matrix."""
    panels.title(matrix.label)
    found = weight_frames.frames(page, matrix)
    if not found.steps:
        panels.caption(found.reason)
        return
    weight_panels.heatmap(page, matrix, found, key="explorer_weights", tallest=300)


def frequencies(page: Frame, matrix: Matrix | None) -> None:
    """The frequencies of the embedding where the task has them, else the singular values of the matrix."""
    rows = page.reader.rows(f"SELECT count(*) AS n FROM fourier WHERE run = {literal(page.run)}")
    if rows[0]["n"]:
        fourier_panels.at_cursor(page)
    elif matrix is not None:
        weight_panels.singular_values(page, matrix, key="explorer_spectrum", height=250)
