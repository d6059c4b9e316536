"""A log of one text file: read on as it grows, its restarts told apart."""

from __future__ import annotations

import zlib
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from etl.ingest.reading.blocks import Block, Blocks, starts_with
from etl.ingest.reading.columns import ScalarColumns
from etl.ingest.reading.named import NamedRecording
from etl.ingest.reading.plain import plain_text
from etl.ingest.reading.segments import Segments
from etl.ingest.source import Loss, Scalars, State
from etl.run.attempts import Attempt
from etl.run.bounded_lines import MOST_LINE

MOST_LOST = 1_000
"""Losses of one reading that are named; the others are counted."""


class LogFile(NamedRecording):
    """One text file. A subclass takes blocks of whole lines; what it has to remember between them is in `memory`,
    plain JSON, which the next reading has again."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.memory: dict[str, Any] = {}
        self.segments = Segments()
        self._lost: list[Loss] = []
        self._dropped = 0

    @abstractmethod
    def take(self, block: Block, into: ScalarColumns) -> None:
        """Add the rows of whole lines."""

    def is_whole(self, line: bytes) -> bool:  # noqa: ARG002
        """Whether a last line without its end says by itself that nothing of it is missing."""
        return False

    def resumes(self, state: State) -> bool:
        with plain_text(self.path) as text:
            return starts_with(text.file, state)

    def scalars(self, since: State) -> Scalars:
        self.memory, self.segments = dict(since.get("memory", {})), Segments(since.get("segments", ()))
        self._lost, self._dropped, columns = [], 0, ScalarColumns()
        with plain_text(self.path) as text:
            blocks = Blocks(text.file, since)
            for block in blocks:
                self.take(block, columns)
            for line, byte, size in blocks.long:
                self.lose(f"longer than {MOST_LINE:,} bytes: {size:,}", line, byte)
            if text.cut is not None and text.cut != since.get("cut"):
                self._lost.append(Loss(self.path.name, text.cut))
        state = {**blocks.state, "memory": dict(self.memory), "segments": self.segments.state}
        if text.cut is not None:
            state["cut"] = text.cut
        left, taken = blocks.torn, zlib.crc32(blocks.torn)
        if left and self.is_whole(left):
            # It is read again once it has its end, and its row then counts as one that was replaced.
            if since.get("taken") != taken:
                self.take(Block(state["lines"] + 1, state["end"], left + b"\n"), columns)
            state["taken"], left = taken, b""
        if self._dropped > MOST_LOST:
            self._lost.append(Loss(self.path.name, f"{self._dropped - MOST_LOST:,} more lines"))
        return Scalars(columns.table(), state, self._lost, len(left))

    def lose(self, reason: str, line: int | None = None, byte: int | None = None) -> None:
        """Name something that was left out."""
        self._dropped += 1
        if self._dropped <= MOST_LOST:
            self._lost.append(Loss(self.path.name, reason, line, byte))

    def attempts(self) -> Sequence[Attempt]:
        return self.segments.attempts()
