"""Everything of a run made again from what it was recorded in. The old tables stay current until the new are whole.

What the recording does not have any more is kept where the store still has it undamaged: rows of snapshots that were
thinned away, and of a snapshot whose predecessor was, since its differences cannot be told without.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from etl.errors import StoreError, StrobeError
from etl.ingest.find import find
from etl.ingest.load import Ingest, IngestReport, Progress, owned
from etl.ingest.scalars import without
from etl.ingest.source import Key, Loss, Recording, Snapshots
from etl.run.names import candidates
from etl.store.damage import Checks
from etl.store.files import UNREADABLE, Files
from etl.store.pointer import Pointer, put_pointer, read_pointer, read_rows, remove_unnamed, table_folder
from etl.store.remedy import newest_row, recorded_at
from etl.store.schema import is_ingested
from etl.store.store_file import prepare_store

_KEPT_STATE = ("name", "reduced", "annotations")


def rebuild(what: str, files: Files, *, jobs: int = 2, progress: Progress | None = None) -> list[IngestReport]:
    """Make runs again: that of an id, or every recording that a path holds. Raises StrobeError."""
    prepare_store(files)
    made = []
    with ThreadPoolExecutor(max_workers=jobs) as executor:
        for recording, run in _recordings(what, files):
            name = run if run is not None else _name_of(recording, files)
            with files.lock(f"runs/{name}/.lock"):
                made.append(_Rebuild(recording, files, name, executor, progress).work())
    return made


def _recordings(what: str, files: Files) -> Sequence[tuple[Recording, str | None]]:
    """The recordings to read, and the run's id where that was given."""
    if what not in files.names("runs"):
        return [(recording, None) for recording in find(what)]
    folder = recorded_at(files, what)
    if folder is None:
        raise StoreError(
            f"run {what!r}: what it was recorded in is not on this machine; give its folder, or `strobe rm {what}`"
        )
    found = [(recording, what) for recording in find(folder) if recording.path.resolve() == folder.resolve()]
    if not found:
        raise StoreError(f"{folder}: is no recording any more; give another folder, or `strobe rm {what}`")
    return found


def _name_of(recording: Recording, files: Files) -> str:
    """The id under which the store has a recording, or would take it."""
    for name in candidates(recording.run_id):
        pointer = _sound_pointer(files, name)
        if pointer is None and recorded_at(files, name) in (None, recording.path.resolve()):
            return name
        if pointer is not None and owned(pointer, recording):
            return name
    raise StrobeError(f"{recording.path}: every name like {recording.run_id!r} is taken in this store")


def _sound_pointer(files: Files, run: str) -> Pointer | None:
    with suppress(*UNREADABLE):
        return read_pointer(files, run)
    return None


