"""The milestones of a run, from its metrics as they are now: the one place where pages, figures and tables take them
from. The definitions are in `strobe/analysis/transitions.py`.

`query` answers trusted SQL over a store's tables.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from strobe.analysis.transitions import Onset, Peak, grokking_onset, loss_peak

Query = Callable[[str], pa.Table]


class Milestones(NamedTuple):
    """Of one run; None where the metrics that they need were not recorded at all."""

    onset: Onset | None
    """Of grokking."""
    peak: Peak | None
    """Of the validation loss."""


_SIDE_BY_SIDE: Final = """step,
  max(value) FILTER (name = 'train_accuracy') AS train,
  max(value) FILTER (name = 'val_accuracy') AS val
FROM scalars"""
_ACCURACIES: Final = "name IN ('train_accuracy', 'val_accuracy')"

EVERY_ACCURACY: Final = f"""SELECT run, {_SIDE_BY_SIDE} WHERE {_ACCURACIES}
GROUP BY run, step ORDER BY run, step"""
"""The accuracies of every run at once."""


def accuracy_sql(run: str) -> str:
    """Train and validation accuracy side by side at every step that has either."""
    return f"""SELECT {_SIDE_BY_SIDE}
WHERE run = {_literal(run)} AND {_ACCURACIES}
GROUP BY step ORDER BY step"""


def loss_sql(run: str) -> str:
    """The validation loss by step."""
    return f"SELECT step, value FROM scalars WHERE run = {_literal(run)} AND name = 'val_loss' ORDER BY step"


def milestones(query: Query, run: str) -> Milestones:
    """Of one run."""
    accuracy, loss = query(accuracy_sql(run)), query(loss_sql(run))
    onset = grokking_onset(*_accuracies(accuracy)) if accuracy.num_rows else None
    peak = loss_peak(_floats(loss, "step"), _floats(loss, "value")) if loss.num_rows else None
    return Milestones(onset, peak)


def onsets(query: Query) -> dict[str, Onset]:
    """Run -> its grokking onset, for the runs that recorded accuracies."""
    table = query(EVERY_ACCURACY)
    if not table.num_rows:
        return {}
    runs = table["run"].combine_chunks().dictionary_encode()
    names, codes = runs.dictionary.to_pylist(), runs.indices.to_numpy()
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    return {
        names[codes[first]]: grokking_onset(*_accuracies(table.slice(first, last - first)))
        for first, last in zip(starts, [*starts[1:], table.num_rows], strict=True)
    }


def _accuracies(table: pa.Table) -> list[npt.NDArray[np.float64]]:
    return [_floats(table, name) for name in ("step", "train", "val")]


def _floats(table: pa.Table, name: str) -> npt.NDArray[np.float64]:
    return np.asarray(table[name].cast("float64").to_numpy())


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
