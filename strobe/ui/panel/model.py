"""The panels that look inside the model and follow the cursor in the browser."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import streamlit as st

from strobe.ui.panel import downloads, frames, panel
from strobe.ui.panel.kinds import AttentionPanel
from strobe.ui.shell import address
from strobe.ui.shell.page import Page
from strobe.ui.shell.parts import follow_server


def attention(page: Page) -> None:
    """Attention of one probe sequence, or their mean: layers by heads."""
    choices = frames.probes(page)
    with panel.head("attention"):
        panel.title("Attention at the cursor")
        if choices:
            address.offer("probe", choices, frames.MEAN)
            st.selectbox(
                "Probe sequence", choices, key="probe", label_visibility="collapsed", width=170,
                persist_state="session",
                format_func=lambda name: name if name == frames.MEAN else f"probe {name}",
            )  # fmt: skip
    if not choices:
        panel.caption("This run has no attention to show: record snapshots with the section “attention”.")
        return
    probe = address.remember("probe", st.session_state["probe"], frames.MEAN)
    found = frames.attention(page, probe)
    if not found.steps:
        instead(found)
        return
    _, layers, heads, length, _ = found.values.shape
    header = AttentionPanel(
        subject=f"{page.run} {probe}", run=page.run, steps=found.steps, layers=layers, heads=heads,
        tokens=found.labels, presence=frames.attention_presence(page, found), root=length > frames.LINEAR_UP_TO,
        tallest=720,
        alt=f"Attention weights, {layers} layers by {heads} heads, {length} positions, at the step of the cursor",
    )  # fmt: skip
    panel.show("attention", header, {"values": found.values})
    attention_tools(
        page, "attention", found, "Rows attend to columns; every row sums to 1. Tokens cannot look ahead."
    )


def instead(found: frames.Frames) -> None:
    """Says why there is nothing to show; where other steps may have something, until the cursor rests on one."""
    panel.caption(found.reason)
    if found.windowed:
        follow_server()


def attention_tools(page: Page, key: str, found: frames.Frames, text: str) -> None:
    """The caption of an attention panel, with the weights of the settled step as data and as an image."""
    from strobe.charts import moment

    root = found.values.shape[-1] > frames.LINEAR_UP_TO

    def table(at: int) -> pa.Table:
        weights = (np.maximum(found.values[at].astype(np.float64) - 1, 0) / 254) ** (2 if root else 1)
        return moment.attention_table(weights, found.labels)

    downloads.draw(
        page, key, found.remark + text, found.steps,
        "-- read from the snapshot under the cursor: attention/att, to one part in 254",
        table, lambda at: moment.attention(table(at), found.labels),
    )  # fmt: skip
