"""Changes of what people say of runs, and in words what removing some will take away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from etl.store.annotations import Annotations
from etl.store.pointer import Pointer
from strobe.views.words import count, size


def with_tags(said: Annotations, added: Sequence[str], removed: Sequence[str] = ()) -> Annotations:
    """With tags added behind those that are there, each once, and some taken away; a comma parts several."""
    wanted = [part.strip() for tag in added for part in tag.split(",") if part.strip()]
    kept = [tag for tag in dict.fromkeys([*said.tags, *wanted]) if tag not in removed]
    return replace(said, tags=tuple(kept))


def what_goes(pointers: Sequence[Pointer], folders: Sequence[Path | None]) -> str:
    """What of the store goes with some runs, and what stays."""
    parts = [part for pointer in pointers for parts in pointer.tables.values() for part in parts]
    tables = len({table for pointer in pointers for table in pointer.tables})
    goes = (
        f"{count(len(parts))} files of {count(tables)} tables ({size(sum(part.bytes for part in parts))}) are "
        "removed from the store, with tags and notes"
    )
    there = [folder for folder in folders if folder is not None]
    where = f"in {there[0]}" if len(there) == 1 else f"in {len(there)} folders"
    return f"{goes}. Recorded snapshots stay {where}." if there else f"{goes}."
