"""The loss of a run as its log grows: each look reads what was written since the last one, and keeps few points."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path

_MOST_POINTS = 400
_MOST_BYTES = 4_000_000
"""That one look reads: what is left is read at the next."""
LOSSES = ("train_loss", "val_loss")


@dataclass
class Curve:
    """Points (step, value) of each loss: every `stride`-th that was logged, the stride doubling as they grow."""

    path: Path
    offset: int = 0
    points: dict[str, list[tuple[int, float]]] = field(default_factory=lambda: {name: [] for name in LOSSES})
    last: dict[str, tuple[int, float]] = field(default_factory=dict)
    """The newest value of each."""
    looks: int = 0
    _stride: dict[str, int] = field(default_factory=lambda: dict.fromkeys(LOSSES, 1))
    _seen: dict[str, int] = field(default_factory=lambda: dict.fromkeys(LOSSES, 0))

    def look(self) -> None:
        """Take in the whole lines that were written since; none where there is no log yet."""
        self.looks += 1
        try:
            with self.path.open("rb") as file:
                file.seek(self.offset)
                data = file.read(_MOST_BYTES)
        except OSError:
            return
        end = data.rfind(b"\n") + 1
        self.offset += end
        for line in data[:end].splitlines():
            self._take(line)

    def _take(self, line: bytes) -> None:
        try:
            said = json.loads(line)
            step = int(said["step"])
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            return
        for name in LOSSES:
            value = said.get(name)
            if not isinstance(value, int | float) or not math.isfinite(value):
                continue
            self.last[name] = (step, float(value))
            if self._seen[name] % self._stride[name] == 0:
                self.points[name].append((step, float(value)))
            self._seen[name] += 1
            if len(self.points[name]) > _MOST_POINTS:
                self.points[name] = self.points[name][::2]
                self._stride[name] *= 2
