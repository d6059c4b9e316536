"""The panels of the Attention page: heads at the cursor, the same at chosen steps, and head scores over training."""

from __future__ import annotations

from typing import Final

import numpy as np
import streamlit as st

from strobe.charts.curves import Series
from strobe.charts.theme import SERIES
from strobe.ui import derived_panels, frames, panels, state
from strobe.ui.data import literal
from strobe.ui.frame import Frame
from strobe.ui.moments import step_marks

SCORES: Final = {
    "previous_token": ("Previous token", "weight on the token just before"),
    "first_token": ("First token", "weight on the first token"),
    "diagonal": ("Itself", "weight on the query's own position"),
    "induction": ("Induction", "weight on what followed earlier occurrences of the same token"),
    "entropy": ("Entropy", "spread over the keys (nats): 0 means one key"),
    "max_weight": ("Largest weight", "largest weight of a query, on average"),
}
"""Column of table `heads` -> its name and what it measures."""
MOST_COMPARED: Final = 3


def compared(page: Frame) -> None:
    """The same heads at up to three steps, side by side on the one colour scale."""
    if len(page.steps) < 2:
        return
    with panels.head("compared"):
        panels.title("Steps side by side")
        default = _default_steps(page)
        options = [str(step) for step in page.steps]
        chosen = state.offer_several("at", options, default)
        st.multiselect(
            "Steps to compare", options, default=chosen, key="compared_steps", max_selections=MOST_COMPARED,
            label_visibility="collapsed", width=420, format_func=lambda step: f"step {int(step):,}",
            placeholder="Pick up to three steps", on_change=_picked,
        )  # fmt: skip
    found = frames.attention(page, st.session_state.get("probe", frames.MEAN))
    shown = [step for step in map(int, chosen) if step in found.steps]
    if not shown:
        panels.caption("Pick steps to see their heads side by side.")
        return
    for column, step in zip(st.columns(len(shown), gap="medium"), sorted(shown), strict=True):
        with column:
            panels.caption(f"Step {step:,}")
            _still(page, found, step)
    panels.caption("0 to 1 on the same colour scale as above.")


def _picked() -> None:
    st.session_state["at"] = list(st.session_state["compared_steps"])


def _default_steps(page: Frame) -> list[str]:
    """The first snapshot, the one at the onset (or the middle one), and the last."""
    onset = page.milestones.onset
    middle = onset.step if onset is not None and onset.step is not None else page.steps[len(page.steps) // 2]
    near = max((step for step in page.steps if step <= middle), default=page.steps[0])
    return [str(step) for step in dict.fromkeys([page.steps[0], near, page.steps[-1]])]


def one(page: Frame) -> None:
    """One head drawn large, at the cursor."""
    found = frames.attention(page, st.session_state.get("probe", frames.MEAN)) if page.steps else None
    if found is None or not found.steps:
        return
    _, layers, heads, length, _ = found.values.shape
    options = ["none", *(f"{layer}.{head}" for layer in range(layers) for head in range(heads))]
    state.offer("head", options, "none")
    with panels.head("one"):
        panels.title("One head")
        st.selectbox(
            "Head", options, key="head", label_visibility="collapsed", width=160, persist_state="session",
            format_func=lambda name: "pick a head" if name == "none" else f"layer {name.replace('.', ', head ')}",
        )  # fmt: skip
    chosen = state.remember("head", st.session_state["head"], "none")
    if chosen == "none":
        return
    layer, head = map(int, chosen.split("."))
    header = {
        "kind": "attention", "subject": f"{page.run} {chosen}", "follows": True, "run": page.run,
        "steps": found.steps, "layers": 1, "heads": 1, "tokens": found.labels, "windowed": found.windowed,
        "root": length > frames.LINEAR_UP_TO, "widest": 460, "label": f"layer {layer}, head {head}",
        "alt": f"Attention of head {head} of layer {layer} at the step of the cursor",
    }  # fmt: skip
    values = np.ascontiguousarray(found.values[:, layer : layer + 1, head : head + 1])
    panels.show("attention_one", header, {"values": values})


def _still(page: Frame, found: frames.Frames, step: int) -> None:
    values = np.ascontiguousarray(found.values[found.steps.index(step)][None])
    _, layers, heads, length, _ = values.shape
    header = {
        "kind": "attention", "subject": f"{page.run} {step}", "follows": False, "run": page.run, "steps": [step],
        "layers": layers, "heads": heads, "tokens": found.labels, "windowed": False, "plain": True,
        "root": length > frames.LINEAR_UP_TO,
        "alt": f"Attention weights at step {step:,}, {layers} layers by {heads} heads",
    }  # fmt: skip
    panels.show(f"attention_at_{step}", header, {"values": values})


def scores(page: Frame) -> None:
    """One score of every head over training."""
    rows = page.reader.rows(f"SELECT count(*) AS n FROM heads WHERE run = {literal(page.run)}")
    with panels.head("scores"):
        panels.title("Heads over training")
        state.offer("score", list(SCORES), "previous_token")
        st.selectbox(
            "Score", list(SCORES), key="score", label_visibility="collapsed", width=200, persist_state="session",
            format_func=lambda name: SCORES[name][0],
        )  # fmt: skip
    score = state.remember("score", st.session_state["score"], "previous_token")
    if not rows[0]["n"] and not derived_panels.ready(page, ("heads",)):
        return
    answer = page.reader.ask(f"""SELECT 'L' || layer || ' H' || head AS series, step, {score} AS value, layer, head
FROM heads WHERE run = {literal(page.run)} ORDER BY layer, head, step""")
    names = list(dict.fromkeys(answer.table["series"].to_pylist()))
    if all(value is None for value in answer.table["value"].to_pylist()):
        panels.caption(f"{SCORES[score][0]}: not defined for this run, since no token recurs in its probe sequences.")
        return
    if len(names) <= state.MOST_RUNS:
        looks = {name: Series(name, SERIES[k % len(SERIES)], dash=k >= len(SERIES)) for k, name in enumerate(names)}
        about = f"Mean over the probe sequences: {SCORES[score][1]}."
        derived_panels.lines(page, "scores_lines", answer, looks, y_title=SCORES[score][0].lower(), height=260,
                             marks=step_marks(page), about=about)  # fmt: skip
        return
    rowed = page.reader.ask(answer.sql.replace("AS series", "AS row"))
    about = f"Mean over the probe sequences: {SCORES[score][1]}. Colour on a log scale."
    derived_panels.grid(
        page, "scores_grid", rowed, names, quantity=SCORES[score][0].lower(), row_height=14, about=about
    )
