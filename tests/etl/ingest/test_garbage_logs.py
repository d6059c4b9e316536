"""Logs full of what no trainer writes: lines are named, nothing else is lost, and mending brings everything back."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etl.ingest.load import ingest
from etl.run.verify import verify_run
from etl.store.catalogue import Store
from tests.support.make_run import make_run

TABLES = ("runs", "attempts", "metrics", "scalars", "tensors", "snapshots")
RANDOM = np.random.default_rng(3)
ROW = '{"step":7,"time":1.0,"x":'


def repeated(begin: str, text: str, times: int, end: str) -> Callable[[], bytes]:
    """Made when it is needed."""
    return lambda: begin.encode() + text.encode() * times + end.encode()


def zipped() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a", b"b" * 500)
    return packed.getvalue()


GARBAGE: dict[str, bytes | Callable[[], bytes]] = {
    "binary": lambda: RANDOM.integers(0, 256, 5_000, np.uint8).tobytes(),
    "gzip": gzip.compress(b'{"step":1}\n' * 100),
    "zip": zipped,
    "utf-16": '{"step":1,"time":1.0}\n'.encode("utf-16"),
    "utf-32": '{"step":1,"time":1.0}\n'.encode("utf-32"),
    "latin-1": b'{"step":7,"time":1.0,"caf\xe9":1}',
    "nested lists": b"[" * 200_000,
    "nested objects": b'{"a":' * 200_000,
    "nested in a value": (ROW + "[" * 100_000 + "]" * 100_000 + "}").encode(),
    "a huge integer": repeated(ROW, "9", 15_000_000, "}"),
    "an integer beyond a line": repeated(ROW, "9", 100_000_000, "}"),
    "a huge float": (ROW + "1e" + "9" * 400 + "}").encode(),
    "1e400": (ROW + "1e400}").encode(),
    "half a surrogate pair": (ROW + '"\\ud800"}').encode(),
    "a key that is half a pair": b'{"step":7,"time":1.0,"\\udfff":1}',
    "NUL-filled": b"\0" * 100_000,
    "NULs inside": b'{"step":7,\0\0\0"time":1.0}',
    "lines that end in CR": b'{"step":7,"time":1.0}\r{"step":8,"time":1.0}\r',
    "many values": repeated(ROW + "[", "0,", 600_000, "0]}"),
    "an array": b"[1,2,3]",
    "a number": b"17",
    "a text": b'"loss"',
    "null": b"null",
    "NaN alone": b"NaN",
    "no quotes": b"{step:7,time:1}",
    "half a line": b'{"step":7,"time":1.0,"loss":0.1',
    "two objects": b'{"step":7,"time":1.0}{"step":8,"time":1.0}',
    "a comma too many": b'{"step":7,"time":1.0,}',
    "no step": b'{"time":1.0,"loss":1}',
    "a negative step": b'{"step":-1,"time":1.0,"loss":1}',
    "a step of words": b'{"step":"seven","time":1.0,"loss":1}',
    "a step beyond 2^53": b'{"step":9007199254740993,"time":1.0,"loss":1}',
    "no time": b'{"step":7,"loss":1}',
    "an attempt of words": b'{"step":7,"time":1.0,"attempt":"x","loss":1}',
    "markup": b"<html><body>502 Bad Gateway</body></html>",
    "a traceback": b"Traceback (most recent call last):\n  File x, line 1",
}
CHEAP = ("binary", "gzip", "utf-16", "nested lists", "half a surrogate pair", "NUL-filled", "lines that end in CR")
CHEAP += ("half a line", "two objects", "no step", "a step beyond 2^53", "a traceback")


def tables(store: Path) -> dict[str, list[dict[str, Any]]]:
    catalogue = Store(store).current()
    return {
        table: catalogue.query(f"SELECT * FROM {table} WHERE run = 'alpha' ORDER BY ALL").to_pylist()
        for table in TABLES
    }


def small(folder: Path, name: str, steps: tuple[int, ...]) -> Path:
    return make_run(folder / name, steps=steps, layers=1, heads=1, width=4, vocab=5, probe=(1, 2), metrics_every=5)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """The tables of the run whose log nobody has touched."""
    folder = tmp_path_factory.mktemp("sound")
    ingest([small(folder, "alpha", (0, 10))], folder / "store")
    return tables(folder / "store")


def timeless(found: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """The tables, but for when a snapshot's file was written."""
    kept = [{key: value for key, value in row.items() if key != "modified"} for row in found["snapshots"]]
    return found | {"snapshots": kept}


def check(folder: Path, garbage: bytes | Callable[[], bytes], sound: dict[str, list[dict[str, Any]]]) -> None:
    run, other = small(folder, "alpha", (0, 10)), small(folder, "other", (0,))
    log, store = run / "metrics.jsonl", folder / "store"
    sound = sound | {"runs": [sound["runs"][0] | {"snapshots_path": str(run)}]}
    whole = log.read_bytes()
    head = whole[: whole.index(b"\n") + 1]
    bad = garbage if isinstance(garbage, bytes) else garbage()
    log.write_bytes(head + bad + b"\n" + whole[len(head) :])
    reports = {report.run: report for report in ingest([run, other], store)}
    assert not reports["other"].lost
    lost = reports["alpha"].lost
    assert {loss.file for loss in lost} == {"metrics.jsonl"}
    assert lost[0].byte == len(head)
    assert len(lost) == len([line for line in bad.split(b"\n") if line])
    verdict = next(finding for finding in verify_run(run) if finding.name == "metrics.jsonl")
    assert verdict.reason.startswith(f"{len(lost):,} bad lines, first: line 2, at byte {len(head):,}: ")
    assert timeless(tables(store)) == timeless(sound), "the lines around it are all there"
    log.write_bytes(whole)
    assert not ingest([run], store)[0].lost
    assert timeless(tables(store)) == timeless(sound)


@pytest.mark.parametrize("name", CHEAP)
def test_a_log_with(name: str, tmp_path: Path, sound: dict[str, list[dict[str, Any]]]) -> None:
    check(tmp_path, GARBAGE[name], sound)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in GARBAGE if name not in CHEAP])
def test_a_log_with_more(name: str, tmp_path: Path, sound: dict[str, list[dict[str, Any]]]) -> None:
    check(tmp_path, GARBAGE[name], sound)


@pytest.mark.slow
@pytest.mark.parametrize("name", GARBAGE)
def test_a_log_of_attempts_with(name: str, tmp_path: Path) -> None:
    """The starts and ends around it are read."""
    run = small(tmp_path, "alpha", (0,))
    garbage, log = GARBAGE[name], run / "attempts.jsonl"
    ingest([run], tmp_path / "sound")
    lines = log.read_bytes().splitlines(keepends=True)
    assert json.loads(lines[0])["step"] == 0
    bad = garbage if isinstance(garbage, bytes) else garbage()
    log.write_bytes(lines[0] + bad + b"\n" + b"".join(lines[1:]))
    ingest([run], tmp_path / "store")
    found, sound = tables(tmp_path / "store"), tables(tmp_path / "sound")
    if name not in ("a step beyond 2^53", "no time", "an attempt of words"):
        assert found == sound
    assert found["scalars"] == sound["scalars"]
