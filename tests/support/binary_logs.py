"""Runs of W&B, MLflow and trackio as they lie on disk, written here in their shapes."""

from __future__ import annotations

import json
import sqlite3
import struct
import zlib
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.support.event_files import field
from tests.support.impostors import STAGES, STEPS, none_of_it

BLOCK = 32 << 10


def blocks(records: Sequence[bytes]) -> bytes:
    """W&B's file of these records: header, and pieces that lie in blocks of 32 KiB."""
    out = bytearray(b":W&B\xe1\xbe\0")
    for record in records:
        left, first = record, True
        while left or first:
            room = BLOCK - len(out) % BLOCK
            if room < 7:
                out += bytes(room)
                continue
            piece, left = left[: room - 7], left[room - 7 :]
            kind = {(True, True): 1, (True, False): 2, (False, False): 3, (False, True): 4}[first, not left]
            out += struct.pack("<IHB", zlib.crc32(piece, zlib.crc32(bytes([kind]))), len(piece), kind) + piece
            first = False
    return bytes(out)


def wandb_items(values: dict[str, Any]) -> bytes:
    return b"".join(
        field(1, field(1, name.encode()) + field(16, json.dumps(value).encode())) for name, value in values.items()
    )


def wandb_history(step: int, values: dict[str, Any]) -> bytes:
    return field(1, step + 2) + field(2, wandb_items({**values, "_step": step, "_timestamp": 1.7e9 + step}))


def wandb_run(name: str) -> bytes:
    started = field(17, field(1, 1_700_000_000))
    config = field(4, wandb_items({"n_layer": 6, "_wandb": {"cli": 1}}))
    return field(1, 1) + field(17, field(1, b"a1b2") + config + field(8, name.encode()) + started)


