"""Runs: what there is."""

import streamlit as st

from strobe.ui.attention.panels import all_heads
from strobe.ui.curves import charts
from strobe.ui.embeddings import flat
from strobe.ui.explorer import samples
from strobe.ui.panel import panel as panels
from strobe.ui.runs import card, common, editing, table
from strobe.ui.shell.page import frame
from strobe.ui.shell.parts import part

page = frame("runs")


@part("attention")
def attention() -> None:
    all_heads(page.view)


@part("embedding")
def embedding() -> None:
    flat.token_embedding(page.view)


@part("samples")
def written() -> None:
    samples.draw(page.view)


@part("loss", grows=True)
def loss() -> None:
    panels.title("Loss")
    charts.loss_line(page, "timeline", 190)


table.draw(page)
editing.draw(page)
loss()
common.draw(page)
card.draw(page)
if page.view.steps:
    if samples.has(page.view):
        written()
    left, right = st.columns([3, 2], gap="medium")
    with left:
        attention()
    with right:
        embedding()
page.footer()
