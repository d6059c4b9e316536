"""From bytes to tables: the snapshot format, the statistics kernel, Parquet parts and the DuckDB catalogue."""
