"""Singular values for the panel at the cursor: with the edge of random entries where it was stored."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa

from strobe.ui.weights.spectrum_at_cursor import _lines
from strobe.views.matrices import WeightMatrix
from strobe.views.run_view import Answer, RunView
from strobe.views.spectrum import SpectrumFrames, stored

MATRIX = WeightMatrix("fcw", 0, (2, 5))


def test_stored_values_come_with_the_edge_of_each_step() -> None:
    rows = [
        {"step": 0, "singular_values": [3.0, 1.0], "random_edge": 2.5},
        {"step": 100, "singular_values": [4.0, 2.0], "random_edge": None},
    ]
    tables: Any = SimpleNamespace(key=("", ""), ask=lambda sql: Answer(sql, pa.Table.from_pylist(rows)))
    frames = stored(RunView(tables, "run", (0, 100)), MATRIX)
    assert frames.edges is not None
    assert np.array_equal(frames.edges, [2.5, np.nan], equal_nan=True)
    assert np.array_equal(_lines(frames), [[[3, 1], [2.5, 2.5]], [[4, 2], [np.nan, np.nan]]], equal_nan=True)


def test_values_that_were_computed_at_the_cursor_have_none() -> None:
    values = np.array([[3.0, 1.0]], np.float32)
    assert np.array_equal(_lines(SpectrumFrames([0], values, 2, "")), values)
