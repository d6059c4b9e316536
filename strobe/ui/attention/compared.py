"""Heads at chosen steps, side by side."""

from __future__ import annotations

from typing import Final

import streamlit as st

from strobe.ui.attention import frames
from strobe.ui.attention.panels import chosen_probe
from strobe.ui.panel import panel
from strobe.ui.panel.kinds import AttentionPanel
from strobe.ui.shell import address
from strobe.ui.shell.moments import milestones_of
from strobe.views import attention
from strobe.views.attention_frames import AttentionFrames
from strobe.views.run_view import RunView, index_at_or_before

MOST_COMPARED: Final = 3


def compared(view: RunView) -> None:
    """The same heads at up to three steps, side by side on the one colour scale; nothing where the panel above says
    why there are none."""
    if len(view.steps) < 2 or attention.shape(view) is None:
        return
    with panel.head("compared"):
        panel.title("Steps side by side")
        asked = _pick_steps(view)
    shown = frames.at_steps(view, chosen_probe(), asked)
    if not shown.steps:
        panel.caption(shown.reason if asked else "Pick steps to see their heads side by side.")
        return
    for column, step in zip(st.columns(len(shown.steps), gap="medium"), sorted(shown.steps), strict=True):
        with column:
            panel.caption(f"Step {step:,}")
            _still(view, shown, step)
    panel.caption("0 to 1 on the same colour scale as above.")


def _pick_steps(view: RunView) -> list[int]:
    options = [str(step) for step in view.steps]
    chosen = address.offer_several("at", options, _default_steps(view), MOST_COMPARED)
    # The widget's own memory is of the run that was shown before.
    st.session_state["compared_steps"] = chosen
    st.multiselect(
        "Steps to compare", options, key="compared_steps", max_selections=MOST_COMPARED,
        label_visibility="collapsed", width=420, format_func=lambda step: f"step {int(step):,}",
        placeholder="Pick up to three steps", on_change=_picked,
    )  # fmt: skip
    return sorted({int(step) for step in chosen})


def _picked() -> None:
    st.session_state["at"] = list(st.session_state["compared_steps"])


def _default_steps(view: RunView) -> list[str]:
    """The first snapshot, the one at the onset (or the middle one), and the last."""
    onset, steps = milestones_of(view).onset, view.steps
    middle = onset.step if onset is not None and onset.step is not None else steps[len(steps) // 2]
    near = steps[index_at_or_before(steps, middle)]
    return [str(step) for step in dict.fromkeys([steps[0], near, steps[-1]])]


def _still(view: RunView, shown: AttentionFrames, step: int) -> None:
    at = shown.steps.index(step)
    own = {name: array[at][None] for name, array in frames.arrays(shown).items()}
    _, layers, heads, *_ = own["values"].shape
    header = AttentionPanel(
        subject=f"{view.run} {step}", run=view.run, steps=[step], follows=False, layers=layers, heads=heads,
        tokens=shown.labels, queries=shown.queries, plain=True, root=shown.rooted,
        alt=f"Attention weights at step {step:,}, {layers} layers by {heads} heads",
    )  # fmt: skip
    panel.show(f"attention_at_{step}", header, own)
