"""The moments of a run that every page and figure marks: the grokking onset and the peak of the test loss.

Both are computed from the metrics as they are now, by the one definition in `strobe/analysis/transitions.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from strobe.analysis.transitions import Onset, Peak, grokking_onset, loss_peak
from strobe.views.run_view import Tables, literal
from strobe.views.words import number


@dataclass(frozen=True)
class Milestones:
    """Of one run; None where the metrics that they need were not recorded at all."""

    onset: Onset | None = None
    peak: Peak | None = None

    def ticks(self) -> list[dict[str, Any]]:
        """For the step cursor: step, words, kind."""
        ticks: list[dict[str, Any]] = []
        if self.peak is not None and self.peak.step is not None and self.peak.fallen is not None:
            ticks.append({"step": self.peak.step, "label": "test-loss peak", "kind": "peak"})
        if self.onset is not None and self.onset.step is not None:
            ticks.append({"step": self.onset.step, "label": "grokking onset", "kind": "onset"})
        return ticks

    def sentence(self) -> str:
        """Both in words; none is an answer, with its reason."""
        if self.onset is None and self.peak is None:
            return "Onset and peak: none, since no test metric was recorded."
        parts = []
        if self.onset is not None:
            parts.append(_onset_words(self.onset))
        if self.peak is not None:
            parts.append(_peak_words(self.peak))
        return " ".join(parts)


def _onset_words(onset: Onset) -> str:
    if onset.step is None:
        return f"Grokking onset: none ({onset.reason})."
    text = f"Grokking onset at step {onset.step:,}; the training set was known from step {onset.fitted:,}"
    if onset.relapses:
        many = f"{len(onset.relapses)} relapse{'s' if len(onset.relapses) > 1 else ''}"
        text += f", with {many} (first at {onset.relapses[0]:,})"
    return text + "."


def _peak_words(peak: Peak) -> str:
    if peak.step is None:
        return f"Test-loss peak: none ({peak.reason})."
    fallen = f"80% below it from step {peak.fallen:,}" if peak.fallen is not None else "never 80% below it afterwards"
    return f"Test loss peaks at {number(peak.value)} at step {peak.step:,}, {fallen}."


def accuracy_sql(run: str) -> str:
    """Train and validation accuracy side by side at every step that has either."""
    return f"""SELECT step,
  max(value) FILTER (name = 'train_accuracy') AS train,
  max(value) FILTER (name = 'val_accuracy') AS val
FROM scalars
WHERE run = {literal(run)} AND name IN ('train_accuracy', 'val_accuracy')
GROUP BY step ORDER BY step"""


def loss_sql(run: str) -> str:
    return f"SELECT step, value FROM scalars WHERE run = {literal(run)} AND name = 'val_loss' ORDER BY step"


def milestones(tables: Tables, run: str) -> Milestones:
    """Of one run."""
    accuracy, loss = tables.ask(accuracy_sql(run)).table, tables.ask(loss_sql(run)).table
    onset = peak = None
    if accuracy.num_rows:
        onset = grokking_onset(*(_floats(accuracy, name) for name in ("step", "train", "val")))
    if loss.num_rows:
        peak = loss_peak(_floats(loss, "step"), _floats(loss, "value"))
    return Milestones(onset, peak)


ACCURACIES: Final = """SELECT run, step,
  max(value) FILTER (name = 'train_accuracy') AS train,
  max(value) FILTER (name = 'val_accuracy') AS val
FROM scalars WHERE name IN ('train_accuracy', 'val_accuracy')
GROUP BY run, step ORDER BY run, step"""
"""The same of every run at once."""


def onsets(tables: Tables) -> dict[str, Onset]:
    """Run -> its grokking onset, for the runs that recorded accuracies."""
    table = tables.ask(ACCURACIES).table
    if not table.num_rows:
        return {}
    runs = table["run"].combine_chunks().dictionary_encode()
    names, codes = runs.dictionary.to_pylist(), runs.indices.to_numpy()
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    step, train, val = (_floats(table, name) for name in ("step", "train", "val"))
    return {
        names[codes[first]]: grokking_onset(step[first:last], train[first:last], val[first:last])
        for first, last in zip(starts, [*starts[1:], len(step)], strict=True)
    }


def _floats(table: pa.Table, name: str) -> NDArray[np.float64]:
    values: NDArray[np.float64] = table[name].cast("float64").to_numpy()
    return values
