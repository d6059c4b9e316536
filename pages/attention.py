"""Attention: who looks at whom, in every head."""

import streamlit as st

from strobe.plot.movies import MovieRequest
from strobe.ui.attention import panels
from strobe.ui.panel import model, movie
from strobe.ui.shell.page import frame
from strobe.ui.shell.parts import part

page = frame("attention")


@part("heads")
def heads() -> None:
    model.attention(page)
    if page.steps:
        movie.draw(page, MovieRequest("attention"))


@part("one")
def one() -> None:
    panels.one(page)


@part("compared")
def compared() -> None:
    panels.compared(page)


@part("scores")
def scores() -> None:
    panels.scores(page)


if panels.many(page):
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