class WandbFile:
    values = 2 * STEPS
    grows = True

    def _records(self) -> list[bytes]:
        rows = [wandb_history(step, {"loss": 2.5 / (1 + step), "eval": {"acc": 0.5}}) for step in range(STEPS)]
        return [wandb_run("quiet-wood-3"), *rows]

    def stage(self, folder: Path, number: int) -> Path:
        records = self._records()
        torn = blocks(records[-1:])[7:30] if number < STAGES else b""
        path = folder / "run-a1b2.wandb"
        path.write_bytes(blocks(records[: 1 + STEPS * number // STAGES]) + torn)
        return path

    def damaged(self, folder: Path) -> tuple[Path, dict[str, int]]:
        records = self._records()
        records[6] = wandb_history(-4, {"loss": 1.0})
        data = blocks(records)
        at = len(blocks(records[:4])) + 20
        path = folder / "run-a1b2.wandb"
        path.write_bytes(data[:at] + b"\0" + data[at + 1 :])
        return path, {path.name: 2}

    def impostors(self, folder: Path) -> list[Path]:
        (folder / "leveldb.wandb").write_bytes(b":W&B" + bytes(100))
        return [folder / "leveldb.wandb", *none_of_it(folder)]


class Database:
    """A database of one run: `_begin` makes its tables, `_row` adds a step of it."""

    values = STEPS
    grows = True
    name = ""

    def _begin(self, connection: sqlite3.Connection, key: str) -> None:
        raise NotImplementedError

    def _row(self, connection: sqlite3.Connection, key: str, step: Any, value: Any) -> None:
        raise NotImplementedError

    def _write(self, folder: Path, key: str, rows: Sequence[tuple[Any, Any]]) -> Path:
        path = folder / self.name
        path.unlink(missing_ok=True)
        with closing(sqlite3.connect(path)) as connection, connection:
            self._begin(connection, key)
            for step, value in rows:
                self._row(connection, key, step, value)
        return path

    def _rows(self) -> list[tuple[Any, Any]]:
        return [(step, 2.5 / (1 + step)) for step in range(STEPS)]

    def stage(self, folder: Path, number: int) -> Path:
        return self._write(folder, "aa01", self._rows()[: STEPS * number // STAGES])

    def damaged(self, folder: Path) -> tuple[Path, dict[str, int]]:
        rows = self._rows()
        rows[3], rows[5] = (-4, 1.0), (5, "oh")
        return self._write(folder, "bb02", rows), {self.name: 2}

    def impostors(self, folder: Path) -> list[Path]:
        with closing(sqlite3.connect(folder / "other.db")) as connection, connection:
            connection.execute("CREATE TABLE metrics (name TEXT)")
        return [folder / "other.db", *none_of_it(folder)]


class MlflowDatabase(Database):
    name = "mlflow.db"

    def _begin(self, connection: sqlite3.Connection, key: str) -> None:
        connection.executescript(
            "CREATE TABLE runs (run_uuid VARCHAR(32) PRIMARY KEY, name VARCHAR(250), status TEXT, start_time BIGINT);"
            "CREATE TABLE params (key VARCHAR(250), value VARCHAR(8000), run_uuid VARCHAR(32));"
            "CREATE TABLE metrics (key VARCHAR(250), value FLOAT, timestamp BIGINT, run_uuid VARCHAR(32), "
            "step BIGINT, is_nan BOOLEAN, PRIMARY KEY (key, timestamp, step, run_uuid, value, is_nan))"
        )
        connection.execute("INSERT INTO runs VALUES (?, 'zealous-fox', 'FINISHED', 1700000000000)", [key])
        connection.execute("INSERT INTO params VALUES ('lr', '0.1', ?)", [key])

    def _row(self, connection: sqlite3.Connection, key: str, step: Any, value: Any) -> None:
        time = 1_700_000_000_000 + 1_000 * max(step, 0)
        connection.execute("INSERT INTO metrics VALUES ('loss', ?, ?, ?, ?, 0)", [value, time, key, step])


class TrackioDatabase(Database):
    name = "project.db"

    def _begin(self, connection: sqlite3.Connection, key: str) -> None:
        connection.executescript(
            "CREATE TABLE metrics (id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT, timestamp TEXT NOT NULL,"
            " run_name TEXT NOT NULL, step INTEGER NOT NULL, metrics TEXT NOT NULL);"
            "CREATE TABLE configs (run_id TEXT, run_name TEXT, config TEXT, created_at TEXT)"
        )
        connection.execute(
            "INSERT INTO configs VALUES (?, 'dainty-fox', '{\"lr\": 0.1}', '2023-11-14T22:13:20+00:00')", [key]
        )

    def _row(self, connection: sqlite3.Connection, key: str, step: Any, value: Any) -> None:
        text = json.dumps({"loss": value}) if isinstance(value, float) else "{half"
        time = f"2023-11-14T22:13:{20 + max(step, 0)}+00:00"
        connection.execute(
            "INSERT INTO metrics (run_id, timestamp, run_name, step, metrics) VALUES (?, ?, 'dainty-fox', ?, ?)",
            [key, time, step, text.encode() if step % 2 else text],
        )


class MlflowFolder:
    values = STEPS
    grows = True

    def _write(self, folder: Path, lines: Sequence[str], torn: str = "") -> Path:
        run = folder / "aa01"
        (run / "metrics" / "train").mkdir(parents=True, exist_ok=True)
        (run / "params").mkdir(exist_ok=True)
        (run / "meta.yaml").write_text("end_time: null\nrun_id: aa01\nrun_name: zealous-fox\nstatus: 3\n")
        (run / "params" / "lr").write_text("0.1")
        (run / "metrics" / "train" / "loss").write_text("".join(lines) + torn)
        return run

    def _lines(self) -> list[str]:
        return [f"{1_700_000_000_000 + step} {2.5 / (1 + step)} {step}\n" for step in range(STEPS)]

    def stage(self, folder: Path, number: int) -> Path:
        return self._write(folder, self._lines()[: STEPS * number // STAGES], "17000" if number < STAGES else "")

    def damaged(self, folder: Path) -> tuple[Path, dict[str, int]]:
        lines = self._lines()
        lines[3], lines[5] = "half\n", "1700000000005 1.0 -4\n"
        return self._write(folder, lines), {"loss": 2}

    def impostors(self, folder: Path) -> list[Path]:
        (folder / "experiment" / "metrics").mkdir(parents=True)
        (folder / "experiment" / "meta.yaml").write_text("name: Default\n")
        return [folder / "experiment"]


BINARY = {
    "wandb_offline": WandbFile(),
    "mlflow_database": MlflowDatabase(),
    "trackio": TrackioDatabase(),
}
