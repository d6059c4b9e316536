"""The milestones of a run, from its metrics as they are now: the one place where pages, figures and tables take them
from. The rules are in `strobe/analysis/onset.py` and `strobe/analysis/loss_peak.py`.

`query` answers trusted SQL over a store's tables.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from strobe.analysis.accuracy import accuracy_names
from strobe.analysis.loss_peak import Peak, loss_peak
from strobe.analysis.onset import grokking_onset
from strobe.analysis.onset_answer import Answer, Onset

Query = Callable[[str], pa.Table]


class Milestones(NamedTuple):
    """Of one run."""

    onset: Onset
    """Of grokking."""
    peak: Peak | None
    """Of the validation loss; None where that was not recorded at all."""


TRAIN, VAL, LOSS = "train_accuracy", "val_accuracy", "val_loss"

_SIDE_BY_SIDE: Final = f"""step,
  max(value) FILTER (name = '{TRAIN}') AS train,
  max(value) FILTER (name = '{VAL}') AS val
FROM scalars"""
_ACCURACIES: Final = f"name IN ('{TRAIN}', '{VAL}')"

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
    return f"SELECT step, value FROM scalars WHERE run = {_literal(run)} AND name = {_literal(LOSS)} ORDER BY step"


def _context_sql(where: str = "") -> str:
    """What the rule must know of each run besides its accuracies: how it ended, its task, which metrics it has."""
    return f"""SELECT r.run, any_value(r.status) AS status, any_value(r.config) AS config, count(m.name) AS metrics,
  list(m.name) FILTER (contains(lower(m.name), 'acc')) AS names,
  max(m.nonfinite) FILTER (m.name = '{VAL}') AS lost
FROM runs r LEFT JOIN metrics m ON m.run = r.run {where}
GROUP BY r.run"""


def milestones(query: Query, run: str) -> Milestones:
    """Of one run."""
    context = query(_context_sql(f"WHERE r.run = {_literal(run)}")).to_pylist()
    loss = query(loss_sql(run))
    onset = _onset(query(accuracy_sql(run)), context[0] if context else {})
    peak = loss_peak(_floats(loss, "step"), _floats(loss, "value")) if loss.num_rows else None
    return Milestones(onset, peak)


def onsets(query: Query) -> dict[str, Onset]:
    """Run -> its grokking onset, of every run."""
    table = query(EVERY_ACCURACY)
    runs = table["run"].combine_chunks().dictionary_encode()
    names, codes = runs.dictionary.to_pylist(), runs.indices.to_numpy()
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    parts = {
        names[codes[first]]: table.slice(first, last - first)
        for first, last in zip(starts, [*starts[1:], table.num_rows], strict=False)
    }
    contexts = query(_context_sql()).to_pylist()
    return {row["run"]: _onset(parts.get(row["run"], table.slice(0, 0)), row) for row in contexts}


def _onset(accuracies: pa.Table, context: Mapping[str, Any]) -> Onset:
    names = context.get("names") or []
    if lacking := [name for name in (TRAIN, VAL) if name not in names]:
        return _not_recorded(lacking, names, context.get("metrics") or 0)
    columns = (_floats(accuracies, name) for name in ("step", "train", "val"))
    return grokking_onset(
        *columns, chance=chance(context.get("config")), status=context.get("status") or "unknown",
        lost=context.get("lost") or 0,
    )  # fmt: skip


def _not_recorded(lacking: list[str], names: list[str], metrics: int) -> Onset:
    """Which accuracies a run lacks, and what it has that may be them."""
    others = accuracy_names(names)
    alike = {name: others["train" if name == TRAIN else "val"] for name in lacking}
    alike = {name: [other for other in found if other not in (TRAIN, VAL)] for name, found in alike.items()}
    if all(alike.values()):
        parts = [f"{_list(found)} in place of {name}" for name, found in alike.items()]
        return Onset(Answer.OTHER_NAME, reason="its log has " + " and ".join(parts))
    reason = "its log has no " + " and no ".join(lacking)
    if others[""]:
        reason += f"; {_list(others[''])} does not say of which split it is"
    elif any(alike.values()):
        reason += f"; {_list([other for found in alike.values() for other in found])} may be one of them"
    elif metrics and len(lacking) > 1:
        reason += f"; its {metrics:,} metric{'s are no accuracies' if metrics > 1 else ' is no accuracy'}"
    return Onset(Answer.NOT_RECORDED, reason=reason)


def _list(names: list[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def chance(config: str | None) -> float | None:
    """The accuracy of guessing, from a run's configuration: one over its task's `modulus`, where it adds modulo that,
    or over its `classes`. None where neither is known."""
    try:
        task = json.loads(config or "{}").get("task", {})
        classes = task.get("modulus") if task.get("kind") == "modular_addition" else task.get("classes")
    except (ValueError, AttributeError):
        return None
    return 1 / classes if isinstance(classes, int) and classes > 1 else None


def _floats(table: pa.Table, name: str) -> npt.NDArray[np.float64]:
    return np.asarray(table[name].cast("float64").to_numpy())


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
