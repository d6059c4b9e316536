"""DuckDB in memory, with a schema for each set of parts that is asked.

An instance of DuckDB takes about 4 MB, nine threads, and 25 ms of a processor to open, and a schema in it about
10 KB, so that the runs that a process looks at, at one version after another, share one.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import threading
from collections import deque
from collections.abc import Iterator

import duckdb


class Database:
    """One DuckDB. Threads may share it; each statement has a cursor of its own."""

    def __init__(self, *, shared: bool) -> None:
        """`shared`: it stays while versions of runs come and go, so that it must keep nothing of files."""
        self.shared = shared
        self._connection = duckdb.connect()
        # DuckDB never forgets what it keeps of a file: 25 KB for each part that ever was.
        kept = "false" if shared else "true"
        self._connection.execute(
            f"SET enable_progress_bar = false; SET parquet_metadata_cache = {kept}; "
            "SET enable_external_file_cache = false"
        )
        self._lock, self._defining = threading.Lock(), threading.Lock()
        self._numbers = itertools.count()
        self._left: deque[str] = deque()

    def new_schema(self) -> str:
        """The name of a new, empty schema."""
        with contextlib.suppress(IndexError):
            while True:
                self.define(f"DROP SCHEMA {self._left.popleft()} CASCADE")
        name = f"parts_{next(self._numbers)}"
        self.define(f"CREATE SCHEMA {name}")
        return name

    def leave(self, schema: str) -> None:
        """Nothing asks this schema any more. It is dropped later: a finalizer calls this at any moment."""
        self._left.append(schema)

    @contextlib.contextmanager
    def cursor(self, schema: str = "main") -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor that finds the tables of a schema by their bare names."""
        with self._lock:
            cursor = self._connection.cursor()
        try:
            cursor.execute(f"SET schema = '{schema}'")
            yield cursor
        finally:
            cursor.close()

    def define(self, sql: str, schema: str = "main") -> None:
        """Make or drop a schema, a table or a view."""
        with self._defining, self.cursor(schema) as cursor:
            cursor.execute(sql)

    @contextlib.contextmanager
    def in_any_order(self) -> Iterator[None]:
        """Inside, tables are made of files in whatever order they come, which is twice as fast; but for a shared one,
        where others ask meanwhile."""
        if self.shared:
            yield
            return
        self.define("SET preserve_insertion_order = false")
        try:
            yield
        finally:
            self.define("SET preserve_insertion_order = true")


def shared_database() -> Database:
    """The one of this process for versions of runs that come and go, of whatever store."""
    return _database_of(os.getpid())


@functools.cache
def _database_of(process: int) -> Database:  # noqa: ARG001 - what tells one from another
    # A forked child makes another, and leaves alone what it inherited: a DuckDB whose threads stayed behind crashes
    # what ends it.
    return Database(shared=True)
