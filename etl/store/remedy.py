"""What mends a damaged run: the folder that it can be made from again, and the command that does."""

from __future__ import annotations

import contextlib
import shlex
from pathlib import Path
from typing import Any

from etl.store.files import UNREADABLE, Files
from etl.store.pointer import read_pointer, table_folder


def remedy_for(files: Files, run: str) -> str:
    """The command that mends a run: made again where its recording is on this machine, else removed.

    A run of an attached store can only be hidden, which is what removing it does.
    """
    again = not files.attached and recorded_at(files, run) is not None
    return f"strobe ingest --rebuild {shlex.quote(run)}" if again else f"strobe rm {shlex.quote(run)}"


def recorded_at(files: Files, run: str) -> Path | None:
    """What a run was recorded in, if it is on this machine, however damaged the run's tables are.

    Its pointer tells, or a part of `runs`, which outlives a damaged pointer.
    """
    places = [*_of_pointer(files, run), *_of_parts(files, run)]
    found = (files.recording_at(place) for place in places)
    return next((path for path in found if path is not None), None)


def _of_pointer(files: Files, run: str) -> list[str]:
    with contextlib.suppress(*UNREADABLE):
        place = read_pointer(files, run).state.get("recording")
        return [place] if isinstance(place, str) else []
    return []


def _of_parts(files: Files, run: str) -> list[str]:
    place = newest_row(files, run).get("snapshots_path")
    return [place] if isinstance(place, str) else []


def newest_row(files: Files, run: str) -> dict[str, Any]:
    """The row of the newest part of `runs` that can be read, named by the run's pointer or not; {} for none."""
    folder = table_folder("runs", run)
    for name in sorted(files.names(folder), key=lambda name: -files.written_at(f"{folder}/{name}")):
        with contextlib.suppress(*UNREADABLE, IndexError):
            return dict(files.read_table(f"{folder}/{name}").to_pylist()[0])
    return {}
