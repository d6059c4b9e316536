"""The check of a folder of checkpoints: every header, and every CRC that a file has."""

from __future__ import annotations

import os
from collections.abc import Iterator

from etl.checkpoints.formats.opening import files_of
from etl.checkpoints.run import CheckpointRun
from etl.run.snapshot_errors import SnapshotError
from etl.run.verify import Finding


def verify_checkpoints(run: CheckpointRun) -> Iterator[Finding]:
    """One finding a checkpoint, in the order of steps."""
    for step, attempt, path in run.files():
        try:
            run.as_recorded(path).verify()
        except SnapshotError as error:
            yield Finding(path.name, "bad", str(error), step, attempt)
        else:
            size = sum(os.lstat(file).st_size for file in files_of(path))
            yield Finding(path.name, "ok", "", step, attempt, size)
    for name, why in run.found.left_out.items():
        yield Finding(name, "ignored", why)
