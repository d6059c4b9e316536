"""What a path holds: every source is asked, and what lies inside one recording belongs to it."""

from __future__ import annotations

import glob
import importlib
import os
import pkgutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from etl.checkpoints.formats.opening import why_none
from etl.errors import StrobeError
from etl.ingest import sources as package
from etl.ingest.mapping import Given
from etl.ingest.source import PointedSource, Recording, Source, TableSource
from etl.local_files import NotAFileError, read_start
from etl.store.store_file import STORE_FILE

MOST_ENTRIES = 200_000
"""Files and folders of a path that are looked at."""
_TABLES = frozenset({".csv", ".tsv", ".jsonl", ".parquet"})
_MOST_LOOKED_AT, _MOST_TABLES = 100, 5
_NEVER = frozenset({"__pycache__", "node_modules", "site-packages", "dist-packages"})
_KINDS = (
    "a Strobe run, checkpoints, llm.c, nanoGPT, Hugging Face, LLaMA-Factory, Lightning, Keras, W&B, TensorBoard, "
    "MLflow, trackio, Neptune, CSV, JSON lines, Parquet"
)


@dataclass(frozen=True)
class Found:
    """The recordings of a path in the order of their paths, and the files beside them that no source knows."""

    recordings: Sequence[Recording]
    passed_over: Sequence[Path] = ()

    @property
    def tables_passed_over(self) -> list[str]:
        """In words, the first tables among them: which each is, and what could be done about it."""
        named = [path for path in self.passed_over if path.suffix.lower() in _TABLES]
        found = [path for path in named[:_MOST_LOOKED_AT] if any(table.fields(path) for table in _tables())]
        return [f"{path}: {looks_like(path)}" for path in found[:_MOST_TABLES]]

    @property
    def kinds_passed_over(self) -> str:
        """In words: how many files of each ending."""
        counts = Counter(path.suffix or path.name for path in self.passed_over)
        return ", ".join(f"{count:,} {ending}" for ending, count in counts.most_common(8))

    @property
    def reasons(self) -> dict[Path, str]:
        """Of the files that lie where a checkpoint would: why they are none."""
        found = ((path, why_none(path)) for path in self.passed_over)
        return {path: why for path, why in found if why}


def sources() -> dict[str, Source]:
    """Every source there is, by the name of its module in `etl/ingest/sources/`."""
    return {name: importlib.import_module(f"{package.__name__}.{name}").SOURCE for name in _names(*package.__path__)}


@cache
def _names(*folders: str) -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(folders))


def find(path: str | os.PathLike[str]) -> list[Recording]:
    """The recordings that `path` means, in the order of their paths. Raises StrobeError for none."""
    return list(survey(path).recordings)


def survey(
    path: str | os.PathLike[str], given: Given | None = None, told: Mapping[Path, Given] | None = None
) -> Found:
    """The recordings that `path` means: a file, a folder and what lies in it at any depth, or a pattern with "*".

    With `given` every table in text is read as that says, and those that `told` has by their resolved paths as that
    does. Links are not followed inside a folder, and hidden folders
    are not looked into. Raises StrobeError for none.
    """
    places = _places(path)
    known: dict[tuple[type, Path, str], Recording] = {}
    by_path: dict[Path, list[Recording]] = {}
    held: set[Path] = set()
    for place in places:
        # A folder comes before what lies in it, which may be thousands of files that nobody needs to look into.
        if _is_held(place, by_path):
            held.add(place)
            continue
        for each in _recordings(place, given or (told.get(place.resolve()) if told else None)):
            if known.setdefault((type(each), each.path, each.run_key), each) is each:
                by_path.setdefault(each.path, []).append(each)
    mine = [
        recording
        for recording in known.values()
        if not _is_held(recording.path, by_path)
        and not any(other.takes_in(recording) for other in by_path[recording.path])
    ]
    mine = mine or _pointed_at(Path(path))
    if not mine:
        raise StrobeError(_nothing(Path(path), places))
    known_paths = {*by_path, *(recording.path for recording in mine)}
    free = [place for place in places if place not in held and place not in known_paths]
    passed_over = [place for place in free if not place.is_dir() and not _is_held(place, by_path)]
    return Found(sorted(mine, key=lambda recording: (recording.path, recording.run_key)), passed_over)


