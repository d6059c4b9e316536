"""Logs of one row a line, with a line of names first."""

from __future__ import annotations

import csv
import io
import re
from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from etl.ingest.mapping import FieldMapping
from etl.ingest.reading.blocks import Block
from etl.ingest.reading.columns import Floats, ScalarColumns
from etl.ingest.reading.csv_columns import known, moments, plain_columns
from etl.ingest.reading.log_file import LogFile
from etl.ingest.reading.plain import text_head
from etl.ingest.reading.values import measure, moment, number, whole_step

DELIMITERS = ",;\t|"
_MISSING = frozenset({"", "na", "n/a", "null", "none", "-", "--", "nil"})
_DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+(?:[eE][-+]?\d+)?")
Row = tuple[int, int, list[str]]
"""Line, byte and fields."""


def split(line: bytes, delimiter: str) -> list[str]:
    """The fields of one line, quoted ones included. Raises csv.Error."""
    text = line.decode(errors="replace").strip("\r\n").replace("\0", "�")
    if '"' not in text:
        return [field.strip() for field in text.split(delimiter)]
    return [
        field.strip() for field in next(csv.reader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True))
    ]


def distinct(names: Sequence[str]) -> list[str]:
    """Names of columns, in which the second that is called `loss` is `loss (2)`, or the next that is free."""
    taken: dict[str, None] = {}
    for name in names:
        numbered, count = name, 1
        while numbered in taken or (count > 1 and numbered in names):
            count += 1
            numbered = f"{name} ({count})"
        taken[numbered] = None
    return list(taken)


def header(path: Path) -> tuple[list[str], str]:
    """The names of a file's first line and what stands between them; ([], "") for no such file."""
    line = text_head(path).removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n").partition(b"\n")[0]
    delimiter = max(DELIMITERS, key=lambda each: line.count(each.encode()))
    if delimiter.encode() not in line or line.lstrip()[:1] in (b"{", b"[", b"<"):
        return [], ""
    try:
        names = distinct(split(line, delimiter))
    except csv.Error:
        return [], ""
    return (names, delimiter) if all(names[1:]) and any(not _is_number(name) for name in names) else ([], "")


def with_point(text: str) -> str:
    """A number with a decimal comma, as it stands where ";" is between fields, with a point."""
    return text.replace(",", ".") if _DECIMAL_COMMA.fullmatch(text) else text


def _is_number(text: str) -> bool:
    return number(text) is not None


