"""Figures of a memorization study: reproduction, compression by layer, and both together."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from etl.errors import StrobeError
from strobe.analysis.memorization.trajectory import acceleration, velocity
from strobe.charts.axes import label_number
from strobe.charts.colours import heatmap
from strobe.charts.curves import Curves, Heatmap, Series, numbered
from strobe.charts.dots import Dots
from strobe.charts.figure import Figure, Scale, Sheet
from strobe.charts.theme import DIVERGING, TEST, TRAIN
from strobe.plot.request import Request
from strobe.views.memorization import GROUPS, Study, study

Array = np.ndarray[Any, Any]
COLOURS: Final = {"trained": TRAIN, "novel": TEST}
SCORE: Final = "compression (nats)"


def _study(request: Request) -> Study:
    found = study(request.view())
    if found is None:
        raise request.nothing_derived("passages")
    return found


def _scored(request: Request) -> Study:
    found = _study(request)
    if not found.layers:
        raise StrobeError("a model of one layer has no compression score")
    return found


def _at(found: Study) -> Array:
    return np.array(found.epochs, np.float64)


def rate(request: Request) -> Curves:
    """Share of passages that are memorized, and mean accuracy, of both groups."""
    found, lines = _study(request), []
    for name in GROUPS:
        many = int(found.group(name).sum())
        lines.append((Series(f"{name}: accuracy", COLOURS[name]), _at(found), found.accuracy(name)))
        share = found.memorized(name) / many
        lines.append((Series(f"{name}: memorized", COLOURS[name], dash=True), _at(found), share))
    lines.append((Series("novel: chance", TEST, turn=1), _at(found), found.chance("novel")))
    return Curves(lines, "epoch", "share", False)


def compression(request: Request) -> Sheet:
    """Compression of both groups over the epochs, one panel a layer."""
    found = _scored(request)
    figures = [_layer(found, layer) for layer in range(found.layers)]
    return Sheet(figures, caption="Mean of the passages of a group.", each=420)


def _layer(found: Study, layer: int) -> Curves:
    lines = [(Series(name, COLOURS[name]), _at(found), found.compression(name)[:, layer]) for name in GROUPS]
    return Curves(lines, "epoch", SCORE, False, title=f"Layer {layer}", plot_height=180)


def scatter(request: Request) -> Sheet:
    """Accuracy against compression of each passage, at the first, a middle and the last epoch."""
    found = _scored(request)
    layer, last = found.best_layer, len(found.epochs) - 1
    chosen = sorted({0, last // 2, last})
    scores = found.measures.compression[:, layer]
    figures = [
        Dots(
            [(name, COLOURS[name], scores[k, found.group(name)], found.measures.accuracy[k, found.group(name)])
             for name in GROUPS],
            SCORE, "accuracy", y_range=(0.0, 1.0), title=f"Epoch {found.epochs[k]}", plot_height=220,
        )
        for k in chosen
    ]  # fmt: skip
    return Sheet(
        figures,
        caption=f"Each point a passage; compression at layer {layer}, on an axis of its own for each epoch.",
        across=3,
        each=340,
    )


def layers(request: Request) -> Heatmap:
    """How far both groups differ in compression, layer by epoch, in standard deviations."""
    found = _scored(request)
    values = found.separation()
    reach = float(np.nanmax(np.abs(values), initial=0.0)) or 1.0
    scale = Scale(
        "trained less novel, standard deviations",
        DIVERGING,
        "−" + label_number(reach, 2),
        label_number(reach, 2),
        "0",
    )
    rows = [f"layer {layer}" for layer in range(found.layers)]
    return Heatmap(
        heatmap((values / reach + 1) / 2, DIVERGING), rows, [str(epoch) for epoch in found.epochs], "epoch", "",
        scale,
        caption="Hedges' g. White where it cannot be told.",
    )  # fmt: skip


def passages(request: Request) -> Curves:
    """Accuracy of each passage over the epochs, with the means of both groups."""
    found, lines = _study(request), []
    for name in GROUPS:
        for k, row in enumerate(found.measures.accuracy[:, found.group(name)].T):
            lines.append((Series(f"{name} {k}", COLOURS[name], of=name), _at(found), row))
        lines.append((Series(name, COLOURS[name]), _at(found), found.accuracy(name)))
    return Curves(lines, "epoch", "accuracy", False, caption="Faint: each passage. Strong: the mean of a group.")


def speed(request: Request) -> Sheet:
    """Velocity and acceleration of the trained passages' compression, in the middle of each interval."""
    found = _scored(request)
    if len(found.epochs) < 2:
        raise StrobeError("a study of one epoch point has no velocity")
    way = found.compression("trained").T
    figures: list[Figure] = [_over(*velocity(_at(found), way), "nats an epoch", "Velocity")]
    if len(found.epochs) > 2:
        figures.append(_over(*acceleration(_at(found), way), "nats an epoch squared", "Acceleration"))
    return Sheet(figures, caption="Trained passages, by layer.", each=420)


def _over(places: Array, rows: Array, unit: str, title: str) -> Curves:
    lines = [(numbered(f"layer {k}", k), places, row) for k, row in enumerate(rows)]
    return Curves(lines, "epoch", unit, False, title=title, plot_height=200)


FIGURES: Final = (
    "compression", "memorization_scatter", "compression_layers", "passages", "memorization_rate", "compression_speed",
)  # fmt: skip
"""The six of a report, by the names of their panels."""
