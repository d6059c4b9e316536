"""The store as people query it: an in-memory DuckDB over exactly the Parquet parts that the pointers name."""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from etl.errors import StrobeError
from etl.run.folder import Run
from etl.run.snapshot import Snapshot
from etl.store.files import Files
from etl.store.pointer import Pointer, StoreError, check_store, pointer_name, read_pointer
from etl.store.schema import TABLES, are_plain, has_attempts

__all__ = ["Catalogue", "Part", "Store", "StoreError", "StoredRun", "hides_example"]

_TYPES = {"string": "VARCHAR", "int64": "BIGINT", "int32": "INTEGER", "int16": "SMALLINT", "float": "REAL"}
_TYPES |= {"double": "DOUBLE", "bool": "BOOLEAN"}

_HELD = frozenset({"runs", "attempts"})
"""A row or two a run, asked for by every page: read once a version, since a thousand small files take 0.1 s."""


@dataclass(frozen=True, slots=True)
class Part:
    """One Parquet file that a pointer names, by its absolute path."""

    run: str
    path: str
    rows: int
    bytes: int
    crc32: int


def hides_example(path: str | os.PathLike[str]) -> bool:
    """True when the store says that the example is not to be attached beside it."""
    return check_store(Files(path)).get("hide_example") is True


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _duckdb_type(kind: pa.DataType) -> str:
    return f"{_duckdb_type(kind.value_type)}[]" if pa.types.is_list(kind) else _TYPES[str(kind)]


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
            kind = "TABLE" if table in _HELD else "VIEW"
            self._connection.execute(f"CREATE {kind} {table}_all AS {self._scan(table, schema)}")
        self._connection.execute(
            "CREATE TABLE cuts AS SELECT run, attempt, cut_step FROM attempts_all WHERE cut_step IS NOT NULL"
        )
        self._connection.execute("SET preserve_insertion_order = true")
        cut = {run for (run,) in self._connection.execute("SELECT DISTINCT run FROM cuts").fetchall()}
        for table, schema in self._schemas.items():
            self._connection.execute(f"CREATE VIEW {table} AS {self._current(table, schema, cut)}")

    def _schemas_of_unknown(self) -> dict[str, pa.Schema]:
        """The columns of tables that pointers name and nothing here declares, as the first readable part has them."""
        schemas: dict[str, pa.Schema] = {}
        for files, pointer in self._pointers.values():
            for table, parts in pointer.tables.items():
                if table not in TABLES and table not in schemas and parts:
                    with contextlib.suppress(OSError, pa.ArrowInvalid):
                        own = files.read_schema(parts[0].file)
                        if are_plain([table, *own.names]):
                            schemas[table] = pa.schema([("run", pa.string()), *own])
        return schemas

    def _parts_of(self, table: str) -> list[Part]:
        return [
            Part(run, files.path(part.file), part.rows, part.bytes, part.crc32)
            for run, (files, pointer) in self._pointers.items()
            for part in pointer.tables.get(table, [])
        ]

    def _scan(self, table: str, schema: pa.Schema, parts: Sequence[Part] | None = None) -> str:
        parts = self._parts[table] if parts is None else parts
        if not parts:
            columns = ", ".join(f'NULL::{_duckdb_type(column.type)} AS "{column.name}"' for column in schema)
            return f"SELECT {columns} WHERE false"
        paths = ", ".join(_quoted(part.path) for part in parts)
        columns = ", ".join(f'"{name}"' for name in schema.names)
        hive = "hive_partitioning = true, hive_types = {'run': VARCHAR}"
        return f"SELECT {columns} FROM read_parquet([{paths}], {hive})"

    def _current(self, table: str, schema: pa.Schema, cut: set[str]) -> str:
        """The rows that no later attempt and no later line replaced.

        Only runs that were resumed are joined to `cuts`: over a large table the join costs as much as the query.
        """
        if not has_attempts(schema):
            return f"SELECT * FROM {table}_all"
        resumed = [part for part in self._parts[table] if part.run in cut]
        others = [part for part in self._parts[table] if part.run not in cut]
        if not resumed:
            return f"SELECT * FROM {table}_all WHERE attempt >= 0"
        plain = f"SELECT * FROM ({self._scan(table, schema, others)}) WHERE attempt >= 0"
        columns = ", ".join(f't."{name}"' for name in schema.names)
        joined = (
            f"SELECT {columns} FROM ({self._scan(table, schema, resumed)}) t "
            "LEFT JOIN cuts c ON t.run = c.run AND t.attempt = c.attempt "
            "WHERE t.attempt >= 0 AND (c.cut_step IS NULL OR t.step < c.cut_step)"
        )
        return f"{plain} UNION ALL {joined}" if others else joined

    def query(self, sql: str, params: Sequence[object] | Mapping[str, object] | None = None) -> pa.Table:
        """Run trusted SQL on a cursor of its own. What people type goes through `etl.sandbox`, never here.

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
        known = list(dict.fromkeys(names["run"].to_pylist() + names["name"].to_pylist()))
        near = difflib.get_close_matches(name, known, n=1)
        if not known:
            return f"no run {name!r}: the store is empty; fill it with `strobe ingest FOLDER`"
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known[:8])}"
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


class StoredRun:
    """One run of the store: its row of `runs`, and its snapshots where they lie on this machine."""

    def __init__(self, row: dict[str, Any], files: Files, pointer: Pointer) -> None:
        self.id: str = row["run"]
        self.row, self.files, self.pointer = row, files, pointer

    @property
    def folder(self) -> Path | None:
        """The folder of the run's snapshots, or None when it is not on this machine."""
        path = self.row["snapshots_path"]
        if path is None:
            return None
        folder = Path(path) if Path(path).is_absolute() else (self.files.local or Path()) / path
        return folder if folder.is_dir() else None

    def _open(self) -> Run:
        if self.folder is None:
            raise StoreError(f"run {self.id!r} has no snapshots on this machine; its tables are here")
        return Run(self.folder)

    def steps(self) -> list[int]:
        """The steps with a snapshot on this machine, ascending; none when the snapshots are elsewhere."""
        return self._open().steps() if self.folder is not None else []

    def at(self, step: int, *, nearest: bool = False) -> Snapshot:
        """The snapshot at `step`, or with `nearest` the nearest earlier one. Raises StoreError or SnapshotError."""
        return self._open().at(step, nearest=nearest)

    def __repr__(self) -> str:
        return f"StoredRun({self.id!r})"


