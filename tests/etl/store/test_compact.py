"""A table that gains rows in small parts: few parts at any time, and none of its rows written again and again."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from etl.store.changes import Changes
from etl.store.compact import MANY_PARTS
from etl.store.files import Files
from etl.store.pointer import read_pointer
from etl.store.schema import part_schema
from etl.store.store_file import prepare_store


def scalars(first: int, count: int) -> pa.Table:
    rows = [{"attempt": 0, "name": "a", "step": first + k, "value": 1.0} for k in range(count)]
    return pa.Table.from_pylist(rows, part_schema("scalars"))


def test_a_large_part_is_not_written_again_for_small_ones(tmp_path: Path) -> None:
    files = Files(tmp_path)
    prepare_store(files)
    changes = Changes(files, read_pointer(files, "r"))
    changes.append("scalars", scalars(0, 5_000))
    (large,) = changes.parts("scalars")
    made = set()
    for k in range(200):
        changes.append("scalars", scalars(5_000 + 3 * k, 3))
        parts = changes.parts("scalars")
        assert len(parts) <= MANY_PARTS
        assert parts[0] == large
        made |= {(part.file, part.rows) for part in parts}
    assert sum(part.rows for part in parts) == 5_600
    assert changes.rows("scalars").sort_by("step")["step"].to_pylist() == list(range(5_600))
    assert sum(rows for _, rows in made) < 5_000 + 600 * 6


def test_more_small_rows_than_the_large_part_has_are_merged_with_it(tmp_path: Path) -> None:
    files = Files(tmp_path)
    prepare_store(files)
    changes = Changes(files, read_pointer(files, "r"))
    for k in range(MANY_PARTS + 1):
        changes.append("scalars", scalars(3 * k, 3))
    (part,) = changes.parts("scalars")
    assert part.rows == 3 * (MANY_PARTS + 1)
