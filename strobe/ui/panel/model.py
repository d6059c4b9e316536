"""The panels that look inside the model and follow the cursor in the browser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from strobe.analysis.geometry import frequency_round
from strobe.charts.theme import CYCLIC, SEQUENTIAL
from strobe.ui.panel import downloads, frames, panel
from strobe.ui.panel.kinds import EmbeddingPanel, presence
from strobe.ui.shell.page import Page


def embedding(page: Page, *, key: str = "embedding", height: int = 420) -> None:
    """Where the tokens are: two principal axes of the last snapshot, the same for every step."""
    with panel.head(key):
        panel.title("Token embedding at the cursor")
    found = (
        frames.embedding(page)
        if page.steps
        else frames.nothing("This run has no snapshots, so no embedding to show.")
    )
    if not found.steps:
        panel.caption(found.reason)
        return
    tokens, p = len(found.labels), frames.modulus(page)
    turn = frequency_round(found.values[-1].astype(np.float64), p) if p else 1
    header = EmbeddingPanel(
        subject=page.run, run=page.run, steps=found.steps, presence=presence(page.view, lack="not projected"),
        labels=found.labels, label_every=max(10, tokens // 10), height=height,
        colours=list(CYCLIC if p else SEQUENTIAL), places=frames.colour_places(range(tokens), tokens, p, turn),
        alt=f"{tokens} token embeddings on two principal axes, at the step of the cursor",
    )  # fmt: skip
    panel.show(key, header, {"points": found.values})
    cut = f"The first {tokens:,} tokens. " if tokens == frames.MOST_TOKENS else ""
    colour = frames.colour_words(p, turn)
    text = f"{cut}Principal axes of the last snapshot, kept for all steps. Colour: {colour}."
    points_tools(page, key, found.steps, found.values, found.labels, text, turn=turn)


def points_tools(
    page: Page, key: str, steps: Sequence[int], values: np.ndarray[Any, Any], labels: Sequence[str], text: str,
    *, turn: int = 1,
) -> None:  # fmt: skip
    """The caption of a scatter, with the points (step, row, axis) of the settled step as data and as an image;
    residues are coloured by `turn` times their number."""
    from strobe.charts import moment

    reach = float(np.nanmax(np.abs(values.astype(np.float64)), initial=0)) * 1.05 or 1.0

    def table(at: int) -> pa.Table:
        return moment.points_table(np.asarray(values[at], np.float64)[:, :2], labels)

    downloads.draw(
        page, key, text, steps, "-- read from the snapshot under the cursor: the embedding, projected",
        table, lambda at: moment.points(table(at), reach, turn),
    )  # fmt: skip