class Store:
    """A folder of Parquet tables, read through `current()`. A folder that does not exist is an empty store."""

    def __init__(self, path: str | os.PathLike[str], *, attached: Sequence[str | os.PathLike[str]] = ()) -> None:
        """`attached` stores are read beside this one; where they share a run's id, this one's counts.

        Raises StoreError when the folder is none of ours, or of a later version.
        """
        self.path = Path(path)
        if self.path.exists() and not self.path.is_dir():
            raise StoreError(f"{self.path}: is a file; a store is a folder")
        self._roots = [Files(root) for root in (path, *attached)]
        for files in self._roots:
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
        found: dict[str, tuple[Files, Pointer]] = {}
        self.damaged = {}
        for files in self._roots:
            for run in files.names("runs"):
                if run in found:
                    continue
                try:
                    pointer = self._read(files, run)
                except (StrobeError, OSError) as error:
                    self.damaged[run] = str(error)
                    continue
                if pointer.tables:
                    found[run] = (files, pointer)
        return list(found.values())

    def _read(self, files: Files, run: str) -> Pointer:
        """The pointer, parsed again only when its file was replaced."""
        if files.local is None:
            return read_pointer(files, run)
        path = files.path(pointer_name(run))
        try:
            status = os.stat(path)  # noqa: PTH116 (a plain string path)
        except FileNotFoundError:
            return Pointer(run)
        identity = (status.st_ino, status.st_mtime_ns, status.st_size)
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
