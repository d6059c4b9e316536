"""Any other log of one JSON object a line, whose keys say by their names what they are; asked when no other source
knows a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from etl.ingest.mapping import FieldMapping, Given, guessed, remembered
from etl.ingest.reading.json_lines import JsonLines, first_object
from etl.ingest.reading.json_records import flat
from etl.ingest.reading.values import measure, number
from etl.ingest.source import Recording


class TableJsonl(JsonLines):
    source = "table_jsonl"

    def __init__(self, path: Path, told: FieldMapping | None = None) -> None:
        super().__init__(path)
        self._told = told

    @property
    def said(self) -> str:
        return self.mapping().said()

    def mapping(self) -> FieldMapping:
        return (
            remembered(self._told, self.memory)
            or guessed(dict(flat(first_object(self.path))))
            or FieldMapping("step")
        )


class TableJsonls:
    def find(self, path: Path) -> Sequence[Recording]:
        fields = dict(flat(first_object(path)))
        mapping = guessed(fields)
        if mapping is None or number(fields[mapping.step]) is None:
            return []
        has_values = any(measure(value) is not None and mapping.metric(name) for name, value in fields.items())
        return [TableJsonl(path)] if has_values else []

    def fields(self, path: Path) -> Sequence[str]:
        return [name for name, _ in flat(first_object(path))]

    def told(self, path: Path, given: Given) -> Sequence[Recording]:
        mapping = given.over(self.fields(path))
        return [TableJsonl(path, mapping)] if mapping else []


SOURCE = TableJsonls()
