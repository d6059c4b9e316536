"""Rows of `scalars`, gathered a column at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from etl.ingest.scalars import superseded
from etl.ingest.source import SCALAR_ROWS

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


class ScalarColumns:
    """Values by metric; of two for one (attempt, step, name) the later counts, and the other gets attempt -1."""

    def __init__(self) -> None:
        self._parts: list[tuple[str, dict[str, npt.NDArray[Any]]]] = []

    def add(
        self,
        name: str,
        step: Integers,
        value: Floats,
        *,
        attempt: Integers | int = 0,
        time: Floats | None = None,
        epoch: Floats | None = None,
        tokens: Floats | None = None,
    ) -> None:
        """Values (n,) of one metric in the order of the log; NaN in `time`, `epoch` and `tokens` is unknown."""
        if len(step):
            columns: dict[str, npt.NDArray[Any]] = {"step": step, "value": value}
            columns["attempt"] = np.broadcast_to(np.asarray(attempt, np.int32), len(step))
            for column, given in (("time", time), ("epoch", epoch), ("tokens", tokens)):
                if given is not None:
                    columns[column] = given
            self._parts.append((name, columns))

    def __len__(self) -> int:
        return sum(len(columns["step"]) for _, columns in self._parts)

    def table(self) -> pa.Table:
        """SCALAR_ROWS."""
        if not self._parts:
            return SCALAR_ROWS.empty_table()
        names: dict[str, int] = {}
        code = np.concatenate(
            [
                np.full(len(columns["step"]), names.setdefault(name, len(names)), np.int32)
                for name, columns in self._parts
            ]
        )
        attempt, step, value = (self._joined(column) for column in ("attempt", "step", "value"))
        known = {
            column: self._joined(column)
            for column in ("time", "epoch", "tokens")
            if any(column in columns for _, columns in self._parts)
        }
        return coded_table(list(names), code, attempt, step, value, **known)

    def _joined(self, column: str) -> npt.NDArray[Any]:
        """All of a column, NaN where it was not given."""
        return np.concatenate(
            [
                columns[column] if column in columns else np.full(len(columns["step"]), np.nan)
                for _, columns in self._parts
            ]
        )


def coded_table(
    names: Sequence[str],
    code: npt.NDArray[np.int32],
    attempt: npt.NDArray[Any],
    step: Integers,
    value: Floats,
    *,
    time: Floats | None = None,
    epoch: Floats | None = None,
    tokens: Floats | None = None,
) -> pa.Table:
    """SCALAR_ROWS of rows (n,) in the order of a log, the name of each by its place in `names`; NaN in `time`,
    `epoch` and `tokens` is unknown. `attempt` may be changed."""
    attempt = attempt.astype(np.int32, copy=False)
    if not _rises(code, attempt, step, len(names)):
        attempt[superseded(attempt, step, code)] = -1
    made = {"attempt": pa.array(attempt), "step": pa.array(step), "value": pa.array(value)}
    nothing = pa.nulls(len(step), pa.float64())
    for column, known in (("time", time), ("epoch", epoch)):
        made[column] = nothing if known is None else pa.array(known, mask=np.isnan(known))
    if tokens is None:
        # The same bytes of nothing as another column may have.
        made["tokens"] = pa.Array.from_buffers(pa.int64(), len(step), nothing.buffers(), len(step))
    else:
        unknown = np.isnan(tokens)
        made["tokens"] = pa.array(np.where(unknown, 0, tokens).astype(np.int64), mask=unknown)
    made["name"] = pa.DictionaryArray.from_arrays(pa.array(code), pa.array(list(names), pa.string())).cast(
        pa.string()
    )
    return pa.table({column: made[column] for column in SCALAR_ROWS.names}, schema=SCALAR_ROWS)


def _ascends(*keys: npt.NDArray[Any]) -> bool:
    """Whether each row lies behind the one before it, by the first key in which they differ."""
    undecided = np.ones(len(keys[0]) - 1, bool)
    for key in keys:
        if (undecided & (key[1:] < key[:-1])).any():
            return False
        undecided &= key[1:] == key[:-1]
    return not undecided.any()


def _rises(code: npt.NDArray[np.int32], attempt: npt.NDArray[np.int32], step: Integers, names: int) -> bool:
    """Whether each row surely lies behind the one of its name before it: then none stands in place of another."""
    if len(step) < 2 or _ascends(attempt, step, code) or _ascends(code, attempt, step):
        return True
    small = code.astype(np.uint16) if names <= 1 << 16 else code
    order = np.argsort(small, kind="stable")
    code, attempt, step = code[order], attempt[order], step[order]
    other = code[1:] != code[:-1]
    later = (attempt[1:] > attempt[:-1]) | ((attempt[1:] == attempt[:-1]) & (step[1:] > step[:-1]))
    return bool((other | later).all())
