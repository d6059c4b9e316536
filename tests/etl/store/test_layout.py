"""How a table lies in a Parquet file."""

from __future__ import annotations

import math
from pathlib import Path

import duckdb
import pyarrow as pa

from etl.store.files import Files


def test_no_number_is_found_beside_equal_ones(tmp_path: Path) -> None:
    """DuckDB answers from the ends of a row group, in which NaN is not."""
    files = Files(tmp_path)
    files.put_table("part.parquet", pa.table({"name": ["a", "b"], "value": [1.0, math.nan]}))
    for condition, count in (
        ("isnan(value)", 1),
        ("NOT isfinite(value)", 1),
        ("isfinite(value)", 1),
        ("name = 'a'", 1),
    ):
        found = duckdb.sql(f"SELECT count(*) FROM '{tmp_path}/part.parquet' WHERE {condition}").fetchall()
        assert found == [(count,)], condition
