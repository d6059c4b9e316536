"""Logs of one JSON object a line."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any

from etl.ingest.mapping import FieldMapping
from etl.ingest.reading.blocks import Block
from etl.ingest.reading.columns import ScalarColumns
from etl.ingest.reading.json_records import Records, parsed_objects, stretches
from etl.ingest.reading.log_file import LogFile
from etl.ingest.reading.plain import text_head
from etl.run.journal import may_be_huge


class JsonLines(LogFile):
    """One JSON object a line; texts are passed over, nested objects have their names joined by "/"."""

    @abstractmethod
    def mapping(self) -> FieldMapping:
        """Which fields are what."""

    def take(self, block: Block, into: ScalarColumns) -> None:
        records = Records(self.mapping(), self.memory.setdefault("odd", []))
        for lines in stretches(block.lines()):
            rows = parsed_objects([line for _, _, line in lines])
            if rows is not None:
                for place, reason in records.add_all(rows):
                    self.lose(reason, *lines[place][:2])
                continue
            for number_, position, line in lines:
                try:
                    for reason in records.add(parsed_object(line)):
                        self.lose(reason, number_, position)
                except ValueError as error:
                    self.lose(str(error), number_, position)
        records.put(self, into)

    def is_whole(self, line: bytes) -> bool:
        try:
            parsed_object(line)
        except ValueError:
            return False
        return True


def parsed_object(line: bytes) -> dict[str, Any]:
    """The object of a line. Raises ValueError with a reason that a person understands."""
    from pydantic_core import from_json

    try:
        value = from_json(line.strip(), cache_strings="keys")
    except ValueError as error:
        raise ValueError(f"no JSON: {str(error)[:80]}") from None
    if not isinstance(value, dict):
        raise ValueError(f"a JSON {type(value).__name__}, not an object")
    if may_be_huge(line):
        value = {key: item for key, item in value.items() if item not in (float("inf"), float("-inf"))}
    return value


def first_object(path: Path) -> dict[str, Any]:
    """The first line of a file as an object; {} where it is none."""
    line, _, _ = text_head(path).lstrip(b"\xef\xbb\xbf\r\n\t ").partition(b"\n")
    if not line.startswith(b"{"):
        return {}
    try:
        return parsed_object(line)
    except ValueError:
        return {}
