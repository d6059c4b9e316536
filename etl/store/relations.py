"""The tables of some runs at one version, as DuckDB has them: views over exactly the parts that the pointers name,
each made when a statement first names it."""

from __future__ import annotations

import contextlib
import re
import threading
import weakref
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import duckdb
import pyarrow as pa

from etl.errors import StoreError
from etl.store.current import CUTS
from etl.store.database import Database
from etl.store.files import Files
from etl.store.narrow import widened
from etl.store.pointer import PartFile, Pointer
from etl.store.schema import TABLES, are_plain, columns_key, may_lack_columns
from etl.store.views import CUTS_TABLE, Part, current_view, every_row

_SMALL = ("attempts", "runs")
"""A row or two a run, asked for by every page: read once a version, since a thousand small files take 0.1 s."""

_WORD = re.compile(r"\w+")
_LISTS = re.compile(r"information_schema|duckdb_|pg_catalog|pragma|\b(show|describe)\b", re.IGNORECASE)
"""What asks which tables there are."""


class ChangedError(StoreError):
    """A file of this version is gone: the store has a later version by now, or is damaged."""


@dataclass(frozen=True)
class Entry:
    """One run as a store has it: its files, its pointer, and what differs after each change of the pointer."""

    files: Files
    pointer: Pointer
    digest: str


class Relations:
    """Threads may share it."""

    def __init__(self, entries: Collection[Entry], database: Database | None) -> None:
        """`database`: where other versions are asked too; None for one of its own, made when it is first asked."""
        self._entries, self._given = entries, database
        self._making = threading.Lock()
        self._made: set[str] = set()
        self._cut: set[str] = set()
        self._parts: dict[str, list[Part]] = {}

    @cached_property
    def schemas(self) -> dict[str, pa.Schema]:
        """Every table and its columns, `run` first: of a table that pointers name and nothing here declares, as its
        first readable part has them."""
        schemas = dict(TABLES)
        for entry in self._entries:
            for table, parts in entry.pointer.tables.items():
                if table not in schemas and parts:
                    with contextlib.suppress(OSError, pa.ArrowInvalid):
                        own = entry.files.read_schema(parts[0].file)
                        if are_plain([table, *own.names]):
                            schemas[table] = pa.schema([("run", pa.string()), *widened(own)])
        return schemas

    def parts(self, table: str) -> list[Part]:
        """The Parquet files of a table."""
        if table not in self._parts:
            self._parts[table] = [
                self._part(table, entry, part)
                for entry in self._entries
                for part in entry.pointer.tables.get(table, [])
            ]
        return list(self._parts[table])

    def _part(self, table: str, entry: Entry, part: PartFile) -> Part:
        path, lacks = entry.files.local_path(part.file), self._lacking(table, entry.files, part)
        return Part(entry.pointer.run, path, part.rows, part.bytes, part.crc32, part.wide, lacks)

    def _lacking(self, table: str, files: Files, part: PartFile) -> tuple[str, ...]:
        """The columns of a table that a part of it was written without."""
        names = self.schemas[table].names[1:]
        if not may_lack_columns(table) or part.columns == columns_key(names):
            return ()
        there = files.columns_of(part.file)
        return tuple(name for name in names if name not in there) if there else ()

    def query(self, sql: str, params: Sequence[object] | Mapping[str, object] | None = None) -> pa.Table:
        """Run trusted SQL. Raises ChangedError when a file is gone."""
        try:
            self._make(self._named_in(sql))
            with self._database.cursor(self._schema) as cursor:
                result: pa.Table = cursor.sql(sql, params=params).to_arrow_table()
                return result
        except (duckdb.IOException, FileNotFoundError) as error:
            raise ChangedError(f"the store changed while it was read; read it again ({_first_line(error)})") from None

    @cached_property
    def _database(self) -> Database:
        return self._given or Database(shared=False)

    @cached_property
    def _schema(self) -> str:
        schema = self._database.new_schema()
        weakref.finalize(self, self._database.leave, schema)
        return schema

    def _named_in(self, sql: str) -> list[str]:
        """The tables that a statement may ask: all whose names are words of it, or simply all."""
        words = {word.lower().removesuffix("_all") for word in _WORD.findall(sql)}
        named = [table for table in self.schemas if table.lower() in words]
        return named if named and not _LISTS.search(sql) else list(self.schemas)

    def _make(self, tables: Sequence[str]) -> None:
        if all(table in self._made for table in tables):
            return
        with self._making:
            if not self._made:
                with self._database.in_any_order():
                    self._make_small()
            for table in tables:
                if table not in self._made:
                    self._make_one(table)
                    self._made.add(table)

    def _make_small(self) -> None:
        for table in _SMALL:
            rows = every_row(self.schemas[table], self.parts(table))
            self._define(f"CREATE OR REPLACE TABLE {table}_all AS {rows}")
        self._define(CUTS_TABLE)
        with self._database.cursor(self._schema) as cursor:
            self._cut = {run for (run,) in cursor.execute(f"SELECT DISTINCT run FROM {CUTS}").fetchall()}
        for table in _SMALL:
            view = current_view(table, self.schemas[table], self.parts(table), self._cut)
            self._define(f"CREATE OR REPLACE VIEW {table} AS {view}")
            self._made.add(table)

    def _make_one(self, table: str) -> None:
        schema, parts = self.schemas[table], self.parts(table)
        self._define(f"CREATE OR REPLACE VIEW {table}_all AS {every_row(schema, parts)}")
        self._define(f"CREATE OR REPLACE VIEW {table} AS {current_view(table, schema, parts, self._cut)}")

    def _define(self, sql: str) -> None:
        self._database.define(sql, self._schema)


def _first_line(error: Exception) -> str:
    text = str(error).partition("\n")[0]
    return text if len(text) < 120 else text[:117] + "..."
