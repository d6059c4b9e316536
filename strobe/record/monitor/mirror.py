"""The weight monitor's series in TensorBoard, beside whatever else is logged there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

PREFIX: Final = "monitor/"
MOST_TAGS: Final = 22


class ScalarWriter(Protocol):
    """What of TensorBoard's SummaryWriter is used."""

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> Any: ...


class MonitorMirror:
    """Writes series under `monitor/...` into a SummaryWriter: so many tags at most, the first that come.

    >>> mirror = MonitorMirror(SummaryWriter("runs"))
    >>> mirror.add(monitor.aggregate_gradient_stats() | monitor.aggregate_update_stats(), step)
    """

    def __init__(self, writer: ScalarWriter, *, most_tags: int = MOST_TAGS) -> None:
        self._writer, self._most = writer, most_tags
        self._tags: set[str] = set()

    def add(self, series: Mapping[str, float], step: int) -> None:
        """Add the values of one step."""
        for name, value in series.items():
            tag = name if name.startswith(PREFIX) else PREFIX + name
            if tag in self._tags or len(self._tags) < self._most:
                self._tags.add(tag)
                self._writer.add_scalar(tag, value, step)
