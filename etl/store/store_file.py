"""The store's own file, store.json: that a folder is a store, and of which version."""

from __future__ import annotations

import json
import os
from typing import Any

from etl.errors import StoreError
from etl.local_files import NotAFileError
from etl.run import strict_json
from etl.store.files import Files
from etl.store.pointer import pointer_name

STORE_FORMAT: dict[str, Any] = {"format": "strobe-store", "version": 1}
STORE_FILE = "store.json"


def prepare_store(files: Files) -> None:
    """Make the store's own file unless it is there and sound. Raises StoreError for another format or a later
    version, and where no file can be made."""
    try:
        check_root(files)
        if store_fault(files) or not files.exists(STORE_FILE):
            files.put(STORE_FILE, json.dumps(STORE_FORMAT).encode())
    except IsADirectoryError:
        raise StoreError(f"{files.path(STORE_FILE)}: is a folder, not a file; move it away") from None
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise StoreError(f"{files.path('')}: no store can be made here: {why}") from None


def check_root(files: Files) -> None:
    """Raises StoreError when the store's place is taken by a file."""
    if files.blocked():
        raise StoreError(f"{files.path('')}: is a file; a store is a folder")


def check_store(files: Files) -> dict[str, Any]:
    """store.json; an empty dict for a folder without one, or with one that is damaged (`store_fault`).

    Raises StoreError when the store is none of ours.
    """
    return _store_file(files)[0]


def store_fault(files: Files) -> str:
    """What is wrong with store.json; "" for a sound one, or none. The tables can be read without. Raises like
    `check_store`."""
    return _store_file(files)[1]


def _store_file(files: Files) -> tuple[dict[str, Any], str]:
    """store.json and what is wrong with it, where there are runs beside it that can be read all the same."""
    where = files.path(STORE_FILE)
    try:
        raw = strict_json.load(files.read(STORE_FILE))
        wrong = [name for name, value in STORE_FORMAT.items() if raw.get(name) != value]
        fault = f"is damaged: its {wrong[0]} is {raw.get(wrong[0])!r:.40}" if wrong else ""
    except FileNotFoundError:
        return {}, ""
    except ValueError as error:
        raw, fault = {}, f"is damaged: it {error}"
    except (NotAFileError, OSError) as error:
        raw, fault = {}, str(error).removeprefix(f"{where}: ")
    version = raw.get("version")
    if type(version) is int and version > STORE_FORMAT["version"] and raw.get("format") == STORE_FORMAT["format"]:
        raise StoreError(f"{where}: has version {version!r:.40}, this Strobe reads 1; update Strobe")
    if fault and not any(files.exists(pointer_name(run)) for run in files.names("runs")):
        raise StoreError(f"{where}: {fault}; this is no Strobe store, or remove that file")
    return ({} if fault else raw), fault