class _Rebuild(Ingest):
    """One run, from nothing, under its lock."""

    def __init__(
        self, recording: Recording, files: Files, run: str, executor: Executor, progress: Progress | None
    ) -> None:
        self.old = _sound_pointer(files, run)
        self.checks = Checks()
        base = Pointer(run, self.old.version if self.old else 0, {}, _kept_state(files, run, self.old, recording))
        super().__init__(recording, files, base, executor, progress)

    def _clean(self) -> None:
        if self.old is not None:
            remove_unnamed(self.files, self.old)

    def _store(self, snapshots: Snapshots) -> None:
        listing, tensors = self._sound("snapshots"), self._sound("tensors")
        if listing is not None:
            snapshots, lost = _with_kept(snapshots, listing, tensors)
            self.report.lost += lost
        super()._store(snapshots)

    def _scalars(self, of_snapshots: pa.Table) -> None:
        super()._scalars(of_snapshots)
        if (stored := self._sound("scalars")) is not None:
            made = self.changes.rows("scalars")
            kept = without(stored.filter(pc.greater_equal(stored["attempt"], 0)), made)
            if kept.num_rows:
                self.scalars.replace(pa.concat_tables([made, kept]))

    def _sound(self, table: str) -> pa.Table | None:
        """The rows of a table as the store has them; None where any of them may be wrong."""
        if self.old is None or not self.old.tables.get(table):
            return None
        if any(self.checks.fault(self.files, part, whole=True) for part in self.old.tables[table]):
            return None
        with suppress(*UNREADABLE):
            return read_rows(self.files, self.old, table)
        return None

    def _commit(self) -> bool:
        derived = self._derived_stamps()
        tables = {name: parts for name, parts in self.changes.tables.items() if parts}
        for table in derived:
            if self.old is not None and self._sound(table) is not None:
                tables[table] = self.old.tables[table]
            else:
                # The table is remembered as one that the run has: `strobe analyze` fills it.
                derived[table] = {}
        state = self.state | ({"derived": derived} if derived else {})
        put_pointer(self.files, self.old, Pointer(self.pointer.run, self.pointer.version + 1, tables, state))
        return True

    def _derived_stamps(self) -> dict[str, Any]:
        """Table -> stamps of its rows, for every table that no ingest fills."""
        if self.old is None:
            tables = [table for table in self.files.names("tables") if not is_ingested(table)]
            return {table: {} for table in tables if self.files.names(table_folder(table, self.pointer.run))}
        told = self.old.state.get("derived")
        known = dict(told) if isinstance(told, dict) else {}
        return {table: {} for table in self.old.tables if not is_ingested(table)} | known


def _kept_state(files: Files, run: str, old: Pointer | None, recording: Recording) -> dict[str, Any]:
    """What a run was told since it was recorded: its name, and how it was thinned."""
    if old is not None:
        return {key: old.state[key] for key in _KEPT_STATE if key in old.state}
    row = newest_row(files, run)
    told = {"name": row.get("name"), "reduced": row.get("reduced")}
    if told["name"] == recording.about().name:
        del told["name"]
    return {key: value for key, value in told.items() if value is not None}


def _with_kept(made: Snapshots, listing: pa.Table, tensors: pa.Table | None) -> tuple[Snapshots, list[Loss]]:
    """With the stored rows that cannot be made again, and what of them is lost."""
    before, now = _crcs(listing), _crcs(made.listing)
    gone = before.keys() - now.keys()
    same = {key for key in before.keys() & now.keys() if before[key] == now[key]}
    kept = gone | {key for key in same if _previous(key, before) in gone}
    if not kept:
        return made, []
    rows = [row | {"file": None} for row in listing.to_pylist() if (row["attempt"], row["step"]) in gone]
    extra = pa.Table.from_pylist(rows, made.listing.schema)
    whole = pa.concat_tables([made.listing, extra]).sort_by([("attempt", "ascending"), ("step", "ascending")])
    if tensors is None:
        reason = f"the rows of {len(gone):,} snapshots that are no longer there could not be kept"
        return replace(made, listing=whole), [Loss("tensors", reason)]
    chosen = pa.concat_tables([_of(made.tensors, kept, inside=False), _of(tensors, kept, inside=True)])
    return replace(made, listing=whole, tensors=chosen), []


def _crcs(listing: pa.Table) -> dict[Key, int]:
    columns = (listing[name].to_pylist() for name in ("attempt", "step", "crc32"))
    return {(attempt, step): crc for attempt, step, crc in zip(*columns, strict=True)}


def _previous(key: Key, there: dict[Key, int]) -> Key | None:
    """The next lower step of the same attempt."""
    return max((other for other in there if other[0] == key[0] and other[1] < key[1]), default=None)


def _of(rows: pa.Table, chosen: set[Key], *, inside: bool) -> pa.Table:
    at = zip(rows["attempt"].to_pylist(), rows["step"].to_pylist(), strict=True)
    return rows.filter(pa.array([(key in chosen) == inside for key in at], pa.bool_()))
