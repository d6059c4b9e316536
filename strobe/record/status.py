"""What became of a recording so far: counted by kind, said once a kind, and told on disk."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from dataclasses import dataclass, field

from etl.errors import StrobeError

log = logging.getLogger("strobe.record")

_MAX_MESSAGES = 5
_MAX_KINDS = 40
_MAX_KIND = 300
OTHER_REASONS = "other reasons"
"""The kind of all that failed beyond the first kinds."""


@dataclass(slots=True)
class Status:
    """What became of the snapshots and the metrics so far."""

    recorded: int = 0
    """On disk, or removed there by the limits that were given."""
    skipped: int = 0
    """Not taken because the disk was slower than the training (`when_full="skip"`)."""
    missed: int = 0
    """Given up because of an error, or gone with the run's folder after they were on disk."""
    lost_lines: int = 0
    """Metric lines that could not be written, or are gone with the run's folder."""
    lost_values: int = 0
    """Metrics and scalars that are no numbers, or have a name that is taken."""
    absent: int = 0
    """Tensors that a snapshot was recorded without."""
    last_error: str | None = None
    why: Counter[str] = field(default_factory=Counter)
    """Kind of failure -> how often: what failed, and why."""

    def lost(self) -> dict[str, int]:
        """What is not in the record and should be, without what is 0."""
        counts = {
            "skipped": self.skipped, "missed": self.missed, "absent": self.absent, "lines": self.lost_lines,
            "values": self.lost_values,
        }  # fmt: skip
        return {what: count for what, count in counts.items() if count}

    def losses(self) -> dict[str, object]:
        """What is told on disk: empty where nothing failed."""
        lost = self.lost()
        return {"recorded": self.recorded, **lost, "why": dict(self.why)} if lost or self.why else {}


class Trouble:
    """Counts failures by kind and says each kind once, so that a dead disk does not flood the terminal."""

    def __init__(self, status: Status) -> None:
        self._status = status
        self._said: set[object] = set()
        self._failing = False
        # The training's thread and the writer's both count.
        self._lock = threading.Lock()

    def missed(self, what: str, error: BaseException) -> None:
        """A snapshot was given up."""
        with self._lock:
            self._status.missed += 1
            self._failing = True
        self.failed(what, error)

    def lost(self, what: str, error: BaseException) -> None:
        """A value of the metrics or scalars is left out; `what` names it."""
        with self._lock:
            self._status.lost_values += 1
        self.failed(what, error, what)

    def absent(self, tensor: str, error: BaseException) -> None:
        """A snapshot is recorded without a tensor."""
        with self._lock:
            self._status.absent += 1
        self.failed(tensor, error, tensor)

    def failed(self, what: str, error: BaseException, of: str = "") -> None:
        """Count and say a failure. `of` tells kinds of one error apart."""
        kind = _kind(error, of)
        with self._lock:
            self._status.last_error = f"{type(error).__name__}: {error}"
            known = kind in self._status.why or len(self._status.why) < _MAX_KINDS
            self._status.why[kind if known else OTHER_REASONS] += 1
            spoken = kind if isinstance(error, StrobeError) else (type(error), getattr(error, "errno", None) or of)
            if spoken in self._said or len(self._said) >= _MAX_MESSAGES:
                return
            self._said.add(spoken)
        log.warning("%s could not be recorded (%s); training goes on, and further ones are counted", what, error)

    def warn_once(self, kind: str, message: str) -> None:
        """Say something that does not stop the recording, once a kind."""
        if (Warning, kind) not in self._said:
            self._said.add((Warning, kind))
            log.warning("%s", message)

    def worked(self) -> None:
        """A snapshot was written; where the one before was not, that is said."""
        with self._lock:
            self._status.recorded += 1
            again, self._failing = self._failing and len(self._said) < _MAX_MESSAGES, False
        if again:
            log.warning("recording works again; %s snapshots were missed so far", self._status.missed)


def _kind(error: BaseException, of: str) -> str:
    """A failure in words that do not change from step to step."""
    if isinstance(error, OSError) and error.strerror:
        words = error.strerror
    elif isinstance(error, StrobeError):
        words = str(error)
    else:
        words = f"{type(error).__name__}: {error}"
    # Whatever an error says becomes one line that can be encoded.
    text = f"{of}: {words}" if of else words
    return " ".join(text.encode("utf-8", "replace").decode().split())[:_MAX_KIND]
