"""Rows of `scalars`, gathered a column at a time."""

from __future__ import annotations

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
            unknown = np.full(len(step), np.nan)
            columns: dict[str, npt.NDArray[Any]] = {"step": step, "value": value}
            columns["attempt"] = np.broadcast_to(np.asarray(attempt, np.int32), len(step))
            for column, given in (("time", time), ("epoch", epoch), ("tokens", tokens)):
                columns[column] = unknown if given is None else given
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
        joined = {key: np.concatenate([columns[key] for _, columns in self._parts]) for key in self._parts[0][1]}
        attempt = joined["attempt"].astype(np.int32)
        attempt[superseded(attempt, joined["step"], code)] = -1
        made = {"attempt": pa.array(attempt), "step": pa.array(joined["step"]), "value": pa.array(joined["value"])}
        for column in ("time", "epoch"):
            made[column] = pa.array(joined[column], mask=np.isnan(joined[column]))
        unknown = np.isnan(joined["tokens"])
        made["tokens"] = pa.array(np.where(unknown, 0, joined["tokens"]).astype(np.int64), mask=unknown)
        made["name"] = pa.DictionaryArray.from_arrays(pa.array(code), pa.array(list(names), pa.string())).cast(
            pa.string()
        )
        return pa.table({column: made[column] for column in SCALAR_ROWS.names}, schema=SCALAR_ROWS)
