"""How far a run in a folder came."""

from __future__ import annotations

from pathlib import Path

from etl.run.attempts import read_attempts
from etl.run.file_names import list_files
from etl.run.journal import METRICS, read_metrics


def came_to(folder: Path) -> int:
    """The greatest step that any attempt reached; 0 where none was."""
    ends = [attempt.end_step for attempt in read_attempts(folder) if attempt.end_step is not None]
    lines: list[int] = [row["step"] for row in read_metrics(folder / METRICS).rows]
    return max([0, *ends, *lines, *(step for step, _, _ in list_files(folder))])
