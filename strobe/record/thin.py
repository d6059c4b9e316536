"""Keeping a run's folder within bounds: the oldest snapshots go first, the first and the last stay."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from pathlib import Path

from etl.run.file_names import list_files
from strobe.record.errors import RecorderError
from strobe.record.limits import Limits

_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?i?)b?\s*", re.IGNORECASE)
_POWER = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def parse_size(text: str) -> int:
    """Bytes of "10GB", "500 MB", "2GiB" or a plain number; decimal units unless there is an i.

    Raises RecorderError for anything else.
    """
    match = _SIZE.fullmatch(text)
    if match is None or float(match[1]) == 0:
        raise RecorderError(f"{text!r} is no size; write it like 500MB, 10GB or 2GiB")
    unit = match[2].lower()
    return int(float(match[1]) * (1024 if unit.endswith("i") else 1000) ** _POWER[unit.rstrip("i")])


class Thinner:
    """Removes snapshot files after a new one was written.

    `limits.keep_last`: so many newest stay, and the first one. `limits.max_disk`: so many bytes all together;
    `snapshot_bytes` is the size of one file. `say` gets one sentence for each file removed.
    """

    def __init__(self, folder: Path, snapshot_bytes: int, limits: Limits, say: Callable[[str], None]) -> None:
        keep_last, max_disk = limits.keep_last, limits.max_disk
        if keep_last is not None and keep_last < 1:
            raise RecorderError(f"keep_last is {keep_last}; give at least 1")
        if max_disk is not None and max_disk < 2 * snapshot_bytes:
            raise RecorderError(
                f"{max_disk:,} bytes cannot hold the first and the last snapshot of {snapshot_bytes:,} bytes each; "
                f"allow at least {2 * snapshot_bytes:,}"
            )
        self._folder, self._say = folder, say
        counts = [keep_last + 1] if keep_last is not None else []
        counts += [max_disk // snapshot_bytes] if max_disk is not None else []
        self.removed: set[str] = set()
        """Names of the files that were removed."""
        self._most = min(counts) if counts else None

    def __call__(self) -> None:
        """Remove what is too much; a file that cannot be removed stays."""
        if self._most is None:
            return
        paths = [path for _, _, path in list_files(self._folder)]
        # Never the first, never the last: both ends of a run are what everything else is compared with.
        for path in paths[1 : max(1, 1 + len(paths) - self._most)]:
            with contextlib.suppress(OSError):
                path.unlink()
                self.removed.add(path.name)
                self._say(f"removed {path.name}: at most {self._most} snapshots are kept")
