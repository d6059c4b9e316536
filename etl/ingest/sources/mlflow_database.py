"""MLflow's SQLite database (`sqlite:///mlflow.db`): each run that has metrics is a run.

https://github.com/mlflow/mlflow/blob/master/mlflow/store/tracking/dbmodels/models.py. What it stores in place of an
infinity, the greatest float, is left as it stands.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from etl.ingest.reading.database import DatabaseRun, columns, query
from etl.ingest.reading.long_rows import LongRows
from etl.ingest.reading.values import moment, number, whole_step
from etl.ingest.source import About, Recording
from etl.run.attempts import Attempt

_NEEDED = {"key", "value", "timestamp", "run_uuid", "step", "is_nan"}
ENDS = {"FINISHED": "finished", "FAILED": "failed", "KILLED": "interrupted"}
"""MLflow's status of a run that has ended -> ours."""


class MlflowRun(DatabaseRun):
    source = "mlflow_database"

    def rows(self, connection: sqlite3.Connection, row: int) -> Iterator[Sequence[Any]]:
        return connection.execute(
            "SELECT rowid, key, value, timestamp, step, is_nan FROM metrics WHERE run_uuid = ? AND rowid > ? "
            "ORDER BY rowid",
            [self.run_key, row],
        )

    def take(self, row: Sequence[Any], into: LongRows) -> None:
        _, name, raw, time, step, is_nan = row
        value = float("nan") if is_nan else number(raw)
        if value is None:
            raise ValueError(f"{name} is {raw!r:.40}, no number")
        into.add(str(name), whole_step(step), value, moment(time))

    def attempts(self) -> Sequence[Attempt]:
        status = self.query("SELECT status FROM runs WHERE run_uuid = ?", self.run_key)
        return (Attempt(0, 0, end=ENDS.get(str(status[0][0])) if status else None),)

    def about(self) -> About:
        started = self.query("SELECT start_time FROM runs WHERE run_uuid = ?", self.run_key)
        config = dict(self.query("SELECT key, value FROM params WHERE run_uuid = ?", self.run_key))
        return About(self.name, created_at=moment(started[0][0]) if started else None, config=config)


class MlflowDatabases:
    def find(self, path: Path) -> Sequence[Recording]:
        if not columns(path, "metrics") >= _NEEDED or not columns(path, "runs") >= {"run_uuid", "name"}:
            return []
        runs = query(
            path, "SELECT run_uuid, name FROM runs WHERE run_uuid IN (SELECT run_uuid FROM metrics) ORDER BY 1"
        )
        return [MlflowRun(path, str(key), str(name or key)) for key, name in runs]


SOURCE = MlflowDatabases()
