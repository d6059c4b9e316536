"""Fourier: which frequencies the network computes with."""

import streamlit as st

from strobe.ui.explorer import changes as change_panel
from strobe.ui.fourier import history as history_panels
from strobe.ui.fourier import neurons as neuron_panels
from strobe.ui.fourier import panels
from strobe.ui.panel import derived
from strobe.ui.shell.page import frame
from strobe.ui.shell.parts import part
from strobe.views import neuron_history

page = frame("fourier")


@part("story")
def story() -> None:
    left, right = st.columns(2, gap="medium")
    with left:
        panels.losses(page.view)
        panels.excluded_by_key(page.view)
        panels.spectrum(page.view)
    with right:
        panels.clusters(page.view)
        panels.at_cursor(page.view)
        panels.gini(page.view)
        panels.squared_weights(page.view)


@part("history")
def history() -> None:
    history_panels.draw(page.view)


@part("changes")
def changes() -> None:
    change_panel.draw(page.view)


@part("neurons")
def neurons() -> None:
    neuron_panels.draw(page.view, *st.columns([5, 3], gap="medium"))


if derived.ready(page.view, ("fourier", "neurons", "progress"), (*neuron_history.TABLES, "loss_check")):
    panels.story(page.view)
    story()
    history()
    changes()
    neurons()
page.footer()
