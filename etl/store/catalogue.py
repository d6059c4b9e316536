"""The store as people query it: the tables at its newest version, and the runs in it."""

from __future__ import annotations

import difflib
import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Final, TypeVar

import pyarrow as pa

from etl.errors import StoreError, StrobeError
from etl.store.database import Database
from etl.store.files import Files
from etl.store.pointer import Pointer, check_root, check_store, pointer_name, read_pointer
from etl.store.relations import ChangedError, Entry, Relations
from etl.store.stored_run import StoredRun
from etl.store.views import Part

_MOST_KEPT: Final = 128
"""Catalogues of single runs that are kept ready: 10 to 100 KB each."""

T = TypeVar("T")


def hides_example(path: str | os.PathLike[str]) -> bool:
    """True when the store says that the example is not to be attached beside it."""
    return check_store(Files(path)).get("hide_example") is True


class Catalogue:
    """The tables at one version of the store, or of some of its runs. Never changes; `Store.current` gives the next.

    Views: `T` has the current rows of table T, `T_all` every row, superseded attempts and replaced lines too.
    """

    def __init__(self, entries: Sequence[Entry], family: Family | None = None, *, one_of_many: bool = False) -> None:
        """`one_of_many`: it shares a database with the others of its family."""
        self._entries = {entry.pointer.run: entry for entry in entries}
        self.version = version_of(entries)
        self._family = family or Family()
        self._relations = Relations(list(self._entries.values()), self._family.database if one_of_many else None)

    def of(self, *runs: str) -> Catalogue:
        """The tables of these runs alone, as far as they are there: the same object while none of them changed, and
        as cheap to open as they are few."""
        return self._family.catalogue([self._entries[run] for run in dict.fromkeys(runs) if run in self._entries])

    def names(self) -> list[str]:
        """The ids of all runs."""
        return list(self._entries)

    def query(self, sql: str, params: Sequence[object] | Mapping[str, object] | None = None) -> pa.Table:
        """Run trusted SQL on a cursor of its own. What people type goes through `etl.sql.sandbox`, never here.

        Raises ChangedError when a file of this version is gone: resolve the store again.
        """
        return self._relations.query(sql, params)

    def tables(self) -> dict[str, pa.Schema]:
        """Every table and its columns, `run` first."""
        return dict(self._relations.schemas)

    def parts(self, table: str) -> list[Part]:
        """The Parquet files of a table at this version."""
        return self._relations.parts(table)

    def runs(self) -> pa.Table:
        """One row a run, newest first."""
        return self.query("SELECT * FROM runs ORDER BY created_at DESC NULLS LAST, run")

    def pointer(self, run: str) -> tuple[Files, Pointer]:
        """The files and the pointer of a run. Raises StoreError for a run that is not there."""
        if run not in self._entries:
            raise StoreError(self._unknown(run))
        entry = self._entries[run]
        return entry.files, entry.pointer

    def run(self, name: str) -> StoredRun:
        """A run by its id or its unique name. Raises StoreError naming the nearest when there is none."""
        rows = self.query("SELECT * FROM runs WHERE run = $1 OR name = $1 ORDER BY run = $1 DESC", [name]).to_pylist()
        if not rows:
            raise StoreError(self._unknown(name))
        if len(rows) > 1 and rows[0]["run"] != name:
            ids = ", ".join(row["run"] for row in rows)
            raise StoreError(f"{len(rows)} runs are named {name!r}: {ids}; give the id")
        return StoredRun(rows[0], *self.pointer(rows[0]["run"]))

    def _unknown(self, name: str) -> str:
        names = self.query("SELECT run, name FROM runs ORDER BY created_at DESC")
        choices = list(dict.fromkeys(names["run"].to_pylist() + names["name"].to_pylist()))
        near = difflib.get_close_matches(name, choices, n=1)
        if not choices:
            return f"no run {name!r}: the store is empty; fill it with `strobe ingest FOLDER`"
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(choices[:8])}"
        return f"no run {name!r}; {hint}"


def version_of(entries: Sequence[Entry]) -> str:
    """Changes whenever the parts of any of these runs do: their names are never used twice."""
    digest = hashlib.sha256()
    for entry in sorted(entries, key=lambda entry: entry.pointer.run):
        digest.update(f"{entry.files.path('')}\n{entry.pointer.run}:{entry.digest}\n".encode())
    return digest.hexdigest()[:16]


