"""Manifests and folders made to hurt: refused in one line that names the tensor and the field, or read exactly."""

from __future__ import annotations

import copy
import json
import os
import resource
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etl.run.folder import Run
from etl.run.layout import place
from etl.run.manifest import ManifestError, parse, read
from etl.run.snapshot_errors import SnapshotError
from etl.run.strict_json import MAX_VALUES
from etl.run.verify import verify_run
from etl.run.writer import SnapshotWriter

TENSORS = [
    {"name": "params/wte", "section": "params", "dims": ["token", "channel"], "shape": [3, 5], "dtype": "float32"},
    {"name": "params/bias", "section": "params", "dims": ["channel"], "shape": [5], "dtype": "float32"},
]


def document(tensors: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    placed, size = place(tensors or TENSORS)
    return {
        "format": "strobe-snapshot",
        "version": 1,
        "run": {"id": "hostile", "name": "hostile", "created_at": 0.0, "writer": "test"},
        "model": {"family": "other"},
        "snapshot": {"bytes": size, "tensors": placed},
    }


def encoded(value: object) -> bytes:
    return json.dumps(value).encode()


def with_field(field: str, value: object) -> bytes:
    changed = copy.deepcopy(document())
    changed["snapshot"]["tensors"][1][field] = value
    return encoded(changed)


def refusal(data: bytes) -> str:
    """The one line a manifest is refused with; a second and 50 MB are the most that it may cost."""
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.thread_time()
    with pytest.raises(ManifestError) as refused:
        parse(data, "run/manifest.json")
    assert time.thread_time() - start < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 * 1024 + len(data) / 256
    message = str(refused.value)
    assert message.startswith("run/manifest.json: ")
    assert message.isprintable()
    assert len(message) < 600
    return message


def test_the_document_itself_is_sound() -> None:
    assert [tensor.name for tensor in parse(encoded(document()), "m").snapshot.tensors] == [
        "params/wte",
        "params/bias",
    ]


DTYPES = [
    *("float33", "<f4", ">f4", "complex64", "Float32", "f4", "uint16", "float32 ", "", "object", "V8", "bool"),
    *(4, None, [], {}, True),
]


@pytest.mark.parametrize("dtype", DTYPES, ids=repr)
def test_dtypes(dtype: object) -> None:
    message = refusal(with_field("dtype", dtype))
    assert "params/bias" in message or "tensors[1]" in message
    assert "dtype" in message


SHAPES: list[object] = [
    *([2**32, 2**32], [2**63], [2**63 - 1], [2**64 - 4], [2**62, 4], [-1, 4], [-5], [0, 5], [0], [], [1] * 9),
    *([1] * 33, [17], [5, 2**61], [1e400], ["12"], [3.0], [5.0], [True], [None], [[5]], [{}], [10**30], [-(2**63)]),
    *([5, 0], [5, -1], [0.5], [float("nan")], [""], [5, "x"], [2**31] * 8, [2**63 - 1] * 8, [10**4000]),
    *("5", 5, 5.0, None, {}, {"0": 5}, True, "[5]", [5, 1], [1, 5]),
]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: repr(shape)[:40])
def test_shapes(shape: object) -> None:
    message = refusal(with_field("shape", shape))
    known = ("shape", "dims", "NaN is not JSON", "Infinity is not JSON", "is not JSON")
    assert any(word in message for word in known)


OFFSETS: list[object] = [
    *(-64, -1, 0, 1, 63, 64, 65, 124, 127, 129, 192, 256, 2**20, 2**31, 2**32, 2**63 - 64, 2**63, 2**64 - 64),
    *(2**64 - 4, 10**30, 128.0, 128.5, "128", None, [], [128], {}, True, False, -(2**63), 1e300, 10**4000),
]


@pytest.mark.parametrize("offset", OFFSETS, ids=lambda offset: repr(offset)[:40])
def test_offsets(offset: object) -> None:
    message = refusal(with_field("offset", offset))
    assert "params/bias" in message or "tensors[1]" in message
    assert "offset" in message


@pytest.mark.parametrize("size", [0, 64, 128, 191, 193, 256, 2**40, 2**63, -64, 192.0, "192", None, [192], True])
def test_sizes_of_the_file(size: object) -> None:
    changed = document()
    changed["snapshot"]["bytes"] = size
    message = refusal(encoded(changed))
    assert "snapshot.bytes" in message or "shape" in message


