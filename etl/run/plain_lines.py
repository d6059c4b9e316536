"""Many lines of a metrics log at once: those that are plain, which nearly all are, as columns of numbers.

A plain line is an object of numbers alone, with the three words for those that JSON lacks, and no key twice. Reading
it can then say nothing that reading it by itself would not, and a whole stretch of them is parsed in one call, by the
parser of pydantic: four times as fast as Python's own. Every other line is read by itself.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from typing import Any

import numpy as np

from etl.run.bounded_lines import RawLine
from etl.run.journal import MAX_STEP, WORDS, LineReader, stripped, too_much

STRETCH = 1 << 18
"""Bytes of lines that are parsed together."""
_MOST_ATTEMPT = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Block:
    """Lines after each other that have the same keys, every one sound."""

    keys: tuple[str, ...]
    given: Sequence[Any]
    """What stands in the lines, one after the other: as many values a line as there are keys."""
    numbers: array[float]
    """The same as float64."""

    def column(self, key: str) -> Sequence[Any]:
        """What stands under one of the keys, line by line."""
        return self.given[self.keys.index(key) :: len(self.keys)]


def blocks(reader: LineReader) -> Iterator[Block | dict[str, Any]]:
    """What a `metrics_reader` gives, in order: plain lines in blocks, others as they are."""
    for lines in _stretches(reader.raw()):
        rows = _parsed(lines)
        if rows is None:
            yield from _one_by_one(reader, lines)
            continue
        done = 0
        for keys, same in groupby(rows, tuple):
            found = list(same)
            block = _block(keys, found)
            if block is not None:
                yield block
            else:
                yield from _one_by_one(reader, lines[done : done + len(found)])
            done += len(found)


def _one_by_one(reader: LineReader, lines: Sequence[RawLine]) -> Iterator[dict[str, Any]]:
    return (row for row in map(reader.row, lines) if row is not None)


def _stretches(lines: Iterator[RawLine]) -> Iterator[list[RawLine]]:
    """The lines in stretches; one that is not to be parsed is alone."""
    held: list[RawLine] = []
    size = 0
    for line in lines:
        hopeless = bool(too_much(line.data, line.size))
        if held and (hopeless or size + line.size > STRETCH):
            yield held
            held, size = [], 0
        held.append(line)
        size += line.size
        if hopeless:
            yield held
            held, size = [], 0
    if held:
        yield held


def _parsed(lines: Sequence[RawLine]) -> list[dict[str, Any]] | None:
    """The object of each line; None where they have to be read one by one.

    A line break cannot stand inside a string, so each line begins and ends with a brace of an object. Keys are as
    many as colons, and no value is a list or an object: so no object is inside another, and no key twice. Where there
    are then as many objects as lines, each line is one.
    """
    from pydantic_core import from_json

    texts = [stripped(line.data or b"") for line in lines]
    if not all(text[:1] == b"{" and text[-1:] == b"}" for text in texts):
        return None
    text = b",\n".join(texts)
    try:
        rows: list[Any] = from_json(b"[" + text + b"]", cache_strings="keys")
    except (ValueError, RecursionError):
        return None
    if len(rows) != len(lines) or set(map(type, rows)) != {dict} or sum(map(len, rows)) != text.count(b":"):
        return None
    values = chain.from_iterable(row.values() for row in rows)
    return None if {list, dict} & set(map(type, values)) else rows


def _block(keys: tuple[str, ...], rows: Sequence[dict[str, Any]]) -> Block | None:
    """Lines with the same keys; None where one of them has another value than numbers, or may be a bad line."""
    given = list(chain.from_iterable(row.values() for row in rows))
    numbers = _numbers(given)
    if numbers is None or "step" not in keys or "time" not in keys:
        return None
    block = Block(keys, given, numbers)
    whole = [
        (block.column(key), most) for key, most in (("step", MAX_STEP), ("attempt", _MOST_ATTEMPT)) if key in keys
    ]
    if any(set(map(type, column)) != {int} or min(column) < 0 or max(column) > most for column, most in whole):
        return None
    times = block.column("time")
    return block if set(map(type, times)) <= {int, float} else None


def _numbers(given: Sequence[Any]) -> array[float] | None:
    """As float64; None where one of them is no number, or beyond float64."""
    kinds = set(map(type, given))
    if not kinds <= {int, float, str}:
        return None
    try:
        numbers = array("d", given if str not in kinds else [0.0 if type(each) is str else each for each in given])
        if not np.isfinite(np.frombuffer(numbers)).all():
            return None
        for place, each in enumerate(given if str in kinds else ()):
            if type(each) is str:
                numbers[place] = WORDS[each]
    except (OverflowError, KeyError):
        return None
    return numbers
