"""The names of the files in a run's folder."""

from __future__ import annotations

import os
import re
from pathlib import Path

from etl.run.journal import MAX_STEP

MANIFEST = "manifest.json"
_PART = re.compile(r"manifest\.([1-9][0-9]{0,8})\.json")
_NAME = re.compile(r"step_([0-9]{6,20})(?:\.([1-9][0-9]{0,9}))?\.bin")
MAX_ATTEMPT = 2**31 - 1
"""What the tables' INTEGER column holds; the header's field is wider."""


def part_name(number: int) -> str:
    """The file of a part's manifest: manifest.json of part 0, where the run begins, then manifest.1.json."""
    return f"manifest.{number}.json" if number else MANIFEST


def list_parts(folder: str | os.PathLike[str]) -> list[tuple[int, Path]]:
    """(number, path) of the manifests of the parts after the first, in numeric order."""
    with os.scandir(folder) as entries:
        named = [(_PART.fullmatch(entry.name), entry.path) for entry in entries]
    return sorted((int(match[1]), Path(path)) for match, path in named if match is not None)


def file_name(step: int, attempt: int = 0) -> str:
    """`step_000042.bin`, or `step_000042.1.bin` in attempt 1."""
    return f"step_{step:06d}.{attempt}.bin" if attempt else f"step_{step:06d}.bin"


def parse_file_name(name: str) -> tuple[int, int] | None:
    """(step, attempt) of a snapshot's file name, or None for any other name."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    step, attempt = int(match[1]), int(match[2] or 0)
    canonical = step <= MAX_STEP and attempt <= MAX_ATTEMPT and file_name(step, attempt) == name
    return (step, attempt) if canonical else None


def list_files(folder: str | os.PathLike[str]) -> list[tuple[int, int, Path]]:
    """(step, attempt, path) of every snapshot under a final name, in numeric order."""
    with os.scandir(folder) as entries:
        named = [(parse_file_name(entry.name), entry.path) for entry in entries]
    return sorted((*key, Path(path)) for key, path in named if key is not None)


def has_step(folder: str | os.PathLike[str], step: int) -> bool:
    """Whether any attempt of the run in `folder` has a snapshot of `step`."""
    return any(each == step for each, _, _ in list_files(folder))
