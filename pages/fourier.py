"""Fourier: which frequencies the network computes with."""

import streamlit as st

from strobe.ui import change_panel, derived_panels, fourier_panels, neuron_panels
from strobe.ui.frame import frame
from strobe.ui.parts import part

page = frame("fourier")


@part("story")
def story() -> None:
    left, right = st.columns(2, gap="medium")
    with left:
        fourier_panels.losses(page)
        fourier_panels.spectrum(page)
    with right:
        fourier_panels.clusters(page)
        fourier_panels.at_cursor(page)
        fourier_panels.gini(page)


@part("changes")
def changes() -> None:
    change_panel.draw(page)


@part("neurons")
def neurons() -> None:
    neuron_panels.draw(page, *st.columns([5, 3], gap="medium"))


if derived_panels.ready(page, ("fourier", "neurons", "progress")):
    fourier_panels.story(page)
    story()
    changes()
    neurons()
page.footer()
