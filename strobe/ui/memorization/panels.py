"""What is known by heart, how layers compress it, and which of it can be told from noise."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa
import streamlit as st

from strobe.analysis.memorization.trajectory import acceleration, velocity
from strobe.charts.curves import Curves, Series, numbered
from strobe.charts.dots import Dots
from strobe.charts.theme import TEST, TRAIN
from strobe.ui.memorization import over_epochs
from strobe.ui.panel import choice, derived, downloads, panel
from strobe.ui.panel.kinds import DotsPanel, Group, presence
from strobe.views import memorization, memorization_report
from strobe.views.memorization import GROUPS, Study
from strobe.views.run_view import Answer, RunView

Array = np.ndarray[Any, Any]
COLOURS: Final = {"trained": TRAIN, "novel": TEST}
SCORE: Final = "compression (nats)"


def _epochs(shown: Study) -> Array:
    return np.array(shown.epochs, np.float64)


def lead(shown: Study) -> None:
    """What was reproduced and how many tests survived."""
    panel.say(memorization_report.lead(shown))


def rate(view: RunView, shown: Study) -> None:
    """Accuracy and share memorized of both groups."""
    panel.title("Known by heart")
    drawn = []
    for name in GROUPS:
        drawn.append((Series(f"{name}: accuracy", COLOURS[name]), shown.accuracy(name)))
        share = shown.memorized(name) / max(1, int(shown.group(name).sum()))
        drawn.append((Series(f"{name}: memorized", COLOURS[name], dash=True), share))
    drawn.append((Series("novel: chance", TEST, turn=1), shown.chance("novel")))
    table = over_epochs.lines(view, "memorization_rate", shown, drawn, y_title="share", share=True, height=250)
    about = "Greedy continuation of the first third. Chance: the same beside what other passages go on with."
    over_epochs.tools("memorization_rate", about, shown, table, lambda: _figure(shown, drawn, "share"))


def _figure(shown: Study, drawn: list[over_epochs.Line], y_title: str) -> Curves:
    return Curves([(one, _epochs(shown), values) for one, values in drawn], "epoch", y_title, False)


def scatter(view: RunView, shown: Study) -> None:
    """Accuracy against compression of every passage, at the cursor."""
    layers = [str(layer) for layer in range(shown.layers)]
    with panel.head("memorization_dots"):
        panel.title("Accuracy and compression at the cursor")
        if len(layers) > 1:
            words = {layer: f"layer {layer}" for layer in layers}
            choice.select("layer", "Layer", layers, str(shown.best_layer), words=words, width=120)
    if not layers:
        panel.caption("A model of one layer has no compression score.")
        return
    layer = int(st.session_state.get("layer", shown.best_layer)) if len(layers) > 1 else 0
    measures = shown.measures
    points = np.stack([measures.compression[:, layer], measures.accuracy], axis=2).astype(np.float32)
    member = [0 if trained else 1 for trained in measures.trained.tolist()]
    labels = [f"passage {number}" for number in range(len(member))]
    header = DotsPanel(
        subject=f"dots {view.run}", run=view.run, steps=list(shown.steps), labels=labels, member=member, height=250,
        groups=[Group(name, COLOURS[name]) for name in GROUPS], x_name=SCORE, y_name="accuracy",
        presence=presence(view, lack="not an epoch point"),
        alt=f"Accuracy against compression of {len(labels)} passages at the epoch of the cursor",
    )  # fmt: skip
    panel.show("memorization_dots", header, {"points": points})
    downloads.offer(
        view, "memorization_dots", f"Each point a passage; across compression at layer {layer} (nats), up accuracy.",
        list(shown.steps), shown.answers[1].sql,
        lambda at: pa.table({"passage": np.arange(len(member)), "compression": points[at, :, 0],
                             "accuracy": points[at, :, 1]}),
        lambda at: _dots(shown, points[at]),
    )  # fmt: skip


def _dots(shown: Study, points: Array) -> Dots:
    groups = [(name, COLOURS[name], *points[shown.group(name)].T.astype(np.float64)) for name in GROUPS]
    return Dots(groups, SCORE, "accuracy", (0.0, 1.0))


def separation(view: RunView, shown: Study) -> None:
    """How far the groups differ in compression, layer by epoch."""
    panel.title("Trained less novel, by layer and epoch", explains=memorization_report.RULE)
    values = shown.separation()
    rows = [f"layer {layer}" for layer in range(shown.layers)]
    table = pa.table({
        "row": pa.array([name for name in rows for _ in shown.steps], pa.string()),
        "step": pa.array(list(shown.steps) * len(rows), pa.int64()),
        "value": pa.array(values.ravel(), from_pandas=True),
    })  # fmt: skip
    about = "Hedges' g of the compression of both groups, in standard deviations, at the steps of the epoch points."
    derived.grid(
        view, "compression_layers", Answer(shown.answers[2].sql, table), rows, row_height=22, signed=True,
        quantity="standard deviations", about=about,
    )  # fmt: skip


def trajectories(view: RunView, shown: Study) -> None:
    """Compression of both groups over the epochs, one panel a layer."""
    panel.title("Compression by layer")
    kinds = [row["verdict"] for row in shown.of("shape")]
    columns: list[Any] = []
    for layer in range(shown.layers):
        if layer % 3 == 0:
            columns = list(st.columns(3, gap="medium"))
        with columns[layer % 3]:
            panel.title(f"Layer {layer}", badge=kinds[layer] if layer < len(kinds) else "")
            drawn = [(Series(name, COLOURS[name]), shown.compression(name)[:, layer]) for name in GROUPS]
            key = f"compression_{layer}"
            table = over_epochs.lines(view, key, shown, drawn, y_title=SCORE, height=170)
            over_epochs.tools(key, "Nats, mean of a group.", shown, table, _maker(shown, drawn))
    panel.caption("Beside a layer: the shape of the trained group's way, by the rule in docs/analyses.md.")


def _maker(shown: Study, drawn: list[over_epochs.Line]) -> Any:
    return lambda: _figure(shown, drawn, SCORE)


def individuals(view: RunView, shown: Study) -> None:
    """Accuracy of each passage over the epochs."""
    panel.title("Every passage")
    drawn: list[over_epochs.Line] = []
    for name in GROUPS:
        for number, row in enumerate(shown.measures.accuracy[:, shown.group(name)].T):
            drawn.append((Series(f"{name} {number}", COLOURS[name], of=name), row))
        drawn.append((Series(name, COLOURS[name]), shown.accuracy(name)))
    table = over_epochs.lines(view, "passage_lines", shown, drawn, y_title="accuracy", share=True, height=230)
    about = "Accuracy. Faint: each passage; strong: the mean of a group."
    over_epochs.tools("passage_lines", about, shown, table, lambda: _figure(shown, drawn, "accuracy"))


def speed(view: RunView, shown: Study) -> None:
    """Velocity and acceleration of the trained passages' compression, a line a layer."""
    if not shown.layers:
        return
    way = shown.compression("trained").T
    left, right = st.columns(2, gap="medium")
    with left:
        panel.title("How fast compression changes")
        if len(shown.epochs) < 2:
            panel.caption("One epoch point has no velocity.")
        else:
            places, values = velocity(_epochs(shown), way)
            about = "Trained passages: the change between two epoch points, in the middle of them."
            _by_layer(view, "compression_speed", shown, (places, values), "nats an epoch", about)
    with right:
        panel.title("How that changes")
        if len(shown.epochs) < 3:
            panel.caption("An acceleration needs three epoch points.")
        else:
            places, values = acceleration(_epochs(shown), way)
            about = "The change between two middles, between them. Beside a name: the last at or before the cursor."
            _by_layer(view, "compression_acceleration", shown, (places, values), "nats an epoch squared", about)


