"""Whole-file verification of a run: every snapshot's CRC, and what else lies in the folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from etl.local_files import NotAFileError
from etl.run.attempts import ATTEMPTS, read_log
from etl.run.file_names import MANIFEST, list_parts, parse_file_name
from etl.run.folder import Run
from etl.run.journal import METRICS, Lines, metrics_reader
from etl.run.manifest import ManifestError, read
from etl.run.snapshot_errors import SnapshotError

Status = Literal["ok", "bad", "ignored"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One file of a run's folder: `ok`, `bad` with its reason, or `ignored` with the reason why."""

    name: str
    status: Status
    reason: str = ""
    step: int | None = None
    attempt: int | None = None
    bytes: int = 0


def _check_snapshot(run: Run, step: int, attempt: int, path: Path) -> Finding:
    try:
        snapshot = run.as_recorded(path)
        snapshot.verify()
    except SnapshotError as error:
        return Finding(path.name, "bad", str(error), step, attempt)
    return Finding(path.name, "ok", "", step, attempt, path.stat().st_size)


def _check_part(folder: Path, part: Path) -> Finding:
    try:
        read(folder, part.name)
    except ManifestError as error:
        return Finding(part.name, "bad", str(error))
    return Finding(part.name, "ok", bytes=part.stat().st_size)


def _lines(path: Path) -> Lines:
    if path.name == ATTEMPTS:
        return read_log(path.parent)[1]
    reader = metrics_reader(path)
    for _ in reader:
        pass
    return reader.lines


def _check_log(path: Path) -> Finding:
    try:
        lines = _lines(path)
    except NotAFileError as error:
        return Finding(path.name, "bad", str(error))
    first = f"line {lines.bad[0].line:,}, at byte {lines.bad[0].byte:,}: {lines.bad[0].reason}" if lines.bad else ""
    reasons = [f"{lines.dropped:,} bad lines, first: {first}"] if lines.bad else []
    reasons += [f"{lines.torn:,} bytes of a torn last line are ignored"] if lines.torn else []
    return Finding(path.name, "bad" if lines.bad else "ok", "; ".join(reasons), bytes=lines.end)


def _other(name: str) -> Finding | None:
    if name.startswith(".step_") and name.endswith(".tmp"):
        return Finding(name, "ignored", "a snapshot that was never finished")
    if name.startswith("step_") and parse_file_name(name) is None:
        return Finding(name, "ignored", "no name of a snapshot: step_NNNNNN.bin or step_NNNNNN.K.bin")
    return None


def verify_run(folder: str | os.PathLike[str]) -> Iterator[Finding]:
    """Check every file of a run, one finding each, snapshots in numeric order.

    Raises ManifestError when manifest.json is missing or unsound: without it no snapshot can be read.
    """
    run = Run(folder)
    yield Finding(MANIFEST, "ok", bytes=(run.folder / MANIFEST).stat().st_size)
    for _, part in list_parts(run.folder):
        yield _check_part(run.folder, part)
    for name in (ATTEMPTS, METRICS):
        if (run.folder / name).exists():
            yield _check_log(run.folder / name)
    for step, attempt, path in run.files():
        yield _check_snapshot(run, step, attempt, path)
    for name in sorted(entry.name for entry in run.folder.iterdir()):
        finding = _other(name)
        if finding is not None:
            yield finding
