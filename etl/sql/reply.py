"""What a typed statement may use, and what comes of it: a reply, or an error in words for the one who typed it."""

import json
import logging
import signal
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from etl.errors import StrobeError
from etl.sql.process import Frame

_log = logging.getLogger(__name__)


class QueryError(StrobeError):
    """A query that gave no result, in words for the one who typed it.

    kind: "refused" (not a single SELECT, too long, or a locked door), "syntax", "name" (no such table or column),
    "query" (the statement failed), "timeout", "memory", "busy", "crash" or "internal". line, column: from 1, where
    the mistake is, when known. hint: the nearest name that exists, when there is one. table: the one of which a file
    could not be read.
    """

    def __init__(
        self, kind: str, message: str, line: int | None = None, column: int | None = None, hint: str | None = None,
        table: str | None = None,
    ) -> None:  # fmt: skip
        where = f" (line {line}, column {column})" if line is not None else ""
        super().__init__(f"{message}{where}{' ' + hint if hint else ''}")
        self.kind, self.message, self.line, self.column, self.hint = kind, message, line, column, hint
        self.table = table


@dataclass(frozen=True)
class Limits:
    """What one query may use, and how much of its result comes back. Seconds, counts, characters, bytes."""

    timeout_s: float = 10.0
    memory: str = "256MB"
    max_rows: int = 1_000
    max_columns: int = 1_000
    max_cell: int = 2_000
    max_bytes: int = 5_000_000
    wait_s: float = 60.0
    """How long to wait for a place while other queries run."""

    def for_rows(self, rows: int) -> "Limits":
        """These limits for a reply of `rows` rows: 5 MB for each thousand rows begun, at most 1 GB, and cells of up
        to a million characters. For a reader that is a file or a pipe, not a page."""
        thousands = -(-max(rows, 1) // 1_000)
        size = min(self.max_bytes * thousands, 1_000_000_000)
        return replace(self, max_rows=rows, max_bytes=size, max_cell=1_000_000, max_columns=100_000)


@dataclass(frozen=True)
class Reply:
    """The rows of a query within its limits, and what was left out of them."""

    table: pa.Table
    types: list[str]
    """DuckDB's name of each column's type, as long as the columns."""
    seconds: float
    rows_cut: str | None
    """"rows" or "bytes": the limit that ended the rows early; None when they are all here."""
    cells_cut: int
    columns_of: int
    """How many columns the result has, when that is more than are here; else 0."""

    @property
    def columns(self) -> list[str]:
        return list(self.table.column_names)

    def notices(self, limits: Limits) -> list[str]:
        """What was cut, one sentence each; empty when nothing was."""
        said = []
        if self.rows_cut:
            why = "" if self.rows_cut == "rows" else f": the reply is limited to {limits.max_bytes / 1e6:,.0f} MB"
            said.append(f"First {self.table.num_rows:,} rows (there are more{why}).")
        if self.columns_of:
            said.append(f"First {self.table.num_columns:,} of {self.columns_of:,} columns.")
        if self.cells_cut:
            cells = "1 cell was" if self.cells_cut == 1 else f"{self.cells_cut:,} cells were"
            said.append(f"{cells} cut at {limits.max_cell:,} characters.")
        return said


def reply_of(frames: list[Frame], limits: Limits) -> Reply:
    """What a child sent. Raises QueryError where that is an error, or no valid reply."""
    letter, last = frames[-1]
    if letter == "X":
        raise _query_error(json.loads(last), limits)
    end = json.loads(last)
    try:
        schema = pa.ipc.read_schema(pa.py_buffer(frames[0][1]))
        batches = [pa.ipc.read_record_batch(pa.py_buffer(data), schema) for _, data in frames[1:-1]]
        table = pa.Table.from_batches(batches, schema)
        # The child may have been taken over: nothing that it sends is believed unseen.
        table.validate(full=True)
    except pa.ArrowException as error:
        _log.warning("the reply to a query is not valid: %s", error)
        raise QueryError("crash", "The query engine sent no valid reply.") from None
    return Reply(table, end["types"], end["seconds"], end["rows"], end["cells"], end["columns"])


def _query_error(facts: dict[str, Any], limits: Limits) -> QueryError:
    kind, message = facts["kind"], facts["message"]
    if kind == "memory":
        message = _memory_message(limits)
    if kind == "internal":
        _log.warning("a query could not be answered: %s", message)
        message = "The query could not be answered."
    return QueryError(kind, message, facts.get("line"), facts.get("column"), facts.get("hint"), facts.get("table"))


def _memory_message(limits: Limits) -> str:
    return f"The query needs more than its memory limit ({limits.memory}): ask for fewer rows, or aggregate first."


def death(signal_number: int, limits: Limits) -> QueryError:
    """What the signal that ended the child means for the one who asked."""
    if signal_number == _number("SIGXCPU"):
        return QueryError("timeout", f"Stopped after {limits.timeout_s:g} s, the time limit.")
    if signal_number in (_number("SIGABRT"), _number("SIGKILL")):
        # An allocation that fails where nothing can catch it aborts; a kill that is not ours is the machine's own
        # memory guard.
        return QueryError("memory", _memory_message(limits))
    return QueryError("crash", "The query engine stopped on this statement: try a simpler one.")


def _number(name: str) -> int:
    return int(getattr(signal, name, -1))
