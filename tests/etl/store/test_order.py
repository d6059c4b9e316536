"""The order of parts is that of Arrow's own sort, and rows in order stay the same object."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from etl.store.order import sorted_rows
from etl.store.schema import SORT, part_schema

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "attempt": st.integers(-1, 2),
            "section": st.sampled_from(["params", "grads"]),
            "tensor": st.sampled_from(["a", "b", "é", "z", "\U0001f600", "\uffff"]),
            "layer": st.none() | st.integers(0, 2),
            "step": st.integers(0, 2**53),
        }
    ),
    max_size=20,
)


@given(ROWS)
def test_it_is_the_order_of_a_sort_by_these_columns(rows: list[dict[str, object]]) -> None:
    made = pa.Table.from_pylist(rows, part_schema("tensors"))
    ordered = sorted_rows("tensors", made)
    assert ordered.equals(made.sort_by([(key, "ascending") for key in SORT["tensors"]]))
    assert sorted_rows("tensors", ordered) is ordered


def test_a_table_without_an_order_stays_as_it_is() -> None:
    rows = pa.table({"name": ["b", "a"]})
    assert sorted_rows("metrics", rows) is rows
