"""The append-only line logs of a run: metrics.jsonl and attempts.jsonl.

A line is whole or it is not there: a writer puts each line down in one call, a reader ignores a last line without
its newline. Numbers that JSON lacks are the strings "NaN", "Infinity" and "-Infinity".
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from etl.local_files import open_regular
from etl.replacing import write_all
from etl.run import strict_json
from etl.run.bounded_lines import MOST_LINE, BoundedLines, RawLine
from etl.run.strict_json import SURROGATE

METRICS = "metrics.jsonl"
WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_DIGITS = bytes.maketrans(b"123456789e", b"000000000E")
MAX_STEP = 2**53
"""The last whole number up to which axes, which count in float64, and browsers tell every step from the next."""


def parsed_number(value: object) -> float | None:
    """The float that a metric's JSON value stands for; None for anything that is no number."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        try:
            return float(value)
        except OverflowError:
            return None
    return WORDS.get(value) if isinstance(value, str) else None


def whole(value: object) -> int | None:
    """An integer that fits a column of 64 bits; None for anything else."""
    return value if type(value) is int and -(2**63) <= value < 2**63 else None


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


_ENCODE = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


class Journal:
    """Appends whole lines to one log; opening it ends a line that a killed writer left torn.

    Raises OSError when the disk refuses.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o666)
        size = os.fstat(self._descriptor).st_size
        if size and os.pread(self._descriptor, 1, size - 1) != b"\n":
            try:
                write_all(self._descriptor, b"\n")
            except OSError:
                self.close()
                raise

    def append(self, record: Mapping[str, object]) -> None:
        """Write one JSON object as one line; NaN and infinities become their strings.

        Raises OSError when the disk refuses, or the log was removed: that would take every line and keep none.
        """
        try:
            line = _ENCODE(record)
        except (ValueError, TypeError):
            line = _ENCODE(_plain(record))
        about = os.fstat(self._descriptor)
        if about.st_nlink == 0:
            raise FileNotFoundError(errno.ENOENT, "the log was removed")
        size = about.st_size
        try:
            write_all(self._descriptor, line.encode() + b"\n")
        except OSError:
            # A full disk takes half a line and gives the room back.
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, size)
            raise

    def close(self) -> None:
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)


MOST_VALUES = 500_000
"""Commas and opening brackets of a line: values take a hundred times as much room in memory as in a file."""
MOST_BAD = 1_000
"""Dropped lines of a reading that are named; the others are counted."""


@dataclass(slots=True)
class Bad:
    """A line that was dropped: its number from 1 at the start of the reading, the byte it begins at, and why."""

    line: int
    byte: int
    reason: str


@dataclass(slots=True)
class Lines:
    """What a line log holds from some byte on."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    bad: list[Bad] = field(default_factory=list)
    """The first MOST_BAD of the lines that were dropped."""
    dropped: int = 0
    """How many were."""
    end: int = 0
    """The byte after the last whole line: where to read on."""
    torn: int = 0
    """Bytes of a last line without its end."""


def _is_text(value: object) -> bool:
    """Whether every string in it can be encoded, and so be stored."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def too_much(data: bytes | None, size: int) -> str:
    """Why a line is not parsed: more than little memory would be taken; empty where it is."""
    if data is None:
        return f"longer than {MOST_LINE:,} bytes: {size:,}"
    if len(data) > MOST_VALUES and sum(map(data.count, (b",", b"[", b"{"))) > MOST_VALUES:
        return f"more than {MOST_VALUES:,} values"
    return ""


def may_be_huge(text: bytes) -> bool:
    """Whether a number may be beyond float64, which JSON would read as infinity: nobody logged that."""
    shape = text.translate(_DIGITS, b"+")
    return b"E000" in shape or b"0" * 200 in shape


def stripped(raw: bytes) -> bytes:
    """A line without what may stand about its JSON."""
    return raw.strip(b"\0 \t\r\n")


def _parse(raw: bytes) -> dict[str, Any] | str:
    text = stripped(raw)
    if not text:
        return "NUL bytes" if b"\0" in raw else ""
    try:
        row = strict_json.in_range(text) if may_be_huge(text) else json.loads(text)
    except strict_json.OutOfRangeError as error:
        return str(error)
    except RecursionError:
        return "nested too deeply"
    except ValueError as error:
        return f"not JSON ({error})"
    if SURROGATE.search(text) and not _is_text(row):
        return "half of a surrogate pair (\\ud800-\\udfff)"
    return row if isinstance(row, dict) else f"a JSON {type(row).__name__}, not an object"


class LineReader:
    """The JSON objects of a log from byte `start` on, one at a time; a missing file is an empty one. Iterate once.

    A torn last line is left for the next reading; blank lines are passed over; other lines that are no JSON object,
    or longer than MOST_LINE bytes, are counted and named in `lines`, which has no rows. With `fault`, so are those of
    which it says what is wrong. Raises NotAFileError for a link, pipe or device.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        start: int = 0,
        fault: Callable[[Mapping[str, Any]], str | None] = lambda _row: None,
    ) -> None:
        self._path, self._fault, self.lines = path, fault, Lines(end=start)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for line in self.raw():
            row = self.row(line)
            if row is not None:
                yield row

    def raw(self) -> Iterator[RawLine]:
        """The lines unread, for whoever reads some of them by `row`."""
        if not Path(self._path).exists():
            return
        with os.fdopen(open_regular(self._path), "rb", buffering=0) as file:
            raw = BoundedLines(file, self.lines.end)
            yield from raw
        self.lines.end, self.lines.torn = raw.end, raw.torn

    def row(self, line: RawLine) -> dict[str, Any] | None:
        """The object of a line; None, and it is counted, where there is none."""
        row = too_much(line.data, line.size) or _parse(line.data or b"")
        reason = self._fault(row) if isinstance(row, dict) else row
        if isinstance(row, dict) and reason is None:
            return row
        if reason:
            self.lines.dropped += 1
            if len(self.lines.bad) < MOST_BAD:
                self.lines.bad.append(Bad(line.number, line.byte, reason))
        return None


def read_lines(path: str | os.PathLike[str], start: int = 0) -> Lines:
    """Everything that a LineReader gives."""
    reader = LineReader(path, start)
    rows = list(reader)
    return replace(reader.lines, rows=rows)


def _fault(row: Mapping[str, Any]) -> str | None:
    step, time = row.get("step"), row.get("time")
    if type(step) is not int or not 0 <= step <= MAX_STEP:
        return f"step is {step!r:.40}, not a whole number from 0 to 2^53"
    seconds = parsed_number(time)
    if seconds is None or not math.isfinite(seconds):
        return f"time is {time!r:.40}, not a number of seconds"
    attempt = row.get("attempt", 0)
    if type(attempt) is not int or not 0 <= attempt < 2**31:
        return f"attempt is {attempt!r:.40}, not a whole number from 0 to 2^31 - 1"
    return None


def metrics_reader(path: str | os.PathLike[str], start: int = 0) -> LineReader:
    """The rows of a metrics log; those that lack a sound `step`, `time` or `attempt` are bad lines."""
    return LineReader(path, start, _fault)


def read_metrics(path: str | os.PathLike[str], start: int = 0) -> Lines:
    """Everything that a `metrics_reader` gives."""
    reader = metrics_reader(path, start)
    rows = list(reader)
    return replace(reader.lines, rows=rows)
