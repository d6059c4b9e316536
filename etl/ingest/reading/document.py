"""A JSON document that is written anew whenever there is more to say, and told apart by the rows it begins with."""

from __future__ import annotations

import json
import re
import zlib
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from etl.errors import StrobeError
from etl.ingest.reading.columns import ScalarColumns
from etl.ingest.reading.named import NamedRecording
from etl.ingest.reading.plain import plain_text
from etl.ingest.reading.segments import Segments
from etl.ingest.reading.values import number, whole_step
from etl.ingest.source import Loss, Scalars, State
from etl.run.journal import Attempt

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
            data = text.file.read(MOST_BYTES + 1)
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
        if known >= 0 and _checksum(rows[:known]) == state.get("crc") and known <= len(rows):
            return True
        # A training that was begun again from a checkpoint has written the end of its history anew.
        place = Path(str(state.get("recording", ""))).parts[-2:] == self.path.absolute().parts[-2:]
        return place and state.get("first") == _checksum(rows[:1])

    def scalars(self, since: State) -> Scalars:
        rows, known = self._all_rows, int(since.get("rows", -1))
        grew = 0 <= known <= len(rows) and _checksum(rows[:known]) == since.get("crc")
        self.segments = Segments(since.get("segments", ())) if grew else Segments()
        columns = _columns(rows[known:] if grew else rows, self.segments)
        state = {
            "rows": len(rows),
            "first": _checksum(rows[:1]),
            "crc": _checksum(rows),
            "segments": self.segments.state,
            "told": len(self.lost),
        }
        lost = self.lost[int(since.get("told", 0)) if grew else 0 :]
        return Scalars(columns.table(), state, lost, whole=known >= 0 and not grew)

    def attempts(self) -> Sequence[Attempt]:
        return self.segments.attempts()


def row_of(record: Mapping[str, Any], step: object, **about: object) -> dict[str, Any]:
    """A record's numbers, texts that are numbers included, as a row. Raises ValueError for a step that is none."""
    values = {name: value for name, raw in record.items() if (value := number(raw)) is not None}
    known = {name: value for name, value in about.items() if value is not None}
    return {**values, **known, "step": whole_step(step)}


def _parsed(data: bytes) -> Mapping[str, Any]:
    from pydantic_core import from_json

    value = from_json(data, cache_strings="keys")
    if not isinstance(value, dict):
        raise ValueError(f"a {type(value).__name__}, not an object")
    return value


def _checksum(rows: Sequence[Row]) -> int:
    return zlib.crc32(json.dumps(rows, sort_keys=True).encode())


def _columns(rows: Sequence[Row], segments: Segments) -> ScalarColumns:
    steps = np.array([row["step"] for row in rows], np.int64)
    attempts = segments.attempts_of(steps)
    places: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        for name in row:
            places.setdefault(name, []).append(place)
    columns = ScalarColumns()
    for name in places.keys() - {"step", "time", "epoch"}:
        at = np.array(places[name])
        values = np.array([rows[place][name] for place in places[name]], np.float64)
        known = {
            role: np.array([rows[place].get(role, np.nan) for place in places[name]], np.float64)
            for role in ("time", "epoch")
        }
        columns.add(name, steps[at], values, attempt=attempts[at], **known)
    return columns
