"""A run that began and recorded nothing: killed before its first snapshot, line and saved state."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from etl.run.attempts import ATTEMPTS
from etl.run.file_names import MANIFEST, list_files, list_parts
from etl.run.journal import METRICS

log = logging.getLogger("strobe.record")

RESUME = "resume"
"""The folder of a trainer's own states, inside the run's."""


def is_empty(folder: Path) -> bool:
    """Whether no snapshot, no whole metric line and no saved state lies in the run's folder."""
    metrics = folder / METRICS
    if list_files(folder) or (metrics.exists() and _has_line(metrics)):
        return False
    # A dot name is what was never renamed to what it was to be.
    states = folder / RESUME
    return not states.exists() or all(path.name.startswith(".") for path in states.iterdir())


def start_over(folder: Path, existing: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
    """Take away what stands of the empty run in `folder`; returns our manifest, created when that one was.

    A store that has taken in the empty run knows by that moment that this is the same one.
    """
    log.warning("%s: the run there began and recorded nothing; it is started over", folder)
    for name in (ATTEMPTS, METRICS, *(path.name for _, path in list_parts(folder)), MANIFEST):
        (folder / name).unlink(missing_ok=True)
    run = existing.get("run")
    created = run.get("created_at") if isinstance(run, dict) else None
    return ours if created is None else {**ours, "run": {**ours["run"], "created_at": created}}


def _has_line(metrics: Path) -> bool:
    with metrics.open("rb") as file:
        return any(line.endswith(b"\n") and line.strip(b"\0 \t\r\n") for line in file)
