"""Rows that come one by one, each the value of one metric."""

from __future__ import annotations

from array import array

import numpy as np
import pyarrow as pa

from etl.ingest.reading.columns import coded_table
from etl.ingest.source import SCALAR_ROWS


class LongRows:
    """Values in the order of a log; of two for one step and name the later counts."""

    def __init__(self) -> None:
        self._names: dict[str, int] = {}
        self._code, self._step = array("i"), array("q")
        self._value, self._time = array("d"), array("d")

    def add(self, name: str, step: int, value: float, time: float | None) -> None:
        self._code.append(self._names.setdefault(name, len(self._names)))
        self._step.append(step)
        self._value.append(value)
        self._time.append(np.nan if time is None else time)

    def table(self) -> pa.Table:
        """SCALAR_ROWS, all of attempt 0."""
        if not self._code:
            return SCALAR_ROWS.empty_table()
        code, step = np.array(self._code, np.int32), np.array(self._step, np.int64)
        value, time = np.array(self._value), np.array(self._time)
        return coded_table(list(self._names), code, np.zeros(len(code), np.int32), step, value, time=time)
