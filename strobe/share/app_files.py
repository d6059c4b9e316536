"""The files of the app itself, as a share carries them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from etl.errors import StrobeError

ROOT: Final = Path(__file__).resolve().parents[2]
_SINGLE: Final = ("streamlit_app.py", "requirements.txt", ".streamlit/config.toml", "LICENSE")
_FOLDERS: Final = ("pages", "strobe", "etl")
_KINDS: Final = frozenset({".py", ".js", ".css", ".html", ".svg", ".json", ".typed", ".woff2", ".mjs"})


def app_files(root: Path = ROOT) -> Iterator[str]:
    """Their paths below the checkout, in order. Raises StrobeError where there is no checkout."""
    for name in _SINGLE:
        if not (root / name).is_file():
            raise StrobeError(
                f"{name} is missing: a share carries the app from a checkout; clone the repository and "
                "`pip install -e .` there"
            )
        yield name
    for folder in _FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            inside = path.relative_to(root)
            hidden = any(part.startswith(".") or part == "__pycache__" for part in inside.parts)
            if path.suffix in _KINDS and path.is_file() and not hidden:
                yield inside.as_posix()


def copy_app(target: Path, root: Path = ROOT) -> int:
    """Copies them; returns their size in bytes."""
    size = 0
    for name in app_files(root):
        place = target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / name, place)
        size += place.stat().st_size
    return size