class Family:
    """The catalogues of single runs that a store was asked for: kept while a run does not change, in one database."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Catalogue] = OrderedDict()

    @cached_property
    def database(self) -> Database:
        return Database(shared=True)

    def catalogue(self, entries: Sequence[Entry]) -> Catalogue:
        version = version_of(entries)
        with self._lock:
            if version not in self._kept:
                self._kept[version] = Catalogue(entries, self, one_of_many=True)
                if len(self._kept) > _MOST_KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(version)
            return self._kept[version]


class Store:
    """A folder of Parquet tables, read through `current()`. A folder that does not exist is an empty store."""

    def __init__(
        self, path: str | os.PathLike[str] | Files, *, attached: Sequence[str | os.PathLike[str] | Files] = ()
    ) -> None:
        """`attached` stores are read beside this one; where they share a run's id, this one's counts.

        Raises StoreError when the folder is none of ours, or of a later version.
        """
        self._roots = [Files.of(root) for root in (path, *attached)]
        self.path = Path(self._roots[0].path("")) if isinstance(path, Files) else Path(path)
        for files in self._roots:
            check_root(files)
            check_store(files)
        self._lock = threading.Lock()
        self._catalogue: Catalogue | None = None
        self._family = Family()
        self._seen: dict[str, tuple[object, Entry]] = {}
        self.damaged: dict[str, str] = {}
        """run -> why its pointer could not be read, as of the last `current()`."""

    def current(self) -> Catalogue:
        """The catalogue of the store's newest version; the same object while nothing has changed."""
        with self._lock:
            entries = self._read_entries()
            if self._catalogue is None or self._catalogue.version != version_of(entries):
                self._catalogue = Catalogue(entries, self._family)
            return self._catalogue

    def _read_entries(self) -> list[Entry]:
        entries: dict[str, Entry] = {}
        seen: dict[str, tuple[object, Entry]] = {}
        self.damaged = {}
        for files in self._roots:
            for run in files.names("runs"):
                if run in entries:
                    continue
                try:
                    entry = self._read(files, run, seen)
                except (StrobeError, OSError) as error:
                    self.damaged[run] = str(error)
                    continue
                if entry.pointer.tables:
                    entries[run] = entry
        self._seen = seen
        return list(entries.values())

    def _read(self, files: Files, run: str, seen: dict[str, tuple[object, Entry]]) -> Entry:
        """The run's pointer, parsed again only when its file was replaced, where the storage tells."""
        path = files.path(pointer_name(run))
        try:
            identity = files.identity(pointer_name(run))
        except FileNotFoundError:
            return _entry(files, Pointer(run))
        known = self._seen.get(path)
        if identity is None or known is None or known[0] != identity:
            known = (identity, _entry(files, read_pointer(files, run)))
        seen[path] = known
        return known[1]

    def _asked(self, ask: Callable[[Catalogue], T]) -> T:
        """An answer of the newest version; asked once more where that is replaced meanwhile."""
        catalogue = self.current()
        try:
            return ask(catalogue)
        except ChangedError:
            newer = self.current()
            if newer.version == catalogue.version:
                raise
            return ask(newer)

    def runs(self) -> pa.Table:
        """One row a run, newest first."""
        return self._asked(lambda catalogue: catalogue.runs())

    def sql(self, query: str, params: Sequence[object] | Mapping[str, object] | None = None) -> pa.Table:
        """Your own SQL, in your own process, over every table: an Arrow table (`.to_pandas()`, `.to_pylist()`)."""
        return self._asked(lambda catalogue: catalogue.query(query, params))

    def run(self, name: str) -> StoredRun:
        """A run by id or unique name."""
        return self._asked(lambda catalogue: catalogue.run(name))


def _entry(files: Files, pointer: Pointer) -> Entry:
    digest = hashlib.sha256(str(pointer.version).encode())
    for table, parts in sorted(pointer.tables.items()):
        digest.update(" ".join([table, *(part.file for part in parts)]).encode())
    return Entry(files, pointer, digest.hexdigest()[:16])
