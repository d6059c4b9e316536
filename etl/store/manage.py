"""Changes to a store that are no ingest: remove a run, rename it, hide the example, check what is there."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator

import pyarrow as pa

from etl.errors import StoreError
from etl.store.annotations import Annotations
from etl.store.damage import Checks, Damage, pointer_damage, store_damage
from etl.store.files import UNREADABLE, Files
from etl.store.pointer import commit, pointer_name, read_pointer, read_rows, remove_unnamed, table_folder, write_part
from etl.store.remedy import remedy_for
from etl.store.store_file import STORE_FILE, check_store, prepare_store

MAX_NAME = 200


def remove_run(files: Files, run: str) -> int:
    """Remove a run's pointer, then its parts, however damaged; returns how many files that were.

    Raises StoreError for no such run.
    """
    if run not in files.names("runs"):
        raise StoreError(f"no run {run!r} in {files.path('')}")
    files.clear_way(f"runs/{run}/.lock")
    with files.lock(f"runs/{run}/.lock") if files.is_folder(f"runs/{run}") else contextlib.nullcontext():
        count = files.remove_all(pointer_name(run))
        count += sum(files.remove_all(table_folder(table, run)) for table in files.names("tables"))
        files.remove_all(f"runs/{run}")
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


def annotate_run(files: Files, run: str, change: Callable[[Annotations], Annotations]) -> Annotations:
    """Change what people say of a run, which its pointer keeps; an ingest and a rebuild leave it. Returns what is
    said now. Raises StoreError for no such run, and for what is too long."""
    with files.lock(f"runs/{run}/.lock"):
        pointer = read_pointer(files, run)
        if not pointer.tables:
            raise StoreError(f"no run {run!r} in {files.path('')}")
        said = change(Annotations.of(pointer.state)).checked()
        commit(files, pointer, {}, said.kept(pointer.state))
    return said


def hide_example(store: str | os.PathLike[str] | Files, hidden: bool = True) -> None:
    """Attach the example beside this store no longer, or again."""
    files = Files.of(store)
    prepare_store(files)
    files.put(STORE_FILE, json.dumps(check_store(files) | {"hide_example": hidden}).encode())


def check_parts(store: str | os.PathLike[str] | Files) -> Iterator[Damage | None]:
    """Look at the store's own file and every pointer, and read every part of every run and compare its CRC.

    Yields None for each sound part. Raises StoreError where the store is none of ours.
    """
    files, checks = Files.of(store), Checks()
    if damage := store_damage(files):
        yield damage
    for run in files.names("runs"):
        try:
            pointer = read_pointer(files, run)
        except UNREADABLE as error:
            yield pointer_damage(files, run, error)
            continue
        if pointer.tables and not pointer.tables.get("runs"):
            yield Damage(run, "runs", pointer_name(run), "names no part of it", remedy_for(files, run))
        for table, parts in pointer.tables.items():
            for part in parts:
                what = checks.fault(files, part, whole=True)
                yield Damage(run, table, part.file, what, remedy_for(files, run)) if what else None
