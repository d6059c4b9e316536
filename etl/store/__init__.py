"""Parquet parts, the pointer of each run that makes them count, and the DuckDB catalogue over them."""
