"""Rows of `scalars`: which of two lines counts, and which rows two tables have in common."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from etl.ingest.scalars import among, reaches_back, scalar_table, without
from etl.ingest.source import SCALAR_ROWS

Key = tuple[int, int, str]
KEYS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2**53), st.sampled_from("abé")), max_size=12)
FEW = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 3), st.sampled_from("ab")), max_size=12)


def table(keys: list[Key]) -> pa.Table:
    rows = [{"attempt": attempt, "step": step, "name": name, "value": 1.0} for attempt, step, name in keys]
    return pa.Table.from_pylist(rows, SCALAR_ROWS)


@given(KEYS | FEW, KEYS | FEW, FEW)
def test_rows_that_others_have(rows: list[Key], others: list[Key], more: list[Key]) -> None:
    assert among(table(rows), table(others)).tolist() == [key in others for key in rows]
    left = [key for key in rows if key not in others and key not in more]
    assert without(table(rows), table(others), table(more)).equals(table(left))


@given(st.lists(st.tuples(st.integers(-1, 2), st.integers(0, 4), st.just("a")), min_size=1), st.integers(0, 2))
def test_rows_up_to_a_key(rows: list[Key], attempt: int) -> None:
    back = reaches_back(table(rows), [attempt, 2])
    expected = [key[0] >= 0 and key[:2] <= (attempt, 2) for key in rows]
    assert (back.to_pylist() if back is not None else [False] * len(rows)) == expected


@given(FEW)
def test_the_later_line_counts_and_rows_come_as_their_lines(keys: list[Key]) -> None:
    lines = [
        {"step": step, "time": float(k), "attempt": attempt, name: k} for k, (attempt, step, name) in enumerate(keys)
    ]
    rows = scalar_table(lines).to_pylist()
    last = {key: k for k, key in enumerate(keys)}
    current = {(row["attempt"], row["step"], row["name"]): row["value"] for row in rows if row["attempt"] >= 0}
    assert current == last
    assert len(rows) == len(keys)
    assert [row["value"] for row in rows] == list(range(len(keys)))


def test_lines_of_many_kinds_keep_their_values() -> None:
    """More kinds, by their keys, than are remembered at once, in turn."""
    lines = [{"step": k, "time": 0.5, f"m{k % 100}": k, "epoch": k / 2, "tokens": 3 * k} for k in range(300)]
    rows = {row["step"]: row for row in scalar_table(lines).to_pylist()}
    assert [(rows[k]["name"], rows[k]["value"], rows[k]["epoch"], rows[k]["tokens"]) for k in range(300)] == [
        (f"m{k % 100}", k, k / 2, 3 * k) for k in range(300)
    ]
