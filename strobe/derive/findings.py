"""The table `findings`: every test that a study reports, corrected together."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa

from etl.store.catalogue import Catalogue
from strobe.analysis.memorization.findings import Finding, Measures, findings
from strobe.derive import compression, passages
from strobe.derive.analysis import BIGINT, DOUBLE, TEXT, Row, TableAnalysis

_PASSAGES = """SELECT epoch, passage, split, accuracy, chance, memorized FROM passages
WHERE run = $1 ORDER BY epoch, passage"""
_COMPRESSION = """SELECT epoch, layer, passage, score FROM compression
WHERE run = $1 ORDER BY epoch, layer, passage"""


def measures(catalogue: Catalogue, run: str) -> Measures | None:
    """What the tables of a study hold, as arrays; None where they hold nothing."""
    told = catalogue.query(_PASSAGES, [run])
    return measures_of(told, catalogue.query(_COMPRESSION, [run])) if told.num_rows else None


def measures_of(told: pa.Table, scores: pa.Table) -> Measures:
    """The rows of `passages` by epoch and passage, and of `compression` by epoch, layer and passage, as arrays."""
    epochs = np.unique(told["epoch"].to_numpy())
    shape = (len(epochs), told.num_rows // len(epochs))
    layers = scores.num_rows // told.num_rows
    return Measures(
        [int(epoch) for epoch in epochs],
        np.array(told["split"].to_pylist()[: shape[1]]) == "trained",
        _numbers(told["accuracy"]).reshape(shape),
        _numbers(told["chance"]).reshape(shape),
        _numbers(told["memorized"]).reshape(shape).astype(bool),
        _numbers(scores["score"]).reshape(shape[0], layers, shape[1]),
    )


def _numbers(column: pa.ChunkedArray) -> np.ndarray[Any, np.dtype[np.float64]]:
    """NULL is NaN."""
    return np.asarray(column.cast("float64").to_numpy(zero_copy_only=False), np.float64)


def rows(catalogue: Catalogue, run: str) -> list[Row]:
    """A row a test, and one for each shape, which is a rule and no test."""
    measured = measures(catalogue, run)
    return [] if measured is None else [_row(finding) for finding in findings(measured)]


def _row(finding: Finding) -> Row:
    outcome = finding.outcome
    numbers = {
        "statistic": outcome.statistic, "effect": outcome.effect, "low": outcome.low, "high": outcome.high,
        "p": outcome.p, "p_corrected": finding.p_corrected,
    }  # fmt: skip
    known = {name: value if math.isfinite(value) else None for name, value in numbers.items()}
    ruled = "a rule, not a test: it has no p" if finding.analysis == "shape" else None
    missing = [name for name in ("effect", "low", "high") if known[name] is None]
    why = outcome.reason or (f"{', '.join(missing)}: not to be told" if missing else None)
    return {
        "analysis": finding.analysis, "subject": finding.subject, "unit": finding.unit, **known,
        "tests": finding.tests, "verdict": finding.verdict, "note": "; ".join(filter(None, (why, ruled))) or None,
    }  # fmt: skip


ANALYSIS = TableAnalysis(
    table="findings",
    definition=1,
    order=22,
    columns=(
        ("analysis", TEXT), ("subject", TEXT), ("unit", TEXT), ("statistic", DOUBLE), ("effect", DOUBLE),
        ("low", DOUBLE), ("high", DOUBLE), ("p", DOUBLE), ("p_corrected", DOUBLE), ("tests", BIGINT),
        ("verdict", TEXT),
    ),
    needs=passages.needs,
    requires=(passages.ANALYSIS.table, compression.ANALYSIS.table),
    sources=(passages.ANALYSIS.table, compression.ANALYSIS.table),
    rows=rows,
    counted=lambda row: row["p"] is not None,
    unit="tests made",
)  # fmt: skip
