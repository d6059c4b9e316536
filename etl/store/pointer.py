"""Parquet parts and the pointer that makes them count.

A run's tables change by one replacement of `runs/<run>/_parts.json`: parts are written first, under names that
nothing refers to, then the pointer is replaced. A reader sees the old or the new state. What no pointer names does
not exist, and a later ingest removes it: once nobody can be reading the version that named it.
"""

from __future__ import annotations

import json
import re
import time
import uuid
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import pyarrow as pa

from etl.errors import StoreError
from etl.run import strict_json
from etl.store import inline
from etl.store.claims import ConflictError
from etl.store.files import UNREADABLE, Files
from etl.store.narrow import is_real, narrowed
from etl.store.order import sorted_rows
from etl.store.schema import NARROW, TABLES, columns_key, may_lack_columns, part_schema

GRACE_S = 120.0
"""How long a part stays after the commit that named it no longer: who resolved the version before may be reading. A
page is made from one version in seconds, and asks again when a part is gone all the same."""


_OPTIONAL = ("wide", "columns", "inline")
"""What a pointer says of a part only where there is something to say."""


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
    inline: str = ""
    """Its one row as JSON, of table `runs` (`etl.store.inline`)."""

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> PartFile:
        """A part as a pointer names it. Raises TypeError or ValueError where a field is missing, unknown or odd."""
        part = cls(**{**raw, "wide": tuple(raw.get("wide", ()))})
        for name in ("rows", "bytes", "crc32"):
            _check_count(name, raw[name])
        if not all(isinstance(text, str) for text in (part.file, part.columns, part.inline, *part.wide)):
            raise TypeError("a name in it is no text")
        return part

    def entry(self) -> dict[str, Any]:
        """What a pointer says of it."""
        return {name: value for name, value in asdict(self).items() if value or name not in _OPTIONAL}


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
        """As JSON, whose last key is the CRC-32 of what the rest would be alone."""
        tables = {table: [part.entry() for part in parts] for table, parts in self.tables.items()}
        raw = {"run": self.run, "version": self.version, "tables": tables, "state": self.state}
        raw |= {"retired": self.retired} if self.retired else {}
        text = json.dumps(raw, separators=(",", ":")).encode()
        return text[:-1] + b',"crc32":%d}' % zlib.crc32(text)

    @classmethod
    def from_bytes(cls, data: bytes, where: str, run: str) -> Pointer:
        """The pointer of `run`. Raises DamagedError."""
        try:
            if sealed := _SEAL.search(data):
                _check_crc(data[: sealed.start()] + b"}", int(sealed[1]))
            raw = strict_json.load(data)
            _check_kinds(raw, run)
            tables = {name: _parts(name, run, parts) for name, parts in raw["tables"].items()}
            retired = {file: float(at) for file, at in raw.get("retired", {}).items()}
            return cls(run, raw["version"], tables, raw["state"], retired)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            what = f"has no {error}" if isinstance(error, KeyError) else str(error)
            raise DamagedError(
                f"{where}: is damaged: {what}; `strobe ingest --rebuild {run}` makes it again"
            ) from None


_SEAL = re.compile(rb',"crc32":(\d{1,10})\}$')
_PLAIN_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.=-]{0,200}")


class DamagedError(StoreError):
    """A run's pointer or part is not what was written."""


def _check_crc(text: bytes, crc: int) -> None:
    if zlib.crc32(text) != crc:
        raise ValueError("its CRC is wrong")


def _check_kinds(raw: Mapping[str, Any], run: str) -> None:
    if raw["run"] != run:
        raise ValueError(f"it is of another run, {raw['run']!r:.80}")
    _check_count("version", raw["version"])
    for name in ("tables", "state"):
        if not isinstance(raw[name], dict):
            raise ValueError(f"{name} is no object")


def _check_count(name: str, value: object) -> None:
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError(f"{name} is {value!r:.40}, not a whole number from 0 to 2^63 - 1")


def _parts(table: str, run: str, raw: Any) -> list[PartFile]:
    if not isinstance(raw, list):
        raise TypeError(f"the table {table!r:.80} is no list of parts")
    parts = [PartFile.of(part) for part in raw]
    folder = f"{table_folder(table, run)}/"
    for part in parts:
        # What a pointer names is opened, and removed with the run.
        if not part.file.startswith(folder) or not _PLAIN_FILE.fullmatch(part.file[len(folder) :]):
            raise ValueError(f"the part {part.file!r:.120} is no file of {folder!r:.120}")
    if len({part.file for part in parts}) != len(parts):
        raise ValueError(f"a part of {table!r:.80} is named twice")
    return parts


def pointer_name(run: str) -> str:
    return f"runs/{run}/_parts.json"


def table_folder(table: str, run: str) -> str:
    return f"tables/{table}/run={run}"


def read_pointer(files: Files, run: str) -> Pointer:
    """The run's pointer, or an empty one for a run that is not there yet. Raises DamagedError, NotAFileError."""
    try:
        data = files.read(pointer_name(run))
    except FileNotFoundError:
        return Pointer(run)
    return Pointer.from_bytes(data, files.path(pointer_name(run)), run)


def write_part(files: Files, run: str, table: str, rows: pa.Table) -> PartFile:
    """Write one part that nothing refers to yet."""
    name = f"{table_folder(table, run)}/part-{uuid.uuid4().hex[:16]}.parquet"
    kept = kept_rows(table, rows)
    files.put_table(name, sorted_rows(table, kept))
    data = files.read(name)
    wide = [column for column in NARROW.get(table, ()) if not is_real(kept.schema.field(column).type)]
    columns = columns_key(kept.schema.names) if may_lack_columns(table) else ""
    row = inline.written(table, kept)
    return PartFile(name, rows.num_rows, len(data), zlib.crc32(data), tuple(sorted(wide)), columns, row)


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
    put_pointer(files, old, new)
    return new


def put_pointer(files: Files, old: Pointer | None, new: Pointer) -> None:
    """Replace a run's pointer, as `commit` does; `old` None: whatever stands in its place, which is damaged."""
    name, now = pointer_name(new.run), time.time()
    with files.replacing(name):
        if old is None:
            files.clear_way(name)
        else:
            new.retired = old.still_retired(now) | dict.fromkeys(sorted(old.files() - new.files()), now)
            there = read_pointer(files, old.run)
            # Names of parts are never used twice, so that equal tables and versions are one state.
            if (there.version, there.tables) != (old.version, old.tables):
                raise ConflictError(
                    f"{files.path(name)}: another writer changed the run since it was read; try again"
                )
        files.put(name, new.to_bytes())


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
    types the wider. Raises KeyError where it has no part either, and DamagedError where one cannot be read.
    """
    try:
        return _read_rows(files, pointer, table)
    except UNREADABLE as error:
        raise DamagedError(
            f"run {pointer.run}, table {table}: {error}; `strobe ingest --rebuild {pointer.run}` makes it again"
        ) from None


def _read_rows(files: Files, pointer: Pointer, table: str) -> pa.Table:
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