def test_tensors_out_of_order_and_overlapping() -> None:
    changed = document()
    changed["snapshot"]["tensors"].reverse()
    assert "'params/bias' (number 0): offset" in refusal(encoded(changed))
    changed = document()
    changed["snapshot"]["tensors"][1]["offset"] = 64
    assert "'params/bias' (number 1): offset" in refusal(encoded(changed))


BAD_NAMES = [
    *(
        "",
        "wte",
        "/wte",
        "params/",
        "/",
        "//",
        "params/../etc",
        "../../etc/passwd",
        "/etc/passwd",
        "params/..",
        "./x",
    ),
    *(
        "C:\\x",
        "params\\wte",
        "params/a\0b",
        "params/a\nb",
        "params/\x1b[31mred",
        "params/\u202egnp",
        "params/\u2028",
    ),
    *("params/" + "x" * 20_000, "params/wte", "grads/bias", "params/\x7f", "params/\x85", "params/\u2066x"),
    *(None, 5, [], {}, True),
]


@pytest.mark.parametrize("name", BAD_NAMES, ids=lambda name: ascii(name)[:40])
def test_names_that_are_refused(name: object) -> None:
    message = refusal(with_field("name", name))
    assert "name" in message or "section" in message


STORED_NAMES = [
    *("emoji-\U0001f600", "caf\u00e9", "cafe\u0301", "'; DROP TABLE runs; --", "<img src=x onerror=alert(1)>"),
    *(
        "=cmd()|' C calc'!A0",
        "[link](javascript:alert(1))",
        "$LaTeX$",
        ":red[x]",
        "a b",
        "x" * 9000,
    ),
    *("%00", "{ROOT}", "${HOME}", "`id`", "\u4e2d\u6587", "NULL", "-1", "+1", "@SUM(1)", '"', "*"),
]


def test_names_that_are_data_are_kept_exactly(tmp_path: Path) -> None:
    """Odd names, and twins that differ only in their normal form, come back as they were; none is ever a path."""
    names = [f"params/{name}" for name in STORED_NAMES]
    tensors = [
        {"name": name, "section": "params", "dims": ["channel"], "shape": [2], "dtype": "float32"} for name in names
    ]
    arrays = {name: np.array([i, -i], np.float32) for i, name in enumerate(names)}
    SnapshotWriter(tmp_path, document(tensors), fsync=False).write(0, arrays)
    snapshot = Run(tmp_path).at(0)
    assert snapshot.names == names
    for i, name in enumerate(names):
        assert snapshot[name].tolist() == [i, -i]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["manifest.json", "step_000000.bin"]


def test_odd_names_reach_the_tables_exactly(tmp_path: Path) -> None:
    from etl.ingest.load import ingest
    from etl.store.catalogue import Store

    names = [name for name in STORED_NAMES if len(name) < 100]
    tensors = [
        {"name": f"params/{name}", "section": "params", "dims": ["channel"], "shape": [2], "dtype": "float32"}
        for name in names
    ]
    arrays = {tensor["name"]: np.ones(2, np.float32) for tensor in tensors}
    SnapshotWriter(tmp_path / "run", document_in(tmp_path / "run", tensors), fsync=False).write(0, arrays)
    ingest([tmp_path / "run"], tmp_path / "store", jobs=1)
    rows = Store(tmp_path / "store").sql("SELECT tensor FROM tensors").column("tensor").to_pylist()
    assert sorted(rows) == sorted(names)


def document_in(folder: Path, tensors: list[dict[str, Any]]) -> dict[str, Any]:
    folder.mkdir()
    return document(tensors)


def deep(opening: bytes, count: int) -> bytes:
    return b'{"format":' + opening * count


