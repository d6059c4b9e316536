"""The panels of the Attention page: heads at the cursor, the same at chosen steps, and head scores over training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pyarrow as pa
import streamlit as st

from etl.errors import StrobeError
from etl.run.snapshot import Snapshot
from strobe.analysis.attention import head_scores
from strobe.charts.curves import Series
from strobe.charts.theme import SERIES
from strobe.ui.panel import derived, frames, model, panel
from strobe.ui.panel.kinds import AttentionPanel
from strobe.ui.panel.marks import step_marks
from strobe.ui.shell import address
from strobe.ui.shell.page import Page
from strobe.ui.shell.parts import follow_server
from strobe.views.run_view import Answer, literal
from strobe.views.words import size

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
MANY_LAYERS: Final = 5
MOST_READ: Final = 100_000_000
"""Bytes of attention that are read for scores that were not stored: of longer runs, evenly spaced snapshots."""
MOST_EACH: Final = 20_000_000
"""The same of one snapshot: of larger ones, the first probe sequences."""


def compared(page: Page) -> None:
    """The same heads at up to three steps, side by side on the one colour scale."""
    if len(page.steps) < 2:
        return
    with panel.head("compared"):
        panel.title("Steps side by side")
        default = _default_steps(page)
        options = [str(step) for step in page.steps]
        chosen = address.offer_several("at", options, default, MOST_COMPARED)
        # The widget's own memory is of the run that was shown before.
        st.session_state["compared_steps"] = chosen
        st.multiselect(
            "Steps to compare", options, key="compared_steps", max_selections=MOST_COMPARED,
            label_visibility="collapsed", width=420, format_func=lambda step: f"step {int(step):,}",
            placeholder="Pick up to three steps", on_change=_picked,
        )  # fmt: skip
    asked = sorted({int(step) for step in chosen})
    found = frames.attention_at(page, st.session_state.get("probe", frames.MEAN), asked)
    shown = found.steps
    if not shown:
        panel.caption(found.reason if asked else "Pick steps to see their heads side by side.")
        return
    for column, step in zip(st.columns(len(shown), gap="medium"), sorted(shown), strict=True):
        with column:
            panel.caption(f"Step {step:,}")
            _still(page, found, step)
    panel.caption("0 to 1 on the same colour scale as above.")


def _picked() -> None:
    st.session_state["at"] = list(st.session_state["compared_steps"])


def _default_steps(page: Page) -> list[str]:
    """The first snapshot, the one at the onset (or the middle one), and the last."""
    onset = page.milestones.onset
    middle = onset.step if onset is not None and onset.step is not None else page.steps[len(page.steps) // 2]
    near = max((step for step in page.steps if step <= middle), default=page.steps[0])
    return [str(step) for step in dict.fromkeys([page.steps[0], near, page.steps[-1]])]


def many(page: Page) -> bool:
    """Whether all heads together are drawn small."""
    return frames.attention_layers(page) >= MANY_LAYERS


def one(page: Page) -> None:
    """One head drawn large, at the cursor."""
    found = frames.attention(page, st.session_state.get("probe", frames.MEAN)) if page.steps else None
    if found is None:
        return
    if not found.steps:
        if found.windowed:
            follow_server()
        return
    _, layers, heads, length, _ = found.values.shape
    options = ["none", *(f"{layer}.{head}" for layer in range(layers) for head in range(heads))]
    default = options[1] if many(page) else "none"
    address.offer("head", options, default)
    with panel.head("one"):
        panel.title("One head")
        st.selectbox(
            "Head", options, key="head", label_visibility="collapsed", width=160, persist_state="session",
            format_func=lambda name: "pick a head" if name == "none" else f"layer {name.replace('.', ', head ')}",
        )  # fmt: skip
    chosen = address.remember("head", st.session_state["head"], default)
    if chosen == "none":
        return
    layer, head = map(int, chosen.split("."))
    header = AttentionPanel(
        subject=f"{page.run} {chosen}", run=page.run, steps=found.steps, layers=1, heads=1, tokens=found.labels,
        presence=frames.attention_presence(page, found), root=length > frames.LINEAR_UP_TO, widest=460,
        label=f"layer {layer}, head {head}",
        alt=f"Attention of head {head} of layer {layer} at the step of the cursor",
    )  # fmt: skip
    values = np.ascontiguousarray(found.values[:, layer : layer + 1, head : head + 1])
    panel.show("attention_one", header, {"values": values})
    text = f"Head {head} of layer {layer}; rows attend to columns, and every row sums to 1."
    model.attention_tools(page, "attention_one", replace(found, values=values), text)


def _still(page: Page, found: frames.Frames, step: int) -> None:
    values = np.ascontiguousarray(found.values[found.steps.index(step)][None])
    _, layers, heads, length, _ = values.shape
    header = AttentionPanel(
        subject=f"{page.run} {step}", run=page.run, steps=[step], follows=False, layers=layers, heads=heads,
        tokens=found.labels, plain=True, root=length > frames.LINEAR_UP_TO,
        alt=f"Attention weights at step {step:,}, {layers} layers by {heads} heads",
    )  # fmt: skip
    panel.show(f"attention_at_{step}", header, {"values": values})


def scores(page: Page) -> None:
    """One score of every head over training: stored ones, or computed from the snapshots where there are none."""
    with panel.head("scores"):
        panel.title("Heads over training")
        address.offer("score", list(SCORES), "previous_token")
        st.selectbox(
            "Score", list(SCORES), key="score", label_visibility="collapsed", width=200, persist_state="session",
            format_func=lambda name: SCORES[name][0],
        )  # fmt: skip
    score = address.remember("score", st.session_state["score"], "previous_token")
    answer, remark = _scores(page, score)
    if not answer.table.num_rows:
        panel.caption("No attention, so no scores: record snapshots with the section “attention”.")
        return
    names = list(dict.fromkeys(answer.table["series"].to_pylist()))
    if all(value is None for value in answer.table["value"].to_pylist()):
        why = "since no token recurs in its probe sequences" if score == "induction" else "since it is not finite"
        panel.caption(f"{SCORES[score][0]}: not defined for this run, {why}.")
        return
    about = f"Mean over the probe sequences: {SCORES[score][1]}.{remark}"
    if len(names) > 1:
        rows = Answer(answer.sql, answer.table.rename_columns(["row", *answer.table.column_names[1:]]), 0.0)
        derived.grid(
            page.view, "scores_grid", rows, names, quantity=SCORES[score][0].lower(), row_height=16,
            about=f"{about} Colour on a log scale.",
        )  # fmt: skip
    if len(names) <= address.MOST_RUNS:
        looks = {name: Series(name, SERIES[k % len(SERIES)], dash=k >= len(SERIES)) for k, name in enumerate(names)}
        derived.lines(
            page.view, "scores_lines", answer, looks, y_title=SCORES[score][0].lower(), height=260,
            marks=step_marks(page), about="The same as lines." if len(names) > 1 else about,
        )  # fmt: skip


def _scores(page: Page, score: str) -> tuple[Answer, str]:
    """Columns series, step, value, layer, head; and what there is to say about where they come from."""
    answer = page.reader.ask(f"""SELECT 'L' || layer || ' H' || head AS series, step, {score} AS value, layer, head
