"""Memorization: what a model knows by heart, since when, and what its layers show of it."""

import streamlit as st

from strobe.ui.memorization import empty, panels, reading
from strobe.ui.shell.page import frame
from strobe.ui.shell.parts import part
from strobe.views.memorization import study

page = frame("memorization")
shown = study(page.view)


@part("passage")
def passage() -> None:
    if shown is not None:
        reading.draw(page.view, shown)


@part("rates")
def rates() -> None:
    if shown is not None:
        left, right = st.columns(2, gap="medium")
        with left:
            panels.rate(page.view, shown)
        with right:
            panels.scatter(page.view, shown)


@part("layers")
def layers() -> None:
    if shown is not None:
        if shown.layers:
            panels.separation(page.view, shown)
            panels.trajectories(page.view, shown)
        panels.speed(page.view, shown)
        panels.individuals(page.view, shown)


if shown is None:
    empty.say(page)
else:
    panels.lead(shown)
    rates()
    passage()
    panels.tests(shown)
    layers()
page.footer()
