"""Parquet parts and the pointer that makes them count.

A run's tables change by one replacement of `runs/<run>/_parts.json`: parts are written first, under names that
nothing refers to, then the pointer is replaced. A reader sees the old or the new state. What no pointer names does
not exist, and a later ingest removes it: once nobody can be reading the version that named it.
"""

from __future__ import annotations

import json
import time
import uuid
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import pyarrow as pa

from etl.errors import StoreError
from etl.store.files import ConflictError, Files
from etl.store.narrow import is_real, narrowed
from etl.store.schema import NARROW, SORT, TABLES, columns_key, may_lack_columns, part_schema

STORE_FORMAT = {"format": "strobe-store", "version": 1}
STORE_FILE = "store.json"

GRACE_S = 120.0
"""How long a part stays after the commit that named it no longer: who resolved the version before may be reading. A
page is made from one version in seconds, and asks again when a part is gone all the same."""


@dataclass(frozen=True, slots=True)
class PartFile:
    """One Parquet file of a table; `crc32` is of the file's bytes."""

    file: str
    rows: int
    bytes: int
    crc32: int
    wide: tuple[str, ...] = ()
    """The columns that this part has as DOUBLE though they are declared REAL."""
    columns: str = ""
    """`columns_key` of its columns, where a table's may grow; empty where the file itself must be asked."""

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> PartFile:
        """A part as a pointer names it. Raises TypeError where a field is missing or unknown."""
        return cls(**{**raw, "wide": tuple(raw.get("wide", ()))})

    def entry(self) -> dict[str, Any]:
        """What a pointer says of it."""
        return {name: value for name, value in asdict(self).items() if value or name not in ("wide", "columns")}


@dataclass
class Pointer:
    """What a run consists of. `state` is the ingest's own memory of what it has read. `retired` has the parts of
    versions before, and when (Unix seconds) a commit named them no longer."""

    run: str
    version: int = 0
    tables: dict[str, list[PartFile]] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)
    retired: dict[str, float] = field(default_factory=dict)

    def files(self) -> set[str]:
        """The parts of all tables."""
        return {part.file for parts in self.tables.values() for part in parts}

    def still_retired(self, now: float) -> dict[str, float]:
        """The retired parts that somebody may be reading yet."""
        return {file: at for file, at in self.retired.items() if 0 <= now - at < GRACE_S}

    def to_bytes(self) -> bytes:
        tables = {table: [part.entry() for part in parts] for table, parts in self.tables.items()}
        raw = {"run": self.run, "version": self.version, "tables": tables, "state": self.state}
        raw |= {"retired": self.retired} if self.retired else {}
        return json.dumps(raw, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data: bytes, where: str) -> Pointer:
        """Raises StoreError when the pointer is damaged."""
        try:
            raw = json.loads(data)
            tables = {name: [PartFile.of(part) for part in parts] for name, parts in raw["tables"].items()}
            retired = {str(file): float(at) for file, at in raw.get("retired", {}).items()}
            return cls(str(raw["run"]), int(raw["version"]), tables, dict(raw["state"]), retired)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreError(f"{where}: the pointer is damaged ({error}); `strobe ingest` the run again") from None


def pointer_name(run: str) -> str:
    return f"runs/{run}/_parts.json"


def table_folder(table: str, run: str) -> str:
    return f"tables/{table}/run={run}"


def read_pointer(files: Files, run: str) -> Pointer:
    """The run's pointer, or an empty one for a run that is not there yet."""
    try:
        data = files.read(pointer_name(run))
    except FileNotFoundError:
        return Pointer(run)
    return Pointer.from_bytes(data, files.path(pointer_name(run)))


def prepare_store(files: Files) -> None:
    """Make the store's own file unless it is there. Raises StoreError for another format or a later version."""
    check_root(files)
    if not files.exists(STORE_FILE):
        files.put(STORE_FILE, json.dumps(STORE_FORMAT).encode())
    check_store(files)


def check_root(files: Files) -> None:
    """Raises StoreError when the store's place is taken by a file."""
    if files.blocked():
        raise StoreError(f"{files.path('')}: is a file; a store is a folder")


def check_store(files: Files) -> dict[str, Any]:
    """store.json; an empty dict for a folder without one. Raises StoreError when it is none of ours."""
    where = files.path(STORE_FILE)
    try:
        raw = json.loads(files.read(STORE_FILE))
    except FileNotFoundError:
        return {}
    except ValueError:
        raise StoreError(f"{where}: is damaged; it should read {json.dumps(STORE_FORMAT)}") from None
    if not isinstance(raw, dict) or raw.get("format") != STORE_FORMAT["format"]:
        raise StoreError(f"{where}: is not a Strobe store")
    if raw.get("version") != STORE_FORMAT["version"]:
        raise StoreError(f"{where}: has version {raw.get('version')!r}, this Strobe reads 1; update Strobe")
    return raw


