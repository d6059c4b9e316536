"""The tables of some runs at one version, as DuckDB has them: views over exactly the parts that the pointers name,
each made when a statement first names it."""

from __future__ import annotations

import contextlib
import re
import threading
import weakref
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import duckdb
import pyarrow as pa

from etl.store.current import CUTS, has_attempts
from etl.store.damage import Checks
from etl.store.database import Database
from etl.store.files import UNREADABLE, Files
from etl.store.intact import READ_AT_ONCE, ChangedError, Intact, Params
from etl.store.narrow import widened
from etl.store.pointer import PartFile, Pointer
from etl.store.schema import TABLES, are_plain, columns_key, may_lack_columns
from etl.store.views import Part, current_view, cut_attempts, every_row

FEW = 8
"""Of so many runs the small tables are read from their files at each question, in the database of this process."""

_MOST_ROWS = 200_000
"""Of a catalogue of metrics that is read at once: rows of 100 bytes, which a list of runs asks for three times."""

_WORD = re.compile(r"\w+")
_LISTS = re.compile(r"information_schema|duckdb_|pg_catalog|pragma|\b(show|describe)\b", re.IGNORECASE)
"""What asks which tables there are."""

_OF_THE_STATEMENT = (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException)
"""Errors that no damage of a file gives."""


@dataclass(frozen=True)
class Entry:
    """One run as a store has it: its files, its pointer, and what differs after each change of the pointer."""

    files: Files
    pointer: Pointer
    digest: str


