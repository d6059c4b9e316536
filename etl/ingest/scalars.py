"""Rows of `scalars`: from the lines of a log, and together with those that the store has."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Set
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from etl.ingest.source import SCALAR_ROWS
from etl.run.journal import MAX_STEP, parsed_number, whole

Numbers = npt.NDArray[np.integer[Any]]
ScalarKey = tuple[int, int, str]
"""(attempt, step, name)."""

_NOT_METRICS = frozenset({"step", "time", "attempt", "epoch", "tokens"})


def step_number(value: object) -> int:
    """A step from a log's text or number. Raises ValueError for what is no whole number from 0 to 2^53."""
    step = int(value) if isinstance(value, str) else value
    if type(step) is not int or not 0 <= step <= MAX_STEP:
        raise ValueError(f"step is {value!r:.40}, not a whole number from 0 to 2^53")
    return step


def scalar_table(rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Lines of a log as rows of `scalars`; of two lines for one (attempt, step, name) the later counts.

    A line has `step`, perhaps `attempt` (else 0), `time`, `tokens` and `epoch`, and every other key is a metric. The
    row that lost has attempt -1. Values that are no numbers (text, lists) are left out. Lines are taken one by one,
    and held as numbers.
    """
    gathered = _Gathered()
    for row in rows:
        gathered.add(row)
    return gathered.table()


class _Gathered:
    """Lines as columns of numbers, and the values of each: what a million of them take is a few dozen bytes each."""

    def __init__(self) -> None:
        self._step, self._attempt = array("q"), array("i")
        self._time, self._epoch, self._tokens = array("d"), array("d"), array("q")
        self._known = {name: bytearray() for name in ("time", "epoch", "tokens")}
        self._names: dict[str, int] = {}
        self._line, self._name, self._value = array("i"), array("i"), array("d")

    def add(self, row: Mapping[str, Any]) -> None:
        number, values = len(self._step), len(self._value)
        for name, raw in row.items():
            value = None if name in _NOT_METRICS else parsed_number(raw)
            if value is not None:
                self._line.append(number)
                self._name.append(self._names.setdefault(name, len(self._names)))
                self._value.append(value)
        if len(self._value) == values:
            return
        self._step.append(row["step"])
        self._attempt.append(row.get("attempt", 0))
        time, epoch, tokens = (
            parsed_number(row.get("time")),
            parsed_number(row.get("epoch")),
            whole(row.get("tokens")),
        )
        for column, name, field in ((self._time, "time", time), (self._epoch, "epoch", epoch)):
            column.append(0.0 if field is None else field)
            self._known[name].append(field is not None)
        self._tokens.append(tokens or 0)
        self._known["tokens"].append(tokens is not None)

    def table(self) -> pa.Table:
        line, name = np.frombuffer(self._line, np.int32), np.frombuffer(self._name, np.int32)
        step, attempt = np.frombuffer(self._step, np.int64)[line], np.frombuffer(self._attempt, np.int32)[line]
        if not self._rises():
            attempt[superseded(attempt, step, name)] = -1
        columns = {"attempt": attempt, "step": step, "value": np.frombuffer(self._value, np.float64)}
        made = {column: pa.array(values) for column, values in columns.items()}
        for column, values, kind in (
            ("time", self._time, np.float64), ("epoch", self._epoch, np.float64), ("tokens", self._tokens, np.int64),
        ):  # fmt: skip
            missing = np.frombuffer(self._known[column], np.uint8)[line] == 0
            made[column] = pa.array(np.frombuffer(values, kind)[line], mask=missing)
        names = pa.array(list(self._names), pa.string())
        made["name"] = pa.DictionaryArray.from_arrays(pa.array(name), names).cast(pa.string())
        return pa.table({column: made[column] for column in SCALAR_ROWS.names}, schema=SCALAR_ROWS)

    def _rises(self) -> bool:
        """Whether every line comes after all before it, so that none stands in place of another."""
        step, attempt = np.frombuffer(self._step, np.int64), np.frombuffer(self._attempt, np.int32)
        further = (attempt[1:] == attempt[:-1]) & (step[1:] > step[:-1])
        return bool(np.all(further | (attempt[1:] > attempt[:-1])))


def superseded(attempt: Numbers, step: Numbers, name: Numbers) -> npt.NDArray[np.bool_]:
    """Of rows (attempt, step, name) those that a later one has too."""
    lost = np.zeros(len(step), bool)
    order = np.lexsort((name, step, attempt))
    again = np.all([column[order[1:]] == column[order[:-1]] for column in (attempt, step, name)], axis=0)
    lost[order[:-1][again]] = True
    return lost


def extreme_keys(rows: pa.Table) -> tuple[list[int], list[int]]:
    """The least and the greatest [attempt, step] of rows, one at least."""
    ends = []
    for extreme in (pc.min, pc.max):
        attempt = extreme(rows["attempt"])
        ends.append([attempt.as_py(), extreme(rows["step"].filter(pc.equal(rows["attempt"], attempt))).as_py()])
    return ends[0], ends[1]


def keys(rows: pa.Table) -> list[ScalarKey]:
    columns = (rows["attempt"].to_pylist(), rows["step"].to_pylist(), rows["name"].to_pylist())
    return list(zip(*columns, strict=True))


def without(rows: pa.Table, taken: Set[ScalarKey]) -> pa.Table:
    """The rows whose keys are not among `taken`."""
    return rows.filter(pa.array([key not in taken for key in keys(rows)], pa.bool_()))


def rebuilt(log: pa.Table, stored: pa.Table, of_snapshots: pa.Table) -> pa.Table:
    """The whole log, and every row that the store or a snapshot has and the log has not."""
    stored = stored.filter(pc.greater_equal(stored["attempt"], 0))
    said = set(keys(log))
    kept = without(stored, said)
    return pa.concat_tables([log, kept, without(of_snapshots, said | set(keys(kept)))])
