"""Weights: matrices, their spectra, and units that died."""

import streamlit as st

from strobe.ui import activation_panels, weight_panels
from strobe.ui.frame import frame

page = frame("weights")


@st.fragment
def matrix() -> None:
    weight_panels.matrix_row(page)


@st.fragment
def activations() -> None:
    activation_panels.draw(page)


matrix()
activations()
page.footer()
