"""What became of a recording so far, and how often its troubles are said."""

from __future__ import annotations

import logging
from dataclasses import dataclass

log = logging.getLogger("strobe.record")

_MAX_MESSAGES = 5


@dataclass(slots=True)
class Status:
    """What became of the snapshots and lines so far."""

    recorded: int = 0
    """On disk, or removed there by the limits that were given."""
    skipped: int = 0
    """Not taken because the disk was slower than the training (`when_full="skip"`)."""
    missed: int = 0
    """Given up because of an error, or gone with the run's folder after they were on disk."""
    lost_lines: int = 0
    """Metric lines that could not be written, or are gone with the run's folder."""
    last_error: str | None = None

    def lost(self) -> dict[str, int]:
        """By kind, what is not in the record and should be; without what is 0."""
        counts = {"skipped": self.skipped, "missed": self.missed, "lines": self.lost_lines}
        return {kind: count for kind, count in counts.items() if count}


class Trouble:
    """Counts failures and says each kind once, so that a dead disk does not flood the terminal."""

    def __init__(self, status: Status) -> None:
        self._status = status
        self._said: set[tuple[type, object]] = set()
        self._failing = False

    def failed(self, what: str, error: BaseException) -> None:
        self._status.last_error = f"{type(error).__name__}: {error}"
        self._failing = True
        kind = (type(error), getattr(error, "errno", None))
        if kind not in self._said and len(self._said) < _MAX_MESSAGES:
            self._said.add(kind)
            log.warning("%s could not be recorded (%s); training goes on, and further ones are counted", what, error)

    def warn_once(self, kind: str, message: str) -> None:
        """Say something that does not stop the recording, once a kind."""
        if (Warning, kind) not in self._said:
            self._said.add((Warning, kind))
            log.warning("%s", message)

    def worked(self) -> None:
        if self._failing and len(self._said) < _MAX_MESSAGES:
            log.warning("recording works again; %s snapshots were missed so far", self._status.missed)
        self._failing = False