class CsvLog(LogFile):
    """A table in text. A field that is empty or no number is no value; a repeated line of names begins the table
    again, with other columns if it has others."""

    @abstractmethod
    def mapping(self, names: Sequence[str]) -> FieldMapping:
        """Which of the columns are what."""

    def take(self, block: Block, into: ScalarColumns) -> None:
        if "names" not in self.memory:
            cut = block.data.find(b"\n") + 1
            self._take_rows(Block(block.line, block.byte, block.data[:cut]), into)
            block = Block(block.line + 1, block.byte + cut, block.data[cut:])
        if block.data and not ("names" in self.memory and self._take_columns(block.data, into)):
            self._take_rows(block, into)

    def _take_columns(self, data: bytes, into: ScalarColumns) -> bool:
        """Add plain rows; False, and nothing is done, where there is one that is not."""
        names = self.memory["names"]
        mapping = self.mapping(names)
        columns = (
            plain_columns(data, names, self.memory["delimiter"], mapping.step) if mapping.step in names else None
        )
        if columns is None:
            return False
        steps = columns[mapping.step].to_numpy()
        attempts = self.segments.attempts_of(steps)
        time = moments(known(columns[mapping.time])[0]) if mapping.time else None
        epoch, tokens = (known(columns[each])[0] if each else None for each in (mapping.epoch, mapping.tokens))
        for name in names:
            if metric := mapping.metric(name):
                value, at = known(columns[name])
                about = {"time": time, "epoch": epoch, "tokens": tokens}
                of_these = {role: None if column is None else column[at] for role, column in about.items()}
                into.add(metric, steps[at], value[at], attempt=attempts[at], **of_these)
        return True

    def _take_rows(self, block: Block, into: ScalarColumns) -> None:
        rows: list[Row] = []
        for line, byte, data in block.lines():
            delimiter = self.memory.get("delimiter") or header(self.path)[1]
            try:
                fields = split(data, delimiter)
            except csv.Error as error:
                self.lose(f"no row: {error}", line, byte)
                continue
            if "names" not in self.memory or self._begins_again(distinct(fields)):
                self._put(rows, into)
                rows = []
                self.memory |= {"names": distinct(fields), "delimiter": delimiter}
            elif len(fields) != len(self.memory["names"]):
                self.lose(f"{len(fields):,} fields under {len(self.memory['names']):,} names", line, byte)
            else:
                rows.append((line, byte, fields))
        self._put(rows, into)

    def _begins_again(self, fields: Sequence[str]) -> bool:
        names = self.memory["names"]
        return fields == names or (fields[0] == names[0] and not _is_number(fields[0]) and len(fields) > 1)

    def is_whole(self, line: bytes) -> bool:
        names, delimiter = self.memory.get("names", []), self.memory.get("delimiter", ",")
        return len(names) > 1 and line.count(delimiter.encode()) == len(names) - 1 and not line.endswith(b"\0")

    def _put(self, rows: Sequence[Row], into: ScalarColumns) -> None:
        if not rows:
            return
        names = self.memory["names"]
        mapping = self.mapping(names)
        if mapping.step not in names:
            for line, byte, _ in rows:
                self.lose(f"no column {mapping.step}", line, byte)
            return
        columns = dict(zip(names, zip(*(fields for _, _, fields in rows), strict=True), strict=True))
        steps = self._steps(columns[mapping.step], rows)
        sound = steps >= 0
        attempts = np.full(len(steps), -1, np.int64)
        attempts[sound] = self.segments.attempts_of(steps[sound])
        about = {
            "time": _floats(columns[mapping.time], moment) if mapping.time else None,
            "epoch": _floats(columns[mapping.epoch], number) if mapping.epoch else None,
            "tokens": _floats(columns[mapping.tokens], number) if mapping.tokens else None,
        }
        for name, texts in columns.items():
            if metric := mapping.metric(name):
                values, there = _values(self._with_points(texts))
                self._tell_of(name, texts, there, rows)
                there &= sound
                of_these = {role: column if column is None else column[there] for role, column in about.items()}
                into.add(metric, steps[there], values[there], attempt=attempts[there], **of_these)

    def _with_points(self, texts: Sequence[str]) -> Sequence[str]:
        return [with_point(text) for text in texts] if self.memory["delimiter"] == ";" else texts

    def _tell_of(self, name: str, texts: Sequence[str], there: npt.NDArray[np.bool_], rows: Sequence[Row]) -> None:
        """Name the fields that are no numbers in a column of numbers."""
        if not there.any():
            return
        for place in np.flatnonzero(~there).tolist():
            if texts[place].lower() not in _MISSING:
                self.lose(f"{name} is {texts[place]!r:.40}, no number", *rows[place][:2])

    def _steps(self, texts: Sequence[str], rows: Sequence[Row]) -> npt.NDArray[np.int64]:
        """The step (n,) of each row, -1 where it has none."""
        try:
            steps = np.array(list(map(int, texts)), np.int64)
            if (steps >= 0).all() and (steps <= 2**53).all():
                return steps
        except (ValueError, OverflowError):
            pass
        result = np.full(len(texts), -1, np.int64)
        for place, text in enumerate(texts):
            try:
                result[place] = whole_step(text)
            except ValueError as error:
                self.lose(str(error), *rows[place][:2])
        return result


def _values(texts: Sequence[str]) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """The numbers (n,) of a column, and where there are any."""
    there = np.array([bool(text) for text in texts])
    if there.all() and not any("_" in text for text in texts):
        try:
            values = np.array(list(map(float, texts)), np.float64)
            if not np.isinf(values).any():
                return values, there
        except ValueError:
            pass
    found = [measure(text) for text in texts]
    return _with_nan(found), np.array([value is not None for value in found])


def _floats(texts: Sequence[str], read: Callable[[object], float | None]) -> Floats:
    return _with_nan([read(text) for text in texts])


def _with_nan(values: Sequence[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], np.float64)
