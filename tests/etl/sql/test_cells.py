"""Cutting results: whatever comes, the reply keeps its limits, says what it left out, and holds plain types only."""

from __future__ import annotations

import datetime

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.sql.cells import NAME_CHARACTERS, Cutter, unique_names
from etl.sql.engine import hide_paths, line_and_column
from tests.support.effort import tries

CELLS = st.lists(st.one_of(st.none(), st.text(st.characters(codec="utf-8"), max_size=60)), max_size=60)


def batch(**columns: pa.Array) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(columns)


def cut(*batches: pa.RecordBatch, rows: int = 100, cell: int = 100, size: int = 10**6) -> tuple[pa.Table, Cutter]:
    cutter = Cutter(max_rows=rows, max_columns=20, max_cell=cell, max_bytes=size)
    kept = list(cutter.batches(batches))
    schema = kept[0].schema if kept else cutter.empty(batches[0].schema).schema
    return pa.Table.from_batches(kept, schema), cutter


@settings(max_examples=tries(50, 150))
@given(CELLS, CELLS, st.integers(1, 50), st.integers(1, 30), st.integers(300, 5_000))
def test_limits_hold_and_cuts_are_counted(
    first: list[str | None], second: list[str | None], rows: int, cell: int, size: int
) -> None:
    parts = [batch(s=pa.array(values, pa.string())) for values in (first, second)]
    table, cutter = cut(*parts, rows=rows, cell=cell, size=size)
    kept = table["s"].to_pylist()
    assert kept == [None if text is None else text[:cell] for text in [*first, *second][: len(kept)]]
    assert len(kept) <= rows
    assert sum(pa.ipc.get_record_batch_size(part) for part in table.to_batches()) <= size
    assert (cutter.cuts.rows is None) == (len(kept) == len(first) + len(second))
    looked_at = [*first, *second][:rows]
    assert cutter.cuts.cells <= sum(len(text) > cell for text in looked_at if text is not None)


@given(st.lists(st.text(max_size=300), max_size=40))
def test_names_are_unique_short_and_never_empty(names: list[str]) -> None:
    fit = unique_names(names)
    assert len(set(fit)) == len(names)
    assert all(0 < len(name) <= NAME_CHARACTERS for name in fit)


@pytest.mark.parametrize(
    ("column", "shown"),
    [
        (pa.array([[1.5, None]], pa.list_(pa.float64())), [[1.5, None]]),
        (pa.array([{"a": 1}]), [{"a": 1}]),
        (pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())), ['{"k": 1}']),
        (pa.array(["x", "x"]).dictionary_encode(), ["x", "x"]),
        (pa.array([pa.MonthDayNano([1, 2, 3_000_000_000])]), ["1 months 2 days 3 s"]),
        (pa.array([2_932_897], pa.int32()).view(pa.date32()), ["(outside the calendar)"]),
        (pa.array([datetime.date(9999, 12, 31)]), [datetime.date(9999, 12, 31)]),
        (pa.array([b"\x00\xff"]), [b"\x00\xff"]),
        (pa.array([None, None], pa.null()), [None, None]),
    ],
)
def test_types_become_plain(column: pa.Array, shown: list[object]) -> None:
    table, _ = cut(batch(c=column))
    assert table["c"].to_pylist() == shown
    table.validate(full=True)


def test_a_long_list_becomes_text_and_is_cut() -> None:
    table, cutter = cut(batch(c=pa.array([list(range(1_000)), [1]])))
    assert table.schema.field("c").type == pa.string()
    assert len(table["c"][0].as_py()) == 100
    assert table["c"][1].as_py() == "[1]"
    assert cutter.cuts.cells == 1


def test_a_list_that_is_too_long_only_later_is_left_out_and_counted() -> None:
    table, cutter = cut(batch(c=pa.array([[1], [2]])), batch(c=pa.array([list(range(1_000))])))
    assert table["c"].to_pylist() == [[1], [2], None]
    assert cutter.cuts.cells == 1


def test_a_result_without_rows_keeps_its_columns() -> None:
    kinds = {"m": pa.map_(pa.string(), pa.int64()), "d": pa.dictionary(pa.int8(), pa.string()), "n": pa.int64()}
    none = pa.RecordBatch.from_arrays([pa.nulls(0, kind) for kind in kinds.values()], list(kinds))
    table, _ = cut(none)
    assert [str(kind) for kind in table.schema.types] == ["string", "string", "int64"]


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("cannot open '/var/data/x.parquet': gone", "cannot open '(a file)': gone"),
        ('near "/* x"', 'near "/* x"'),
        ("a/b, 1 / 2", "a/b, 1 / 2"),
        ('no schema named "./var/data/x" found', 'no schema named ".(a file)" found'),
        ("in /srv/my store/tables/a.parquet now", "in (a file) now"),
    ],
)
def test_paths_are_hidden(text: str, hidden: str) -> None:
    assert hide_paths(text, ["/srv/my store"]) == hidden


def test_positions_count_characters_and_not_bytes() -> None:
    sql = "select 'é🦆',\n  wrong"
    assert line_and_column(sql, sql.encode().index(b"wrong")) == (2, 3)
