"""Curves: how it went."""

import streamlit as st

from strobe.ui.curves import catalogue, charts, options
from strobe.ui.curves import tensors as tensor_panel
from strobe.ui.curves import transitions as transition_panel
from strobe.ui.shell.page import frame
from strobe.ui.shell.parts import part

page = frame("curves")


@part("loss")
def loss() -> None:
    charts.draw(page, chosen, charts.LOSS)


@part("accuracy")
def accuracy() -> None:
    charts.draw(page, chosen, charts.ACCURACY)


@part("tensors")
def tensors() -> None:
    tensor_panel.draw(page)


@part("learning_rate")
def learning_rate() -> None:
    charts.draw(page, chosen, charts.LEARNING_RATE)


@part("metrics")
def metrics() -> None:
    catalogue.draw(page, chosen)


@part("transitions")
def transitions() -> None:
    transition_panel.draw(page.view)


chosen = options.controls(page)
left, right = st.columns(2, gap="medium")
with left:
    loss()
with right:
    accuracy()
left, right = st.columns([2, 1], gap="medium")
with left:
    tensors()
with right:
    learning_rate()
metrics()
transitions()
page.footer()
