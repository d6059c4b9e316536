"""The store as people query it: an in-memory DuckDB over exactly the Parquet parts that the pointers name."""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from etl.errors import StoreError, StrobeError
from etl.store.current import CUTS
from etl.store.files import Files
from etl.store.narrow import widened
from etl.store.pointer import PartFile, Pointer, check_root, check_store, pointer_name, read_pointer
from etl.store.schema import TABLES, are_plain, columns_key, may_lack_columns
from etl.store.stored_run import StoredRun
from etl.store.views import CUTS_TABLE, Part, current_view, every_row

_SMALL = frozenset({"runs", "attempts"})
"""A row or two a run, asked for by every page: read once a version, since a thousand small files take 0.1 s."""


def hides_example(path: str | os.PathLike[str]) -> bool:
    """True when the store says that the example is not to be attached beside it."""
    return check_store(Files(path)).get("hide_example") is True


class Catalogue:
    """The tables at one version of the store. It never changes; `Store.current` gives the next one.

    Views: `T` has the current rows of table T, `T_all` every row, superseded attempts and replaced lines too.
    """

    def __init__(self, version: str, pointers: Sequence[tuple[Files, Pointer]]) -> None:
        self.version = version
        self._pointers = {pointer.run: (files, pointer) for files, pointer in pointers}
        self._connection = duckdb.connect()
        self._connection.execute("SET enable_progress_bar = false; SET parquet_metadata_cache = true")
        self._lock = threading.Lock()
        self._schemas = {**TABLES, **self._schemas_of_unknown()}
        self._parts = {table: self._parts_of(table) for table in self._schemas}
        # In whatever order the files come: twice as fast, and nothing asks these tables without an order of its own.
        self._connection.execute("SET preserve_insertion_order = false")
        for table, schema in self._schemas.items():
            kind = "TABLE" if table in _SMALL else "VIEW"
            self._connection.execute(f"CREATE {kind} {table}_all AS {every_row(schema, self._parts[table])}")
        self._connection.execute(CUTS_TABLE)
        self._connection.execute("SET preserve_insertion_order = true")
        cut = {run for (run,) in self._connection.execute(f"SELECT DISTINCT run FROM {CUTS}").fetchall()}
        for table, schema in self._schemas.items():
            view = current_view(table, schema, self._parts[table], cut)
            self._connection.execute(f"CREATE VIEW {table} AS {view}")

    def _schemas_of_unknown(self) -> dict[str, pa.Schema]:
        """The columns of tables that pointers name and nothing here declares, as the first readable part has them."""
        schemas: dict[str, pa.Schema] = {}
        for files, pointer in self._pointers.values():
            for table, parts in pointer.tables.items():
                if table not in TABLES and table not in schemas and parts:
                    with contextlib.suppress(OSError, pa.ArrowInvalid):
                        own = files.read_schema(parts[0].file)
                        if are_plain([table, *own.names]):
                            schemas[table] = pa.schema([("run", pa.string()), *widened(own)])
        return schemas

    def _parts_of(self, table: str) -> list[Part]:
        return [
            self._part(table, run, files, part)
            for run, (files, pointer) in self._pointers.items()
            for part in pointer.tables.get(table, [])
        ]

    def _part(self, table: str, run: str, files: Files, part: PartFile) -> Part:
        path, lacks = files.local_path(part.file), self._lacking(table, files, part)
        return Part(run, path, part.rows, part.bytes, part.crc32, part.wide, lacks)

    def _lacking(self, table: str, files: Files, part: PartFile) -> tuple[str, ...]:
        """The columns of a table that a part of it was written without."""
        names = self._schemas[table].names[1:]
        if not may_lack_columns(table) or part.columns == columns_key(names):
            return ()
        there = files.columns_of(part.file)
        return tuple(name for name in names if name not in there) if there else ()

    def query(self, sql: str, params: Sequence[object] | Mapping[str, object] | None = None) -> pa.Table:
        """Run trusted SQL on a cursor of its own. What people type goes through `etl.sql.sandbox`, never here.

        Raises StoreError when a file of this version is gone: resolve the store again.
        """
        with self._lock:
            cursor = self._connection.cursor()
        try:
            result: pa.Table = cursor.sql(sql, params=params).to_arrow_table()
            return result
        except duckdb.IOException as error:
            raise StoreError(f"the store changed while it was read; read it again ({_first_line(error)})") from None
        finally:
            cursor.close()

    def tables(self) -> dict[str, pa.Schema]:
        """Every table and its columns, `run` first."""
        return dict(self._schemas)

    def parts(self, table: str) -> list[Part]:
        """The Parquet files of a table at this version."""
        return list(self._parts[table])

    def runs(self) -> pa.Table:
        """One row a run, newest first."""
        return self.query("SELECT * FROM runs ORDER BY created_at DESC NULLS LAST, run")

    def pointer(self, run: str) -> tuple[Files, Pointer]:
        """The files and the pointer of a run. Raises StoreError for a run that is not there."""
        if run not in self._pointers:
            raise StoreError(self._unknown(run))
        return self._pointers[run]

    def run(self, name: str) -> StoredRun:
        """A run by its id or its unique name. Raises StoreError naming the nearest when there is none."""
        rows = self.query("SELECT * FROM runs WHERE run = $1 OR name = $1 ORDER BY run = $1 DESC", [name]).to_pylist()
        if not rows:
            raise StoreError(self._unknown(name))
        if len(rows) > 1 and rows[0]["run"] != name:
            ids = ", ".join(row["run"] for row in rows)
            raise StoreError(f"{len(rows)} runs are named {name!r}: {ids}; give the id")
        files, pointer = self._pointers[rows[0]["run"]]
        return StoredRun(rows[0], files, pointer)

    def _unknown(self, name: str) -> str:
        names = self.query("SELECT run, name FROM runs ORDER BY created_at DESC")
        choices = list(dict.fromkeys(names["run"].to_pylist() + names["name"].to_pylist()))
        near = difflib.get_close_matches(name, choices, n=1)
        if not choices:
            return f"no run {name!r}: the store is empty; fill it with `strobe ingest FOLDER`"
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(choices[:8])}"
        return f"no run {name!r}; {hint}"


