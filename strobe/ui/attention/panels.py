"""Heads at the cursor: all of them, those of one layer, or one drawn large."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import streamlit as st

from strobe.ui.attention import frames
from strobe.ui.panel import choice, downloads, panel
from strobe.ui.panel.kinds import AttentionPanel
from strobe.ui.panel.second_run import SUFFIX
from strobe.ui.shell.parts import follow_server
from strobe.views import attention
from strobe.views.attention import MEAN
from strobe.views.attention_frames import AttentionFrames
from strobe.views.run_view import RunView
from strobe.views.task import reads_as_text
from strobe.views.words import visible

MANY_LAYERS: Final = 5


def all_heads(view: RunView, named: bool = False) -> None:
    """Attention of one probe sequence, or their mean: layers by heads. `named` after its run beside another."""
    every = frames.tensors(view) if view.steps else []
    if len(every) > 1:
        choice.select(frames.CHOICE, "Attention of", every, words=_tensor_words, labelled=True, width=360)
    choices = attention.probe_choices(frames.recorded(view))
    with panel.head("attention"):
        panel.title("Attention at the cursor" + (f": {view.title}" if named else ""))
        if choices:
            first = choices[1] if reads_as_text(view) else MEAN
            probe = choice.select("probe", "Probe sequence", choices, first, words=_probe_words, width=170)
    if not choices:
        panel.caption(attention.why_none(view))
        return
    shown = frames.at_cursor(view, probe)
    if not shown.steps:
        _say_why(shown)
        return
    _heads(view, shown, probe)


def second_run(view: RunView, first: RunView) -> None:
    """The same of a run that stands beside the `first`, with what was chosen there as far as this run has it."""
    with panel.head(f"attention{SUFFIX}"):
        panel.title(f"Attention at the cursor: {view.title}")
    recorded, choices = frames.recorded(view), attention.probe_choices(frames.recorded(view))
    if recorded is None or not choices:
        panel.caption(attention.why_none(view))
        return
    probe = chosen_probe() if chosen_probe() in choices else choices[0]
    shown = frames.at_cursor(view, probe)
    if not shown.steps:
        _say_why(shown)
        return
    words = [] if probe == chosen_probe() else [f"It has no probe sequence {chosen_probe()}: {_probe_words(probe)}."]
    if shown.tensor != frames.chosen(first):
        words.append(f"It has no attention of that name: {_tensor_words(shown.tensor)}.")
    own = frames.recorded(first)
    if own is not None and attention.rooted(own.keys) != shown.rooted:
        words.append("The two scales differ: of long sequences the square root of the weight is drawn.")
    if words:
        panel.caption(" ".join(words))
    _heads(view, shown, probe, SUFFIX)


def _heads(view: RunView, shown: AttentionFrames, probe: str, suffix: str = "") -> None:
    _, layers, heads, length, keys = shown.shades.shape
    ahead = "Tokens cannot look ahead." if shown.masked.any() or length == 1 else "Tokens look ahead too."
    if length != keys:
        ahead = f"{length:,} queries on {keys:,} keys, which are other positions."
    _follow(
        view, f"attention{suffix}", shown, subject=f"{view.run} {probe} {shown.tensor}", tallest=720,
        text=f"Rows attend to columns; every row sums to 1. {ahead}",
        alt=f"Attention weights, {layers} layers by {heads} heads, {length} positions, at the step of the cursor",
    )  # fmt: skip


def has_movie(view: RunView) -> bool:
    """Whether a movie can be made: it shows the attention of all layers."""
    return attention.TENSOR in frames.tensors(view)


def movie_remark(view: RunView) -> str:
    """How the movie differs from what is looked at; empty where it does not."""
    return "" if frames.chosen(view) == attention.TENSOR else "The movie is of all layers alike."


def _tensor_words(name: str) -> str:
    return "all layers alike" if name == attention.TENSOR else visible(name.partition("/")[2], 46)


def _probe_words(name: str) -> str:
    return name if name == MEAN else f"probe {name}"


def chosen_probe() -> str:
    """The probe sequence that `all_heads` shows."""
    probe: str = st.session_state.get("probe", MEAN)
    return probe


def one_layer(view: RunView, layer: int, key: str) -> None:
    """All heads of one layer, mean of the probe sequences."""
    with panel.head(key):
        panel.title("Attention" + (f", layer {layer}" if frames.layers(view) > 1 else ""))
    shown = frames.at_cursor(view)
    if not shown.steps:
        _say_why(shown)
        return
    own = shown.heads(layer)
    heads = own.shades.shape[2]
    _follow(
        view, key, own, subject=f"{view.run} {layer}", text="Mean of the probe sequences; rows attend to columns.",
        alt=f"Attention of {heads} heads of layer {layer} at the step of the cursor",
    )  # fmt: skip


def many(view: RunView) -> bool:
    """Whether all heads together are drawn small."""
    return frames.layers(view) >= MANY_LAYERS


def one_head(view: RunView) -> None:
    """One head drawn large, at the cursor."""
    shown = frames.at_cursor(view, chosen_probe()) if view.steps else None
    if shown is None:
        return
    if not shown.steps:
        if shown.windowed:
            follow_server()
        return
    _, layers, heads, *_ = shown.shades.shape
    options = ["none", *(f"{layer}.{head}" for layer in range(layers) for head in range(heads))]
    with panel.head("one"):
        panel.title("One head")
        chosen = choice.select(
            "head", "Head", options, options[1] if many(view) else "none", words=_head_words, width=160
        )
    if chosen == "none":
        return
    layer, head = map(int, chosen.split("."))
    _follow(
        view, "attention_one", shown.heads(layer, head), subject=f"{view.run} {chosen} {shown.tensor}",
        widest=460 if len(shown.labels) <= 24 else 720,
        label=f"layer {layer}, head {head}",
        text=f"Head {head} of layer {layer}; rows attend to columns, and every row sums to 1.",
        alt=f"Attention of head {head} of layer {layer} at the step of the cursor",
    )  # fmt: skip


def _head_words(name: str) -> str:
    return "pick a head" if name == "none" else f"layer {name.replace('.', ', head ')}"


def _say_why(shown: AttentionFrames) -> None:
    """Why there is nothing to show; where other steps may have something, until the cursor rests on one."""
    panel.caption(shown.reason)
    if shown.windowed:
        follow_server()


def _follow(view: RunView, key: str, shown: AttentionFrames, *, text: str, **header: Any) -> None:
    """A panel that follows the cursor, with the weights of the settled step as data and as an image."""
    _, layers, heads, *_ = shown.shades.shape
    panel.show(
        key,
        AttentionPanel(
            run=view.run, steps=shown.steps, layers=layers, heads=heads, tokens=shown.labels, queries=shown.queries,
            presence=frames.presence_of(view, shown), root=shown.rooted, **header,
        ),
        frames.arrays(shown),
    )  # fmt: skip
    _offer(view, key, shown, text)


def _offer(view: RunView, key: str, shown: AttentionFrames, text: str) -> None:
    """The caption, with the weights of the settled step as they were recorded."""
    from strobe.charts import moment

    def seen(at: int) -> attention.Array:
        return np.where(shown.masked, np.nan, shown.recorded(view, at))

    downloads.offer(
        view, key, shown.remark + text, shown.steps, f"-- read from the snapshot under the cursor: {shown.tensor}",
        lambda at: attention.weights_table(shown.recorded(view, at), shown.masked, shown.labels, shown.queries),
        lambda at: moment.Attention(seen(at), shown.labels, shown.queries, shown.rooted), [shown.tensor],
    )  # fmt: skip
