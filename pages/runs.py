"""Runs: what there is."""

import streamlit as st

from strobe.ui import model_panels, run_card, run_table
from strobe.ui.frame import frame

page = frame("runs")


@st.fragment
def attention() -> None:
    model_panels.attention(page)


@st.fragment
def embedding() -> None:
    model_panels.embedding(page)


run_table.draw(page)
run_card.draw(page)
left, right = st.columns([3, 2], gap="medium")
with left:
    attention()
with right:
    embedding()
page.footer()
