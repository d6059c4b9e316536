"""Whether a snapshot's bytes are those that were recorded: told by who has read them all, or read, once in a process
as long as the file stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from etl.run.snapshot import Snapshot
from etl.run.snapshot_errors import PayloadError

SOUND: Final = ""
Verdict = str | None
"""What is known of a snapshot: SOUND, or what is wrong with it, or None: nothing."""
Told = Callable[[Snapshot], Verdict]
"""What somebody knows who has read every byte of the file as it is now."""
_MOST_KNOWN: Final = 1 << 16
_read: dict[object, str] = {}
"""What was found of files that were read here, by their stamps."""


def known(snapshot: Snapshot, told: Told | None = None) -> Verdict:
    """What is known of a snapshot without reading it."""
    found = _read.get(snapshot.stamp)
    return told(snapshot) if found is None and told is not None else found


def require_sound(snapshot: Snapshot, told: Told | None = None) -> None:
    """Raises SnapshotError where a byte is not what was recorded: where nothing is known of it, all are read."""
    found = known(snapshot, told)
    if found is None:
        found = _look(snapshot)
    if found:
        raise PayloadError(found)


def _look(snapshot: Snapshot) -> str:
    try:
        snapshot.verify()
        found = SOUND
    except PayloadError as error:
        found = str(error)
    if len(_read) >= _MOST_KNOWN:
        _read.clear()
    _read[snapshot.stamp] = found
    return found
