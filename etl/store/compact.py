"""Fewer, larger parts: a table that grew by many small ingests is rewritten as one sorted file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

from etl.store.files import Files
from etl.store.pointer import PartFile, Pointer, commit, read_pointer, read_rows, remove_unnamed, write_part
from etl.store.schema import TABLES

MANY_PARTS = 24
"""Of more parts of one table than this, some are merged by the ingest that adds the next."""


def few(files: Files, run: str, table: str, parts: Sequence[PartFile]) -> tuple[list[PartFile], list[PartFile]]:
    """The parts, and those of them that were made: where there are too many, the newest are merged.

    A part stays as it is while it is larger than all after it together, so that a large table is not written again
    for each few rows that it gains: a row is rewritten as often as its part doubles.
    """
    if len(parts) <= MANY_PARTS:
        return list(parts), []
    after = list(accumulate((part.rows for part in reversed(parts)), initial=0))[-2::-1]
    first = next((k for k, part in enumerate(parts) if part.rows <= after[k]), len(parts) - 2)
    made = merged_part(files, run, table, parts[first:])
    return [*parts[:first], made], [made]


def merged_part(files: Files, run: str, table: str, parts: Sequence[PartFile]) -> PartFile:
    """One part with the rows of all `parts`, in the table's order."""
    part = write_part(files, run, table, read_rows(files, Pointer(run, 0, {table: list(parts)}), table))
    # Of a table that is not known here only its own parts tell which columns are wider than declared.
    return part if table in TABLES else replace(part, wide=tuple(sorted({c for p in parts for c in p.wide})))


def compact(store: str | os.PathLike[str] | Files, run: str) -> int:
    """Merge the parts of each table of one run; returns how many files that saves. No row changes."""
    files = Files.of(store)
    with files.lock(f"runs/{run}/.lock"):
        pointer = read_pointer(files, run)
        many = {table: parts for table, parts in pointer.tables.items() if len(parts) > 1}
        if many:
            tables = {table: [merged_part(files, run, table, parts)] for table, parts in many.items()}
            pointer = commit(files, pointer, tables, pointer.state)
        remove_unnamed(files, pointer)
    return sum(len(parts) - 1 for parts in many.values())
