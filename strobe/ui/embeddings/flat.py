"""An embedding on two axes, moved by the cursor in the browser: the panel of the tokens, and that of its own page."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import streamlit as st

from strobe.charts.theme import CYCLIC, SEQUENTIAL
from strobe.ui.panel import downloads, panel
from strobe.ui.panel.kinds import EmbeddingPanel, presence
from strobe.ui.panel.second_run import SUFFIX
from strobe.ui.shell.cache import slowly_cached_by_run
from strobe.views import embedding, embedding_axes
from strobe.views.embedding import Embedding
from strobe.views.embedding_axes import EmbeddingPoints, canvas_points, reach
from strobe.views.run_view import RunView
from strobe.views.words import visible


def token_embedding(view: RunView, key: str = "embedding", height: int = 420) -> None:
    """Where the tokens are: two principal axes of the last snapshot, the same for every step."""
    with panel.head(key):
        panel.title("Token embedding at the cursor")
    points = _token_points(view)
    if not points.steps:
        panel.caption(points.reason)
        return
    many = len(points.rows.numbers)
    alt = f"{many} token embeddings on two principal axes, at the step of the cursor"
    found = embedding.token_embedding(view)
    _show(
        view, key, points, subject=view.run, label_every=max(10, many // 10), height=height, alt=alt,
        reads="params" if found is None else f"params/{found.name}",
    )  # fmt: skip


@slowly_cached_by_run("Projecting embeddings …")
def _token_points(view: RunView) -> EmbeddingPoints:
    return embedding_axes.token_points(view)


def scatter(
    view: RunView, shown: Embedding, points: EmbeddingPoints, *, key: str = "embeddings", height: int = 560,
    least: float = 0.0,
) -> None:  # fmt: skip
    """The points of any embedding along any axes, on a scale that ends at `least` or beyond."""
    many = len(points.rows.numbers)
    _show(
        view, key, points, subject=f"{view.run} {shown.name} {points.axes}",
        label_every=max(10, many // 10) if many > 16 else 1, height=height, least=least, reads=f"params/{shown.name}",
        alt=f"{many} rows of {shown.name} on two axes, at the step of the cursor",
    )  # fmt: skip


def side_by_side(
    first: RunView, second: RunView, shown: Embedding, points: EmbeddingPoints, others: EmbeddingPoints | None
) -> None:
    """The same of two runs on one scale; `others` are None where the second has no such embedding or axes."""
    least = max(reach(each.points[:, :, :2]) for each in (points, others) if each is not None)
    for view, own, place, key in zip(
        (first, second), (points, others), st.columns(2, gap="medium"), ("embeddings", f"embeddings{SUFFIX}"),
        strict=True,
    ):  # fmt: skip
        with place:
            panel.title(f"{shown.title}: {view.title}")
            if own is None:
                panel.caption(f"This run has no {shown.title.lower()} that can be shown along these axes.")
            elif not own.steps:
                panel.caption(own.reason)
            else:
                scatter(view, shown, own, key=key, height=440, least=least)
    panel.caption("Both in the same units; the axes are each run's own, so that directions do not compare.")


def _show(
    view: RunView, key: str, points: EmbeddingPoints, *, subject: str, label_every: int, height: int, alt: str,
    least: float = 0.0, reads: str = "params",
) -> None:  # fmt: skip
    labels = [visible(label) for label in points.rows.labels]
    header = EmbeddingPanel(
        subject=subject, run=view.run, steps=points.steps, presence=presence(view, lack="not projected"),
        labels=labels, label_every=label_every, height=height, alt=alt, places=points.rows.places(points.turn),
        colours=list(CYCLIC if points.rows.modulus else SEQUENTIAL),
    )  # fmt: skip
    panel.show(key, header, {"points": canvas_points(points.points, least)})
    _offer_files(view, key, points, labels, reads)


def _offer_files(view: RunView, key: str, points: EmbeddingPoints, labels: list[str], reads: str) -> None:
    """The caption, with the points of the settled step as data and as an image."""
    from strobe.charts import moment

    end = float(np.nanmax(np.abs(points.points.astype(np.float64)), initial=0)) * 1.05 or 1.0

    def table(at: int) -> pa.Table:
        return moment.points_table(np.asarray(points.points[at], np.float64)[:, :2], labels)

    downloads.offer(
        view, key, points.words, points.steps, "-- read from the snapshot under the cursor: the embedding, projected",
        table, lambda at: moment.points(table(at), end, points.turn), [reads],
    )  # fmt: skip