class Relations:
    """Threads may share it."""

    def __init__(
        self, entries: Collection[Entry], database: Database | None, checks: Checks, before: Relations | None = None
    ) -> None:
        """`database`: where other versions are asked too; None for one of its own, made when it is first asked.
        `before`: of the version before, whose runs that did not change since are not looked at again."""
        self._entries, self._given, self._checks = entries, database, checks
        pointers = {entry.pointer.run: (entry.files, entry.pointer) for entry in entries}
        self.intact: Intact = Intact(pointers, checks, before.intact if before is not None else None)
        self._making = threading.Lock()
        self._made: set[str] = set()
        self._cut: set[str] = set()
        self._parts: dict[str, list[Part]] = {}

    @cached_property
    def schemas(self) -> dict[str, pa.Schema]:
        """Every table and its columns, `run` first: of a table that pointers name and nothing here declares, as its
        first readable part has them."""
        schemas = dict(TABLES)
        for table in {table for entry in self._entries for table in entry.pointer.tables} - set(TABLES):
            for _, files, part in self.intact.parts(table):
                with contextlib.suppress(*UNREADABLE):
                    own = files.read_schema(part.file)
                    if are_plain([table, *own.names]):
                        schemas[table] = pa.schema([("run", pa.string()), *widened(own)])
                        break
        return schemas

    def parts(self, table: str) -> list[Part]:
        """The Parquet files of a table."""
        if table not in self._parts:
            self._parts[table] = [self._part(table, *found) for found in self.intact.parts(table)]
        return list(self._parts[table])

    def _part(self, table: str, run: str, files: Files, part: PartFile) -> Part:
        path, lacks = files.local_path(part.file), self._lacking(table, files, part)
        return Part(run, path, part.rows, part.bytes, part.crc32, part.wide, lacks)

    def _lacking(self, table: str, files: Files, part: PartFile) -> tuple[str, ...]:
        """The columns of a table that a part of it was written without."""
        names = self.schemas[table].names[1:]
        if not may_lack_columns(table) or part.columns == columns_key(names):
            return ()
        there = files.columns_of(part.file)
        return tuple(name for name in names if name not in there) if there else ()

    def query(self, sql: str, params: Params = None) -> pa.Table:
        """Run trusted SQL; what turns out to be damaged is left out. Raises ChangedError when a file is gone."""
        if self._given is not None and _LISTS.search(sql):
            return self._alone.query(sql, params)
        named = self._named_in(sql)
        tables = list(dict.fromkeys(named.values()))
        if self.intact.before(sql, params, tables):
            self._forget()
        try:
            return self._answer(sql, params, named)
        except _OF_THE_STATEMENT:
            raise
        except (duckdb.Error, FileNotFoundError) as error:
            if not self.verify(tables):
                if isinstance(error, duckdb.IOException | FileNotFoundError):
                    raise ChangedError(
                        f"the store changed while it was read; read it again ({_first_line(error)})"
                    ) from None
                raise
        return self._answer(sql, params, named)

    def verify(self, tables: Iterable[str]) -> bool:
        """Compare the parts of some tables with their CRCs; True where more had to be left out."""
        found = self.intact.verify(tables)
        if found:
            self._forget()
        return found

    def _answer(self, sql: str, params: Params, named: Mapping[str, str]) -> pa.Table:
        self._make(named)
        with self._database.cursor(self._schema) as cursor:
            result: pa.Table = cursor.sql(sql, params=params).to_arrow_table()
            return result

    def _forget(self) -> None:
        """Make all views again: the parts are others."""
        with self._making:
            self.__dict__.pop("schemas", None)
            self._parts.clear()
            self._made.clear()

    @cached_property
    def _alone(self) -> Relations:
        """The same in a database of their own, where a list of all tables has no others."""
        return Relations(self._entries, None, self._checks)

    @cached_property
    def _database(self) -> Database:
        return self._given or Database(shared=False)

    @cached_property
    def _schema(self) -> str:
        schema = self._database.new_schema()
        weakref.finalize(self, self._database.leave, schema)
        return schema

    def _named_in(self, sql: str) -> dict[str, str]:
        """View -> its table, of the views that a statement may ask: those whose names are words of it, or all."""
        words = {word.lower() for word in _WORD.findall(sql)}
        every = {name: table for table in self.schemas for name in (f"{table}_all", table)}
        named = {name: table for name, table in every.items() if name.lower() in words}
        return named if named and not _LISTS.search(sql) else every

    def _make(self, named: Mapping[str, str]) -> None:
        if self._made.issuperset(named):
            return
        with self._making:
            if CUTS not in self._made and any(has_attempts(self.schemas[table].names) for table in named.values()):
                self._make_cuts()
            for name, table in named.items():
                self._make_one(name, table)

    def _make_cuts(self) -> None:
        """Which attempts were cut: what tells which rows of the tables count that have attempts."""
        self._cut = set()
        if parts := self._of_resumed():
            cut = cut_attempts(f"({every_row(self.schemas['attempts'], parts)})")
            with self._database.cursor(self._schema) as cursor:
                self._cut = {run for (run,) in cursor.execute(f"SELECT DISTINCT run FROM ({cut})").fetchall()}
            if self._cut:
                self._define(f"CREATE OR REPLACE {self._kind} {CUTS} AS {cut}")
        self._made.add(CUTS)

    def _of_resumed(self) -> list[Part]:
        """The parts of `attempts` of runs with several: no attempt is cut but by one after it."""
        parts, rows = self.parts("attempts"), Counter[str]()
        for part in parts:
            rows[part.run] += part.rows
        return [part for part in parts if rows[part.run] > 1]

    def _make_one(self, name: str, table: str) -> None:
        if name in self._made:
            return
        if name == table:
            rows = current_view(self._every_row(table), self.schemas[table], self.parts(table), self._cut)
            self._define(f"CREATE OR REPLACE VIEW {name} AS {rows}")
        else:
            kind = "TABLE" if self._is_read_at_once(table) else "VIEW"
            with self._database.in_any_order() if kind == "TABLE" else contextlib.nullcontext():
                self._define(
                    f"CREATE OR REPLACE {kind} {name} AS {every_row(self.schemas[table], self.parts(table))}"
                )
        self._made.add(name)

    def _every_row(self, table: str) -> str:
        """SQL of a relation of all rows of a table: in place of a view, which would have to be planned by itself."""
        if self._is_read_at_once(table):
            self._make_one(f"{table}_all", table)
            return f"{table}_all"
        return f"({every_row(self.schemas[table], self.parts(table))})"

    def _is_read_at_once(self, table: str) -> bool:
        """Whether statements ask a copy of a table: then all of its parts have been compared with their CRCs."""
        if self._kind == "VIEW" or table not in (*READ_AT_ONCE, "metrics"):
            return False
        if table == "metrics" and sum(part.rows for part in self.parts(table)) > _MOST_ROWS:
            return False
        if self.intact.verify([table]):
            self._parts.pop(table, None)
        return True

    @property
    def _kind(self) -> str:
        # A table takes 0.1 MB, which adds up where a run has a version each second.
        return "VIEW" if len(self._entries) <= FEW else "TABLE"

    def _define(self, sql: str) -> None:
        self._database.define(sql, self._schema)


def _first_line(error: Exception) -> str:
    text = str(error).partition("\n")[0]
    return text if len(text) < 120 else text[:117] + "..."
