"""How activations move with depth and step: normalisation statistics, active units, the residual stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.run.snapshot import Snapshot
from strobe.analysis.fitting import check_axes
from strobe.analysis.neurons import unit_states
from strobe.views.budget import evenly
from strobe.views.missing import why_missing
from strobe.views.reading import at_steps
from strobe.views.run_view import Answer, RunView, literal


class Quantity(NamedTuple):
    """What is measured, in a few words and in a sentence's worth; `signed` where it may be below 0."""

    title: str
    words: str
    signed: bool = False


QUANTITIES: Final = {
    "active": Quantity(
        "Active units",
        "share of the training batch's positions at which a unit's pre-activation is above 0, mean of the layer",
    ),
    "dead": Quantity("Dead units", "units that are active at no position of the step's training batch"),
    "always_on": Quantity("Always-on units", "units that are active at every position of the step's training batch"),
    "residual_rms": Quantity("Residual", "root mean square of the residual stream after the layer"),
    "ln1_mean": Quantity("LayerNorm 1 mean", "mean that the first LayerNorm subtracts", signed=True),
    "ln1_rstd": Quantity("LayerNorm 1 scale", "one over the standard deviation that the first LayerNorm sees"),
    "ln2_mean": Quantity("LayerNorm 2 mean", "mean that the second LayerNorm subtracts", signed=True),
    "ln2_rstd": Quantity("LayerNorm 2 scale", "one over the standard deviation that the second LayerNorm sees"),
    "lnf_mean": Quantity(
        "Final LayerNorm mean", "mean that the LayerNorm before the unembedding subtracts", signed=True
    ),
    "lnf_rstd": Quantity(
        "Final LayerNorm scale",
        "one over the standard deviation that the LayerNorm before the unembedding sees",
    ),
    "stream": Quantity(
        "Residual on the probe",
        "root mean square of the recorded residual stream: the embedding, then each layer",
    ),
}
_UNITS: Final = ("active", "dead", "always_on")
_UNIT_ACTIVE: Final = "activations/unit_active"
_AXES: Final[dict[str, tuple[str, ...]]] = {
    **{f"activations/{name}": ("layer",) for name in QUANTITIES if name not in (*_UNITS, "stream")},
    _UNIT_ACTIVE: ("layer", "neuron"),
}  # fmt: skip
"""The tensors that quantities are read from, and their axes; a value of the model as a whole has the axis "one"."""
MOST_STEPS: Final = 1000
"""Snapshots that are opened; of more, evenly spaced ones, and `left_out` says so."""
_SCHEMA: Final = pa.schema(
    [("name", pa.string()), ("series", pa.string()), ("step", pa.int64()), ("value", pa.float64())]
)


@dataclass(frozen=True)
class Activations:
    """`answer` has columns name (a key of QUANTITIES), series (the layer), step, value (NULL where not finite);
    `quantities` are those that the run has. Where it has none, `reason` says why."""

    answer: Answer
    quantities: list[str]
    steps_read: int
    steps_there: int
    reason: str = ""
    unfit: str = ""
    """What was recorded and is not shown, as a sentence; empty where all is."""

    def of(self, quantity: str) -> Answer:
        """The rows of one quantity."""
        table = self.answer.table
        return Answer(self.answer.sql, table.filter(pc.equal(table["name"], quantity)))

    def left_out(self, quantity: str) -> str:
        """Which snapshots were not read for it, as a sentence; empty where all were. The stream is the tables'."""
        if self.steps_read == self.steps_there or quantity == "stream":
            return ""
        return f"Read at {self.steps_read:,} of {self.steps_there:,} snapshots."


NOTHING: Final = Activations(
    Answer("", _SCHEMA.empty_table()), [], 0, 0,
    "This run has no snapshots, so there are no activations to show.",
)  # fmt: skip
"""Of a run without any."""


def in_snapshots(view: RunView) -> Answer:
    """name, series (the layer), step, value, from the section `activations` of the snapshots."""
    read = at_steps(view, evenly(view.steps, MOST_STEPS), rows_of)
    rows = [row for _, own in read for row in own or ()]
    return Answer("-- read from the snapshots: section activations", pa.Table.from_pylist(rows, _SCHEMA))


def in_tables(view: RunView) -> Answer:
    """The same columns, from what the tables know of the section `residual`."""
    return view.tables.ask(f"""SELECT 'stream' AS name,
  CASE WHEN layer IS NULL THEN 'embedding' ELSE 'layer ' || layer END AS series, step, l2 / sqrt(n) AS value
FROM tensors WHERE run = {literal(view.run)} AND section = 'residual' AND l2 IS NOT NULL
ORDER BY layer NULLS FIRST, step""")


def activations(view: RunView, recorded: Answer) -> Activations:
    """All that is known of a run's activations; `recorded` is what `in_snapshots` gave."""
    stream = in_tables(view)
    table = pa.concat_tables([recorded.table, stream.table.cast(_SCHEMA)])
    names = set(table["name"].to_pylist())
    if not names:
        return replace(NOTHING, reason=unfit(view) or why_missing(view, "activations", "activations", "residual"))
    quantities, there = [name for name in QUANTITIES if name in names], len(view.steps)
    answer = Answer(f"{recorded.sql}\n{stream.sql}", table)
    return Activations(answer, quantities, min(there, MOST_STEPS), there, unfit=unfit(view))


def unfit(view: RunView) -> str:
    """Which recorded activations are not shown, since their axes are not those of the format, as a sentence; empty
    where all are."""
    there = {entry["name"]: entry for entry in view.tensor_entries()}
    found = [words for name in _AXES if (own := there.get(name)) is not None and (words := _unfit(own))]
    return f"Not shown: {'; '.join(found)}." if found else ""


def _unfit(entry: Mapping[str, Any]) -> str:
    due = _AXES[entry["name"]]
    try:
        check_axes(entry, *(due if entry["dims"] != ["one"] or len(due) > 1 else ["one"]))
    except ValueError as error:
        return str(error)
    return ""


def rows_of(snapshot: Snapshot) -> list[dict[str, Any]]:
    """name, series, step, value of every quantity that a snapshot holds, layer by layer."""
    measured: dict[str, Any] = {}
    for full in _AXES:
        if full in snapshot and not _unfit(snapshot.spec(full)):
            values = np.asarray(snapshot.values(full), np.float64)
            if full == _UNIT_ACTIVE:
                states = unit_states(values)
                measured |= dict(zip(_UNITS, (values.mean(axis=-1), states.dead, states.always_on), strict=True))
            else:
                measured[full.partition("/")[2]] = values
    return [
        {
            "name": name,
            "series": "model" if name.startswith("lnf") else f"layer {layer}",
            "step": snapshot.step,
            "value": float(value) if np.isfinite(value) else None,
        }
        for name, values in measured.items()
        for layer, value in enumerate(values)
    ]
