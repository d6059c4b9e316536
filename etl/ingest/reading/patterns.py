"""Logs of lines of one shape among others: a regular expression names the step and the metrics of a line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np

from etl.ingest.reading.blocks import Block
from etl.ingest.reading.columns import Floats, Integers, ScalarColumns
from etl.ingest.reading.log_file import LogFile
from etl.ingest.reading.plain import text_head
from etl.ingest.reading.usual_lines import Bools, Usual, UsualLine

NUMBER = rb"[-+]?(?:\d+(?:,\d{3})*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?:nan|inf(?:inity)?)"
"""A number as C and Python print it, thousands separated or not; NaN and infinities in any case."""
STEP = rb"\d{1,15}"


def compiled(pattern: bytes) -> re.Pattern[bytes]:
    """A regular expression over lines, in which `<name>` stands for a group `name` that holds a number, and `#` for
    the step."""
    pattern = re.sub(rb"<([a-z_0-9]+)>", lambda name: b"(?P<" + name[1] + b">" + NUMBER + b")", pattern)
    pattern = pattern.replace(b"#", b"(?P<step>" + STEP + b")")
    return re.compile(rb"^(?:" + pattern + rb")[ \t]*$", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True)
class Shape:
    """The lines that count. `lines` names the step and the metrics; `mark` begins every line that has a step.

    `words` has what the log calls a metric that has another name here. Metrics in `percent` are stored as fractions;
    `absent` says which number of a metric stands for "not measured". `step_before` is subtracted from the step of a
    line, which then counts the updates before its loss. A line without a step tells of the model that the next line
    with one begins from.
    """

    lines: re.Pattern[bytes]
    mark: re.Pattern[bytes]
    words: Mapping[str, str] = field(default_factory=dict)
    percent: frozenset[str] = frozenset()
    absent: Mapping[str, float] = field(default_factory=dict)
    step_before: int = 0
    usual: UsualLine | None = None
    """What nearly all lines with a step look like, for reading them at once; each is one of `lines`."""


class PatternLog(LogFile):
    """A log whose lines of one shape carry its values; all other lines say something else, and are passed over."""

    shape: ClassVar[Shape]

    def metric_names(self) -> Mapping[str, str]:
        return {word: metric for metric, word in self.shape.words.items()}

    def take(self, block: Block, into: ScalarColumns) -> None:
        # A progress bar writes its lines over one another.
        data = block.data.replace(b"\r", b"\n")
        usual = self.shape.usual.read(data) if self.shape.usual is not None else None
        if usual is None or not self._put(block, _Lines(data, usual), usual, into):
            self._put(block, _Lines(data, None), None, into)

    def _put(self, block: Block, odd: _Lines, usual: Usual | None, into: ScalarColumns) -> bool:
        """Add what stands in the lines; False, and nothing is done, where not even the usual ones tell a step."""
        lines, groups = self.shape.lines, self.shape.lines.groupindex
        held = self.memory.get("held", "").encode()
        before, found = lines.findall(held), lines.findall(odd.text)
        columns = list(zip(*before, *found, strict=True)) or [()] * lines.groups
        of_odd = np.array([int(text) if text else -1 for text in columns[groups["step"] - 1]], np.int64)
        # Where there are no others, the odd lines are in order by themselves.
        order = np.arange(len(of_odd))
        said = of_odd
        if usual is not None:
            at = [odd.line(match.start()) for match in lines.finditer(odd.text)] if found else []
            places = np.concatenate([np.full(len(before), -1), np.array(at, np.int64), np.flatnonzero(usual.are)])
            order = np.argsort(places, kind="stable")
            said = np.concatenate([of_odd, usual.step])[order]
        steps = self._steps(said)
        if usual is not None and (steps < 0).all():
            return False
        self.memory.pop("held", None)
        if len(self.shape.mark.findall(odd.text)) != int((of_odd[len(before) :] >= 0).sum()):
            self._tell(block, odd)
        if not len(said):
            return True
        if (steps < 0).all():
            self.memory["held"] = "\n".join(match[0].decode() for match in lines.finditer(held + b"\n" + odd.text))
            return True
        self._next(said)
        attempts = np.full(len(steps), -1)
        attempts[steps >= 0] = self.segments.attempts_of(steps[steps >= 0])
        for metric, number in groups.items():
            if metric != "step":
                there, value = _values(columns[number - 1], usual.values.get(metric) if usual else None, len(said))
                self._add(metric, there[order], value[order], steps, attempts, into)
        return True

    def _steps(self, said: Integers) -> Integers:
        """The updates (n,) before each line: by its own step, else by that of the next line that has one, else by
        that of the line before; negative where nothing tells."""
        has = np.flatnonzero(said >= 0)
        after = np.searchsorted(has, np.arange(len(said)))
        steps = np.full(len(said), self._after(said, has), np.int64)
        followed = after < len(has)
        steps[followed] = said[has[after[followed]]] - self.shape.step_before
        return steps

    def _after(self, said: Integers, has: Integers) -> int:
        """The updates before a line behind the last of these; negative where nothing tells."""
        return int(said[has[-1]]) + 1 - self.shape.step_before if len(has) else int(self.memory.get("next", -1))

    def _next(self, said: Integers) -> None:
        self.memory["next"] = self._after(said, np.flatnonzero(said >= 0))

    def _add(
        self, metric: str, there: Bools, values: Floats, steps: Integers, attempts: Integers, into: ScalarColumns
    ) -> None:
        there = there & (attempts >= 0)
        if metric in self.shape.absent:
            there &= values != self.shape.absent[metric]
        values = values[there]
        into.add(
            self.shape.words.get(metric, metric),
            steps[there],
            values / 100 if metric in self.shape.percent else values,
            attempt=attempts[there],
        )

    def _tell(self, block: Block, odd: _Lines) -> None:
        """Name the lines that begin as those of the log and go on otherwise."""
        matched = {match.start() for match in self.shape.lines.finditer(odd.text)}
        for match in self.shape.mark.finditer(odd.text):
            if match.start() not in matched:
                end = odd.text.find(b"\n", match.start())
                text = odd.text[match.start() : end][:60].decode(errors="replace")
                self.lose(f"not a whole line of its kind: {text!r}", *block.place(odd.position(match.start())))


class _Lines:
    """The lines of a block that are not of the usual shape, and where each stands in it."""

    def __init__(self, data: bytes, usual: Usual | None) -> None:
        self.text = data
        self._line = self._begin = self._shift = np.zeros(1, np.int64)
        if usual is not None:
            raw = np.frombuffer(data, np.uint8)
            ends = np.flatnonzero(raw == ord("\n")) + 1
            sizes = np.diff(ends, prepend=0)
            odd = ~usual.are & (sizes > 1)
            self.text = raw[np.repeat(odd, sizes)].tobytes()
            self._line = np.flatnonzero(odd)
            self._begin = np.cumsum(sizes[odd]) - sizes[odd]
            self._shift = (ends - sizes)[odd] - self._begin

    def line(self, position: int) -> int:
        """The number of the line in the block at a position in `text`."""
        return int(self._line[np.searchsorted(self._begin, position, side="right") - 1])

    def position(self, position: int) -> int:
        """Where in the block a position in `text` is."""
        return position + int(self._shift[np.searchsorted(self._begin, position, side="right") - 1])


def _values(texts: Sequence[bytes], usual: Floats | None, count: int) -> tuple[Bools, Floats]:
    """Where there is a number (count,), and which: first those of odd lines, then those of the usual ones."""
    there, values = np.zeros(count, bool), np.full(count, np.nan)
    has = [place for place, text in enumerate(texts) if text]
    there[has], values[has] = True, numbers([texts[place] for place in has])
    if usual is not None:
        there[len(texts) :], values[len(texts) :] = True, usual
    return there, values


def numbers(texts: list[bytes]) -> Floats:
    """The float64 of each text that NUMBER matches."""
    try:
        return np.array(list(map(float, texts)), np.float64)
    except ValueError:
        return np.array([float(text.replace(b",", b"")) for text in texts], np.float64)


def is_of(path: Path, shape: Shape) -> bool:
    """Whether the beginning of a file has a line of this shape."""
    return shape.lines.search(text_head(path).replace(b"\r", b"\n")) is not None