def _pointed_at(path: Path) -> list[Recording]:
    """What a file is that only its being given makes a recording."""
    if path.is_dir():
        return []
    asked = [source for source in sources().values() if isinstance(source, PointedSource)]
    return [recording for source in asked for recording in source.pointed_at(path)]


def _is_held(path: Path, by_path: Mapping[Path, Sequence[Recording]]) -> bool:
    """Whether a path is part of a recording that is a folder above it."""
    return any(recording.holds(path) for parent in path.parents for recording in by_path.get(parent, ()))


def _places(path: str | os.PathLike[str]) -> list[Path]:
    """`path` and everything in it; what a pattern matches, and everything in that."""
    place = Path(path)
    starts = [place]
    if glob.has_magic(os.fspath(path)) and not os.path.lexists(place):
        starts = [Path(match) for match in sorted(glob.glob(os.fspath(path), recursive=True))]  # noqa: PTH207
    places: dict[Path, None] = {}
    for start in starts:
        for inside in _inside(start):
            places[inside] = None
            if len(places) > MOST_ENTRIES:
                raise StrobeError(f"{path}: holds more than {MOST_ENTRIES:,} files and folders; give a folder in it")
    return list(places)


def _inside(place: Path) -> Iterator[Path]:
    yield place
    if not place.is_dir():
        return
    for folder, folders, files in os.walk(place):
        if STORE_FILE in files and "tables" in folders:
            # A store's own parts are tables too.
            folders.clear()
            continue
        folders[:] = sorted(each for each in folders if not each.startswith(".") and each not in _NEVER)
        yield from (Path(folder, each) for each in (*folders, *sorted(files)))


def _recordings(place: Path, given: Given | None) -> Sequence[Recording]:
    """What the sources see in one place; those that take any table are asked where no other knows it."""
    tables = _tables()
    if given is not None and (told := [each for table in tables for each in table.told(place, given)]):
        return told
    for asked in ([source for source in sources().values() if source not in tables], tables):
        if found := [recording for source in asked for recording in source.find(place)]:
            return found
    return []


def _tables() -> list[TableSource]:
    return [source for source in sources().values() if isinstance(source, TableSource)]


def _nothing(place: Path, places: Sequence[Path]) -> str:
    if not places or (len(places) == 1 and not os.path.lexists(place)):
        return f"{place}: does not exist"
    files = [each for each in places if not each.is_dir()]
    if place.is_dir() and os.path.lexists(place / STORE_FILE):
        return f"{place}: is a store, which holds what was ingested already; open it with --store"
    if place.is_dir():
        held = f"of its {len(files):,} files none is" if files else "it is empty, and so not"
        why = next((f"; {file.name} {why}" for file in files if (why := why_none(file))), "")
        return f"{place}: {held} the log or the snapshots of a training that is known: {_KINDS}{why}"
    return f"{place}: is not the log of a training that is known: {_KINDS}; {looks_like(place)}"


def looks_like(place: Path) -> str:
    """What a file is that no source knows, and what could be done about it, in words."""
    for table in _tables():
        if names := table.fields(place):
            return f"it looks like a table of {', '.join(names[:8])}: say which one is the step by --step NAME"
    if why := why_none(place):
        return f"it {why}"
    try:
        start = read_start(place)
    except NotAFileError as error:
        return str(error)
    if b"\0" in start:
        return f"it is no text and begins with {start[:8].hex(' ')}"
    return f"it begins with {start[:60].decode(errors='replace')!r}" if start else "it is empty"
