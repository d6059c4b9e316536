"""SQL that strangers may type: one statement, one locked child process, one bounded reply.

The statement is never parsed here. The parent looks at its length and for NUL bytes, then hands it to a child
(etl/sql/child.py) that has an empty environment, hard limits and a DuckDB with nothing within reach but the
store's tables, and kills that child at the time limit. What was cut, and why, comes back beside the rows.
"""

import base64
import contextlib
import json
import math
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from etl.errors import StoreError
from etl.sql.pool import pool
from etl.sql.process import AsideError, ChildDiedError, LateError
from etl.sql.reply import Limits, QueryError, Reply, death, reply_of
from etl.sql.turns import Asker, BusyError, Lane

MAX_SQL_CHARACTERS = 20_000
_START_S = 0.35
"""How much later than its limit a query may end when its child had to be started first."""
QUICK_MEMORY = "96MB"
"""DuckDB's memory limit in the place for quick statements: what needs more starts again as a long one."""
_BESIDE_BYTES = 128_000_000
"""What a child may have beyond its engine's limit and its reply: Python, and what the engine does not count."""
_OVERHEAD_BYTES = 4_000_000
"""Beyond the rows, a reply holds its schema, its types and the framing."""


class Part(Protocol):
    """One Parquet file of a table: of which run, and its absolute path."""

    @property
    def run(self) -> str: ...
    @property
    def path(self) -> Any: ...


class Tables(Protocol):
    """What the sandbox needs of a store's catalogue (etl.store.catalogue.Catalogue has it)."""

    def tables(self) -> Mapping[str, pa.Schema]: ...
    def parts(self, table: str) -> Sequence[Part]: ...
    def query(self, sql: str) -> pa.Table: ...
    def verify(self, tables: Iterable[str]) -> bool: ...


