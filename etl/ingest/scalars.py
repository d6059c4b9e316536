"""Rows of `scalars`: from the lines of a log, and together with those that the store has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Set
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from etl.ingest.source import SCALAR_ROWS
from etl.run.journal import MAX_STEP, parsed_number, whole

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
    row that lost has attempt -1. Values that are no numbers (text, lists) are left out.
    """
    columns: dict[str, list[Any]] = defaultdict(list)
    at: dict[ScalarKey, int] = {}
    for row in rows:
        attempt, step = row.get("attempt", 0), row["step"]
        time, tokens, epoch = (
            parsed_number(row.get("time")),
            whole(row.get("tokens")),
            parsed_number(row.get("epoch")),
        )
        for name, raw in row.items():
            value = None if name in _NOT_METRICS else parsed_number(raw)
            if value is None:
                continue
            key = (attempt, step, name)
            if key in at:
                columns["attempt"][at[key]] = -1
            at[key] = len(columns["attempt"])
            fields = (attempt, name, step, value, time, tokens, epoch)
            for column, field in zip(SCALAR_ROWS.names, fields, strict=True):
                columns[column].append(field)
    return pa.table({name: columns[name] for name in SCALAR_ROWS.names}, schema=SCALAR_ROWS)


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
