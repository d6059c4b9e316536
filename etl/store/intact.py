"""The parts of a store's runs less those that are damaged: a damaged part costs its own run's table, and no other.

One look at each file (is it there, regular, of its size) goes before everything. DuckDB 2.0 checks no checksum of a
page and answers from flipped bytes as if nothing were (79 of 80 flips, measured), so that a part's CRC is compared
before a statement reads it for the first time: at 3.6 GB/s, once while the file stays the same.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence

from etl.errors import StoreError, StrobeError
from etl.store.current import has_attempts
from etl.store.damage import Checks, Damage
from etl.store.files import Files
from etl.store.pointer import PartFile, Pointer, pointer_name, read_pointer
from etl.store.remedy import remedy_for
from etl.store.schema import TABLES

READ_AT_ONCE = ("attempts", "runs")
"""A row or two a run, asked for by every page: read whole once a version, since a thousand small files take 0.1 s."""
_OF_ONE_RUN = re.compile(r"\brun\s*=\s*(?:'((?:[^']|'')*)'|\$(\d+))")

Params = Sequence[object] | Mapping[str, object] | None
Key = tuple[str, str]
"""(table, run)."""


class ChangedError(StoreError):
    """A file of this version is gone: the store has a later version by now."""


class Intact:
    """The tables of some runs, each looked at when it is first asked for. Damage only grows. Threads may share it."""

    def __init__(
        self, pointers: Mapping[str, tuple[Files, Pointer]], checks: Checks, before: Intact | None = None
    ) -> None:
        """`before`: of another version; what it knows of the runs that have not changed since is taken over."""
        self._pointers, self._checks = pointers, checks
        self._lock = threading.RLock()
        self._seen: dict[str, set[str]] = {}
        """Table -> runs of which its parts have been looked at."""
        self._read: dict[str, set[str]] = {}
        """Table -> runs of which its parts have been compared byte by byte."""
        self._damage: dict[Key, Damage] = {}
        if before is not None:
            self._continue(before)

    def _continue(self, before: Intact) -> None:
        same = {run for run, (_, pointer) in self._pointers.items() if before._pointer(run) is pointer}
        with before._lock:
            self._seen = {table: runs & same for table, runs in before._seen.items()}
            self._read = {table: runs & same for table, runs in before._read.items()}
            self._damage = {key: damage for key, damage in before._damage.items() if key[1] in same}

    def _pointer(self, run: str) -> Pointer | None:
        return self._pointers[run][1] if run in self._pointers else None

    @property
    def damage(self) -> list[Damage]:
        """All that one look at each file finds, and what reading has found so far. Raises ChangedError."""
        for table in {table for _, pointer in self._pointers.values() for table in pointer.tables} | {"runs"}:
            self.look(table)
            if self._checks.any_bad():
                self._take_over(table)
        return list(self._damage.values())

    def _take_over(self, table: str) -> None:
        """What another catalogue has found by reading."""
        bad = [
            run
            for run, (files, pointer) in self._pointers.items()
            if any(self._checks.is_bad(files, part) for part in pointer.tables.get(table, []))
        ]
        with self._lock:
            self._check(table, bad, whole=True)

    def parts(self, table: str) -> Iterator[tuple[str, Files, PartFile]]:
        """Run, files and part of every part that is served. Raises ChangedError."""
        self.look(table)
        for run, (files, pointer) in self._pointers.items():
            if (table, run) not in self._damage:
                for part in pointer.tables.get(table, []):
                    yield run, files, part

    def look(self, table: str) -> None:
        """Look at the parts of a table, and read them where that is done at once. Raises ChangedError."""
        if len(self._seen.get(table, ())) == len(self._pointers):
            return
        if _needs_attempts(table):
            self.look("attempts")
        with self._lock:
            self._check(table, self._pointers.keys() - self._seen.get(table, set()), whole=table in READ_AT_ONCE)
            self._seen[table] = set(self._pointers)

    def verify(self, tables: Iterable[str]) -> bool:
        """Compare the parts of some tables byte by byte; True where that found new damage. Raises ChangedError."""
        before = len(self._damage)
        for table in tables:
            self.look(table)
            with self._lock:
                self._check(table, self._pointers, whole=True)
        return len(self._damage) > before

    def before(self, sql: str, params: Params, tables: Iterable[str]) -> bool:
        """`verify` of what a statement that names these tables reads for the first time."""
        found = len(self._damage)
        named = _named_runs(sql, params)
        for table in tables:
            self.look(table)
            unread = self._pointers.keys() - self._read.get(table, set())
            if unread and (unread := unread & named if named else unread):
                with self._lock:
                    self._check(table, unread, whole=True)
        return len(self._damage) > found

    def _check(self, table: str, runs: Iterable[str], *, whole: bool) -> None:
        for run in runs:
            if (table, run) not in self._damage:
                self._check_one(table, run, whole=whole)
        if whole:
            self._read.setdefault(table, set()).update(runs)

    def _check_one(self, table: str, run: str, *, whole: bool) -> None:
        files, pointer = self._pointers[run]
        parts = pointer.tables.get(table, [])
        if table == "runs" and not parts:
            self._leave_out(table, run, pointer_name(run), "names no part of it")
        for part in parts:
            if what := self._checks.fault(files, part, whole=whole):
                if not _still_named(files, run, table, part):
                    raise ChangedError(f"{files.path(part.file)}: the store changed; read it again")
                self._leave_out(table, run, part.file, what)
                return
        if parts and _needs_attempts(table) and (lost := self._damage.get(("attempts", run))):
            self._leave_out(table, run, lost.file, f"{lost.what}, and it tells which rows of {table} count")

    def _leave_out(self, table: str, run: str, file: str, what: str) -> None:
        self._damage[table, run] = Damage(run, table, file, what, remedy_for(self._pointers[run][0], run))


def _needs_attempts(table: str) -> bool:
    return table in TABLES and table != "attempts" and has_attempts(TABLES[table].names)


def _still_named(files: Files, run: str, table: str, part: PartFile) -> bool:
    try:
        return part in read_pointer(files, run).tables.get(table, [])
    except (StrobeError, OSError):
        return True


def _named_runs(sql: str, params: Params) -> set[str]:
    """The runs that a statement asks for by `run = ...`; none where it does not say."""
    named: set[str] = set()
    for text, number in _OF_ONE_RUN.findall(sql):
        if not number:
            named.add(text.replace("''", "'"))
        elif isinstance(params, Sequence) and int(number) <= len(params):
            named.add(str(params[int(number) - 1]))
    return named