FROM heads WHERE run = {literal(page.run)} ORDER BY layer, head, step""")
    if answer.table.num_rows or not frames.attention_layers(page):
        return answer, ""
    made = _computed(*page.reader.key, page.run, page)
    table = made.table.select(["series", "step", score, "layer", "head"])
    table = table.rename_columns(["series", "step", "value", "layer", "head"])
    some = f"{made.steps:,} of {len(page.steps):,}" if made.steps < len(page.steps) else f"all {made.steps:,}"
    probes = f", the first {made.probes} of {made.of} probe sequences" if made.probes < made.of else ""
    remark = f" Computed now from {some} snapshots{probes} ({size(made.read)} read): `strobe analyze {page.run}`"
    return Answer("-- computed from the snapshots: attention/att", table, 0.0), remark + " computes and stores all."


@dataclass(frozen=True)
class _Computed:
    """series, layer, head, step and the scores; from how many snapshots, probe sequences of how many, and bytes."""

    table: pa.Table
    steps: int
    probes: int
    of: int
    read: int


@st.cache_resource(max_entries=8, show_spinner="Scoring heads …")
def _computed(key: str, version: str, run: str, _page: Page) -> _Computed:
    del key, version
    layers, of, heads, queries, keys = frames.attention_shape(_page)
    probes = max(1, min(of, MOST_EACH // (4 * layers * heads * queries * keys)))
    each = 4 * layers * probes * heads * queries * keys
    chosen = frames.evenly(_page.steps, max(2, MOST_READ // each))
    files, rows, done = frames.snapshots_of(_page, run), [], 0
    paths = files.current() if files is not None else {}
    for step in chosen:
        try:
            rows += _score(files.open(paths[step]), step, probes) if files is not None else []
            done += 1
        except (StrobeError, OSError, KeyError, ValueError):
            continue
    rows.sort(key=lambda row: (row["layer"], row["head"], row["step"]))
    kinds = {"series": pa.string(), **dict.fromkeys(("step", "layer", "head"), pa.int64())}
    schema = pa.schema(list((kinds | dict.fromkeys(SCORES, pa.float64())).items()))
    return _Computed(pa.Table.from_pylist(rows, schema), done, probes, of, done * each)


def _score(snapshot: Snapshot, step: int, probes: int) -> list[dict[str, Any]]:
    tokens = np.asarray(snapshot["probe/tokens"])[:probes] if "probe/tokens" in snapshot else None
    found = head_scores(np.asarray(snapshot.values("attention/att")[:, :probes], np.float64), tokens)
    rows = []
    for layer, head in np.ndindex(found.entropy.shape):
        values = {name: float(score[layer, head]) for name, score in found._asdict().items()}
        known = {name: value if np.isfinite(value) else None for name, value in values.items()}
        rows.append({"series": f"L{layer} H{head}", "step": step, "layer": layer, "head": head, **known})
    return rows