class Sandbox:
    """Runs typed statements over one version of a store. Threads may share it."""

    def __init__(
        self, catalogue: Tables, *, hidden: Mapping[str, Iterable[str]] | None = None, spare: bool = True
    ) -> None:
        """hidden: table -> columns that the statement must not see. spare: keep a child ready for the next query."""
        self._spare, self._catalogue, self._hidden = spare, catalogue, hidden or {}
        self._read_parts()
        if spare:
            self.warm()

    @staticmethod
    def warm() -> None:
        """Have a child ready for whichever statement comes next, of any store."""
        pool().warm()

    def _read_parts(self) -> None:
        """Everything of a job but the statement, as the catalogue has it now."""
        catalogue = self._catalogue
        left_out = {table: set(columns) for table, columns in self._hidden.items()}
        schemas = {
            name: pa.schema([field for field in schema if field.name not in left_out.get(name, ())])
            for name, schema in catalogue.tables().items()
        }
        parts = {name: [[part.run, str(part.path)] for part in catalogue.parts(name)] for name in schemas}
        self.names = {name: list(schema.names) for name, schema in schemas.items()}
        cuts = catalogue.query("SELECT run, attempt, cut_step FROM attempts WHERE cut_step IS NOT NULL")
        job = {
            "tables": {
                name: {"schema": _encoded(schema.serialize()), "parts": parts[name]}
                for name, schema in schemas.items()
            },
            "cuts": _encoded(_stream(cuts)),
            "names": {**self.names, **{f"{name}_all": columns for name, columns in self.names.items()}},
            "roots": _roots([path for rows in parts.values() for _, path in rows]),
        }
        # Encoded once: with a thousand runs this is the larger half of starting a query.
        self.job = json.dumps(job)[:-1].encode()
        """The beginning of every job, as JSON; what differs from one statement to the next follows."""

    def run(
        self, sql: str, limits: Limits | None = None, on_wait: Callable[[int], None] | None = None,
        asker: Asker | None = None,
    ) -> Reply:  # fmt: skip
        """The reply to one statement; QueryError when there is none.

        on_wait: called with the number of other queries that wait, if all places are taken; twice at most.
        asker: the visitor whose turn it is to be; without one, the statement takes whatever place comes first.
        """
        limits = limits or Limits()
        _check_text(sql)
        try:
            return self._in_turn(sql, limits, on_wait, asker)
        except QueryError as error:
            # A file that was changed in place is noticed only when it is read: its table of that run is left out.
            if error.table not in self.names or not self._leaves_out(error.table):
                raise
        self._read_parts()
        return self._in_turn(sql, limits, on_wait, asker)

    def _leaves_out(self, table: str) -> bool:
        """Whether more of a table had to be left out; a run that went on meanwhile is none of that."""
        with contextlib.suppress(StoreError):
            return self._catalogue.verify([table])
        return False

    def _in_turn(self, sql: str, limits: Limits, on_wait: Callable[[int], None] | None, asker: Asker | None) -> Reply:
        if asker is None:
            return self._run("any", sql, limits, on_wait, asker)
        little = replace(limits, memory=min(limits.memory, QUICK_MEMORY, key=_size))
        try:
            return self._run("quick", sql, little, on_wait, asker)
        except AsideError:
            pass
        except QueryError as error:
            if error.kind != "memory" or little.memory == limits.memory:
                raise
        try:
            return self._run("long", sql, limits, on_wait, asker)
        except AsideError:
            raise _busy() from None

    def _run(
        self, lane: Lane, sql: str, limits: Limits, on_wait: Callable[[int], None] | None, asker: Asker | None
    ) -> Reply:
        """The reply of a child in a place of this lane. Raises AsideError where it has to make room."""
        asked = {"sql": sql, "memory_limit": limits.memory, "timeout_s": limits.timeout_s} | {
            name: getattr(limits, name) for name in ("max_rows", "max_columns", "max_cell", "max_bytes")
        }
        job = self.job + b", " + json.dumps(asked).encode()[1:]
        try:
            with pool().child(limits.wait_s, on_wait, spare=self._spare, asker=asker, lane=lane) as child:
                room = limits.max_bytes + _OVERHEAD_BYTES
                memory = _size(limits.memory) + limits.max_bytes + _BESIDE_BYTES
                frames = list(child.converse(job, limits.timeout_s, _START_S, room, memory))
        except BusyError:
            raise _busy() from None
        except LateError:
            raise QueryError("timeout", f"Stopped after {limits.timeout_s:g} s, the time limit.") from None
        except ChildDiedError as end:
            raise death(end.signal, limits) from None
        return reply_of(frames, limits)


def _busy() -> QueryError:
    return QueryError("busy", "Other queries are running: try again in a moment.")


def _size(memory: str) -> float:
    """Bytes of a limit as DuckDB writes them ("96MB", "1.5 GiB"); infinite where it is written in another way."""
    written = re.fullmatch(r"\s*([\d.]+)\s*([KMGT])(i?)B\s*", memory, re.IGNORECASE)
    if written is None:
        return math.inf
    return float(float(written[1]) * (1024 if written[3] else 1000) ** ("KMGT".index(written[2].upper()) + 1))


def _check_text(sql: str) -> None:
    if len(sql) > MAX_SQL_CHARACTERS:
        raise QueryError(
            "refused", f"The statement has {len(sql):,} characters; at most {MAX_SQL_CHARACTERS:,} are taken."
        )
    if "\0" in sql:
        raise QueryError("refused", "The statement has a NUL character in it; remove it.")
    try:
        sql.encode()
    except UnicodeEncodeError:
        raise QueryError("refused", "The statement has half of a surrogate pair in it; remove it.") from None


def _encoded(buffer: pa.Buffer) -> str:
    return base64.b64encode(buffer).decode("ascii")


def _stream(table: pa.Table) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _roots(paths: list[str]) -> list[str]:
    """Folders whose names no message may hold."""
    roots = {sys.prefix, str(Path(__file__).resolve().parents[2])}
    for place in (Path.home, Path.cwd):
        with contextlib.suppress(OSError, RuntimeError):  # an account without a home, a folder that was removed
            roots.add(str(place()))
    if paths:
        roots.add(os.path.commonpath([str(Path(path).parent.parent) for path in paths]))
    return sorted(root for root in roots if len(root) > 1)
