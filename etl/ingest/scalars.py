"""Rows of `scalars`: from the lines of a log, and together with those that the store has."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from etl.ingest.source import SCALAR_ROWS
from etl.run.journal import MAX_STEP, parsed_number, whole
from etl.run.plain_lines import Block
from etl.store.order import order_of

Numbers = npt.NDArray[np.integer[Any]]
_NOT_METRICS = frozenset({"step", "time", "attempt", "epoch", "tokens"})
_FEW = 64
"""Kinds of lines, by their keys, that are told again at once."""


def step_number(value: object) -> int:
    """A step from a log's text or number. Raises ValueError for what is no whole number from 0 to 2^53."""
    step = int(value) if isinstance(value, str) else value
    if type(step) is not int or not 0 <= step <= MAX_STEP:
        raise ValueError(f"step is {value!r:.40}, not a whole number from 0 to 2^53")
    return step


def scalar_table(rows: Iterable[Mapping[str, Any] | Block]) -> pa.Table:
    """Lines of a log as rows of `scalars`; of two lines for one (attempt, step, name) the later counts.

    A line has `step`, perhaps `attempt` (else 0), `time`, `tokens` and `epoch`, and every other key is a metric. The
    row that lost has attempt -1. Values that are no numbers (text, lists) are left out. Lines are taken one by one or
    in blocks, and held as numbers. The rows come in the order of their lines.
    """
    gathered = _Gathered()
    for row in rows:
        if isinstance(row, Block):
            gathered.add_block(row)
        else:
            gathered.add(row)
    return gathered.table()


class _Gathered:
    """Lines as columns of numbers, and the values of each: what a million of them take is a few dozen bytes each.

    The names of a line's values are a stretch of `_codes`, the same one for lines with the same keys.
    """

    def __init__(self) -> None:
        self._step, self._attempt = array("q"), array("i")
        self._time, self._epoch, self._tokens = array("d"), array("d"), array("q")
        self._known = {name: bytearray() for name in ("time", "epoch", "tokens")}
        self._names: dict[str, int] = {}
        self._codes, self._value = array("i"), array("d")
        self._begin, self._count = array("q"), array("i")
        self._keys: dict[tuple[str, ...], int] = {}
        """Where the codes of some keys begin: of the last few."""

    def add(self, row: Mapping[str, Any]) -> None:
        parsed = ((name, parsed_number(raw)) for name, raw in row.items() if name not in _NOT_METRICS)
        values = {name: value for name, value in parsed if value is not None}
        if values:
            self._value.extend(values.values())
            self._lines(tuple(values), 1)
            self._step.append(row["step"])
            self._attempt.append(row.get("attempt", 0))
            self._moments("time", self._time, [parsed_number(row.get("time"))])
            self._moments("epoch", self._epoch, [parsed_number(row.get("epoch"))])
            self._moments("tokens", self._tokens, [whole(row.get("tokens"))])

    def add_block(self, block: Block) -> None:
        keys, lines = block.keys, len(block.given) // len(block.keys)
        metrics = [place for place, key in enumerate(keys) if key not in _NOT_METRICS]
        if not metrics:
            return
        numbers = np.frombuffer(block.numbers).reshape(lines, len(keys))
        self._value.frombytes(numbers[:, metrics].tobytes())
        self._lines(tuple(keys[place] for place in metrics), lines)
        unknown = [None] * lines
        self._step.extend(block.column("step"))
        self._attempt.extend(block.column("attempt") if "attempt" in keys else [0] * lines)
        for name, column in (("time", self._time), ("epoch", self._epoch)):
            self._moments(name, column, numbers[:, keys.index(name)].tolist() if name in keys else unknown)
        self._moments(
            "tokens", self._tokens, list(map(whole, block.column("tokens"))) if "tokens" in keys else unknown
        )

    def _lines(self, names: tuple[str, ...], count: int) -> None:
        begin = self._keys.get(names)
        if begin is None:
            if len(self._keys) == _FEW:
                self._keys.clear()
            begin = self._keys[names] = len(self._codes)
            self._codes.extend([self._names.setdefault(name, len(self._names)) for name in names])
        self._begin.extend([begin] * count)
        self._count.extend([len(names)] * count)

    def _moments(self, name: str, column: array[Any], values: Sequence[float | None]) -> None:
        self._known[name].extend([value is not None for value in values])
        column.extend([0 if value is None else value for value in values])

    def table(self) -> pa.Table:
        """The rows in the order of their lines."""
        line, name = self._expanded()
        step, attempt = np.frombuffer(self._step, np.int64)[line], np.frombuffer(self._attempt, np.int32)[line]
        if self._repeats():
            attempt[superseded(attempt, step, name)] = -1
        names = pa.DictionaryArray.from_arrays(pa.array(name), pa.array(list(self._names), pa.string()))
        made = {
            "attempt": pa.array(attempt),
            "name": names.cast(pa.string()),
            "step": pa.array(step),
            "value": pa.array(np.frombuffer(self._value)),
            "time": self._moment_column("time", self._time, line),
            "tokens": self._moment_column("tokens", self._tokens, line),
            "epoch": self._moment_column("epoch", self._epoch, line),
        }
        return pa.table(made, schema=SCALAR_ROWS)

    def _expanded(self) -> tuple[Numbers, Numbers]:
        """The line and the name of each value."""
        count, begin = np.frombuffer(self._count, np.int32), np.frombuffer(self._begin, np.int64)
        line = np.repeat(np.arange(len(count), dtype=np.int32), count)
        first = np.cumsum(count, dtype=np.int64) - count
        place = np.repeat((begin - first).astype(np.int32), count)
        place += np.arange(len(place), dtype=np.int32)
        return line, np.frombuffer(self._codes, np.int32)[place]

    def _repeats(self) -> bool:
        """Whether two lines are of one (attempt, step)."""
        attempt, step = np.frombuffer(self._attempt, np.int32), np.frombuffer(self._step, np.int64)
        order = order_of([attempt, step])
        if order is not None:
            attempt, step = attempt[order], step[order]
        return bool(((attempt[1:] == attempt[:-1]) & (step[1:] == step[:-1])).any())

    def _moment_column(self, name: str, values: array[Any], line: Numbers) -> pa.Array:
        known = np.frombuffer(self._known[name], np.uint8)
        if not known.any():
            return pa.nulls(len(line), SCALAR_ROWS.field(name).type)
        missing = None if known.all() else known[line] == 0
        return pa.array(np.frombuffer(values, values.typecode)[line], mask=missing)


