"""What a path holds: every source is asked, and what lies inside one recording belongs to it."""

from __future__ import annotations

import importlib
import os
import pkgutil
from pathlib import Path

from etl.errors import StrobeError
from etl.ingest import sources as package
from etl.ingest.source import Recording, Source
from etl.run.snapshot import MANIFEST


def sources() -> dict[str, Source]:
    """Every source there is, by the name of its module in `etl/ingest/sources/`."""
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    return {name: importlib.import_module(f"{package.__name__}.{name}").SOURCE for name in names}


def find(path: str | os.PathLike[str]) -> list[Recording]:
    """The recordings that `path` means, in the order of their paths. Raises StrobeError for none."""
    place = Path(path)
    every = [recording for source in sources().values() for recording in source.find(place)]
    whole = {recording.path for recording in every}
    mine = [recording for recording in every if not whole & set(recording.path.parents)]
    if not mine:
        raise StrobeError(_nothing(place))
    return sorted(mine, key=lambda recording: recording.path)


def _nothing(place: Path) -> str:
    if not place.is_dir():
        what = "is no folder" if place.exists() else "does not exist"
        return f"{place}: {what}; give the folder of a run, which holds {MANIFEST} or checkpoints"
    return f"{place}: holds no {MANIFEST} and no checkpoints, and neither does any folder in it: there is no run here"
