"""Queries that people keep with a store: `saved_queries.json` in its folder. Writing needs writing to be on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from etl.errors import StrobeError
from strobe.settings import read_only

FILE = "saved_queries.json"
_FORMAT = {"format": "strobe-saved-queries", "version": 1}
_MOST = 500
_NAME_CHARACTERS = 80
_SQL_CHARACTERS = 20_000


@dataclass(frozen=True)
class SavedQuery:
    """A statement under a name; names are unique in a store."""

    name: str
    sql: str


def saved(store: Path) -> list[SavedQuery]:
    """The queries kept with the store, in the order of their names. Raises StrobeError when the file is damaged."""
    path = store / FILE
    try:
        raw = json.loads(path.read_bytes())
    except FileNotFoundError:
        return []
    except (OSError, ValueError):
        raise StrobeError(f"{FILE} in the store cannot be read; mend it or move it aside") from None
    try:
        if raw["format"] != _FORMAT["format"] or raw["version"] != _FORMAT["version"]:
            raise ValueError
        queries = [SavedQuery(str(row["name"]), str(row["sql"])) for row in raw["queries"]]
    except (KeyError, TypeError, ValueError):
        raise StrobeError(f"{FILE} in the store is not a list of saved queries; move it aside") from None
    return sorted(queries, key=lambda query: query.name.casefold())


def save(store: Path, name: str, sql: str) -> None:
    """Keep a query, in place of one with the same name. Raises StrobeError when writing is off or it is unfit."""
    name = name.strip()
    if not name or len(name) > _NAME_CHARACTERS or not name.isprintable():
        raise StrobeError(f"a saved query needs a name of 1 to {_NAME_CHARACTERS} printable characters")
    if not sql.strip() or len(sql) > _SQL_CHARACTERS:
        raise StrobeError(f"a saved query has 1 to {_SQL_CHARACTERS:,} characters")
    with _editing(store) as queries:
        queries[name] = sql
        if len(queries) > _MOST:
            raise StrobeError(f"a store keeps at most {_MOST} saved queries; remove one first")


def remove(store: Path, name: str) -> None:
    """Forget a query; one that is not there is no error. Raises StrobeError when writing is off."""
    with _editing(store) as queries:
        queries.pop(name, None)


@contextmanager
def _editing(store: Path) -> Iterator[dict[str, str]]:
    """The queries as name -> SQL, written back at the end; one editor at a time, across processes."""
    from etl.locks import locked
    from etl.replacing import replacing, write_all
    from etl.store.files import Files
    from etl.store.store_file import prepare_store

    if read_only():
        raise StrobeError("this app is read-only; run `strobe app` to save queries")
    prepare_store(Files(store))
    with locked(store / f".{FILE}.lock"):
        queries = {query.name: query.sql for query in saved(store)}
        yield queries
        rows = [asdict(SavedQuery(name, sql)) for name, sql in sorted(queries.items())]
        with replacing(store / FILE) as descriptor:
            write_all(descriptor, json.dumps({**_FORMAT, "queries": rows}, indent=1, ensure_ascii=False).encode())
