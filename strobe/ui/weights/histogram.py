"""How the weights of every layer are spread, at the cursor."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from strobe.charts.curves import Curves, Series, curves
from strobe.charts.theme import SEQUENTIAL, SERIES
from strobe.ui.panel import choice, downloads, panel
from strobe.ui.panel.kinds import Line, ProfilePanel, presence
from strobe.ui.panel.settled import Later, at_once
from strobe.ui.shell.cursor import settled
from strobe.ui.weights import kept
from strobe.views import histograms
from strobe.views.histograms import Histograms
from strobe.views.matrices import WeightMatrix
from strobe.views.run_view import RunView


def at_cursor(view: RunView, matrix: WeightMatrix) -> Later:
    """The panel with its settled step; the function that is returned adds the other steps."""
    layers = kept.shown_layers(view, matrix)
    with panel.head("weight_histogram"):
        panel.title("Weights at the cursor" + (", by layer" if len(layers) > 1 else ""))
        counts = choice.segmented("counts", "Counts", ["linear", "log"], words=str.capitalize)

    def draw(whole: bool) -> None:
        steps = histograms.steps(view, layers, settled(view)) if whole else [settled(view)]
        shown = kept.histogram_frames(view, matrix, steps)
        _histogram(view, matrix, shown, steps if whole else None, counts == "log")

    missing = kept.missing(kept.spreads(view, matrix), histograms.steps(view, layers, settled(view)))
    return at_once(missing, draw)


def _histogram(view: RunView, matrix: WeightMatrix, shown: Histograms, tried: list[int] | None, log: bool) -> None:
    """`tried` are the steps that were read, None while the settled one alone is."""
    if shown.reason:
        panel.caption(shown.reason)
        return
    panel.show(
        "weight_histogram_first" if tried is None else "weight_histogram", _header(view, matrix, shown, tried, log),
        {"x": np.ascontiguousarray(shown.centres), "y": np.ascontiguousarray(shown.density)},
    )  # fmt: skip
    text = "Density; every step and layer has bins of its own (Freedman-Diaconis) over its central 99.9%."
    text = " ".join(filter(None, (text, _of_which(view, matrix), shown.left_out)))
    if tried is None:
        panel.caption(text)
    else:
        _tools(view, matrix, shown, text, log)


def _of_which(view: RunView, matrix: WeightMatrix) -> str:
    """Which layers are drawn, as a sentence; empty where all are."""
    every, drawn = kept.layers(view, matrix), kept.shown_layers(view, matrix)
    if len(drawn) == len(every):
        return ""
    return f"{len(drawn):,} of {len(every):,} layers, evenly spaced, with the chosen one."


def _header(
    view: RunView, matrix: WeightMatrix, shown: Histograms, tried: list[int] | None, log: bool
) -> ProfilePanel:
    if tried is None:
        there = presence(view, partial=True)
    else:
        there = presence(view, tried, shown.steps, sampled=len(shown.steps) < len(view.steps))
    return ProfilePanel(
        subject=f"histogram {view.run} {matrix.name}", run=view.run, steps=shown.steps,
        count=shown.density.shape[2], log=log, height=230, lines=_lines(shown.layers), x_name="weight",
        presence=there,
        alt=f"Density of the weights of {matrix.name} in {len(shown.layers)} layers at the step of the cursor",
    )  # fmt: skip


def _tools(view: RunView, matrix: WeightMatrix, shown: Histograms, text: str, log: bool) -> None:
    """The caption with the settled step as data and as an image."""

    def table(at: int) -> pa.Table:
        layer, column = np.nonzero(np.isfinite(shown.density[at]))
        return pa.table({
            "series": np.asarray(shown.layers, dtype=object)[layer].tolist(),
            "x": shown.centres[at][layer, column].astype(float), "y": shown.density[at][layer, column].astype(float),
        })  # fmt: skip

    def figure(at: int) -> Curves:
        series = [Series(line.label, line.colour) for line in _lines(shown.layers)]
        return curves(table(at), series, x_title=f"weight of {matrix.name}", y_title="density", log=log)

    source = f"-- read from the snapshot under the cursor: params/{matrix.name}"
    downloads.offer(view, "weight_histogram", text, shown.steps, source, table, figure, [f"params/{matrix.name}"])


def _lines(layers: list[str]) -> list[Line]:
    """Few layers in colours that tell them apart, many in a ramp from the first to the last."""
    if len(layers) <= len(SERIES) - 1:
        return [Line(name, SERIES[k]) for k, name in enumerate(layers)]
    ramp = [SEQUENTIAL[round(k)] for k in np.linspace(0, len(SEQUENTIAL) - 2, len(layers))]
    return [Line(name, colour) for name, colour in zip(layers, ramp, strict=True)]
