"""JSON objects as columns of one block: one by one, or many of the same keys at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby
from typing import Any

import numpy as np

from etl.ingest.mapping import FieldMapping
from etl.ingest.reading.columns import Floats, Integers, ScalarColumns
from etl.ingest.reading.csv_columns import moments
from etl.ingest.reading.log_file import LogFile
from etl.ingest.reading.values import is_odd, measure, moment, number, whole_step
from etl.run.journal import MAX_STEP, may_be_huge

STRETCH = 1 << 18
"""Bytes of lines that are parsed together."""
_FEW = 8
"""Objects of the same keys after each other that are read at once."""
_READ: Mapping[str, Callable[[object], float | None]] = {"time": moment, "epoch": number, "tokens": number}


def stretches(lines: Iterable[tuple[int, int, bytes]]) -> Iterator[list[tuple[int, int, bytes]]]:
    """Lines with their places, so many at once as are parsed together."""
    held: list[tuple[int, int, bytes]] = []
    size = 0
    for line in lines:
        held.append(line)
        size += len(line[2])
        if size > STRETCH:
            yield held
            held, size = [], 0
    if held:
        yield held


def parsed_objects(lines: Sequence[bytes]) -> list[dict[str, Any]] | None:
    """The object of each line, as parsing it by itself gives it; None where the lines have to be parsed so.

    A line break cannot stand inside a string, and each line begins and ends with a brace. Without lists an object can
    only begin outside all others, or as the value of a key: so each line begins one that is no other's part, and
    where there are as many objects as lines, each line is one.
    """
    from pydantic_core import from_json

    texts = [line.strip() for line in lines]
    if not all(text[:1] == b"{" and text[-1:] == b"}" for text in texts):
        return None
    text = b",\n".join(texts)
    if b"[" in text or may_be_huge(text):
        return None
    try:
        rows: list[Any] = from_json(b"[" + text + b"]", cache_strings="keys")
    except ValueError:
        return None
    return rows if len(rows) == len(texts) and set(map(type, rows)) == {dict} else None


def flat(record: Mapping[str, Any], before: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Names and values of a record, of objects in it too."""
    for name, value in record.items():
        if isinstance(value, Mapping):
            if depth < 8 and "_type" not in value:
                yield from flat(value, f"{before}{name}/", depth + 1)
        else:
            yield before + name, value


class Records:
    """Records as columns of one block. `odd` has the fields of which was told that they were left out somewhere."""

    def __init__(self, mapping: FieldMapping, odd: list[str]) -> None:
        self._mapping, self._odd = mapping, odd
        self._count = 0
        self._steps: list[Integers] = []
        self._about: dict[str, list[Floats]] = {role: [] for role in _READ}
        self._values: dict[str, list[tuple[Integers, Floats]]] = {}

    def add(self, record: Mapping[str, Any]) -> list[str]:
        """What is left out of it, in words. Raises ValueError for a record whose step is none, or that has none."""
        mapping, fields = self._mapping, dict(flat(record))
        if mapping.step not in fields:
            raise ValueError(f"has no {mapping.step}")
        step, left_out = whole_step(fields[mapping.step]), list[str]()
        for name, raw in fields.items():
            if metric := mapping.metric(name):
                if (value := measure(raw)) is not None:
                    self._put(metric, np.zeros(1, np.int64), np.array([value]))
                elif is_odd(raw) and name not in self._odd:
                    self._odd.append(name)
                    left_out.append(f"{name} is {raw!r:.40}, and left out wherever it is no number")
        for role, read in _READ.items():
            given = getattr(mapping, role)
            told = read(fields[given]) if given in fields else None
            self._about[role].append(np.array([np.nan if told is None else told]))
        self._end(np.array([step], np.int64))
        return left_out

    def add_all(self, records: Sequence[dict[str, Any]]) -> Iterator[tuple[int, str]]:
        """Add records in order; the places of those that were left out, or something of them, are given, and why."""
        done = 0
        for keys, group in groupby(records, tuple):
            same = list(group)
            if len(same) < _FEW or not self._add_same(keys, same):
                for place, record in enumerate(same, done):
                    try:
                        yield from ((place, reason) for reason in self.add(record))
                    except ValueError as error:
                        yield place, str(error)
            done += len(same)

    def _add_same(self, keys: tuple[str, ...], records: Sequence[dict[str, Any]]) -> bool:
        """Add records of the same keys; False, and nothing is done, where one has another step than a whole number,
        an object in it, or something that is told as left out."""
        mapping = self._mapping
        given = list(chain.from_iterable(record.values() for record in records))
        columns = {key: given[place :: len(keys)] for place, key in enumerate(keys)}
        kinds = {key: set(map(type, column)) for key, column in columns.items()}
        if kinds.get(mapping.step) != {int} or any(dict in kind for kind in kinds.values()):
            return False
        if min(columns[mapping.step]) < 0 or max(columns[mapping.step]) > MAX_STEP:
            return False
        metrics = {key: metric for key in keys if (metric := mapping.metric(key))}
        texts = [key for key in metrics if key not in self._odd and kinds[key] & {str, list}]
        if any(any(map(is_odd, columns[key])) for key in texts):
            return False
        for key, metric in metrics.items():
            self._put(metric, *_numbers(columns[key], kinds[key]))
        for role, read in _READ.items():
            name = getattr(mapping, role)
            told = _told(columns[name], kinds[name], read) if name in columns else np.full(len(records), np.nan)
            self._about[role].append(told)
        self._end(np.array(columns[mapping.step], np.int64))
        return True

    def _put(self, metric: str, rows: Integers, values: Floats) -> None:
        if len(rows):
            self._values.setdefault(metric, []).append((rows + self._count, values))

    def _end(self, steps: Integers) -> None:
        self._steps.append(steps)
        self._count += len(steps)

    def put(self, log: LogFile, into: ScalarColumns) -> None:
        """Hand over all that was added."""
        if not self._count:
            return
        steps = np.concatenate(self._steps)
        attempts = log.segments.attempts_of(steps)
        about = {role: np.concatenate(values) for role, values in self._about.items()}
        for metric, parts in self._values.items():
            at = np.concatenate([rows for rows, _ in parts])
            known = {role: column[at] for role, column in about.items()}
            into.add(
                metric, steps[at], np.concatenate([values for _, values in parts]), attempt=attempts[at], **known
            )


def _plain(column: Sequence[Any], kinds: set[type]) -> Floats | None:
    """Values (n,) that are all numbers; None for others."""
    try:
        return np.array(column, np.float64) if kinds <= {float, int} else None
    except OverflowError:
        return None


def _numbers(column: Sequence[Any], kinds: set[type]) -> tuple[Integers, Floats]:
    """Which of the values (n,) are numbers, and what they are."""
    if (plain := _plain(column, kinds)) is not None:
        return np.arange(len(column)), plain
    found = [each if type(each) is float else measure(each) for each in column]
    there = [place for place, each in enumerate(found) if each is not None]
    return np.array(there, np.int64), np.array([found[place] for place in there], np.float64)


def _told(column: Sequence[Any], kinds: set[type], read: Callable[[object], float | None]) -> Floats:
    """What `read` makes of each of the values (n,), NaN where that is nothing."""
    if (plain := _plain(column, kinds)) is not None:
        return moments(plain) if read is moment else plain
    return np.array([np.nan if (told := read(each)) is None else told for each in column], np.float64)
