"""Neurons over all inputs a, b of a model that adds modulo p: the clearest ones together, and any one large."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from etl.errors import StrobeError
from strobe.charts.tiles import Tiles
from strobe.ui.panel import choice, downloads, panel
from strobe.ui.panel.kinds import TilesPanel, presence
from strobe.ui.panel.settled import at_once
from strobe.ui.shell.cache import filled
from strobe.ui.shell.cursor import settled
from strobe.views import neurons
from strobe.views.neurons import Grids, Neuron
from strobe.views.run_view import RunView
from strobe.views.words import number

Kept = dict[int, Grids | None]
"""Step -> grids; None where the step cannot be run."""


@dataclass(frozen=True)
class _Drawn:
    """What one panel of grids draws: `key` names it; `whole` is whether all its steps are there."""

    key: str
    neurons: Sequence[Neuron]
    labels: list[str]
    kept: Kept
    whole: bool

    def grids(self, step: int) -> Grids:
        made = self.kept[step]
        assert made is not None
        return made


def draw(view: RunView, left: Any, right: Any) -> None:
    """The clearest neurons of every frequency in the container `left`, a picked one in `right`; the settled step is
    shown before the others are computed."""
    with left:
        panel.title("Neurons over all inputs (a down, b across)")
    inputs = neurons.inputs(view)
    every = [] if inputs.reason else neurons.named(view)
    if not every:
        with left:
            panel.caption(inputs.reason or "No neuron varies over the inputs in the last snapshot.")
        return
    clearest = neurons.clearest(view)
    with right:
        picked = _pick(every)
    here = settled(view)
    steps = sorted({*neurons.affordable(view, len(clearest), inputs.count, neurons.MOST_FRAMES), here})
    together, large = filled("neurons", view), filled("neurons", view, picked.id)
    places = left.empty(), right.empty()

    def show(whole: bool) -> None:
        for step in steps if whole else [here]:
            if step not in together or step not in large:
                # One forward pass serves both.
                made = neurons.activations(view, step, [*clearest, picked])
                together.setdefault(step, neurons.grids(None if made is None else made[:-1]))
                large.setdefault(step, neurons.grids(None if made is None else made[-1:]))
        with places[0].container():
            _clearest(view, [step for step in steps if together.get(step) is not None], together, clearest, whole)
        with places[1].container():
            _one(view, [step for step in steps if large.get(step) is not None], large, picked, whole)

    at_once([step for step in steps if step not in together or step not in large], show)()


def _pick(every: list[Neuron]) -> Neuron:
    """The neuron that is drawn large."""
    by_id, layers = {neuron.id: neuron for neuron in every}, any(neuron.layer for neuron in every)
    with panel.head("one_neuron"):
        panel.title("One neuron at the cursor")
        chosen = choice.select(
            "neuron", "Neuron", list(by_id), width=300,
            words=lambda name: f"{_name(by_id[name], layers)} ({number(by_id[name].share, 2)} at the end)",
        )  # fmt: skip
    return by_id[chosen]


def _name(neuron: Neuron, layers: bool) -> str:
    return (f"layer {neuron.layer} " if layers else "") + f"neuron {neuron.neuron}, k = {neuron.frequency}"


def _clearest(view: RunView, steps: list[int], kept: Kept, chosen: list[Neuron], whole: bool) -> None:
    if not steps:
        panel.caption("No snapshot of this run can be run through the model.")
        return
    labels = [_name(neuron, any(other.layer for other in chosen)) for neuron in chosen]
    drawn = _Drawn("fourier_neurons", chosen, labels, kept, whole)
    _show(view, drawn, steps, across=4, side=190)
    text = (
        f"The {len(labels)} neurons with the largest shares at the end, from every frequency; each has its own scale "
        "at each step."
    )
    _files(view, drawn, steps, text)


def _one(view: RunView, steps: list[int], kept: Kept, neuron: Neuron, whole: bool) -> None:
    if not steps:
        return
    label = f"neuron {neuron.neuron}" + (f" of layer {neuron.layer}" if neuron.layer else "")
    drawn = _Drawn("fourier_one", [neuron], [label], kept, whole)
    shares = {step: f"k = {k} holds {share:.0%}, " for step, (k, share) in neurons.history(view, neuron).items()}
    words = []
    for step in steps:
        low, high = (number(float(end[0]), 2) for end in (drawn.grids(step).low, drawn.grids(step).high))
        words.append([f"{shares.get(step, '')}activation {low} to {high}"])
    _show(view, drawn, steps, across=1, side=420, frame_labels=words)
    text = (
        f"Best frequency of {label} and the share of its variance, at each step; at the end {neuron.frequency} with "
        f"{neuron.share:.0%}."
    )
    _files(view, drawn, steps, text)


def _show(
    view: RunView, drawn: _Drawn, steps: list[int], *, across: int, side: int,
    frame_labels: list[list[str]] | None = None,
) -> None:  # fmt: skip
    values = np.stack([drawn.grids(step).tiles for step in steps])
    p, labels = values.shape[-1], drawn.labels
    tried, shown = (list(drawn.kept), steps) if drawn.whole else ([], [])
    header = TilesPanel(
        subject=f"{drawn.key} {view.run} {labels[0]}", run=view.run, steps=steps, labels=labels, rows=p, columns=p,
        across=across, widest=side, tallest=side, low="least", high="most active", low_value=0, high_value=1,
        axes=("a", "b"), frame_labels=frame_labels,
        presence=presence(
            view, tried, shown, sampled=drawn.whole and len(steps) < len(view.steps), partial=not drawn.whole
        ),
        alt=f"Activation of {', '.join(labels)} over {p} by {p} inputs at the step of the cursor",
    )  # fmt: skip
    ranges = {end: np.stack([getattr(drawn.grids(step), end) for step in steps]) for end in ("low", "high")}
    panel.show(drawn.key if drawn.whole else f"{drawn.key}_first", header, {"values": values, **ranges})


def _files(view: RunView, drawn: _Drawn, steps: list[int], text: str) -> None:
    if not drawn.whole:
        panel.caption(text + " Running the model at the other steps …")
        return
    if len(steps) < len(view.steps):
        text = f"Computed at {len(steps)} of {len(view.steps):,} snapshots, and where the cursor rests. {text}"

    def figure(at: int) -> Tiles:
        grids, many = drawn.grids(steps[at]), len(drawn.neurons)
        ends = ("least", "most")
        if many == 1:
            ends = number(float(grids.low[0]), 2), number(float(grids.high[0]), 2)
        wide = 300 if many > 1 else 420
        return Tiles(grids.tiles / 255, drawn.labels, ("activation", *ends), ("a", "b"), min(4, many), wide)

    source = "-- computed from the snapshot under the cursor: a forward pass over all inputs"

    def table(at: int) -> pa.Table:
        made = neurons.activations(view, steps[at], drawn.neurons)
        if made is None:
            raise StrobeError(f"the snapshot of step {steps[at]:,} can no longer be run")
        return neurons.table(made, drawn.neurons)

    downloads.offer(view, drawn.key, text, steps, source, table, figure, ["params"])
