"""The table `scalars` of one run in one ingest: rows that are new are appended.

Only where one of them stands in place of a stored row is the whole log read again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from etl.ingest.imports import tally
from etl.ingest.metric_catalogue import metrics_table, with_units
from etl.ingest.names import Names, chosen, in_order, renamed, with_codes, with_texts
from etl.ingest.scalars import among, newest_key, reaches_back, rebuilt, without
from etl.ingest.source import SCALAR_ROWS, Loss, Recording, Scalars, State
from etl.run.attempts import Attempt
from etl.store.changes import Changes
from etl.store.order import sorted_rows


@dataclass(frozen=True)
class Brought:
    """What was new in a log: its rows, what was left out, and the bytes of a last line without its end."""

    rows: int
    lost: Sequence[Loss]
    torn: int


class ScalarsOfRun:
    """Writes into `changes`, and keeps in `state` what the next ingest has to know."""

    def __init__(self, recording: Recording, changes: Changes, state: dict[str, Any]) -> None:
        self.recording, self.changes, self.state = recording, changes, state
        self._rows = SCALAR_ROWS.empty_table()
        self.added: pa.Table | None = None
        """The rows that the table has more than before; None where they are not all that changed."""

    def bring(self, of_snapshots: pa.Table) -> Brought:
        """Bring the table up to date with the log, and with values that snapshots hold; what was new in the log."""
        log = self.recording.scalars(self.state)
        new = Brought(log.rows.num_rows, log.lost, log.torn)
        named = self._named(log.rows, {} if log.whole else self.state.get("names", {}))
        if log.whole or self._stands_otherwise(named):
            self._rebuild(log if log.whole else self.recording.scalars({}), of_snapshots)
            return new
        state, newest = log.resume_from, newest_key(log.rows) if log.rows.num_rows else [-1, -1]
        # The rows are as large as the sorted ones, and are let go as soon as those are made.
        self._rows = with_codes(log.rows, named)
        del log
        if not self._append(of_snapshots):
            # A row that is stored already is replaced, and only the whole log tells by what.
            self._rebuild(self.recording.scalars({}), of_snapshots)
            return new
        self._remember(state, named, tally(self.state, new.rows, new.lost, whole=False), newest)
        return new

    def _rebuild(self, log: Scalars, of_snapshots: pa.Table) -> None:
        """Put the whole log in place of what is stored of it."""
        named = self._named(log.rows, {})
        stored = self.changes.rows("scalars")
        stored = stored.filter(pc.invert(pc.is_in(stored["name"], value_set=self._moved(named))))
        self.replace(rebuilt(renamed(log.rows, named), stored, of_snapshots))
        newest = newest_key(log.rows) if log.rows.num_rows else [-1, -1]
        counts = tally(self.state, log.rows.num_rows, log.lost, whole=True)
        self._remember(log.resume_from, named, counts, newest)

    def _remember(self, state: State, named: Names, counts: dict[str, Any], newest: Sequence[int]) -> None:
        last = max(self.state["last_key"], list(newest))
        self.state |= {**state, "names": named, "tally": counts, "last_key": last}
        if self.added is None or self.added.num_rows:
            self.state |= self._newest_time()

    @property
    def added_are_finite(self) -> bool:
        """Whether all rows are as before, but for added ones whose values are finite."""
        return self.added is not None and bool(pc.all(pc.is_finite(self.added["value"]), min_count=0).as_py())

    def replace(self, rows: pa.Table) -> None:
        """Make these the table's only rows."""
        self.added = None
        self.changes.replace("scalars", rows)

    def catalogue(self, attempts: Sequence[Attempt], *, same_cuts: bool) -> pa.Table:
        """The table `metrics` as it now is: from what was added alone, where the rows before it are as they were."""
        before, added, names = self.changes.rows("metrics"), self.added, self.state.get("names", {})
        unit = self.recording.loss_unit
        if added is None or not same_cuts:
            return metrics_table(self.changes.rows("scalars"), attempts, names, loss_unit=unit)
        # Units may be told by another rule than today's, where a store is older than that.
        if not added.num_rows:
            return with_units(before, unit)
        return metrics_table(added, attempts, names, before, loss_unit=unit)

    def newest_time(self) -> float | None:
        """When the newest metric was written; None where no time is known."""
        # A store may be older than what its state has.
        known = "newest_time" in self.state or not self.changes.parts("scalars")
        newest: float | None = (self.state if known else self._newest_time()).get("newest_time")
        return newest

    def _named(self, rows: pa.Table, known: Names) -> dict[str, str]:
        return chosen(in_order(rows), known, self.recording.metric_names())

    def _stands_otherwise(self, named: Names) -> bool:
        """Whether the store has rows under another name than they are to have: of a store that is older than the
        table of names, or under a name that another metric turned out to be called."""
        known = self.state.get("names")
        if known is None:
            moved = {name for name, target in named.items() if name != target}
            return bool(moved) and bool(moved & set(pc.unique(self.changes.rows("scalars")["name"]).to_pylist()))
        return any(named.get(name) != target for name, target in known.items())

    def _moved(self, named: Names) -> pa.Array:
        """The names under which the store has rows that the whole log gives under another."""
        known = self.state.get("names", {})
        gone = {target for name, target in known.items() if named.get(name) != target}
        return pa.array(sorted(gone | {name for name, target in named.items() if name != target}), pa.string())

    def _append(self, of_snapshots: pa.Table) -> bool:
        """Add the rows, which are all new; False, and nothing is done, when one of them replaces a stored one."""
        rows, self._rows = self._rows, SCALAR_ROWS.empty_table()
        near = with_texts(self._near(rows, of_snapshots))
        if among(near, stored := self._stored_at(near, of_snapshots)).any():
            return False
        if (others := without(of_snapshots, near, stored)).num_rows:
            rows = with_codes(pa.concat_tables([with_texts(rows), others]), {})
        del near
        rows = sorted_rows("scalars", rows)
        self.added = with_texts(rows)
        del rows
        self.changes.append("scalars", self.added)
        # What writing took is much, and the catalogue is made of the same rows.
        pa.default_memory_pool().release_unused()
        return True

    def _newest_time(self) -> dict[str, float]:
        """The same, as a part of the state."""
        added, known = self.added, self.state.get("newest_time")
        if added is None or (known is None and len(self.changes.parts("scalars")) > 1):
            added, known = self.changes.rows("scalars"), None
        times = [time for time in (known, pc.max(added["time"]).as_py()) if time is not None and math.isfinite(time)]
        return {"newest_time": max(times)} if times else {}

    def _near(self, rows: pa.Table, of_snapshots: pa.Table) -> pa.Table:
        """Those of the log's new rows that may meet a row of the store or of a snapshot."""
        if not rows.num_rows:
            return rows
        # A log has many more steps than a run has snapshots, and past its last row only at those may two rows meet.
        steps = pa.chunked_array([*self.changes.rows("snapshots")["step"].chunks, *of_snapshots["step"].chunks])
        near = reaches_back(rows, self.state["last_key"])
        if len(steps):
            at_them = pc.and_(pc.is_in(rows["step"], value_set=steps), pc.greater_equal(rows["attempt"], 0))
            near = at_them if near is None else pc.or_(near, at_them)
        return rows.slice(0, 0) if near is None else rows.filter(near)

    def _stored_at(self, *tables: pa.Table) -> pa.Table:
        """The stored rows at the steps that the tables have."""
        steps = pa.chunked_array([chunk for table in tables for chunk in table["step"].chunks], pa.int64())
        if not len(steps) or not self.changes.parts("scalars"):
            return SCALAR_ROWS.empty_table()
        stored = self.changes.rows("scalars")
        return stored.filter(pc.is_in(stored["step"], value_set=pc.unique(steps)))
