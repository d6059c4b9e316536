"""What one writer is about to commit for one run: the parts of each table as they will be."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa

from etl.store.compact import few
from etl.store.files import UNREADABLE, Files
from etl.store.pointer import PartFile, Pointer, commit, kept_rows, read_pointer, read_rows, write_part
from etl.store.schema import part_schema

_MOST_KEPT: Final = 10_000
"""Rows of a table that are read once: an ingest asks for those of a small one several times."""


class Changes:
    """Collects new parts. They are written at once and count when `commit` names them; what is dropped is removed by
    the next ingest."""

    def __init__(self, files: Files, pointer: Pointer) -> None:
        self._files, self._pointer = files, pointer
        self.tables: dict[str, list[PartFile]] = {}
        """The whole list of parts of each table that changed."""
        self._written: list[PartFile] = []
        self._read: dict[str, tuple[list[PartFile], pa.Table]] = {}

    def parts(self, table: str) -> list[PartFile]:
        return self.tables.get(table, self._pointer.tables.get(table, []))

    def rows(self, table: str) -> pa.Table:
        """All rows that the table will have, less the column `run`."""
        parts = self.parts(table)
        if table not in self._read or self._read[table][0] != parts:
            rows = read_rows(self._files, Pointer(self._pointer.run, 0, {table: parts}), table)
            if rows.num_rows > _MOST_KEPT:
                return rows
            self._read[table] = (list(parts), rows)
        return self._read[table][1]

    def append(self, table: str, rows: pa.Table) -> None:
        if rows.num_rows:
            parts = [*self.parts(table), self._write(table, rows)]
            self.tables[table], made = few(self._files, self._pointer.run, table, parts)
            self._written += made

    def replace(self, table: str, rows: pa.Table) -> None:
        """Make these the table's only rows, unless they are that already."""
        if not kept_rows(table, rows).cast(part_schema(table)).equals(self.rows(table)):
            self.tables[table] = [self._write(table, rows)] if rows.num_rows else []

    def _write(self, table: str, rows: pa.Table) -> PartFile:
        part = write_part(self._files, self._pointer.run, table, rows)
        self._written.append(part)
        return part

    def drop(self) -> None:
        """Remove what was written, as far as the disk lets us, unless it was committed: whoever is stopped behind the
        last step of a commit cannot know."""
        try:
            pointer = read_pointer(self._files, self._pointer.run)
        except UNREADABLE:
            return  # an ingest to come removes what no pointer names
        named = {part.file for parts in pointer.tables.values() for part in parts}
        for part in self._written:
            if part.file not in named:
                with contextlib.suppress(OSError):
                    self._files.remove(part.file)

    def commit(self, state: Mapping[str, Any]) -> bool:
        """Replace the pointer, unless nothing changed; returns whether something did. Raises ConflictError."""
        if not self.tables and state == self._pointer.state:
            return False
        commit(self._files, self._pointer, self.tables, dict(state))
        return True
