"""Fourier: which frequencies the network computes with."""

import streamlit as st

from strobe.ui.explorer import changes as change_panel
from strobe.ui.fourier import neurons as neuron_panels
from strobe.ui.fourier import panels
from strobe.ui.panel import derived
from strobe.ui.shell.page import frame
from strobe.ui.shell.parts import part

page = frame("fourier")


@part("story")
def story() -> None:
    left, right = st.columns(2, gap="medium")
    with left:
        panels.losses(page)
        panels.spectrum(page)
    with right:
        panels.clusters(page)
        panels.at_cursor(page)
        panels.gini(page)


@part("changes")
def changes() -> None:
    change_panel.draw(page.view)


@part("neurons")
def neurons() -> None:
    neuron_panels.draw(page, *st.columns([5, 3], gap="medium"))


if derived.ready(page, ("fourier", "neurons", "progress")):
    panels.story(page)
    story()
    changes()
    neurons()
page.footer()