def _by_layer(view: RunView, key: str, shown: Study, at: tuple[Array, Array], unit: str, about: str) -> None:
    """Lines of every layer over places between the epoch points."""
    places, values = at
    drawn = [(numbered(f"layer {k}", k), row) for k, row in enumerate(values)]
    table = over_epochs.lines(view, key, shown, drawn, y_title=unit, height=210, places=places)
    made = [(one, places, row) for one, row in drawn]
    over_epochs.tools(key, f"{about} In {unit}.", shown, table, lambda: Curves(made, "epoch", unit, False))


def tests(shown: Study) -> None:
    """Every test, those that survive first."""
    panel.title("What was tested", badge=f"{len(shown.survived)} of {shown.tests} survive")
    order = {"found": 0, "not found": 1}
    rows = sorted(shown.findings, key=lambda row: order.get(row["verdict"], 2))
    names = ("analysis", "subject", "verdict", "effect", "low", "high", "unit", "p_corrected", "note")
    columns = st.column_config
    st.dataframe(
        pa.table({name: [row[name] for row in rows] for name in names}), hide_index=True, key="findings", height=320,
        placeholder="",
        column_config={
            "analysis": columns.TextColumn("Analysis"), "subject": columns.TextColumn("Of", width="medium"),
            "verdict": columns.TextColumn("Verdict"), "effect": columns.NumberColumn("Effect", format="%.3g"),
            "low": columns.NumberColumn("95% from", format="%.3g"), "high": columns.NumberColumn("to", format="%.3g"),
            "unit": columns.TextColumn("In"),
            "p_corrected": columns.NumberColumn("p", format="%.2g", help="After Holm's correction"),
            "note": columns.TextColumn("Why not", width="medium"),
        },
    )  # fmt: skip
    panel.tools(
        "findings",
        memorization_report.RULE,
        [memorization.queries(shown.run)[2]],
        lambda: shown.answers[2].table,
        None,
    )
