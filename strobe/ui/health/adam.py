"""Adam's two moments of every tensor, and the size of its next step, as heatmaps."""

from __future__ import annotations

from typing import Final

import numpy as np

from strobe.ui.panel import choice, derived, filtered, panel
from strobe.ui.shell.cache import cached_by_run
from strobe.views.adam_rates import adam_rates
from strobe.views.missing import why_missing
from strobe.views.movement import furthest
from strobe.views.run_view import Answer, RunView
from strobe.views.tensors import QUANTITIES, TensorSeries, statistic_sql, tensor_series

_SHOWN: Final = {"step": "adam-step", "m": "adam-m", "v": "adam-v"}
"""What the address calls a quantity of `QUANTITIES`."""

_series = cached_by_run(tensor_series)


def moments(view: RunView) -> None:
    """What Adam keeps of every tensor at every snapshot, and what its next step comes to."""
    if not view.steps:
        return
    with panel.head("moments"):
        panel.title("What Adam keeps of each tensor")
        if not _read(view, "m").steps:
            which = ""
        else:
            which = choice.segmented("adam", "Shown", list(_SHOWN), words=lambda k: QUANTITIES[_SHOWN[k]].label)
    if not which:
        panel.caption(f"{why_missing(view, 'moments of Adam', 'optimizer')} `strobe.watch` records them with "
                      '`log=("params", "grads", "optimizer")`.')  # fmt: skip
    elif not np.isfinite((series := _read(view, which)).values).any():
        panel.caption(_why_none(which))
    else:
        _grid(view, _SHOWN[which], series)


def _read(view: RunView, which: str) -> TensorSeries:
    return _series(view.tables.ask(statistic_sql(view.run, _SHOWN[which])))


def _why_none(which: str) -> str:
    if which == "step":
        return (
            "The size of a step needs the learning rate of each tensor, which `strobe.watch` records beside the "
            "moments, or the metric learning_rate and a setting of that name that says that all have one; and second "
            "moments above 0. No snapshot of this run has both."
        )
    return "No snapshot of this run has a finite norm of it."


def _grid(view: RunView, name: str, every: TensorSeries) -> None:
    series = every.of(filtered.named(every.rows, "adam_tensor"))
    if not series.rows:
        panel.caption(f"None of the {len(every.rows):,} tensors has this in its name.")
        return
    rows, quantity = furthest(series), QUANTITIES[name]
    about = (
        f"{quantity.explains[0].upper()}{quantity.explains[1:]}. Colour on a log scale; empty: 0, or not recorded."
    )
    if name == "adam-step":
        about += f" {adam_rates(view)}"
    if len(rows) < len(series.rows):
        about += f" {len(rows):,} of {len(series.rows):,} tensors: those with the least and the most."
    derived.grid(
        view, "health_adam", Answer(series.sql, series.table(rows)), rows,
        quantity=f"{quantity.label}, {quantity.unit}", row_height=18 if len(rows) <= 24 else 12, about=about,
    )  # fmt: skip