def sorted_rows(table: str, rows: pa.Table) -> pa.Table:
    """The rows in the order that parts of this table have."""
    keys = SORT.get(table)
    return rows.sort_by([(key, "ascending") for key in keys]) if keys and rows.num_rows else rows


def write_part(files: Files, run: str, table: str, rows: pa.Table) -> PartFile:
    """Write one part that nothing refers to yet."""
    name = f"{table_folder(table, run)}/part-{uuid.uuid4().hex[:16]}.parquet"
    kept = kept_rows(table, rows)
    files.put_table(name, sorted_rows(table, kept))
    data = files.read(name)
    wide = [column for column in NARROW.get(table, ()) if not is_real(kept.schema.field(column).type)]
    columns = columns_key(kept.schema.names) if may_lack_columns(table) else ""
    return PartFile(name, rows.num_rows, len(data), zlib.crc32(data), tuple(sorted(wide)), columns)


def kept_rows(table: str, rows: pa.Table) -> pa.Table:
    """The rows with the columns and the types that a part of the table has."""
    if table not in TABLES:
        return rows
    return narrowed(rows.select(part_schema(table).names), NARROW[table])


def commit(files: Files, old: Pointer, tables: Mapping[str, Sequence[PartFile]], state: dict[str, Any]) -> Pointer:
    """Replace the pointer; `tables` gives the whole list of parts of each table that changed.

    The caller holds the run's lock since it read `old`. Where the storage has no locks, the pointer is read again:
    raises ConflictError when it is no longer `old`, and then the store is as the other writer left it.
    """
    merged = {name: list(parts) for name, parts in {**old.tables, **tables}.items() if parts}
    new = Pointer(old.run, old.version + 1, merged, state)
    now = time.time()
    new.retired = old.still_retired(now) | dict.fromkeys(sorted(old.files() - new.files()), now)
    name = pointer_name(old.run)
    with files.replacing(name):
        there = read_pointer(files, old.run)
        # Names of parts are never used twice, so that equal tables and versions are one state.
        if (there.version, there.tables) != (old.version, old.tables):
            raise ConflictError(f"{files.path(name)}: another writer changed the run since it was read; try again")
        files.put(name, new.to_bytes())
    return new


def remove_unnamed(files: Files, pointer: Pointer) -> int:
    """Remove the run's files that `pointer` does not name and nobody can be reading any more; returns how many."""
    kept, count = pointer.files() | set(pointer.still_retired(time.time())), 0
    for table in files.names("tables"):
        folder = table_folder(table, pointer.run)
        for name in files.names(folder):
            if f"{folder}/{name}" not in kept and files.settled(f"{folder}/{name}"):
                files.remove(f"{folder}/{name}")
                count += 1
    for name in files.names(f"runs/{pointer.run}"):
        if name.startswith("._parts.json."):
            files.remove(f"runs/{pointer.run}/{name}")
    return count


def forget_versions_before(files: Files, run: str) -> None:
    """Remove at once what the run's pointer does not name: of a store that nobody else has seen."""
    pointer = replace(read_pointer(files, run), retired={})
    files.put(pointer_name(run), pointer.to_bytes())
    remove_unnamed(files, pointer)


def read_rows(files: Files, pointer: Pointer, table: str) -> pa.Table:
    """All rows of one run's table, with the schema that the table has, less `run`.

    A column that a part lacks is NULL there. A table that is not known has the columns of its first part, and of two
    types the wider. Raises KeyError where it has no part either.
    """
    own = pointer.tables.get(table, [])
    schema = _schema_of_parts(files, own) if own and table not in TABLES else part_schema(table)
    parts = [_with_columns(files.read_table(part.file), schema) for part in own]
    return pa.concat_tables(parts) if parts else schema.empty_table()


def _with_columns(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    for column in schema:
        if column.name not in rows.column_names:
            rows = rows.append_column(column.name, pa.nulls(rows.num_rows, column.type))
    return rows.select(schema.names).cast(schema)


def _schema_of_parts(files: Files, parts: Sequence[PartFile]) -> pa.Schema:
    first, *others = [files.read_schema(part.file) for part in parts]
    names = set(first.names)
    return pa.unify_schemas(
        [first, *(pa.schema([column for column in other if column.name in names]) for other in others)],
        promote_options="permissive",
    )
