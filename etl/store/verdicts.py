"""What a store knows of a run's snapshots: an ingest read every byte of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa

from etl.run.snapshot import Snapshot
from etl.run.soundness import SOUND, Verdict

MATCHES, DAMAGED, READ = "matches", "damaged", "read"
"""What `snapshots.payload` says of the bytes that were read, beside the CRC of the header; READ: there is none."""
_COLUMNS: Final = ["attempt", "step", "bytes", "crc32", "payload", "note", "modified"]


class Verdicts:
    """The table `snapshots` of one run, asked by snapshot."""

    def __init__(self, rows: pa.Table) -> None:
        self._rows = {(row["attempt"], row["step"]): row for row in rows.select(_COLUMNS).to_pylist()}

    def of(self, snapshot: Snapshot) -> Verdict:
        """Nothing is known of a file that is not as it was then: of another header, size or time."""
        row = self._rows.get((snapshot.attempt, snapshot.step))
        if row is None or not _is_of(row, snapshot):
            return None
        return f"{snapshot.path.parent}/{row['note']}" if row["payload"] == DAMAGED else SOUND

    def has(self, step: int, crc: int) -> bool:
        """Whether something without a CRC was read when its files had this fingerprint."""
        row = self._rows.get((0, step))
        return row is not None and row["payload"] == READ and bool(row["crc32"] == crc)


def _is_of(row: Mapping[str, Any], snapshot: Snapshot) -> bool:
    if (row["crc32"], row["bytes"]) != (snapshot.payload_crc, snapshot.size):
        return False
    return bool(row["payload"] == READ if not snapshot.has_crc else row["modified"] == snapshot.modified is not None)
