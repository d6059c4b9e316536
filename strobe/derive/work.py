"""Filling the derived tables of one run: only what is missing or stale, a few snapshots a commit."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from etl.errors import StrobeError
from etl.run.folder import Run
from etl.run.snapshot import SnapshotError
from etl.store.catalogue import Store
from etl.store.compact import MANY_PARTS, merged_part
from etl.store.files import Files
from etl.store.pointer import PartFile, Pointer, commit, read_pointer, read_rows, remove_unnamed, write_part
from etl.store.schema import TABLES
from etl.store.stored_run import StoredRun
from strobe.analysis.definitions import DEFINITIONS
from strobe.derive.snapshots import DERIVED, Row
from strobe.derive.subject import NotApplicableError, Subject
from strobe.derive.transitions import transitions

CHUNK = 4
"""Snapshots between two commits: what a kill can cost."""
ANALYSES = (*DERIVED, "transitions")

Progress = Callable[[str, int, int], None]
"""Called with (table, snapshots done, snapshots to do)."""


@dataclass
class Report:
    """What one run of the analyses did. `skipped`: table -> why this run cannot have it."""

    run: str
    computed: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    bad: list[tuple[str, str]] = field(default_factory=list)
    dropped: dict[str, int] = field(default_factory=dict)
    """Table -> steps whose rows were removed because a later attempt cut those steps off."""


def stamps(subject: Subject, table: str, steps: Iterable[int]) -> dict[int, str]:
    """Step -> what its rows depend on: the snapshot's bytes, the definition, and for progress the key frequencies.

    A damaged snapshot has no stamp.
    """
    keys = ""
    if table == "progress":
        keys = ":" + ",".join(map(str, subject.keys.frequencies.tolist()))
    found = {}
    for step in steps:
        with contextlib.suppress(SnapshotError):
            found[step] = f"{DEFINITIONS[table]}:{subject.at(step).payload_crc:08x}{keys}"
    return found


def _state(pointer: Pointer, table: str) -> dict[str, str]:
    """Step (as text) -> stamp of the rows that the store has."""
    derived = pointer.state.get("derived")
    rows = derived.get(table) if isinstance(derived, dict) else None
    return dict(rows) if isinstance(rows, dict) else {}


def _there(files: Files, pointer: Pointer, table: str) -> tuple[list[PartFile], set[int]]:
    """The parts of a table that can be read, and the steps that they hold."""
    parts, steps = [], set()
    for part in pointer.tables.get(table, []):
        with contextlib.suppress(OSError, pa.ArrowInvalid):
            steps |= set(files.read_table(part.file)["step"].to_pylist())
            parts.append(part)
    return parts, steps


def stale(stored: StoredRun, table: str) -> list[int]:
    """Steps whose rows of a derived table are missing, out of date, or cut off by a later attempt.

    None where the snapshots are not at hand. Raises NotApplicableError where the run cannot have the table.
    """
    if stored.folder is None:
        return []
    subject = Subject(Run(stored.folder))
    # What a running training wrote since the last ingest is no page's business yet.
    _, ingested = _there(stored.files, stored.pointer, "snapshots")
    wanted = stamps(subject, table, ingested & set(subject.steps))
    have, (_, there) = _state(stored.pointer, table), _there(stored.files, stored.pointer, table)
    outdated = {step for step, stamp in wanted.items() if step not in there or have.get(str(step)) != stamp}
    return sorted(outdated | (there & subject.superseded))


def why_never(stored: StoredRun, table: str) -> str:
    """Why a run cannot have a derived table, as an analysis would say it; "" where nothing speaks against it."""
    if stored.folder is None:
        return ""
    try:
        Subject(Run(stored.folder)).require(table)
    except StrobeError as error:
        return str(error)
    return ""


class Work:
    """The analyses of one run, under its lock only while committing: an ingest may go on beside it."""

    def __init__(self, store: Store, stored: StoredRun, progress: Progress | None = None) -> None:
        """Raises StrobeError when the snapshots are not on this machine."""
        if stored.folder is None:
            raise StrobeError(
                f"run {stored.id!r} has no snapshots on this machine: its derived tables stay as they are"
            )
        self.store, self.stored, self.files = store, stored, stored.files
        self.subject = Subject(Run(stored.folder))
        self.progress = progress or (lambda *_: None)
        self.report = Report(stored.id)

    def do(self, only: Sequence[str] = ANALYSES, steps: Iterable[int] | None = None) -> Report:
        """Bring the tables `only` up to date, for all snapshots or those of `steps`. Raises StrobeError where the run
        has a snapshot at none of those."""
        there = self.subject.steps
        if steps is not None and not set(steps) & set(there):
            around = f"from {there[0]:,} to {there[-1]:,}" if there else "none at all"
            raise StrobeError(f"no snapshot to analyse at those steps; the run has {len(there):,}: {around}")
        self._drop_superseded([table for table in DERIVED if table in only])
        chosen = there if steps is None else sorted(set(steps) & set(there))
        # Table by table inside a chunk, so that neurons and progress share one forward pass.
        todo = {table: missing for table in DERIVED if table in only and (missing := self._todo(table, chosen))}
        every = sorted({step for missing in todo.values() for step in missing})
        for start in range(0, len(every), CHUNK):
            self._chunk(todo, every[start : start + CHUNK], start, len(every))
        if "transitions" in only:
            self._transitions()
        return self.report

    def _drop_superseded(self, tables: Sequence[str]) -> None:
        """Remove the rows of steps that a resume cut off: derived tables have no attempt to tell them by."""
        gone = self.subject.superseded
        if not gone:
            return
        with self.files.lock(f"runs/{self.stored.id}/.lock"):
            pointer = read_pointer(self.files, self.stored.id)
            kept, derived = {}, dict(pointer.state.get("derived") or {})
            for table in tables:
                if cut := _there(self.files, pointer, table)[1] & gone:
                    kept[table] = self._without(pointer, table, cut)
                    derived[table] = {s: stamp for s, stamp in _state(pointer, table).items() if int(s) not in cut}
                    self.report.dropped[table] = len(cut)
            if kept:
                commit(self.files, pointer, kept, pointer.state | {"derived": derived})

    def _todo(self, table: str, chosen: Sequence[int]) -> dict[int, str]:
        """Step -> stamp of the snapshots to compute; a table that cannot be is remembered as skipped."""
        self.report.computed[table] = 0
        try:
            self.subject.require(table)
            wanted = stamps(self.subject, table, chosen)
        except NotApplicableError as error:
            self._skip(table, error)
            return {}
        for step in chosen:
            if step not in wanted:
                self._damaged(step)
        pointer = read_pointer(self.files, self.stored.id)
        have, (_, there) = _state(pointer, table), _there(self.files, pointer, table)
        return {step: stamp for step, stamp in wanted.items() if step not in there or have.get(str(step)) != stamp}

    def _damaged(self, step: int) -> None:
        """Say once what is wrong with a snapshot that cannot be opened."""
        try:
            self.subject.at(step)
        except SnapshotError as error:
            entry = (f"step {step:,}", str(error))
            if entry not in self.report.bad:
                self.report.bad.append(entry)

    def _skip(self, table: str, error: Exception) -> None:
        self.report.computed.pop(table, None)
        self.report.skipped[table] = str(error)

    def _chunk(self, todo: dict[str, dict[int, str]], steps: Sequence[int], done: int, total: int) -> None:
        rows: dict[str, list[Row]] = {table: [] for table in todo}
        made: dict[str, dict[int, str]] = {table: {} for table in todo}
        for number, step in enumerate(steps):
            for table, missing in todo.items():
                if step in missing and table not in self.report.skipped:
                    self._compute(table, step, missing[step], rows[table], made[table])
            self.progress(self.stored.id, done + number + 1, total)
        self._commit({table: (rows[table], made[table]) for table in todo if made[table]})

    def _compute(self, table: str, step: int, stamp: str, rows: list[Row], made: dict[int, str]) -> None:
        try:
            rows += DERIVED[table](self.subject, step)
            made[step] = stamp
            self.report.computed[table] += 1
        except NotApplicableError as error:
            self._skip(table, error)
        except SnapshotError as error:
            self.report.bad.append((f"{table} at step {step:,}", str(error)))

    def _commit(self, changes: dict[str, tuple[list[Row], dict[int, str]]]) -> None:
        if not changes:
            return
        with self.files.lock(f"runs/{self.stored.id}/.lock"):
            pointer = read_pointer(self.files, self.stored.id)
            tables, derived = {}, dict(pointer.state.get("derived") or {})
            for table, (rows, made) in changes.items():
                tables[table] = self._parts(pointer, table, rows, set(made))
                derived[table] = _state(pointer, table) | {str(step): stamp for step, stamp in made.items()}
            commit(self.files, pointer, tables, pointer.state | {"derived": derived})

    def _parts(self, pointer: Pointer, table: str, rows: list[Row], replaced: set[int]) -> list[PartFile]:
        """The table's parts with these rows in place of any older ones of the same steps."""
        run, new = self.stored.id, as_table(table, rows)
        parts = [*self._without(pointer, table, replaced), write_part(self.files, self.stored.id, table, new)]
        return [merged_part(self.files, run, table, parts)] if len(parts) > MANY_PARTS else parts

    def _without(self, pointer: Pointer, table: str, steps: set[int]) -> list[PartFile]:
        """The table's readable parts less the rows of some steps."""
        parts, there = _there(self.files, pointer, table)
        if not there & steps:
            return parts
        old = read_rows(self.files, Pointer(self.stored.id, 0, {table: parts}), table)
        kept = old.filter(pa.array([step not in steps for step in old["step"].to_pylist()], pa.bool_()))
        return [write_part(self.files, self.stored.id, table, kept)] if kept.num_rows else []

    def _transitions(self) -> None:
        """Computed from the other tables as they are now, and again when any of them changed."""
        pointer = read_pointer(self.files, self.stored.id)
        sources = ("scalars", "tensors", "progress", "heads", "attempts")
        parts = [part.file for table in sources for part in pointer.tables.get(table, [])]
        digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
        stamp = f"{DEFINITIONS['transitions']}:{digest}"
        self.report.computed["transitions"] = 0
        parts_there, _ = _there(self.files, pointer, "transitions")
        if _state(pointer, "transitions").get("all") == stamp and (
            parts_there or not pointer.tables.get("transitions")
        ):
            return
        rows = transitions(self.store.current(), self.stored.id)
        with self.files.lock(f"runs/{self.stored.id}/.lock"):
            pointer = read_pointer(self.files, self.stored.id)
            derived = dict(pointer.state.get("derived") or {}) | {"transitions": {"all": stamp}}
            written = (
                [write_part(self.files, self.stored.id, "transitions", as_table("transitions", rows))] if rows else []
            )
            new = commit(self.files, pointer, {"transitions": written}, pointer.state | {"derived": derived})
            remove_unnamed(self.files, new, keep=pointer)
        # A milestone that was never reached has a row as well, which says so.
        self.report.computed["transitions"] = sum(row["step"] is not None for row in rows)


def as_table(table: str, rows: Sequence[Row]) -> pa.Table:
    """Rows as an Arrow table with the columns that a part has; `definition` is this version's."""
    schema = pa.schema([column for column in TABLES[table] if column.name != "run"])
    definition: dict[str, Any] = {"definition": DEFINITIONS[table]}
    return pa.Table.from_pylist([row | definition for row in rows], schema)
