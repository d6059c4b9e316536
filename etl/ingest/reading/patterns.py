"""Logs of lines of one shape among others: a regular expression names the step and the metrics of a line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from etl.ingest.reading.blocks import Block
from etl.ingest.reading.columns import Floats, ScalarColumns
from etl.ingest.reading.log_file import LogFile
from etl.ingest.reading.plain import text_head

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


class PatternLog(LogFile):
    """A log whose lines of one shape carry its values; all other lines say something else, and are passed over."""

    shape: ClassVar[Shape]

    def metric_names(self) -> Mapping[str, str]:
        return {word: metric for metric, word in self.shape.words.items()}

    def take(self, block: Block, into: ScalarColumns) -> None:
        # A progress bar writes its lines over one another.
        data = block.data.replace(b"\r", b"\n")
        lines, groups = self.shape.lines, self.shape.lines.groupindex
        found = lines.findall(data)
        with_step = sum(bool(each[groups["step"] - 1]) for each in found)
        if len(self.shape.mark.findall(data)) != with_step:
            self._tell(block, data)
        held = self.memory.pop("held", "").encode()
        if not (found := lines.findall(held) + found):
            return
        columns = list(zip(*found, strict=True))
        steps = self._steps(columns[groups["step"] - 1])
        if (steps < 0).all():
            self.memory["held"] = "\n".join(match[0].decode() for match in lines.finditer(held + b"\n" + data))
            return
        attempts = np.full(len(steps), -1)
        attempts[steps >= 0] = self.segments.attempts_of(steps[steps >= 0])
        for metric, number in groups.items():
            if metric != "step":
                self._add(metric, columns[number - 1], steps, attempts, into)

    def _steps(self, texts: tuple[bytes, ...]) -> npt.NDArray[np.int64]:
        """The updates (n,) before each line: by its own step, else by that of the next line that has one, else by
        that of the line before; negative where nothing tells."""
        said = np.array([int(text) if text else -1 for text in texts], np.int64)
        has = np.flatnonzero(said >= 0)
        after = np.searchsorted(has, np.arange(len(said)))
        if len(has):
            self.memory["next"] = int(said[has[-1]]) + 1 - self.shape.step_before
        steps = np.full(len(said), self.memory.get("next", -1), np.int64)
        followed = after < len(has)
        steps[followed] = said[has[after[followed]]] - self.shape.step_before
        return steps

    def _add(
        self,
        metric: str,
        texts: tuple[bytes, ...],
        steps: npt.NDArray[np.int64],
        attempts: npt.NDArray[np.int64],
        into: ScalarColumns,
    ) -> None:
        there = np.array([len(text) for text in texts]) > 0
        there &= attempts >= 0
        values = numbers([text for text, is_there in zip(texts, there.tolist(), strict=True) if is_there])
        if metric in self.shape.absent:
            measured = values != self.shape.absent[metric]
            there[there] = measured
            values = values[measured]
        into.add(
            self.shape.words.get(metric, metric),
            steps[there],
            values / 100 if metric in self.shape.percent else values,
            attempt=attempts[there],
        )

    def _tell(self, block: Block, data: bytes) -> None:
        """Name the lines that begin as those of the log and go on otherwise."""
        matched = {match.start() for match in self.shape.lines.finditer(data)}
        for match in self.shape.mark.finditer(data):
            if match.start() not in matched:
                end = data.find(b"\n", match.start())
                text = data[match.start() : end][:60].decode(errors="replace")
                self.lose(f"not a whole line of its kind: {text!r}", *block.place(match.start()))


def numbers(texts: list[bytes]) -> Floats:
    """The float64 of each text that NUMBER matches."""
    try:
        return np.array(list(map(float, texts)), np.float64)
    except ValueError:
        return np.array([float(text.replace(b",", b"")) for text in texts], np.float64)


def is_of(path: Path, shape: Shape) -> bool:
    """Whether the beginning of a file has a line of this shape."""
    return shape.lines.search(text_head(path).replace(b"\r", b"\n")) is not None
