"""The milestones of a run, from its metrics: the one place where pages, figures and tables take them from."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from strobe.analysis.transitions import Onset, Peak, grokking_onset, loss_peak


class Milestones(NamedTuple):
    """Of one run; None where the metrics that they need were not recorded at all."""

    onset: Onset | None
    """Of grokking."""
    peak: Peak | None
    """Of the validation loss."""


def accuracy_sql(run: str) -> str:
    """Train and validation accuracy side by side at every step that has either."""
    return f"""SELECT step,
  max(value) FILTER (name = 'train_accuracy') AS train,
  max(value) FILTER (name = 'val_accuracy') AS val
FROM scalars
WHERE run = {_literal(run)} AND name IN ('train_accuracy', 'val_accuracy')
GROUP BY step ORDER BY step"""


def loss_sql(run: str) -> str:
    """The validation loss by step."""
    return f"SELECT step, value FROM scalars WHERE run = {_literal(run)} AND name = 'val_loss' ORDER BY step"


def milestones(query: Callable[[str], pa.Table], run: str) -> Milestones:
    """What the metrics hold now: `query` answers trusted SQL over the store's tables."""
    accuracy, loss = query(accuracy_sql(run)), query(loss_sql(run))
    onset = peak = None
    if accuracy.num_rows:
        onset = grokking_onset(*(_floats(accuracy, name) for name in ("step", "train", "val")))
    if loss.num_rows:
        peak = loss_peak(_floats(loss, "step"), _floats(loss, "value"))
    return Milestones(onset, peak)


def _floats(table: pa.Table, name: str) -> npt.NDArray[np.float64]:
    return np.asarray(table[name].cast("float64").to_numpy())


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
