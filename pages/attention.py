"""Attention: who looks at whom, in every head."""

import streamlit as st

from strobe.ui.attention import compared as side_by_side
from strobe.ui.attention import panels
from strobe.ui.attention import scores as over_training
from strobe.ui.panel import movie, second_run
from strobe.ui.shell.page import frame
from strobe.ui.shell.parts import part

page = frame("attention")


@part("heads")
def heads() -> None:
    panels.all_heads(page.view, named=other is not None)
    if page.view.steps and panels.has_movie(page.view):
        movie.offer(page.view, "attention", remark=panels.movie_remark(page.view))


@part("beside")
def beside() -> None:
    panels.second_run(other, page.view)


@part("one")
def one() -> None:
    panels.one_head(page.view)


@part("compared")
def compared() -> None:
    side_by_side.compared(page.view)


@part("scores")
def scores() -> None:
    over_training.scores(page.view)


other = second_run.beside(page)
if other is not None:
    left, right = st.columns(2, gap="medium")
    with left:
        heads()
    with right:
        beside()
    one()
elif panels.many(page.view):
    # Small multiples leave room beside them for one that is large.
    left, right = st.columns([3, 2], gap="medium")
    with left:
        heads()
    with right:
        one()
else:
    heads()
    one()
compared()
scores()
page.footer()
