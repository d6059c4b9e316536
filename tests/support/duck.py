"""One DuckDB for tests that ask tables of their own: to open one takes 25 ms of a processor."""

from __future__ import annotations

import functools

import duckdb


@functools.cache
def _database() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


def cursor() -> duckdb.DuckDBPyConnection:
    """A connection of its own: what is registered with it, and its temporary tables, no other one sees."""
    return _database().cursor()
