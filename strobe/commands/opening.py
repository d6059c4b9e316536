"""The store that a command reads, and what of it had to be left out: told on stderr when the command is done."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from strobe.commands.output import visible

if TYPE_CHECKING:
    from etl.store.catalogue import Store
    from etl.store.files import Files
    from etl.store.stored_run import StoredRun

_MOST_TOLD = 20
_opened: list[tuple[Path | None, Store]] = []
_asked: set[str] = set()


def store_at(path: Path | None) -> Store:
    """The store at `path`, or the default one."""
    from strobe.settings import open_store

    store = open_store(path)
    _opened.append((path, store))
    return store


def find_run(store: Store, name: str) -> StoredRun:
    """A run of the store by id, unique name, or the folder that it was ingested from."""
    found = _by_folder(store, Path(name)) or store.run(name)
    _asked.add(found.id)
    return found


def _by_folder(store: Store, folder: Path) -> StoredRun | None:
    if not folder.exists():
        return None
    wanted = str(folder.resolve())
    for row in store.sql("SELECT run, snapshots_path FROM runs").to_pylist():
        stored = store.run(row["run"])
        if stored.folder is not None and str(stored.folder.resolve()) == wanted:
            return stored
    return None


def find_remains(store: Store, name: str) -> tuple[Files, str, Path | None]:
    """Where a run lies, its id, and the folder that it was recorded to, however damaged the run is."""
    from etl.errors import StrobeError
    from etl.store.remedy import recorded_at

    try:
        found = find_run(store, name)
    except StrobeError:
        if (place := store.remains(name)) is None:
            raise
        return *place, recorded_at(*place)
    return found.files, found.id, found.folder


def refuse_damaged(store: Store, run: str, tables: Sequence[str]) -> None:
    """Raises StrobeError where one of a run's tables, which are to be given away, is left out."""
    from etl.errors import StrobeError

    for damage in store.damage:
        if damage.run == run and damage.table in tables:
            raise StrobeError(f"nothing was written: {visible(str(damage))}")


def forget() -> None:
    """Nothing is told of what was opened so far: another command began in this process, or it has been removed."""
    _opened.clear()
    _asked.clear()


def tell_what_is_left_out() -> None:
    """Says what could not be read of the stores that were opened: of the runs that were asked for, else of all."""
    from strobe.settings import with_store

    opened, asked = _opened.copy(), _asked.copy()
    forget()
    told = [
        f"strobe: left out: {visible(damage.subject)}; `{visible(with_store(damage.remedy, path))}` mends it"
        for path, store in opened
        for damage in store.damage
        if not asked or damage.run in asked or not damage.run
    ]
    for line in told[:_MOST_TOLD]:
        typer.echo(line, err=True)
    if len(told) > _MOST_TOLD:
        typer.echo(f"strobe: and {len(told) - _MOST_TOLD:,} more; `strobe doctor` names all", err=True)
