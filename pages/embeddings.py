"""Embeddings: what shape the tokens take."""

import streamlit as st

from strobe.plot.movies import Wanted
from strobe.ui.embeddings import geometry as geometry_panel
from strobe.ui.embeddings import panels as embedding_panels
from strobe.ui.embeddings import solid as solid_panel
from strobe.ui.panel import frames, movie, panel
from strobe.ui.shell.page import frame
from strobe.ui.shell.parts import part

page = frame("embeddings")


@part("scatter")
def scatter() -> None:
    name, view = embedding_panels.controls(page, present)
    found = embedding_panels.movie(page, name, view)
    if found is None:
        return
    if not found.steps:
        panel.caption(found.reason)
        return
    left, right = st.columns([3, 2], gap="medium")
    with left:
        embedding_panels.scatter(page, name, view, found)
        differs = (
            "" if view == embedding_panels.LAST else "The movie is along the principal axes of the last snapshot."
        )
        movie.draw(page, Wanted("embedding", name), differs)
    with right:
        embedding_panels.roundness(page, view, found)

        @part("solid")
        def solid() -> None:
            solid_panel.draw(page, name, view, found)

        solid()


@part("geometry")
def geometry() -> None:
    geometry_panel.draw(page, frames.modulus(page))


present = embedding_panels.names(page)
if present:
    scatter()
    geometry()
else:
    panel.caption("This run has no embedding to show: record snapshots with params/wte.")
page.footer()
