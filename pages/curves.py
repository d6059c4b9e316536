"""Curves: how it went."""

import streamlit as st

from strobe.ui.curves import catalogue, options
from strobe.ui.curves import panel as curve_panel
from strobe.ui.curves import tensors as tensor_panel
from strobe.ui.panel import panel as panels
from strobe.ui.shell import address
from strobe.ui.shell.page import frame
from strobe.ui.shell.parts import part
from strobe.views.curves import Curve

page = frame("curves")


def panel(
    key: str,
    title: str,
    metrics: dict[str, str],
    *,
    y_title: str,
    share: bool = False,
    log: bool | None = None,
    height: int = 300,
) -> None:
    """One chart: `metrics` maps a metric to the word for its split; `log` None means no switch."""
    scales = ["log", "linear"]
    with panels.head(key):
        panels.title(title)
        if log is not None:
            default = "log" if log else "linear"
            address.offer(f"{key}_axis", scales, default)
            st.segmented_control(
                f"{title} axis",
                scales,
                key=f"{key}_axis",
                label_visibility="collapsed",
                required=True,
                persist_state="session",
            )
            log = address.remember(f"{key}_axis", st.session_state[f"{key}_axis"], default) == "log"
    wanted = [Curve(run, metric, split) for run in view.runs(page) for metric, split in metrics.items()]
    curve_panel.draw(page, key, wanted, view=view, y_title=y_title, log=bool(log), share=share, height=height)


@part("loss")
def loss() -> None:
    panel("loss", "Loss", {"val_loss": "test", "train_loss": "train"}, y_title="loss (nats)", log=True)


@part("accuracy")
def accuracy() -> None:
    panel(
        "accuracy",
        "Accuracy",
        {"val_accuracy": "test", "train_accuracy": "train"},
        y_title="accuracy (share)",
        share=True,
    )


@part("tensors")
def tensors() -> None:
    tensor_panel.draw(page)


@part("learning_rate")
def learning_rate() -> None:
    panel("lr", "Learning rate", {"learning_rate": "learning rate"}, y_title="learning rate", log=False, height=190)


@part("metrics")
def metrics() -> None:
    catalogue.draw(page, view)


view = options.controls(page)
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
page.footer()
