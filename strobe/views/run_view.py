"""One run as it is looked at: its snapshots, its tables at one version of the store, and its place beside the cursor.

A view of a subject is a function `(RunView, ...) -> frozen result`. Two runs side by side are two RunViews.
"""

from __future__ import annotations

import bisect
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from etl.errors import StrobeError
from etl.run.folder import Run

if TYPE_CHECKING:
    import pyarrow as pa

    from etl.store.catalogue import Catalogue
    from etl.store.damage import Damage
    from etl.store.stored_run import StoredRun


@dataclass(frozen=True)
class Answer:
    """One query, what it returned, and what it cost when it was really run."""

    sql: str
    table: pa.Table
    seconds: float = 0.0
    key: tuple[str, str] = ("", "")
    """The store and the version of what was asked; with the SQL, what makes two answers the same."""


@runtime_checkable
class Tables(Protocol):
    """The tables of some runs at one version. Pages answer from a cache, the command line from the store."""

    @property
    def key(self) -> tuple[str, str]:
        """The store, and the version of these runs: what a cache of anything read here is keyed by."""

    def of(self, *runs: str) -> Tables:
        """Those of some of the runs alone."""

    def ask(self, sql: str) -> Answer:
        """The answer to trusted SQL."""

    def once(self, sql: str) -> pa.Table:
        """The same, kept nowhere: for rows that are many, and of which little is kept."""

    def run(self, run: str) -> StoredRun:
        """A run by its id. Raises StoreError where there is none."""

    def damage(self) -> Sequence[Damage]:
        """What of these tables cannot be read."""


@dataclass(frozen=True)
class CatalogueTables:
    """The tables of a catalogue, asked without a cache."""

    catalogue: Catalogue
    store: str = ""

    @property
    def key(self) -> tuple[str, str]:
        return self.store, self.catalogue.version

    def of(self, *runs: str) -> CatalogueTables:
        return CatalogueTables(self.catalogue.of(*runs), self.store)

    def ask(self, sql: str) -> Answer:
        started = time.perf_counter()
        table = self.catalogue.query(sql)
        return Answer(sql, table, time.perf_counter() - started, self.key)

    def once(self, sql: str) -> pa.Table:
        return self.catalogue.query(sql)

    def run(self, run: str) -> StoredRun:
        return self.catalogue.run(run)

    def damage(self) -> Sequence[Damage]:
        return self.catalogue.damage


def index_at_or_before(steps: Sequence[int], step: int) -> int:
    """The place in ascending `steps` of the last one at or before `step`; 0 where all are later. The one rule for
    which snapshot stands for a step that has none."""
    return max(0, bisect.bisect_right(steps, step) - 1)


@dataclass(frozen=True)
class RunView:
    """`steps` are those of the run that have a snapshot, ascending; `shift` is by how many steps this run is looked
    at ahead of the cursor (a second run that is aligned elsewhere). A page gives it the tables of this run alone, so
    that what is kept of it stays while other runs grow."""

    tables: Tables
    run: str
    steps: tuple[int, ...] = ()
    shift: int = 0
    title: str = ""
    """The display name, as data: escaped where it is shown."""

    @property
    def key(self) -> tuple[str, str, str]:
        """Of everything that is read of the run, wherever the cursor is: (store, version, run)."""
        return *self.tables.key, self.run

    def shifted(self, shift: int) -> RunView:
        """The same run, looked at `shift` steps ahead of the cursor."""
        return replace(self, shift=shift)

    def at_or_before(self, step: int) -> int:
        """The snapshot that is shown when the cursor is at `step`: the one at or before it (and the shift), the first
        where there is none before. `step` itself where the run has no snapshots."""
        asked = step + self.shift
        return self.steps[index_at_or_before(self.steps, asked)] if self.steps else asked

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """The answer to trusted SQL as dictionaries."""
        rows: list[dict[str, Any]] = self.tables.ask(sql).table.to_pylist()
        return rows

    def snapshots(self) -> Run | None:
        """The folder of the run's snapshots, or None where it is not on this machine or cannot be read. Looked for
        each time, since a folder can go while a server runs."""
        try:
            return self.tables.run(self.run).recording()
        except (StrobeError, OSError):
            return None

    def tensor_entries(self) -> list[dict[str, Any]]:
        """The manifest's entries of all tensors; none where the snapshots are not on this machine."""
        snapshots = self.snapshots()
        entries: list[dict[str, Any]] = snapshots.manifest.raw["snapshot"]["tensors"] if snapshots is not None else []
        return entries

    def modulus(self) -> int | None:
        """p of a run that adds modulo p, else None."""
        snapshots = self.snapshots()
        task = snapshots.manifest.task if snapshots is not None else {}
        value = task.get("modulus") if task.get("kind") == "modular_addition" else None
        return value if isinstance(value, int) and value >= 3 else None


def snapshot_steps(tables: Tables, run: str) -> tuple[int, ...]:
    """The steps of a run that have a snapshot in the tables, ascending."""
    answer = tables.ask(
        f"SELECT DISTINCT step FROM snapshots WHERE run = {literal(run)} AND file IS NOT NULL ORDER BY step"
    )
    return tuple(answer.table["step"].to_pylist())


def logged_steps(tables: Tables, run: str, most: int = 1_000) -> tuple[int, ...]:
    """The steps at which a run logged its main loss, or else its first metric, ascending; of more than `most` every
    n-th, with the first and the last."""
    answer = tables.ask(
        f"""WITH chosen AS (
  SELECT name FROM metrics WHERE run = {literal(run)} ORDER BY name <> 'val_loss', name <> 'train_loss', name LIMIT 1
), ordered AS (
  SELECT step, row_number() OVER (ORDER BY step) - 1 AS k, count(*) OVER () AS n
  FROM (SELECT DISTINCT step FROM scalars WHERE run = {literal(run)} AND name IN (FROM chosen))
)
SELECT step FROM ordered WHERE k % greatest(1, n // {most}) = 0 OR k = n - 1 ORDER BY step"""
    )
    return tuple(answer.table["step"].to_pylist())


def literal(value: str | float) -> str:
    """A value as SQL: text in quotes with its own quotes doubled, numbers in full precision."""
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)
