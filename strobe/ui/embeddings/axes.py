"""Which embedding is looked at, and along which axes: the controls, and the points that they lead to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import streamlit as st

from strobe.ui.embeddings import neighbour_jobs
from strobe.ui.panel.choice import segmented, select
from strobe.ui.shell.cache import slowly_cached_by_run
from strobe.views import embedding, embedding_axes
from strobe.views.embedding import Embedding, EmbeddingFrames
from strobe.views.embedding_axes import FREE, TSNE, UMAP, EmbeddingPoints, axes_words
from strobe.views.fourier import key_frequencies
from strobe.views.run_view import RunView

_BYTES_A_ROW: Final = 8
"""Of a frame: what the flat panel is sent, and as much again for the third axis and what is measured."""


def controls(view: RunView, shown: Sequence[Embedding]) -> tuple[Embedding, str]:
    """Which embedding, and along which axes: every frequency of the residues too, the key ones first."""
    by_name = {each.name: each for each in shown}
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        name = segmented(
            "embedding", "Embedding", list(by_name), words=lambda name: by_name[name].title, labelled=True
        )
        rows = by_name[name].rows
        circles = _frequencies(rows.modulus, key_frequencies(view)) if rows.modulus and rows.has_residues else []
        axes = select("axes", "Axes", [*FREE, *circles], words=axes_words, labelled=True, width=330)
    return by_name[name], axes


def _frequencies(p: int, first: Sequence[int]) -> list[str]:
    return [str(k) for k in [*first, *(k for k in range(1, p // 2 + 1) if k not in first)]]


def points(view: RunView, name: str, axes: str) -> EmbeddingPoints | None:
    """The embedding at every snapshot along these axes. None while a map of neighbours is not computed yet, with the
    way to it on the page."""
    if axes not in (TSNE, UMAP):
        projected: EmbeddingPoints = _along(view, name, axes)
        return projected
    frames: EmbeddingFrames = _frames(view, name, neighbour_jobs.MOST_FRAMES)
    if not frames.steps or len(frames.rows.numbers) < 5:
        return embedding_axes.nothing("A map of neighbours needs at least five rows that can be read.")
    places = neighbour_jobs.result(frames.values, axes)
    return None if places is None else embedding_axes.mapped(frames, axes, places)


def same_of(view: RunView, name: str, axes: str) -> EmbeddingPoints | None:
    """The same embedding of another run along axes of the same kind; None where it has none such, and of a map of
    neighbours, whose units are no run's."""
    own = next((each for each in embedding.embeddings(view) if each.name == name), None)
    if own is None or axes in (TSNE, UMAP):
        return None
    circle = axes not in FREE
    if circle and not (own.rows.modulus and own.rows.has_residues and int(axes) <= own.rows.modulus // 2):
        return None
    projected: EmbeddingPoints = _along(view, name, axes)
    return projected


@slowly_cached_by_run("Reading embeddings …")
def _frames(view: RunView, name: str, most: int | None) -> EmbeddingFrames:
    shown = embedding.embedding(view, name)
    return embedding.frames(view, shown, shown.affordable(view.steps, _BYTES_A_ROW, most))


@slowly_cached_by_run("Projecting embeddings …")
def _along(view: RunView, name: str, axes: str) -> EmbeddingPoints:
    return embedding_axes.along(_frames(view, name, None), axes)
