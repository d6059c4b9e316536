"""Embeddings: what shape the tokens take."""

import streamlit as st

from strobe.ui.embeddings import axes, flat, geometry, roundness, three_axes
from strobe.ui.embeddings import nearest as neighbours
from strobe.ui.panel import movie, panel, second_run
from strobe.ui.shell.page import frame
from strobe.ui.shell.parts import part
from strobe.views.embedding import embeddings, why_none
from strobe.views.embedding_axes import LAST

page = frame("embeddings")


@part("scatter")
def scatter() -> None:
    shown, along = axes.controls(page.view, recorded)
    points = axes.points(page.view, shown.name, along)
    if points is None:
        return
    if not points.steps:
        panel.caption(points.reason)
        return
    differs = "" if along == LAST else "The movie is along the principal axes of the last snapshot."
    if other is not None:
        flat.side_by_side(page.view, other, shown, points, axes.same_of(other, shown.name, along))
        movie.offer(page.view, "embedding", shown.name, remark=differs)
    left, right = st.columns([3, 2] if other is None else 2, gap="medium")
    with left:
        if other is None:
            flat.scatter(page.view, shown, points)
            movie.offer(page.view, "embedding", shown.name, remark=differs)
        else:
            roundness.draw(page.view, points)
    with right:
        if other is None:
            roundness.draw(page.view, points)

        @part("solid")
        def solid() -> None:
            three_axes.draw(page.view, points)

        solid()


@part("nearest")
def nearest() -> None:
    name = st.session_state.get("embedding")
    neighbours.draw(page.view, next((each for each in recorded if each.name == name), recorded[0]))


@part("geometry")
def classes() -> None:
    geometry.draw(page.view)


recorded = embeddings(page.view)
other = second_run.beside(page)
if recorded:
    scatter()
    nearest()
    classes()
else:
    panel.caption(why_none(page.view))
page.footer()
