"""The parts of a derived table: which steps they hold, and the parts that stand in their place after a change."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence

import pyarrow as pa

from etl.store.compact import MANY_PARTS
from etl.store.files import UNREADABLE, Files
from etl.store.pointer import PartFile, Pointer, read_rows, write_part
from strobe.derive.analysis import Analysis, Row


def part_steps(files: Files, part: PartFile) -> set[int]:
    """The steps of a part's rows, from that column alone; none when the part is damaged."""
    with contextlib.suppress(*UNREADABLE):
        if is_sound(files, part):
            return set(files.read_table(part.file, ["step"])["step"].to_pylist())
    return set()


def is_sound(files: Files, part: PartFile) -> bool:
    """Whether a part is, byte by byte, what was written."""
    with contextlib.suppress(*UNREADABLE):
        return files.crc32(part.file) == part.crc32
    return False


def stored_steps(files: Files, pointer: Pointer, table: str) -> set[int]:
    """The steps whose rows a table has and that can be read."""
    return set().union(*(part_steps(files, part) for part in pointer.tables.get(table, [])))


def is_readable(files: Files, pointer: Pointer, table: str) -> bool:
    """Whether every part of a derived table is there and sound."""
    return all(is_sound(files, part) for part in pointer.tables.get(table, []))


def without(files: Files, pointer: Pointer, table: str, steps: set[int]) -> list[PartFile]:
    """The table's parts less the rows of some steps; parts that cannot be read are left out."""
    kept = []
    for part in pointer.tables.get(table, []):
        own = part_steps(files, part)
        if own and not own & steps:
            kept.append(part)
        elif own - steps and (old := _rows(files, pointer.run, table, [part])) is not None:
            chosen = pa.array([step not in steps for step in old["step"].to_pylist()], pa.bool_())
            kept.append(write_part(files, pointer.run, table, old.filter(chosen)))
    return kept


def replaced(
    files: Files, pointer: Pointer, analysis: Analysis, rows: Iterable[Row], steps: set[int]
) -> list[PartFile]:
    """The table's parts with `rows` in place of all rows of `steps`."""
    table, run = analysis.table, pointer.run
    rows, parts = list(rows), without(files, pointer, table, steps)
    if rows:
        parts.append(write_part(files, run, table, analysis.part(rows)))
    if len(parts) > MANY_PARTS and (merged := _rows(files, run, table, parts)) is not None:
        return [write_part(files, run, table, merged)]
    return parts


def _rows(files: Files, run: str, table: str, parts: Sequence[PartFile]) -> pa.Table | None:
    """The rows of some parts; None when one of them is damaged."""
    with contextlib.suppress(*UNREADABLE):
        return read_rows(files, Pointer(run, 0, {table: list(parts)}), table)
    return None
