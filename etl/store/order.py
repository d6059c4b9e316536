"""The order of rows inside a part. Sorting is on small integers, and what is in order already is seen to be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from etl.store.schema import SORT

Ranks = npt.NDArray[np.integer[Any]]


def sorted_rows(table: str, rows: pa.Table) -> pa.Table:
    """The rows in the order that parts of this table have; the same object where they have it."""
    keys = SORT.get(table)
    if not keys or not rows.num_rows:
        return rows
    order = order_of([ranks(rows[key]) for key in keys])
    if order is None:
        return rows
    # Half as large as they are; no table in memory has more rows.
    places, order = pa.array(order.astype(np.uint32)), None
    # A column without a value is the same in any order.
    columns = [each if each.null_count == rows.num_rows else each.take(places) for each in rows.columns]
    return pa.table(columns, schema=rows.schema)


def ranks(column: pa.ChunkedArray) -> Ranks:
    """Numbers that are in order as the integers or texts of a column are, NULL last."""
    if pa.types.is_integer(column.type) and not column.null_count:
        numbers: Ranks = column.to_numpy()
        return numbers
    whole = column.combine_chunks()
    encoded = whole if pa.types.is_dictionary(column.type) else whole.dictionary_encode()
    texts, count = encoded.dictionary, len(encoded.dictionary)
    rank = np.full(count + 1, count, np.int32)
    rank[pc.sort_indices(texts).to_numpy()] = np.arange(count)
    return np.asarray(rank[encoded.indices.fill_null(count).to_numpy()])


def order_of(keys: Sequence[Ranks]) -> Ranks | None:
    """The places of rows in the order of their keys, the first key before the second; None where they are in it."""
    if _in_order(keys):
        return None
    first = keys[0]
    if not _in_order(keys[1:] or [first[:0]]):
        return np.lexsort(keys[::-1])
    # Rows that are one series after the other in time, and numbers of two bytes, which are sorted by counting.
    few = first.min() >= 0 and first.max() < 2**16
    return np.argsort(first.astype(np.uint16) if few else first, kind="stable")


def _in_order(keys: Sequence[Ranks]) -> bool:
    undecided = np.ones(max(len(keys[0]) - 1, 0), bool)
    for key in keys:
        if (undecided & (key[1:] < key[:-1])).any():
            return False
        undecided &= key[1:] == key[:-1]
    return True
