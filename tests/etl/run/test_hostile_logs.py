"""Lines of the logs and numbers of manifests that no honest writer makes, through ingest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etl.ingest.load import ingest
from etl.ingest.scalars import scalar_table
from etl.run.file_names import parse_file_name
from etl.run.journal import read_metrics
from etl.run.layout import place
from etl.run.manifest import MAX_LAYERS, ManifestError, parse
from etl.run.snapshot import manifest_bytes
from etl.run.snapshot_errors import SnapshotError
from etl.run.verify import verify_run
from etl.run.writer import SnapshotWriter
from etl.store.catalogue import Store
from tests.support.make_run import make_run

TABLES = ("runs", "attempts", "metrics", "scalars", "tensors", "snapshots")


def tables(run: Path, store: Path) -> dict[str, list[dict[str, Any]]]:
    ingest([run], store, jobs=1)
    catalogue = Store(store).current()
    return {table: catalogue.query(f"SELECT * FROM {table}").to_pylist() for table in TABLES}


def recorded(folder: Path) -> Path:
    return make_run(folder, steps=(0, 10), layers=1, heads=1, width=4, vocab=5, probe=(1, 2), metrics_every=5)


def kept(line: str) -> str:
    return '{"step":1,"time":1.0,"kept":1,' + line + "}"


# What each line adds to the scalars besides "kept": None where the whole line is refused and counted.
METRIC_LINES: list[tuple[str, dict[str, float] | None]] = [
    (kept('"bad\\ud800":1'), None),
    (kept('"text":"\\ud800"'), None),
    (kept('"a\\u0000b":2'), {"a\0b": 2}),
    (kept('"":2'), {"": 2}),
    (kept('"tokens":9223372036854775808'), {}),
    (kept('"tokens":-1e300,"epoch":[]'), {}),
    (kept('"huge":' + "9" * 400), None),
    (kept('"huge":' + "9" * 5000), None),
    (kept('"x":null,"y":true,"z":{},"w":[1],"v":"1.5"'), {}),
    (kept('"x":1e999'), None),
    (kept('"' + "k" * 50_000 + '":2'), {"k" * 50_000: 2}),
    (kept('"run":2,"value":3,"name":4'), {"run": 2, "value": 3, "name": 4}),
    ('{"step":9007199254740992,"time":1e308,"kept":1}', {}),
    ('{"step":9007199254740993,"time":1.0,"kept":1}', None),
    ('{"step":9223372036854775807,"time":1.0,"kept":1}', None),
    ('{"step":true,"time":1.0,"kept":1}', None),
    ('{"step":1,"time":"NaN","kept":1}', None),
    ('{"step":1,"time":1.0,"attempt":2147483648,"kept":1}', None),
    ('{"step":1,"time":1.0,"attempt":1.0,"kept":1}', None),
    ("[" * 100_000, None),
    ('{"a":' * 100_000, None),
    ("[1]", None),
    ("\0" * 500, None),
    ("\x1b[31m", None),
]


AFTER = '{"step":2,"time":1.0,"after":5}\n'


@pytest.mark.parametrize("number", range(len(METRIC_LINES)))
def test_lines_of_metrics(tmp_path: Path, number: int) -> None:
    """A bad line is counted and costs no other; a good one gives its numbers and no more."""
    line, added = METRIC_LINES[number]
    (tmp_path / "metrics.jsonl").write_text(line + "\n" + AFTER)
    lines = read_metrics(tmp_path / "metrics.jsonl")
    found = {(row["name"], row["value"]) for row in scalar_table(lines.rows).to_pylist()}
    assert found == ({("after", 5.0)} if added is None else {("after", 5.0), ("kept", 1.0), *added.items()})
    assert len(lines.bad) == (added is None)


def test_all_those_lines_in_one_run(tmp_path: Path) -> None:
    run = recorded(tmp_path / "run")
    with (run / "metrics.jsonl").open("a") as log:
        log.writelines(line + "\n" for line, _ in METRIC_LINES)
        log.write(AFTER)
    names = {row["name"] for row in tables(run, tmp_path / "store")["scalars"]}
    assert names >= {"after", "kept", "a\0b", "", "k" * 50_000, "train_loss"}
    verdict = next(finding for finding in verify_run(run) if finding.name == "metrics.jsonl")
    assert (verdict.status, verdict.reason.split()[0]) == (
        "bad",
        str(sum(added is None for _, added in METRIC_LINES)),
    )


ATTEMPT_LINES = [
    '{"attempt":0,"step":0,"time":1.0,"training":{"a":"\\ud800"}}',
    '{"attempt":0,"end":"finished","reason":"\\u0000","step":5,"time":1e300}',
    '{"attempt":0,"end":"finished","step":99999999999999999999999,"time":-1e300}',
    '{"attempt":0,"end":[],"step":1}',
    '{"attempt":0,"end":"finished","reason":{"a":1}}',
    '{"attempt":10,"end":"finished"}',
    '{"attempt":1,"step":9223372036854775807,"time":1e300,"training":[]}',
    '{"attempt":1,"step":9223372036854775808}',
    '{"attempt":1,"step":10,"time":"NaN","training":null}',
    '{"attempt":1,"step":10,"training":{"a":' + "9" * 400 + ',"b":NaN}}',
    "[]",
    "\0\0",
]


@pytest.mark.parametrize("number", range(len(ATTEMPT_LINES)))
def test_lines_of_attempts(tmp_path: Path, number: int) -> None:
    run = recorded(tmp_path / "run")
    with (run / "attempts.jsonl").open("a") as log:
        log.write(ATTEMPT_LINES[number] + "\n")
    found = tables(run, tmp_path / "store")
    assert {row["step"] for row in found["snapshots"]} >= {0}
    assert found["runs"][0]["status"] in {"finished", "unknown", "interrupted", "failed", "running"}


LAYERED = [
    {"name": "params/w", "section": "params", "dims": ["layer", "channel"], "shape": [2, 3], "dtype": "float32"},
    {"name": "scalars/train_loss", "section": "scalars", "dims": ["one"], "shape": [1], "dtype": "float64"},
]


def manifest(tensors: list[dict[str, Any]] | None = None, **sections: Any) -> dict[str, Any]:
    placed, size = place(tensors or LAYERED)
    document: dict[str, Any] = {
        "format": "strobe-snapshot",
        "version": 1,
        "run": {"id": "h", "name": "h", "created_at": 0.0, "writer": "test"},
        "model": {"family": "other"},
        "snapshot": {"bytes": size, "tensors": placed},
    }
    for name, section in sections.items():
        document[name] = {**document.get(name, {}), **section}
    return document


ODD_SECTIONS: list[dict[str, Any]] = [
    {"model": {"n_layer": 10**30, "n_head": "x", "n_embd": [], "vocab_size": -1.5}},
    {"training": {"tokens_per_step": 10**300, "peak_flops": 10**400, "device": {"a": 1}}},
    {"training": {"tokens_per_step": "x", "peak_flops": "Infinity", "device": ["\0"]}},
    {"task": {"kind": 10**4000}},
    {"task": {"kind": ["x"], "modulus": {}}},
    {"run": {"created_at": 1e308}},
    {"run": {"created_at": "0001-01-01T00:00:00+23:59"}},
    {"run": {"created_at": "9999-12-31T23:59:59-23:59"}},
    {"run": {"name": "\u00e9" * 5000}},
    {"reduced": {"what": [{}, 10**400]}},
]


@pytest.mark.parametrize("number", range(len(ODD_SECTIONS)))
def test_numbers_that_no_column_holds_are_unknown_and_never_an_error(tmp_path: Path, number: int) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    writer = SnapshotWriter(folder, manifest(**ODD_SECTIONS[number]), fsync=False)
    writer.write(2**53, {"params/w": np.ones((2, 3), np.float32), "scalars/train_loss": np.ones(1)})
    found = tables(folder, tmp_path / "store")
    assert [row["layer"] for row in found["tensors"]] == [0, 1]
    assert found["runs"][0]["peak_flops"] is None
    assert found["runs"][0]["n_layer"] is None


@pytest.mark.parametrize("change", [{"shape": [MAX_LAYERS + 1, 1]}, {"dims": ["a", "b"], "layer": MAX_LAYERS + 1}])
def test_more_layers_than_a_column_holds_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ManifestError, match=r"tensor 'params/w' \(number 0\): (shape|layer)"):
        parse(manifest_bytes(manifest([{**LAYERED[0], **change}, LAYERED[1]])), "m")


@pytest.mark.parametrize("attempt", [2**31, 2**32 - 1, -1])
def test_more_attempts_than_a_column_holds_are_refused(tmp_path: Path, attempt: int) -> None:
    writer = SnapshotWriter(tmp_path, manifest(), fsync=False)
    with pytest.raises(SnapshotError, match="out of range"):
        writer.write(0, {}, attempt=attempt)
    assert parse_file_name(f"step_000000.{attempt}.bin") is None
