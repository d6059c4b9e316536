"""The numbers in TensorBoard's event files, from tensorflow/core/util/event.proto and framework/summary.proto."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from etl.ingest.reading.event_records import FOOTER, HEADER, Records, length_checksum
from etl.ingest.reading.wire import (
    EIGHT_BYTES,
    FOUR_BYTES,
    MESSAGE,
    VARINT,
    Bytes,
    Fields,
    Integers,
    fields,
    numbers,
    varints,
)
from etl.local_files import NotAFileError, read_start
from etl.run.journal import MAX_STEP

Floats = npt.NDArray[np.float64]

_EDGE = 1 << 16
_SESSION_STARTS = 1
_HISTOGRAM = {1: "/min", 2: "/max"}
_CONTENT = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8"}
"""DataType of a tensor -> dtype: float, double, int32 and int64."""
_LISTS = {5: 1, 6: 2, 7: 3, 10: 9}
"""Field of a tensor that lists its numbers -> their DataType."""


class EventRows(NamedTuple):
    """Numbers (n,) in the order of the file. A name of None is the start of a session."""

    step: Integers
    time: npt.NDArray[np.float64]
    value: npt.NDArray[np.float64]
    name: list[str | None]


def is_event_file(path: Path) -> bool:
    """Whether the first record of a regular file says the version of an event file."""
    try:
        start = read_start(path, 256)
    except NotAFileError:
        return False
    size, crc = int.from_bytes(start[:8], "little"), int.from_bytes(start[8:HEADER], "little")
    said = b"brain.Event:" in start[HEADER : HEADER + min(size, 128)]
    return said and len(start) >= HEADER + FOOTER and length_checksum(size) == crc


def rows_of(records: Records) -> EventRows:
    """The scalars, tensors of one number, and extremes and means of histograms; a step that is none has none."""
    data, count = records.data, len(records.start)
    step, time, starts = np.zeros(count, np.int64), np.full(count, np.nan), np.zeros(count, bool)
    summaries: list[Fields] = []
    for found in fields(data, records.start, records.stop):
        told = found.numbered(1, EIGHT_BYTES)
        time[told.of] = numbers(data, told.start, "<f8")
        told = found.numbered(2, VARINT)
        step[told.of] = varints(data, told.start, told.stop)[0].view(np.int64)
        told = found.numbered(7, MESSAGE)
        at = told.start[told.stop - told.start >= 2]
        starts[told.of[told.stop - told.start >= 2]] = (data[at] == 8) & (data[at + 1] == _SESSION_STARTS)
        summaries.append(found.numbered(5, MESSAGE))
    event, value, name = _summarised(data, _joined(summaries))
    sessions = np.flatnonzero(starts)
    event, value = np.append(event, sessions), np.append(value, np.zeros(len(sessions)))
    names = name + [None] * len(sessions)
    sound = np.flatnonzero((step[event] >= 0) & (step[event] <= MAX_STEP))
    order = sound[np.argsort(event[sound], kind="stable")]
    return EventRows(step[event[order]], time[event[order]], value[order], [names[at] for at in order.tolist()])


def _joined(parts: list[Fields]) -> Fields:
    none = np.zeros(0, np.int64)
    return (
        Fields(*(np.concatenate([none, *column]) for column in zip(*parts, strict=True)))
        if parts
        else Fields(none, none, none, none, none)
    )


def _summarised(data: Bytes, summaries: Fields) -> tuple[Integers, Floats, list[str | None]]:
    """(which event, number, name) of each number of summaries."""
    inside = [found.numbered(1, MESSAGE) for found in fields(data, summaries.start, summaries.stop)]
    of = _joined(inside)
    at, value, name = _Values(data, of.start, of.stop).numbers()
    return summaries.of[of.of[at]], value, name


class _Values:
    """The content of messages `Summary.Value`."""

    def __init__(self, data: Bytes, start: Integers, stop: Integers) -> None:
        self._data, count = data, len(start)
        self._tag = np.zeros((count, 2), np.int64)
        scalars, tensors, histograms = [], [], []
        for found in fields(data, start, stop):
            tag = found.numbered(1, MESSAGE)
            self._tag[tag.of, 0], self._tag[tag.of, 1] = tag.start, tag.stop
            scalars.append(found.numbered(2, FOUR_BYTES))
            histograms.append(found.numbered(5, MESSAGE))
            tensors.append(found.numbered(8, MESSAGE))
        self._scalars, self._tensors, self._histograms = map(_joined, (scalars, tensors, histograms))

    def numbers(self) -> tuple[Integers, Floats, list[str | None]]:
        """(which message, number, name), in the order of the messages."""
        scalars, tensors, histograms = self._scalars, self._tensors, self._histograms
        parts = [(scalars.of, numbers(self._data, scalars.start, "<f4"), "")]
        at, value = _tensors(self._data, tensors)
        parts.append((tensors.of[at], value, ""))
        parts += [(histograms.of[at], value, end) for at, value, end in _extremes(self._data, histograms)]
        of = np.concatenate([part[0] for part in parts])
        value = np.concatenate([part[1] for part in parts])
        ends = [end for part in parts for end in [part[2]] * len(part[0])]
        tags = self._tags()
        order = np.argsort(of, kind="stable")
        order = order[self._tag[of[order], 1] > 0]
        name: list[str | None] = [
            tags[each] + ends[at] for each, at in zip(of[order].tolist(), order.tolist(), strict=True)
        ]
        return of[order], value[order], name

    def _tags(self) -> list[str]:
        raw, known = self._data.tobytes(), dict[bytes, str]()
        tags = []
        for start, stop in self._tag.tolist():
            tag = raw[start:stop]
            if tag not in known:
                known[tag] = tag.decode(errors="replace")
            tags.append(known[tag])
        return tags


def _tensors(data: Bytes, tensors: Fields) -> tuple[Integers, Floats]:
    """Of messages `TensorProto` those of one number: which, and the number."""
    kind, value = np.zeros(len(tensors.of), np.int64), np.full(len(tensors.of), np.nan)
    there = np.zeros(len(tensors.of), bool)
    contents: list[tuple[int, Fields]] = []
    for found in fields(data, tensors.start, tensors.stop):
        told = found.numbered(1, VARINT)
        kind[told.of] = varints(data, told.start, told.stop)[0].view(np.int64)
        contents += [(number, found.numbered(number, MESSAGE)) for number in (4, *_LISTS)]
    for number, content in contents:
        for dtype, form in _CONTENT.items():
            if number != 4 and _LISTS[number] != dtype:
                continue
            of_kind = content.where(kind[content.of] == dtype)
            if number in (7, 10):
                read, after = varints(data, of_kind.start, of_kind.stop)
                one, found_values = after == of_kind.stop, read.view(np.int64).astype(np.float64)
                value[of_kind.of[one]] = found_values[one]
            else:
                one = of_kind.stop - of_kind.start == np.dtype(form).itemsize
                value[of_kind.of[one]] = numbers(data, of_kind.start[one], form)
            there[of_kind.of[one]] = True
    at = np.flatnonzero(there)
    return at, value[at]


def _extremes(data: Bytes, histograms: Fields) -> Iterator[tuple[Integers, Floats, str]]:
    """Of messages `HistogramProto` that counted something: which, a number of each, and what its name ends in."""
    said = np.zeros((5, len(histograms.of)))
    for found in fields(data, histograms.start, histograms.stop):
        for number in (1, 2, 3, 4):
            told = found.numbered(number, EIGHT_BYTES)
            said[number, told.of] = numbers(data, told.start, "<f8")
    at = np.flatnonzero(said[3] > 0)
    for number, end in _HISTOGRAM.items():
        yield at, said[number, at], end
    yield at, said[4, at] / said[3, at], "/mean"


def fingerprint(file: BinaryIO, end: int) -> int:
    """Checksum of the first and the last bytes of what stands before `end`; -1 where the file is shorter."""
    file.seek(0)
    start = file.read(min(end, _EDGE))
    file.seek(max(0, end - _EDGE))
    last = file.read(min(end, _EDGE))
    return zlib.crc32(last, zlib.crc32(start)) if len(last) == min(end, _EDGE) else -1


def is_continued(file: BinaryIO, state: Mapping[str, Any]) -> bool:
    """Whether a file still begins with what led to its `state`."""
    end = state.get("end")
    return isinstance(end, int) and end > 0 and fingerprint(file, end) == state.get("crc")
