"""Logs of one JSON object a line."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from etl.ingest.mapping import FieldMapping
from etl.ingest.reading.blocks import Block
from etl.ingest.reading.columns import ScalarColumns
from etl.ingest.reading.log_file import LogFile
from etl.ingest.reading.plain import text_head
from etl.ingest.reading.values import moment, number, whole_step
from etl.run.journal import may_be_huge


class JsonLines(LogFile):
    """One JSON object a line; what is no number is passed over, nested objects have their names joined by "/"."""

    @abstractmethod
    def mapping(self) -> FieldMapping:
        """Which fields are what."""

    def take(self, block: Block, into: ScalarColumns) -> None:
        rows = _Rows(self.mapping())
        for number_, position, line in block.lines():
            try:
                rows.add(parsed_object(line))
            except ValueError as error:
                self.lose(str(error), number_, position)
        rows.put(self, into)

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


def flat(record: Mapping[str, Any], before: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Names and values of a record, of objects in it too."""
    for name, value in record.items():
        if isinstance(value, Mapping):
            if depth < 8 and "_type" not in value:
                yield from flat(value, f"{before}{name}/", depth + 1)
        else:
            yield before + name, value


class _Rows:
    """Records as columns of one block."""

    def __init__(self, mapping: FieldMapping) -> None:
        self._mapping = mapping
        self._steps: list[int] = []
        self._about: dict[str, list[float]] = {"time": [], "epoch": [], "tokens": []}
        self._values: dict[str, tuple[list[int], list[float]]] = {}

    def add(self, record: Mapping[str, Any]) -> None:
        """Raises ValueError for a record whose step is none; one without a step is of the step before."""
        mapping, fields = self._mapping, dict(flat(record))
        if mapping.step not in fields:
            raise ValueError(f"has no {mapping.step}")
        step, row = whole_step(fields[mapping.step]), len(self._steps)
        for name, raw in fields.items():
            if (metric := mapping.metric(name)) and (value := number(raw)) is not None:
                rows, values = self._values.setdefault(metric, ([], []))
                rows.append(row)
                values.append(value)
        self._steps.append(step)
        for role, read in (("time", moment), ("epoch", number), ("tokens", number)):
            given = getattr(mapping, role)
            told = read(fields[given]) if given in fields else None
            self._about[role].append(np.nan if told is None else told)

    def put(self, log: LogFile, into: ScalarColumns) -> None:
        steps = np.array(self._steps, np.int64)
        attempts = log.segments.attempts_of(steps)
        about = {role: np.array(values, np.float64) for role, values in self._about.items()}
        for metric, (rows, values) in self._values.items():
            at = np.array(rows)
            known = {role: column[at] for role, column in about.items()}
            into.add(metric, steps[at], np.array(values), attempt=attempts[at], **known)
