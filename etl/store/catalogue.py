"""The store as people query it: the tables at its newest version, and the runs in it."""

from __future__ import annotations

import difflib
import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

import pyarrow as pa

from etl.errors import StoreError
from etl.store import inline
from etl.store.annotations import Annotations
from etl.store.damage import Checks, Damage, pointer_damage, store_damage
from etl.store.database import shared_database
from etl.store.files import UNREADABLE, Files
from etl.store.intact import ChangedError
from etl.store.pointer import Pointer, pointer_name, read_pointer
from etl.store.relations import FEW, Entry, Relations
from etl.store.remedy import recorded_at
from etl.store.store_file import check_root, check_store
from etl.store.stored_run import StoredRun
from etl.store.views import Part

_MOST_KEPT: Final = 48
"""Catalogues of single runs that are kept ready: about 0.1 MB each."""

T = TypeVar("T")


def hides_example(path: str | os.PathLike[str]) -> bool:
    """True when the store says that the example is not to be attached beside it."""
    return check_store(Files(path)).get("hide_example") is True


class Catalogue:
    """The tables at one version of the store, or of some of its runs. Never changes; `Store.current` gives the next.

    Views: `T` has the current rows of table T, `T_all` every row, superseded attempts and replaced lines too.
    """

    def __init__(
        self,
        entries: Sequence[Entry],
        family: Family | None = None,
        *,
        one_of_many: bool = False,
        before: Catalogue | None = None,
    ) -> None:
        """`one_of_many`: it shares the database of this process, as those of few runs do. `before`: the version
        before, whose runs that did not change since are not looked at again."""
        self._entries = {entry.pointer.run: entry for entry in entries}
        self._family = family or Family()
        self.version = self._family.version_of(entries)
        database = shared_database() if one_of_many or len(entries) <= FEW else None
        known = before._relations if before is not None else None
        self._relations: Relations = Relations(list(self._entries.values()), database, self._family.checks, known)

    def of(self, *runs: str) -> Catalogue:
        """The tables of these runs alone, as far as they are there: the same object while none of them changed, and
        as cheap to open as they are few."""
        return self._family.catalogue(self._of(runs))

    def version_of(self, *runs: str) -> str:
        """The version of `of(*runs)`, which is not opened for it."""
        return self._family.version_of(self._of(runs))

    def _of(self, runs: Sequence[str]) -> list[Entry]:
        return [self._entries[run] for run in dict.fromkeys(runs) if run in self._entries]

    @property
    def damage(self) -> list[Damage]:
        """What of these runs is left out, and why, as far as a look at each file tells and reading has told so far.

        Raises ChangedError.
        """
        return self._relations.intact.damage

    def verify(self, tables: Iterable[str]) -> bool:
        """Compare every part of some tables with its CRC; True where more is left out from now on."""
        return self._relations.verify(tables)

    def names(self) -> list[str]:
        """The ids of all runs."""
        return list(self._entries)

    def annotations(self) -> dict[str, Annotations]:
        """What people say of each run, as the pointers have it: no file is opened."""
        return {run: Annotations.of(entry.pointer.state) for run, entry in self._entries.items()}

    def query(self, sql: str, params: Sequence[object] | Mapping[str, object] | None = None) -> pa.Table:
        """Run trusted SQL on a cursor of its own. What people type goes through `etl.sql.sandbox`, never here.

        A table of a run that turns out to be damaged is left out, and `damage` has it. Raises ChangedError when a
        file of this version is gone because its run went on: resolve the store again.
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

    def every_run(self) -> pa.Table:
        """Table `runs`, in any order: of runs whose pointer has their row no file is read but to compare its CRC."""
        found = {run: inline.read(part.inline) for run, _, part in self._relations.intact.parts("runs")}
        rows = [{"run": run, **row} for run, row in found.items() if row is not None]
        table = inline.table_of(rows)
        if table is None:
            return self.query("SELECT * FROM runs")
        others = [run for run, row in found.items() if row is None]
        return pa.concat_tables([table, self.of(*others).query("SELECT * FROM runs")]) if others else table

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
        if left_out := next((one for one in self.damage if one.run == name), None):
            return str(left_out)
        names = self.query("SELECT run, name FROM runs ORDER BY created_at DESC")
        choices = list(dict.fromkeys(names["run"].to_pylist() + names["name"].to_pylist()))
        near = difflib.get_close_matches(name, choices, n=1)
        if not choices:
            return f"no run {name!r}: the store is empty; fill it with `strobe ingest FOLDER`"
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(choices[:8])}"
        return f"no run {name!r}; {hint}"


class Family:
    """The catalogues of single runs that a store was asked for: kept while a run does not change."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Catalogue] = OrderedDict()
        self.checks = Checks()
        self._mended = 0

    def catalogue(self, entries: Sequence[Entry]) -> Catalogue:
        version = self.version_of(entries)
        with self._lock:
            if version not in self._kept:
                self._kept[version] = Catalogue(entries, self, one_of_many=True)
                if len(self._kept) > _MOST_KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(version)
            return self._kept[version]

    def look_again(self) -> bool:
        """True where a file that was damaged is not so any more: all versions are other ones from now on."""
        mended = self.checks.mended()
        self._mended += mended
        return mended

    def version_of(self, entries: Sequence[Entry]) -> str:
        """Changes whenever the parts of any of these runs do: their names are never used twice."""
        digest = hashlib.sha256(f"{self._mended}".encode())
        for entry in sorted(entries, key=lambda entry: entry.pointer.run):
            digest.update(f"{entry.files.path('')}\n{entry.pointer.run}:{entry.digest}\n".encode())
        return digest.hexdigest()[:16]


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
        for files in self._roots[1:]:
            files.attached = True
        self._lock = threading.Lock()
        self._catalogue: Catalogue | None = None
        self._family = Family()
        self._seen: dict[str, tuple[object, Entry]] = {}
        self.unreadable: list[Damage] = []
        """What is left out of the version that was read last besides tables: whole runs, the store's own file."""

    def current(self) -> Catalogue:
        """The catalogue of the store's newest version; the same object while nothing has changed."""
        with self._lock:
            entries = self._read_entries()
            before = None if self._family.look_again() else self._catalogue
            if self._catalogue is None or self._catalogue.version != self._family.version_of(entries):
                self._catalogue = Catalogue(entries, self._family, before=before)
            return self._catalogue

    @property
    def damage(self) -> list[Damage]:
        """What of the newest version is left out, and why."""
        found = self._asked(lambda catalogue: catalogue.damage)
        return [*self.unreadable, *found]

    def remains(self, name: str) -> tuple[Files, str] | None:
        """Where something lies of a run, which may be damaged, and the run's id, by its id or its folder."""
        folder = Path(name).resolve() if Path(name).is_dir() else None
        for files in self._roots:
            for run in files.names("runs"):
                if run == name or (folder is not None and recorded_at(files, run) == folder):
                    return files, run
        return None

    def _read_entries(self) -> list[Entry]:
        entries: dict[str, Entry] = {}
        seen: dict[str, tuple[object, Entry]] = {}
        damage = [found for files in self._roots if (found := store_damage(files))]
        for files in self._roots:
            for run in files.names("runs"):
                if run in entries or any(found.run == run for found in damage):
                    continue
                try:
                    entry = self._read(files, run, seen)
                except UNREADABLE as error:
                    damage.append(pointer_damage(files, run, error))
                    continue
                if entry.pointer.tables:
                    entries[run] = entry
        self._seen, self.unreadable = seen, damage
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
        """A run by id or unique name. Raises StoreError, which says what is wrong with a run that is left out."""
        try:
            return self._asked(lambda catalogue: catalogue.run(name))
        except StoreError:
            for damage in self.unreadable:
                if damage.run == name:
                    raise StoreError(str(damage)) from None
            raise


def _entry(files: Files, pointer: Pointer) -> Entry:
    digest = hashlib.sha256(str(pointer.version).encode())
    for table, parts in sorted(pointer.tables.items()):
        digest.update(" ".join([table, *(part.file for part in parts)]).encode())
    return Entry(files, pointer, digest.hexdigest()[:16])
