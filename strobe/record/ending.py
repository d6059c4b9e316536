"""How a recording ends: by its program, by a signal, or by an error; and what is said of what was lost."""

from __future__ import annotations

import logging
import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Literal

from etl.run.attempts import ATTEMPTS
from strobe.record.status import Status

log = logging.getLogger("strobe.record")

Ending = Literal["finished", "interrupted", "failed"]

_MAX_REASON = 1000


def ending_of(kind: type[BaseException] | None, error: BaseException | None) -> tuple[Ending, str | None]:
    """(ending, reason) of a `with` block that was left with this exception, or with none."""
    if kind is None:
        return "finished", None
    if issubclass(kind, KeyboardInterrupt | SystemExit):
        return "interrupted", kind.__name__
    return "failed", f"{kind.__name__}: {error}"[:_MAX_REASON]


class SigtermExit:
    """Between `begin` and `end`, SIGTERM raises SystemExit, unless the program handles it already."""

    def __init__(self) -> None:
        self._ours = False

    def begin(self) -> None:
        # Python lets the main thread alone set handlers.
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, _exit)
            self._ours = True

    def end(self) -> None:
        if self._ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _exit(received: int, _: FrameType | None) -> None:
    raise SystemExit(128 + received)


def warn_of_losses(folder: Path, status: Status) -> None:
    """One line when something is not in the record that should be."""
    if status.losses():
        counts = f"{status.recorded} snapshots recorded, {status.skipped} skipped because the queue was full"
        lost = f"{status.missed} missed by errors, {status.lost_lines} metric lines lost"
        kinds = f"{len(status.why)} kind{'s' if len(status.why) != 1 else ''} of trouble, in {ATTEMPTS}"
        log.warning("%s: %s, %s; %s", folder, counts, lost, kinds)
