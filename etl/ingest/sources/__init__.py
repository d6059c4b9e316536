"""One file a kind of input, each with a `SOURCE`: see `etl.ingest.source`."""