def _version(pointers: Sequence[tuple[Files, Pointer]]) -> str:
    """Changes whenever the parts of any run do: their names are never used twice."""
    digest = hashlib.sha256()
    for files, pointer in sorted(pointers, key=lambda item: item[1].run):
        digest.update(f"{files.path('')}\n{pointer.run}:{pointer.version}\n".encode())
        for table, parts in sorted(pointer.tables.items()):
            digest.update(" ".join([table, *(part.file for part in parts)]).encode())
    return digest.hexdigest()[:16]


def _first_line(error: Exception) -> str:
    text = str(error).partition("\n")[0]
    return text if len(text) < 120 else text[:117] + "..."


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
        self._seen: dict[str, tuple[object, Pointer]] = {}
        self.damaged: dict[str, str] = {}
        """run -> why its pointer could not be read, as of the last `current()`."""

    def current(self) -> Catalogue:
        """The catalogue of the store's newest version; the same object while nothing has changed."""
        with self._lock:
            pointers = self._read_pointers()
            version = _version(pointers)
            if self._catalogue is None or self._catalogue.version != version:
                self._catalogue = Catalogue(version, pointers)
            return self._catalogue

    def _read_pointers(self) -> list[tuple[Files, Pointer]]:
        pointers: dict[str, tuple[Files, Pointer]] = {}
        self.damaged = {}
        for files in self._roots:
            for run in files.names("runs"):
                if run in pointers:
                    continue
                try:
                    pointer = self._read(files, run)
                except (StrobeError, OSError) as error:
                    self.damaged[run] = str(error)
                    continue
                if pointer.tables:
                    pointers[run] = (files, pointer)
        return list(pointers.values())

    def _read(self, files: Files, run: str) -> Pointer:
        """The pointer, parsed again only when its file was replaced, where the storage tells."""
        name = pointer_name(run)
        try:
            identity = files.identity(name)
        except FileNotFoundError:
            return Pointer(run)
        if identity is None:
            return read_pointer(files, run)
        path = files.path(name)
        if path not in self._seen or self._seen[path][0] != identity:
            self._seen[path] = (identity, read_pointer(files, run))
        return self._seen[path][1]

    def runs(self) -> pa.Table:
        """One row a run, newest first."""
        return self.current().runs()

    def sql(self, query: str, params: Sequence[object] | Mapping[str, object] | None = None) -> pa.Table:
        """Your own SQL, in your own process, over every table: an Arrow table (`.to_pandas()`, `.to_pylist()`)."""
        return self.current().query(query, params)

    def run(self, name: str) -> StoredRun:
        """A run by id or unique name."""
        return self.current().run(name)
