"""Any other table in text whose columns say by their names what they are; asked when no other source knows a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from etl.ingest.mapping import FieldMapping, Given, guessed, remembered
from etl.ingest.reading.csv_log import CsvLog, header, split, with_point
from etl.ingest.reading.plain import text_head
from etl.ingest.reading.values import measure, number
from etl.ingest.source import Recording


class TableCsv(CsvLog):
    source = "table_csv"

    def __init__(self, path: Path, told: FieldMapping | None = None) -> None:
        super().__init__(path)
        self._told = told

    @property
    def said(self) -> str:
        return self.mapping(header(self.path)[0]).said()

    def mapping(self, names: Sequence[str]) -> FieldMapping:
        found = remembered(self._told, self.memory) or guessed(names)
        return found if found is not None and found.step in names else FieldMapping(names[0])


_FIRST = 16
"""Lines among which the first row stands."""


class TableCsvs:
    def find(self, path: Path) -> Sequence[Recording]:
        names, delimiter = header(path)
        mapping = guessed(names)
        if mapping is None:
            return []
        start = text_head(path).lstrip(b"\r\n").split(b"\n", _FIRST)[1:_FIRST]
        lines = [line for line in start if line.strip()]
        fields = split(lines[0], delimiter) if lines else []
        row = dict(zip(names, fields, strict=False))
        has_values = any(measure(with_point(text)) is not None and mapping.metric(name) for name, text in row.items())
        return [TableCsv(path)] if has_values and number(row.get(mapping.step)) is not None else []

    def fields(self, path: Path) -> Sequence[str]:
        names, delimiter = header(path)
        # A sentence with a comma in it looks like names of columns, but the next line is then none of a table.
        following = text_head(path).lstrip(b"\r\n").partition(b"\n")[2].lstrip(b"\r\n").partition(b"\n")[0]
        return names if not following or delimiter.encode() in following else []

    def told(self, path: Path, given: Given) -> Sequence[Recording]:
        mapping = given.over(header(path)[0])
        return [TableCsv(path, mapping)] if mapping else []


SOURCE = TableCsvs()
