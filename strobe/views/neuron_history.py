"""What neurons did over training: since when each keeps its final frequency, how often it changed it, and how coarse
the neurons of each layer are. Read from the derived tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from strobe.analysis.fourier import SPECIALISED
from strobe.analysis.neurons import BLOB, PLAID
from strobe.views.budget import evenly
from strobe.views.derived import UNANALYSED
from strobe.views.run_view import Answer, RunView, literal
from strobe.views.words import count, number

TABLES: Final = ("neuron_history", "coarseness")
"""The derived tables that this view reads; that of the neurons at each snapshot, `neurons`, is shown beside them."""
MOST_LAYERS: Final = 6
"""Layers whose coarseness is drawn; of more, evenly spaced ones."""
UNVARYING: Final = "No neuron varies over the inputs at any snapshot, so none has a coarseness."
DEFINITION: Final = f"Coarseness: share of variance in frequencies 1 to 3; blob from {BLOB}, plaid below {PLAID}."
_THEY: Final = ("it had specialised", "they had specialised")


@dataclass(frozen=True)
class Commitment:
    """`neurons` of a run: `steps` int64 (committed neurons,), ascending, from which each keeps its final frequency;
    and how many neurons there are by their number of switches. `answer` has the rows both are counted from."""

    neurons: int
    steps: np.ndarray[Any, Any]
    switches: dict[int, int]
    answer: Answer
    reason: str = ""
    """Why there is nothing to show; empty where there is."""

    def sentence(self) -> str:
        """How many are committed and since when, and how many switched."""
        if self.reason:
            return self.reason
        switched = sum(many for times, many in self.switches.items() if times)
        if not len(self.steps):
            text = f"None of {count(self.neurons)} neurons is committed to a frequency at the end"
        else:
            text = f"{count(len(self.steps))} of {count(self.neurons)} neurons committed, {self._since()}"
        return f"{text}; {count(switched) if switched else 'none'} switched frequency after {_THEY[switched > 1]}."

    def _since(self) -> str:
        first, last = int(self.steps[0]), int(self.steps[-1])
        if first == last:
            return f"{'all ' if len(self.steps) > 1 else ''}from step {count(first)}"
        # The step by which at least half of them are.
        half = int(self.steps[(len(self.steps) - 1) // 2])
        return f"the first at step {count(first)}, half of them by step {count(half)}"

    def switch_words(self) -> str:
        """How many neurons switched how often; empty where none did."""
        counts = {times: self.switches.get(times, 0) for times in (1, 2)}
        counts[3] = sum(many for times, many in self.switches.items() if times >= 3)
        names = {1: "once", 2: "twice", 3: "three times or more"}
        words = ", ".join(f"{count(many)} {names[times]}" for times, many in counts.items() if many)
        return f"Switches: {words}." if words else ""


def commitment(view: RunView) -> Commitment:
    """From the rows of `neuron_history`."""
    answer = view.tables.ask(f"""SELECT commitment_step, switches, count(*) AS neurons
FROM neuron_history WHERE run = {literal(view.run)}
GROUP BY commitment_step, switches ORDER BY commitment_step, switches""")
    rows = answer.table.to_pylist()
    steps: list[int] = []
    switches: dict[int, int] = {}
    for row in rows:
        switches[row["switches"]] = switches.get(row["switches"], 0) + row["neurons"]
        if row["commitment_step"] is not None:
            steps += [row["commitment_step"]] * row["neurons"]
    total = sum(switches.values())
    return Commitment(
        total, np.array(sorted(steps), np.int64), dict(sorted(switches.items())), answer, "" if total else UNANALYSED
    )


def committed(view: RunView) -> Answer:
    """series ("specialised": at that step; "committed": from it to the end, on the final frequency), step, value
    (neurons), at every analysed snapshot."""
    run = literal(view.run)
    return view.tables.ask(f"""WITH snapshot AS (
  SELECT step, count(*) FILTER (share >= {SPECIALISED}) AS specialised FROM neurons WHERE run = {run} GROUP BY step
), arrival AS (
  SELECT commitment_step AS step, count(*) AS arrived FROM neuron_history
  WHERE run = {run} AND commitment_step IS NOT NULL GROUP BY commitment_step
), counted AS (
  SELECT step, specialised, sum(coalesce(arrived, 0)) OVER (ORDER BY step)::BIGINT AS committed
  FROM snapshot LEFT JOIN arrival USING (step)
)
SELECT series, step, value FROM counted UNPIVOT (value FOR series IN (specialised, committed))
ORDER BY series, step""")


@dataclass(frozen=True)
class Ending:
    """Of the `neurons` that vary over the inputs at one step, in all layers: how many are `blob` and `plaid`, and the
    mean of their coarseness."""

    step: int
    neurons: int
    blob: int
    plaid: int
    mean: float


@dataclass(frozen=True)
class Coarseness:
    """`answer`: series ("mean", "blob" or "plaid", a blank, and the layer), step, value: the mean coarseness of a
    layer's neurons, and the shares of them that are blobs and plaid."""

    answer: Answer
    over_layers: Answer
    """What `ends` are read from: the neurons of all layers together, step by step."""
    layers: Sequence[int]
    """Those that are drawn."""
    of: int
    """How many layers there are."""
    ends: tuple[Ending, Ending] | None
    """The first and the last snapshot at which neurons vary."""
    reason: str = ""
    """Why there is nothing to show; empty where there is."""

    @property
    def sampled(self) -> str:
        """Which layers are left out, in a sentence; empty where none is."""
        return f"Drawn: {len(self.layers)} of {self.of} layers, evenly spaced." if len(self.layers) < self.of else ""

    def sentence(self) -> str:
        """Blobs, plaid and the mean at the end, and the mean at the start."""
        if self.ends is None:
            return self.reason
        first, last = self.ends
        return (
            f"{count(last.blob)} of {count(last.neurons)} neurons are blobs and {count(last.plaid)} are plaid "
            f"at step {count(last.step)}; mean coarseness {number(last.mean, 2)} "
            f"({number(first.mean, 2)} at step {count(first.step)})."
        )


def coarseness(view: RunView) -> Coarseness:
    """From the rows of `coarseness`."""
    run = literal(view.run)
    answer = view.tables.ask(f"""SELECT series || ' ' || layer AS series, step, value
FROM (SELECT layer, step, mean, blob, plaid FROM coarseness WHERE run = {run})
UNPIVOT (value FOR series IN (mean, blob, plaid))
ORDER BY layer, series, step""")
    over_layers = view.tables.ask(f"""SELECT step, sum(neurons)::BIGINT AS neurons,
  sum(round(blob * neurons))::BIGINT AS blob, sum(round(plaid * neurons))::BIGINT AS plaid,
  sum(mean * neurons) / sum(neurons) AS mean
FROM coarseness WHERE run = {run} AND neurons > 0 GROUP BY step ORDER BY step""")
    layers = [row["layer"] for row in view.rows(
        f"SELECT DISTINCT layer FROM coarseness WHERE run = {run} ORDER BY layer"
    )]  # fmt: skip
    ends = _ends(over_layers)
    reason = "" if ends else UNVARYING if layers else UNANALYSED
    return Coarseness(answer, over_layers, evenly(layers, MOST_LAYERS), len(layers), ends, reason)


def _ends(answer: Answer) -> tuple[Ending, Ending] | None:
    rows = answer.table.to_pylist()
    return (Ending(**rows[0]), Ending(**rows[-1])) if rows else None
