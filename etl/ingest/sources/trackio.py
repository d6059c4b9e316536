"""trackio's database of a project: each run name, or run id where there are any, is a run.

Table `metrics` has the time, the run, the step and a JSON object of values of each `trackio.log`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from etl.ingest.reading.database import DatabaseRun, columns, query
from etl.ingest.reading.json_lines import parsed_object
from etl.ingest.reading.json_records import flat
from etl.ingest.reading.long_rows import LongRows
from etl.ingest.reading.values import measure, moment, whole_step
from etl.ingest.source import About, Recording

_NEEDED = {"id", "timestamp", "run_name", "step", "metrics"}


class TrackioRun(DatabaseRun):
    source = "trackio"

    def __init__(self, path: Path, key: str, name: str, column: str) -> None:
        super().__init__(path, key, name)
        self._column = column

    def rows(self, connection: sqlite3.Connection, row: int) -> Iterator[Sequence[Any]]:
        return connection.execute(
            f"SELECT id, timestamp, step, metrics FROM metrics WHERE {self._column} = ? AND id > ? ORDER BY id",
            [self.run_key, row],
        )

    def take(self, row: Sequence[Any], into: LongRows) -> None:
        _, time, step, metrics = row
        values, whole = parsed_object(_bytes(metrics)), whole_step(step)
        for name, raw in flat(values):
            if (value := measure(raw)) is not None:
                into.add(name, whole, value, moment(time))

    def about(self) -> About:
        said = self.query(f"SELECT config, created_at FROM configs WHERE {self._column} = ?", self.run_key)
        config: Mapping[str, Any] = {}
        for text, _ in said:
            try:
                config = parsed_object(_bytes(text))
            except ValueError:
                continue
        own = {name: value for name, value in config.items() if not name.startswith("_")}
        return About(self.name, created_at=moment(said[0][1]) if said else None, config=own)


def _bytes(text: object) -> bytes:
    """JSON as trackio has it, as bytes in columns of text."""
    return text if isinstance(text, bytes) else str(text).encode()


class TrackioDatabases:
    def find(self, path: Path) -> Sequence[Recording]:
        there = columns(path, "metrics")
        if not there >= _NEEDED:
            return []
        column = "run_id" if "run_id" in there else "run_name"
        runs = query(path, f"SELECT {column}, min(run_name) FROM metrics GROUP BY 1 ORDER BY 1")
        return [TrackioRun(path, str(key), str(name), column) for key, name in runs]


SOURCE = TrackioDatabases()