def superseded(attempt: Numbers, step: Numbers, name: Numbers) -> npt.NDArray[np.bool_]:
    """Of rows (attempt, step, name) those that a later one has too."""
    order = order_of([name, attempt, step])
    ordered = (name, attempt, step) if order is None else (name[order], attempt[order], step[order])
    again = np.flatnonzero(np.logical_and.reduce([column[1:] == column[:-1] for column in ordered]))
    lost = np.zeros(len(step), bool)
    lost[again if order is None else order[again]] = True
    return lost


def newest_key(rows: pa.Table) -> list[int]:
    """The greatest [attempt, step] of rows, one at least."""
    attempt = pc.max(rows["attempt"])
    return [attempt.as_py(), pc.max(rows["step"].filter(pc.equal(rows["attempt"], attempt))).as_py()]


def reaches_back(rows: pa.Table, key: Sequence[int]) -> pa.ChunkedArray | None:
    """Which rows are current and have an (attempt, step) up to `key`; None for none of them."""
    attempt, step = key
    if pc.min(rows["attempt"]).as_py() > attempt:
        return None
    same = pc.and_(pc.equal(rows["attempt"], attempt), pc.less_equal(rows["step"], step))
    before = pc.and_(pc.greater_equal(rows["attempt"], 0), pc.less(rows["attempt"], attempt))
    back = pc.or_(before, same)
    return back if pc.any(back).as_py() else None


def among(rows: pa.Table, others: pa.Table) -> npt.NDArray[np.bool_]:
    """Which rows have the (attempt, step, name) of one of the others."""
    if not rows.num_rows or not others.num_rows:
        return np.zeros(rows.num_rows, bool)
    keys = pa.concat_tables([each.select(["attempt", "step", "name"]) for each in (rows, others)])
    number = np.zeros(keys.num_rows, np.int64)
    for column in keys.columns:
        encoded = column.combine_chunks().dictionary_encode()
        # No overflow: fewer than 2^31 rows of three columns that are counted down to what differs, two at a time.
        number = number * len(encoded.dictionary) + encoded.indices.to_numpy()
        number = np.unique(number, return_inverse=True)[1]
    return np.isin(number[: rows.num_rows], number[rows.num_rows :])


def without(rows: pa.Table, *others: pa.Table) -> pa.Table:
    """The rows whose keys none of the other tables has."""
    taken = np.zeros(rows.num_rows, bool)
    for other in others:
        taken |= among(rows, other)
    return rows.filter(pa.array(~taken)) if taken.any() else rows


def rebuilt(log: pa.Table, stored: pa.Table, of_snapshots: pa.Table) -> pa.Table:
    """The whole log, and every row that the store or a snapshot has and the log has not."""
    kept = without(stored.filter(pc.greater_equal(stored["attempt"], 0)), log)
    return pa.concat_tables([log, kept, without(of_snapshots, log, kept)])
