"""What an analysis is: a derived table, the version of its definition, its columns, what it needs, and its rows.

Each has a file of its own beside this one, with the `Analysis` under the name ANALYSIS; the registry finds it there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from etl.store.catalogue import Catalogue
from etl.store.narrow import widened
from strobe.derive.recorded_run import NotApplicableError
from strobe.derive.subject import Subject

TEXT, REAL, DOUBLE = pa.string(), pa.float32(), pa.float64()
"""REAL is for what is good to seven digits: a part keeps it as float32 where that holds it (`etl.store.narrow`)."""
BIGINT, INTEGER, SMALLINT = pa.int64(), pa.int32(), pa.int16()
BOOLEAN = pa.bool_()

Row = dict[str, Any]
"""A table's columns without `run` and `definition`; what is absent is NULL, and `note` says why."""


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """What both kinds share. `definition` is raised by one when a formula, a default threshold or a unit of the table
    changes: stored rows are then stale. docs/analyses.md says what each version means."""

    table: str
    definition: int
    columns: Sequence[tuple[str, pa.DataType]]
    """The table's own: `run` stands before them, `definition` and `note` after."""
    needs: Callable[[Subject], None]
    """Raises NotApplicableError where the manifest already tells that the run cannot have the table."""
    unit: str
    """What a report counts: "snapshots computed"."""
    order: int = 1000
    """The place among the analyses of its kind; those of one place stand by name."""
    value: str = ""
    """The column that a row is about, where `note` says why it is NULL; empty where there is no one such."""

    @property
    def schema(self) -> pa.Schema:
        """The columns of the whole table, as they are declared."""
        return pa.schema([("run", TEXT), *self.columns, ("definition", INTEGER), ("note", TEXT)])

    def check(self, subject: Subject) -> None:
        """Raises NotApplicableError where the run cannot have the table."""
        self.needs(subject)

    def part(self, rows: Iterable[Row]) -> pa.Table:
        """Rows as a part of the table: all columns but `run`, with this version as their definition."""
        schema = widened(self.schema.remove(0))
        return pa.Table.from_pylist([row | {"definition": self.definition} for row in rows], schema)


@dataclass(frozen=True, kw_only=True)
class SnapshotAnalysis(Analysis):
    """Computed snapshot by snapshot: `rows` of one step. The columns begin with `step`."""

    rows: Callable[[Subject, int], list[Row]]
    unit: str = "snapshots computed"
    depends_on: Callable[[Subject], str] = lambda _: ""
    """What all rows depend on besides their own snapshot, in a few characters: with another text they are stale."""

    def check(self, subject: Subject) -> None:
        if not subject.recorded.steps:
            raise NotApplicableError("the run has no snapshots to analyse")
        self.needs(subject)


@dataclass(frozen=True, kw_only=True)
class TableAnalysis(Analysis):
    """Computed from other tables as a whole: `rows` of one run, again whenever one of its `sources` has changed."""

    sources: tuple[str, ...]
    rows: Callable[[Catalogue, str], list[Row]]
    requires: tuple[str, ...] = ()
    """Derived tables that rows are made of: they are brought up to date first, where the run can have them."""
    counted: Callable[[Row], bool] = lambda _: True
    """Which rows a report counts."""
    unit: str = "rows computed"


def nothing(_: Subject) -> None:
    """The `needs` of an analysis that every run can have."""


def finite(value: float, note: str = "not finite") -> tuple[float | None, str | None]:
    """(value, None), or (None, why) where there is no finite value."""
    return (float(value), None) if math.isfinite(value) else (None, note)
