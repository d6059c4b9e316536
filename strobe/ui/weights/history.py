"""How weights, gradients, movements and activations are spread over training: ridges, or a heatmap."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa

from strobe.ui.panel import choice, derived, panel
from strobe.ui.panel.kinds import RidgesPanel, presence
from strobe.ui.panel.settled import Later, at_once
from strobe.ui.shell.cache import filled
from strobe.ui.shell.cursor import settled
from strobe.ui.weights import kept
from strobe.views import spread_history
from strobe.views.matrices import WeightMatrix
from strobe.views.run_view import Answer, RunView
from strobe.views.spread_history import KINDS, SpreadHistory

_FORMS: Final = ("ridges", "heatmap")
_SOURCES: Final = {
    "weights": "params/{name}", "gradients": "grads/{name}", "updates": "params/{name}",
    "activations": spread_history.STATES,
}  # fmt: skip


def over_steps(view: RunView, matrix: WeightMatrix) -> Later:
    """The panel; the function that is returned reads what it lacks."""
    with panel.head("spread_history"):
        panel.title(f"{matrix.label}: distribution over steps")
        kind = choice.segmented("spread", "Of what", spread_history.kinds(view, matrix), words=str.capitalize)
        form = choice.segmented("spread_form", "Form", _FORMS, words=str.capitalize)
    steps = spread_history.steps(view, matrix, settled(view))
    known = filled("spread history", view, kind, matrix.name, matrix.layer, matrix.part)

    def draw(whole: bool) -> None:
        if not whole:
            panel.caption(f"Reading {len(steps)} snapshots …")
            return
        known.update(spread_history.spreads(view, matrix, kind, kept.missing(known, steps)))
        shown = spread_history.history(known, steps)
        if shown.reason:
            panel.caption(shown.reason)
        else:
            (_ridges if form == "ridges" else _heatmap)(view, matrix, kind, shown, steps)

    return at_once(kept.missing(known, steps), draw)


def _source(matrix: WeightMatrix, kind: str) -> str:
    layer = f", layer {matrix.layer}" if matrix.layer is not None else ""
    return f"-- read from the snapshots: {_SOURCES[kind].format(name=matrix.name)}{layer}"


def _about(view: RunView, kind: str, shown: SpreadHistory) -> str:
    what = {
        "updates": "The movement since the snapshot before, divided by the steps between. ",
        "activations": "The residual stream behind the block, over the probe sequences. ",
    }.get(kind, "")  # fmt: skip
    if len(shown.steps) == len(view.steps):
        return f"{what}Every snapshot."
    return f"{what}{len(shown.steps)} of {len(view.steps):,} snapshots, and the one under the cursor."


def _ridges(view: RunView, matrix: WeightMatrix, kind: str, shown: SpreadHistory, tried: list[int]) -> None:
    header = RidgesPanel(
        subject=f"ridges {view.run} {matrix.label} {kind}", run=view.run, steps=shown.steps,
        count=shown.density.shape[1], height=360, x_name=KINDS[kind],
        presence=presence(view, tried, shown.steps, sampled=len(shown.steps) < len(view.steps)),
        alt=f"Density of {kind} of {matrix.label} at {len(shown.steps)} steps, the first on top",
    )  # fmt: skip
    panel.show(
        "spread_ridges", header,
        {"x": np.ascontiguousarray(shown.centres), "y": np.ascontiguousarray(shown.density)},
    )  # fmt: skip
    words = "Every step has bins of its own (Freedman-Diaconis) over its central 99.9%, and is as high as its peak."
    text = f"{words} {_about(view, kind, shown)}"
    panel.tools("spread_ridges", text, [_source(matrix, kind)], lambda: _rows(shown), None)


def _rows(shown: SpreadHistory) -> pa.Table:
    """step, x, density of every bin."""
    step, column = np.nonzero(np.isfinite(shown.density))
    return pa.table(
        {
            "step": np.array(shown.steps, np.int64)[step], "x": shown.centres[step, column].astype(float),
            "density": shown.density[step, column].astype(float),
        }
    )  # fmt: skip


def _heatmap(view: RunView, matrix: WeightMatrix, kind: str, shown: SpreadHistory, tried: list[int]) -> None:
    del tried
    names, density = spread_history.heat(shown)
    rows: dict[str, Any] = {
        "name": [f"{kind} {matrix.label}"] * density.size, "row": np.repeat(names, density.shape[1]).tolist(),
        "step": np.tile(np.array(shown.steps, np.int64), len(names)), "value": density.ravel(),
    }  # fmt: skip
    words = "Bins that all steps share, each with an equal share of all of them together."
    derived.grid(
        view, "spread_heatmap", Answer(_source(matrix, kind), pa.table(rows)), names,
        quantity=f"density of {KINDS[kind]}s", row_height=8, about=f"{words} {_about(view, kind, shown)}",
    )  # fmt: skip
