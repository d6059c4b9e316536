"""A JSON document that is written anew whenever there is more to say, and told apart by the rows it begins with."""

from __future__ import annotations

import codecs
import json
import re
import zlib
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import chain, groupby
from pathlib import Path
from typing import Any

import numpy as np

from etl.errors import StrobeError
from etl.ingest.reading.columns import ScalarColumns
from etl.ingest.reading.named import NamedRecording
from etl.ingest.reading.plain import plain_text
from etl.ingest.reading.segments import Segments
from etl.ingest.reading.values import measure, whole_step
from etl.ingest.source import Loss, Scalars, State
from etl.run.attempts import Attempt

MOST_BYTES = 512 << 20
Row = Mapping[str, Any]
"""A `step`, perhaps a `time` and an `epoch`; every other key is a metric."""

_OBJECT = re.compile(rb"\{(?:[^{}]|\{[^{}]*\})*\}")


class Document(NamedRecording):
    """A recording whose log is one JSON document: `path` itself, or a file in that folder."""

    def __init__(self, path: Path, file: Path | None = None) -> None:
        super().__init__(path)
        self._file = file if file is not None else path
        self.segments = Segments()
        self.lost: list[Loss] = []

    @abstractmethod
    def rows(self, document: Mapping[str, Any]) -> list[Row]:
        """The rows of a document, in the order of its steps. What is no row is named in `lost`."""

    @abstractmethod
    def salvaged(self, objects: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        """A document of the objects that a damaged one still holds."""

    @cached_property
    def document(self) -> Mapping[str, Any]:
        """What the file holds, or what is left of it. Raises StrobeError where that is nothing."""
        with plain_text(self._file) as text:
            data = text.file.read(MOST_BYTES + 1).removeprefix(codecs.BOM_UTF8)
        if len(data) > MOST_BYTES:
            raise StrobeError(f"{self._file}: a JSON document of more than {MOST_BYTES:,} bytes; nothing was read")
        try:
            return _parsed(data)
        except ValueError as error:
            self.lost.append(Loss(self._file.name, f"no whole JSON document: {error}"))
        objects = []
        for found in _OBJECT.finditer(data):
            try:
                objects.append(_parsed(found[0]))
            except ValueError as error:
                self.lost.append(Loss(self._file.name, f"no JSON: {error}", byte=found.start()))
        return self.salvaged(objects)

    @cached_property
    def _all_rows(self) -> list[Row]:
        return self.rows(self.document)

    def resumes(self, state: State) -> bool:
        rows, known = self._all_rows, int(state.get("rows", -1))
        if 0 <= known <= len(rows) and _checksum(rows[:known]) == state.get("sum"):
            return True
        # A training that was begun again from a checkpoint has written the end of its history anew.
        place = Path(str(state.get("recording", ""))).parts[-2:] == self.path.absolute().parts[-2:]
        return place and state.get("first") == _first(rows)

    def scalars(self, since: State) -> Scalars:
        rows, known = self._all_rows, int(since.get("rows", -1))
        grew = 0 <= known <= len(rows) and _checksum(rows[:known]) == since.get("sum")
        self.segments = Segments(since.get("segments", ())) if grew else Segments()
        columns = _columns(rows[known:] if grew else rows, self.segments)
        state = {
            "rows": len(rows),
            "first": _first(rows),
            "sum": _checksum(rows),
            "segments": self.segments.state,
            "told": len(self.lost),
        }
        lost = self.lost[int(since.get("told", 0)) if grew else 0 :]
        return Scalars(columns.table(), state, lost, whole=known >= 0 and not grew)

    def attempts(self) -> Sequence[Attempt]:
        return self.segments.attempts()


def row_of(record: Mapping[str, Any], step: object, **about: object) -> dict[str, Any]:
    """A record's numbers, texts that are numbers included, as a row. Raises ValueError for a step that is none."""
    row: dict[str, Any] = {}
    for name, raw in record.items():
        if type(raw) is float:
            row[name] = raw
        elif name != "step" and (value := measure(raw)) is not None:
            row[name] = value
    row |= {name: value for name, value in about.items() if value is not None}
    row["step"] = whole_step(step)
    return row


def _parsed(data: bytes) -> Mapping[str, Any]:
    from pydantic_core import from_json

    value = from_json(data, cache_strings="keys")
    if not isinstance(value, dict):
        raise ValueError(f"a {type(value).__name__}, not an object")
    return value


def _checksum(rows: Sequence[Row]) -> int:
    from pydantic_core import to_json

    return zlib.crc32(to_json(rows))


def _first(rows: Sequence[Row]) -> int:
    return zlib.crc32(json.dumps(rows[:1], sort_keys=True).encode())


def _columns(rows: Sequence[Row], segments: Segments) -> ScalarColumns:
    steps = np.array([row["step"] for row in rows], np.int64)
    attempts = segments.attempts_of(steps)
    values: dict[str, list[tuple[slice, list[Any]]]] = {}
    done = 0
    for keys, group in groupby(rows, tuple):
        held = list(chain.from_iterable(row.values() for row in group))
        count = len(held) // len(keys)
        for place, name in enumerate(keys):
            values.setdefault(name, []).append((slice(done, done + count), held[place :: len(keys)]))
        done += count
    known = {role: np.full(len(rows), np.nan) for role in ("time", "epoch")}
    for role in known.keys() & values.keys():
        for part, told in values[role]:
            known[role][part] = told
    columns = ScalarColumns()
    for name in (each for each in values if each not in ("step", "time", "epoch")):
        at = np.concatenate([np.arange(part.start, part.stop) for part, _ in values[name]])
        value = np.array([*chain.from_iterable(told for _, told in values[name])], np.float64)
        about = {role: column[at] for role, column in known.items()}
        columns.add(name, steps[at], value, attempt=attempts[at], **about)
    return columns
