"""SQLite databases that other programs write, read without leaving anything beside them."""

from __future__ import annotations

import sqlite3
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from etl.errors import StrobeError
from etl.ingest.reading.long_rows import LongRows
from etl.ingest.source import Loss, Recording, Scalars, State
from etl.local_files import read_start
from etl.run.names import run_id

_MAGIC = b"SQLite format 3\0"
_WAL = 2
MOST_LOST = 1_000
_UNREADABLE = (sqlite3.Error, UnicodeDecodeError)
"""What a damaged database raises: what it says of itself may be no UTF-8."""


@contextmanager
def database(path: Path) -> Iterator[sqlite3.Connection]:
    """A database that only reads. Raises StrobeError for what is none, sqlite3.Error where it is damaged or locked.

    A write-ahead log that another program has beside it is read too. Without one such a database is at rest, and is
    opened as one that does not change: SQLite would else make a log in the folder only to read.
    """
    start = read_start(path, 100)
    if not start.startswith(_MAGIC) or len(start) < 100:
        raise StrobeError(f"{path}: is no SQLite database")
    log = Path(f"{path}-wal")
    rests = start[18] == _WAL and not (log.is_file() and log.stat().st_size)
    address = f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if rests else ''}"
    with closing(sqlite3.connect(address, uri=True, timeout=5)) as connection:
        connection.text_factory = lambda data: data.decode(errors="replace")
        yield connection


def columns(path: Path, table: str) -> frozenset[str]:
    """The columns of a table; none where there is no such table or no such database."""
    return frozenset(row[0] for row in query(path, "SELECT name FROM pragma_table_info(?)", table))


def query(path: Path, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """What a statement gives; nothing where the file is no database, or is damaged there."""
    try:
        with database(path) as connection:
            return connection.execute(sql, values).fetchall()
    except (StrobeError, *_UNREADABLE):
        return []


class DatabaseRun(Recording):
    """One run among those of a database. `key` is what the database knows it by."""

    def __init__(self, path: Path, key: str, name: str) -> None:
        super().__init__(path)
        self.run_key, self.name = key, name
        self._lost: list[Loss] = []

    @abstractmethod
    def rows(self, connection: sqlite3.Connection, row: int) -> Iterator[Sequence[Any]]:
        """The rows of this run whose number, the first of each, is greater than `row`, in order."""

    @abstractmethod
    def take(self, row: Sequence[Any], into: LongRows) -> None:
        """Add what a row holds. Raises ValueError for one that is none."""

    def resumes(self, state: State) -> bool:
        if state.get("run") != self.run_key:
            return False
        with self._database() as connection:
            last = next(iter(self.rows(connection, int(state.get("row", 0)) - 1)), None)
        return not state.get("row") or (last is not None and repr(last) == state.get("last"))

    def scalars(self, since: State) -> Scalars:
        row, last, rows = int(since.get("row", 0)), since.get("last", ""), LongRows()
        self._lost = []
        with self._database() as connection:
            for each in self.rows(connection, row):
                row, last = each[0], repr(each)
                try:
                    self.take(each, rows)
                except ValueError as error:
                    self._lose(f"row {row:,}: {error}")
        return Scalars(rows.table(), {"run": self.run_key, "row": row, "last": last}, self._lost)

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        try:
            with database(self.path) as connection:
                yield connection
        except _UNREADABLE as error:
            raise StrobeError(f"{self.path}: cannot be read as a database: {error}") from None

    def query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """`query` of this database."""
        return query(self.path, sql, *values)

    def _lose(self, reason: str) -> None:
        if len(self._lost) < MOST_LOST:
            self._lost.append(Loss(self.path.name, reason))

    @property
    def run_id(self) -> str:
        return run_id(self.name)
