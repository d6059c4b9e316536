"""Runs: what there is."""

import streamlit as st

from strobe.ui import curve_panel, model_panels, panels, run_card, run_table
from strobe.ui.curve_panel import Curve
from strobe.ui.frame import frame
from strobe.ui.parts import part

LOSSES = {"val_loss": "test", "train_loss": "train"}
page = frame("runs")


@part("attention")
def attention() -> None:
    model_panels.attention(page)


@part("embedding")
def embedding() -> None:
    model_panels.embedding(page)


@part("loss")
def loss() -> None:
    panels.title("Loss")
    curves = [Curve(run, metric, split) for run in page.runs for metric, split in LOSSES.items()]
    curve_panel.draw(page, "timeline", curves, y_title="loss (nats)", log=True, height=190)


run_table.draw(page)
run_card.draw(page)
left, right = st.columns([3, 2], gap="medium")
with left:
    attention()
    loss()
with right:
    embedding()
page.footer()
