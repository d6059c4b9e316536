"""Changes to a store that are no ingest: remove a run, rename it, hide the example, check what is there."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from etl.errors import StoreError, StrobeError
from etl.store.files import Files
from etl.store.pointer import (
    STORE_FILE,
    check_store,
    commit,
    pointer_name,
    prepare_store,
    read_pointer,
    read_rows,
    remove_unnamed,
    table_folder,
    write_part,
)

MAX_NAME = 200


def remove_run(files: Files, run: str) -> int:
    """Remove a run's pointer, then its parts; returns how many files that were. Raises StoreError for no such run."""
    with files.lock(f"runs/{run}/.lock"):
        if not files.exists(pointer_name(run)):
            raise StoreError(f"no run {run!r} in {files.path('')}")
        files.remove(pointer_name(run))
        count = 1
        for table in files.names("tables"):
            folder = table_folder(table, run)
            count += len(files.names(folder))
            files.remove_folder(folder)
        files.remove_folder(f"runs/{run}")
    return count


def rename_run(files: Files, run: str, name: str) -> None:
    """Change `runs.name`; an ingest keeps it. Raises StoreError for an empty, long or unprintable name."""
    if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
        raise StoreError(f"a name is 1 to {MAX_NAME} printable characters")
    with files.lock(f"runs/{run}/.lock"):
        pointer = read_pointer(files, run)
        rows = read_rows(files, pointer, "runs")
        if rows.num_rows != 1:
            raise StoreError(f"no run {run!r} in {files.path('')}")
        renamed = rows.set_column(rows.schema.get_field_index("name"), "name", pa.array([name]))
        tables = {"runs": [write_part(files, run, "runs", renamed)]}
        new = commit(files, pointer, tables, pointer.state | {"name": name})
        remove_unnamed(files, new)


def hide_example(store: str | os.PathLike[str] | Files, hidden: bool = True) -> None:
    """Attach the example beside this store no longer, or again."""
    files = Files.of(store)
    prepare_store(files)
    files.put(STORE_FILE, json.dumps(check_store(files) | {"hide_example": hidden}).encode())


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a store that should not be so, and what mends it."""

    where: str
    what: str
    remedy: str


def check_parts(store: str | os.PathLike[str] | Files) -> Iterator[Problem | None]:
    """Read every part of every run and compare its CRC; yields None for each sound part."""
    files = Files.of(store)
    check_store(files)
    for run in files.names("runs"):
        again = f"strobe rm {run} && strobe ingest FOLDER"
        try:
            pointer = read_pointer(files, run)
        except StrobeError as error:
            yield Problem(run, str(error), again)
            continue
        for parts in pointer.tables.values():
            for part in parts:
                try:
                    sound = zlib.crc32(files.read(part.file)) == part.crc32
                except OSError:
                    yield Problem(part.file, "is missing", again)
                    continue
                yield None if sound else Problem(part.file, "is damaged: its CRC is wrong", again)
