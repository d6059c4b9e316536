"""Lines of one fixed shape among others, read a block at once: their numbers go through Arrow's reader of tables.

The literal pieces of a line are replaced by one byte each, and only a line whose bytes of that kind are then the ones
of the shape, in its order, counts as one. What is between them can stand for nothing else, so that a line that counts
says what a regular expression for it would find; every other line is left to that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_CODES = bytes([*range(1, 9), *range(14, 32)])
_NUMERIC = b"0123456789.+-eEnaifNAIF"
_OTHER, _NUMBER, _CODE, _END = range(4)
_KIND = np.zeros(256, np.uint8)
_KIND[list(_NUMERIC)], _KIND[list(_CODES)], _KIND[ord("\n")] = _NUMBER, _CODE, _END
_DIGITS = 15
"""Of a step, at most."""
_PART = re.compile(rb"(#|~|\?|<\w+>)")


class Usual(NamedTuple):
    """Which lines (lines,) are of the shape, and the columns (n,) of those that are."""

    are: Bools
    step: Integers
    values: Mapping[str, Floats]


@dataclass(frozen=True)
class UsualLine:
    """A shape: `#` stands for the step, `<name>` for the number of a metric, `~` for a whole number and `?` for a
    number that nobody wants; " +#" allows more spaces before the step."""

    shape: bytes

    def _parts(self) -> tuple[list[bytes], list[str], bool]:
        """The literals, one more than there are columns, what those are called, and whether steps are padded."""
        padded = b" +#" in self.shape
        parts = _PART.split(self.shape.replace(b" +#", b" #"))
        columns = [part.decode().strip("<>") for part in parts[1::2]]
        # No two columns of a table are called alike.
        return parts[::2], [f"{name}{at}" if name in "~?" else name for at, name in enumerate(columns)], padded

    def read(self, data: bytes) -> Usual | None:
        """The lines of this shape among whole ones; None where there is none, or one that may be read otherwise."""
        literals, columns, padded = self._parts()
        if any(code in data for code in _CODES):
            return None
        text = data
        while padded and (double := literals[0] + b" ") in text:
            text = text.replace(double, literals[0])
        code = {literal: _CODES[at : at + 1] for at, literal in enumerate(sorted({*literals} - {b""}, key=len)[::-1])}
        for literal, byte in code.items():
            text = text.replace(literal, byte)
        marks = b"".join(code.get(literal, b"") for literal in literals) + b"\n"
        found = np.frombuffer(text, np.uint8)
        are, begin, end = _lines(found, marks, bool(literals[0]), bool(literals[-1]))
        if not are.any():
            return None
        table = found[np.repeat(are, end - begin)].tobytes()
        edges = b"".join(code.get(literal, b"") for literal in (literals[0], literals[-1]))
        between = bytes(set(marks) - set(edges) - {10})
        plain = table.translate(bytes.maketrans(between, b"," * len(between)), edges)
        read = _columns(plain, columns)
        return read and Usual(are, *read)


def _lines(found: npt.NDArray[np.uint8], marks: bytes, begun: bool, ended: bool) -> tuple[Bools, Integers, Integers]:
    """Which lines have these marks and nothing but numbers between them, and where each line begins and ends."""
    kind = _KIND[found]
    at = np.flatnonzero(kind != _NUMBER)
    last = np.flatnonzero(kind[at] == _END)
    end = at[last]
    begin = np.concatenate([[0], end[:-1] + 1])
    are = np.diff(last, prepend=-1) == len(marks)
    place = last[are][:, None] + np.arange(1 - len(marks), 1)
    right = (found[at[place]] == np.frombuffer(marks, np.uint8)).all(axis=1)
    if begun:
        right &= at[place[:, 0]] == begin[are]
    if ended:
        right &= at[place[:, -2]] == end[are] - 1
    # The step is the first number.
    first = at[place[:, int(begun)]] - begin[are] - int(begun)
    right &= (first > 0) & (first <= _DIGITS)
    are[are] = right
    return are, begin, end + 1


def _columns(table: bytes, names: list[str]) -> tuple[Integers, Mapping[str, Floats]] | None:
    """The steps and the other columns of rows of numbers; None where one of them is no number, or beyond float64."""
    whole = {name for name in names if name == "#" or name[0] == "~"}
    kinds = {name: pa.uint64() if name in whole else pa.float64() for name in names if name[0] != "?"}
    try:
        read = csv.read_csv(
            pa.BufferReader(table),
            csv.ReadOptions(use_threads=False, block_size=len(table) + 1, column_names=names),
            csv.ParseOptions(quote_char=False, double_quote=False),
            csv.ConvertOptions(column_types=kinds, null_values=[""], check_utf8=False, include_columns=list(kinds)),
        )
        step = read["#"].cast(pa.int64()).to_numpy()
    except pa.ArrowException:
        return None
    if any(column.null_count for column in read.columns) or len(read) != table.count(b"\n"):
        return None
    values = {name: read[name].to_numpy() for name in kinds if name not in whole}
    unbounded = any(pc.any(pc.is_inf(read[name])).as_py() for name in values)
    return None if unbounded else (step, values)
