"""Attention: who looks at whom, in every head."""

import streamlit as st

from strobe.derive.movies import Wanted
from strobe.ui import attention_panels, model_panels, movie_button
from strobe.ui.frame import frame
from strobe.ui.parts import part

page = frame("attention")


@part("heads")
def heads() -> None:
    model_panels.attention(page)
    if page.steps:
        movie_button.draw(page, Wanted("attention"))


@part("one")
def one() -> None:
    attention_panels.one(page)


@part("compared")
def compared() -> None:
    attention_panels.compared(page)


@part("scores")
def scores() -> None:
    attention_panels.scores(page)


if attention_panels.many(page):
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
