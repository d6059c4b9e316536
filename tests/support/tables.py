"""The whole of a store as plain values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from etl.store.catalogue import Store
from etl.store.schema import TABLES


def tables(store: Path) -> dict[str, list[dict[str, Any]]]:
    """Every table's rows, sorted, as plain values, but for where and when they were read: what two stores must agree
    on."""
    catalogue = Store(store).current()
    result = {}
    for table in TABLES:
        rows = catalogue.query(f"SELECT * FROM {table}_all").to_pylist()
        own = {"path", "read_at"} if table == "imports" else set()
        result[table] = sorted(({k: repr(v) for k, v in row.items() if k not in own} for row in rows), key=repr)
    return result