JSON_TRICKS = {
    "deep lists": (deep(b"[", 1_000_000), "deep"),
    "deep objects": (deep(b'{"a":', 400_000), "deep"),
    "long integer": (b'{"version":' + b"9" * 10_000_000 + b"}", "digits"),
    "integer of a hundred million digits": (b'{"version":' + b"9" * 100_000_000 + b"}", "bytes"),
    "float out of range": (b'{"version":1e400}', "out of range"),
    "NaN": (b'{"version":NaN}', "NaN is not JSON"),
    "Infinity": (b'{"version":-Infinity}', "Infinity is not JSON"),
    "a key twice": (b'{"version":1,"version":1}', "'version' stands twice"),
    "a key twice far apart": (
        b"{" + b",".join(b'"k%d":0' % i for i in range(100_000)) + b',"k99999":1}',
        "'k99999' stands twice",
    ),
    "a surrogate": (b'{"format":"\\ud800"}', "surrogate"),
    "a surrogate in bytes": (b'{"format":"\xed\xa0\x80"}', "not UTF-8 at byte 11"),
    "byte order mark": (b"\xef\xbb\xbf{}", "byte 0"),
    "utf-16": ('{"format":1}'.encode("utf-16"), "not UTF-8 at byte 0"),
    "empty": (b"", "empty"),
    "blanks": (b" \n\t ", "empty"),
    "NULs": (b"\0" * 4096, "not JSON"),
    "half": (encoded(document())[:200], "not JSON"),
    "two documents": (b"{}{}", "not JSON"),
    "a list": (b"[]", "list, not an object"),
    "null": (b"null", "not an object"),
    "a trailing comma": (b'{"format":1,}', "not JSON"),
    "a comment": (b"{} // x", "not JSON"),
    "too many values": (b"[" + b"0," * MAX_VALUES + b"0]", "values"),
    "a million tensors of nothing": (
        encoded(document()).replace(b'"tensors": [', b'"tensors": [' + b"{}," * 300_000),
        "number 0",
    ),
    "too large": (b" " * (64 << 20) + b"{}", "bytes"),
}


@pytest.mark.parametrize("trick", JSON_TRICKS)
def test_json_tricks(trick: str) -> None:
    data, reason = JSON_TRICKS[trick]
    assert reason in refusal(data)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    writer = SnapshotWriter(folder, document(), fsync=False)
    for step in (0, 10):
        writer.write(step, {"params/wte": np.ones((3, 5), np.float32), "params/bias": np.ones(5, np.float32)})
    return folder


def test_a_missing_manifest_says_what_is_there_instead(run: Path) -> None:
    (run / "manifest.json").unlink()
    with pytest.raises(ManifestError, match=r"manifest.json: is missing.*step_000000.bin"):
        read(run)
    with pytest.raises(ManifestError, match="is no folder"):
        read(run / "nowhere")


@pytest.mark.parametrize("kind", ["symlink", "dangling", "fifo", "folder", "unreadable"])
@pytest.mark.timeout(20)
def test_things_that_are_no_manifest(run: Path, kind: str, tmp_path: Path) -> None:
    path = run / "manifest.json"
    if kind == "unreadable":
        if os.geteuid() == 0:
            pytest.skip("root reads everything")
        path.chmod(0)
    else:
        shutil.move(path, tmp_path / "elsewhere.json")
        make(path, kind, tmp_path / "elsewhere.json")
    with pytest.raises(ManifestError, match="symbolic link|not a regular file|cannot be opened"):
        read(run)


def make(path: Path, kind: str, target: Path) -> None:
    if kind == "symlink":
        path.symlink_to(target)
    elif kind == "dangling":
        path.symlink_to(target.with_name("nowhere"))
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.mkdir()


@pytest.mark.parametrize("kind", ["symlink", "dangling", "fifo", "folder"])
@pytest.mark.timeout(20)
def test_things_that_are_no_snapshot_are_one_bad_snapshot(run: Path, kind: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hunter2 " * 100)
    make(run / "step_000005.bin", kind, secret)
    findings = {finding.name: finding for finding in verify_run(run)}
    assert [name for name, finding in findings.items() if finding.status == "bad"] == ["step_000005.bin"]
    assert "hunter2" not in findings["step_000005.bin"].reason
    assert Run(run).at(10)["params/bias"].tolist() == [1] * 5
    with pytest.raises(SnapshotError):
        Run(run).at(5)


def test_a_linked_run_folder_is_read_as_what_it_is(run: Path, tmp_path: Path) -> None:
    (tmp_path / "linked").symlink_to(run)
    assert Run(tmp_path / "linked").steps() == [0, 10]


@pytest.mark.slow
def test_a_hundred_thousand_tensors(tmp_path: Path) -> None:
    layered = [
        {
            "name": f"params/layer{i}.weight", "section": "params", "dims": ["out"], "shape": [1], "dtype": "float32",
            "layer": i % 1000, "group": "weight",
        }
        for i in range(100_000)
    ]  # fmt: skip
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.thread_time()
    manifest = parse(encoded(document(layered)), "m")
    assert len(manifest.snapshot.tensors) == 100_000
    assert time.thread_time() - start < 30
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1 << 20
