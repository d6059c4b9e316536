"""The .bin format: golden bytes, round trips, and what a reader refuses."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from etl.run import header
from etl.run import snapshot as fmt
from etl.run.file_names import file_name, parse_file_name
from etl.run.folder import Run
from etl.run.layout import DTYPES, place
from etl.run.manifest import parse, read
from etl.run.snapshot import Snapshot
from etl.run.snapshot_errors import SnapshotError
from etl.run.writer import SnapshotWriter, write_manifest
from tests.support.effort import tries
from tests.support.places import ROOT

WTE = np.arange(15, dtype="<f4").reshape(5, 3) / 8
BIAS = np.array([1.5, -2.0], ml_dtypes.bfloat16)


def tensor(name: str, shape: list[int], dtype: str) -> dict[str, Any]:
    dims = [f"axis{i}" for i in range(len(shape))]
    return {"name": name, "section": name.partition("/")[0], "dims": dims, "shape": shape, "dtype": dtype}


def manifest(tensors: list[dict[str, Any]]) -> dict[str, Any]:
    placed, size = place(tensors)
    return {
        "format": "strobe-snapshot",
        "version": 1,
        "run": {"id": "golden", "name": "Golden", "created_at": 1.0, "writer": "test"},
        "model": {"family": "mlp"},
        "snapshot": {"bytes": size, "tensors": placed},
    }


GOLDEN_MANIFEST = manifest([tensor("params/wte", [5, 3], "float32"), tensor("params/bias", [2], "bfloat16")])


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    writer = SnapshotWriter(tmp_path, GOLDEN_MANIFEST)
    return writer.write(42, {"params/wte": WTE, "params/bias": BIAS}, attempt=3, time=1_700_000_000.25)


def test_golden_bytes(golden: Path) -> None:
    """The file as docs/snapshot-format.md spells it out, put together here by hand."""
    payload = WTE.tobytes() + bytes(4) + struct.pack("<HH", 0x3FC0, 0xC000) + bytes(60)
    manifest_hash = fmt.fnv1a64((golden.parent / "manifest.json").read_bytes())
    head = b"STROBE1\0" + struct.pack("<qQII", 42, 128, zlib.crc32(payload), 1)
    head += struct.pack("<dQI", 1_700_000_000.25, manifest_hash, 3) + bytes(8)
    assert golden.name == "step_000042.3.bin"
    assert golden.read_bytes() == head + struct.pack("<I", zlib.crc32(head)) + payload


def test_golden_constants(golden: Path) -> None:
    """Literal bytes: a change of the format cannot pass by changing both sides."""
    data = golden.read_bytes()
    assert data[:16].hex() == "5354524f424531002a00000000000000"
    assert zlib.crc32(data[64:]) == 0x645D85B3
    assert fmt.fnv1a64(b"") == 0xCBF29CE484222325
    assert fmt.fnv1a64(b"foobar") == 0x85944171F73967E8
    assert fmt.fnv1a64((golden.parent / "manifest.json").read_bytes()) == 0x99192A38A70851F1


def test_reading_back(golden: Path) -> None:
    snapshot = Run(golden.parent).at(42)
    assert (snapshot.step, snapshot.attempt, snapshot.time) == (42, 3, 1_700_000_000.25)
    assert snapshot.names == ["params/wte", "params/bias"]
    np.testing.assert_array_equal(snapshot["params/wte"], WTE)
    np.testing.assert_array_equal(snapshot["params/bias"], BIAS)
    assert not snapshot["params/wte"].flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        snapshot["params/wte"][0] = 0
    snapshot.verify()


def test_quantised_values(tmp_path: Path) -> None:
    specs = [tensor("params/w", [2, 3], "int8") | {"scale": "params/s"}, tensor("params/s", [2], "float32")]
    stored = np.array([[1, -2, 3], [4, 5, -6]], np.int8)
    path = SnapshotWriter(tmp_path, manifest(specs)).write(
        0, {"params/w": stored, "params/s": np.array([0.5, 2.0], np.float32)}
    )
    snapshot = Run(tmp_path).open(path)
    np.testing.assert_array_equal(snapshot.values("params/w"), [[0.5, -1, 1.5], [8, 10, -12]])
    assert snapshot["params/w"].dtype == np.int8


def test_unknown_tensor_is_answered_with_those_there(golden: Path) -> None:
    snapshot = Run(golden.parent).at(42)
    with pytest.raises(SnapshotError, match=r"no tensor 'params/wpe'; there are params/wte, params/bias"):
        snapshot["params/wpe"]
    assert "params/wte" in snapshot
    assert "params/wpe" not in snapshot


@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
@settings(max_examples=tries(10, 25), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_round_trip_is_bit_exact(tmp_path_factory: pytest.TempPathFactory, dtype: str, data: st.DataObject) -> None:
    """Any bits, NaN payloads and signed zeros among them, in any shape, come back as they were."""
    folder = tmp_path_factory.mktemp("run")
    kind = fmt.numpy_dtype(dtype)
    shape = data.draw(hnp.array_shapes(max_dims=4, max_side=5))
    raw = data.draw(hnp.arrays(np.uint8, int(np.prod(shape)) * kind.itemsize))
    array = raw.view(kind).reshape(shape)
    step = data.draw(st.integers(0, 2**53))
    document = manifest([tensor("params/first", [3], "uint8"), tensor("params/x", list(shape), dtype)])
    arrays = {"params/first": np.array([1, 2, 3], np.uint8), "params/x": array}
    SnapshotWriter(folder, document, fsync=False).write(step, arrays)
    snapshot = Run(folder).at(step)
    assert snapshot["params/x"].tobytes() == array.tobytes()
    assert snapshot["params/x"].shape == shape
    snapshot.verify()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"params/wte": WTE}, "'params/bias' is missing"),
        ({"params/wte": WTE, "params/bias": BIAS, "params/x": WTE}, r"\['params/x'\] are not in the manifest"),
        ({"params/wte": WTE.T, "params/bias": BIAS}, r"is float32 \[3, 5\]; the manifest says float32 \[5, 3\]"),
        ({"params/wte": WTE.astype("f8"), "params/bias": BIAS}, r"is float64 \[5, 3\]"),
    ],
)
def test_writer_refuses_other_arrays(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    writer = SnapshotWriter(tmp_path, GOLDEN_MANIFEST)
    with pytest.raises(SnapshotError, match=message):
        writer.write(0, arrays)
    assert os.listdir(tmp_path) == ["manifest.json"]


def test_writer_refuses_a_step_twice(golden: Path) -> None:
    writer = SnapshotWriter(golden.parent, GOLDEN_MANIFEST)
    before = golden.read_bytes()
    with pytest.raises(SnapshotError, match="recorded already in attempt 3"):
        writer.write(42, {"params/wte": WTE * 0, "params/bias": BIAS}, attempt=3)
    assert golden.read_bytes() == before


def test_writer_refuses_another_manifest(golden: Path) -> None:
    other = manifest([tensor("params/wte", [5, 4], "float32")])
    with pytest.raises(SnapshotError, match="is there already and differs"):
        SnapshotWriter(golden.parent, other)


def test_big_endian_and_strided_arrays_are_written_in_order(tmp_path: Path) -> None:
    wide = np.arange(30, dtype=">f4").reshape(5, 6)
    writer = SnapshotWriter(tmp_path, GOLDEN_MANIFEST)
    writer.write(0, {"params/wte": wide[:, ::2], "params/bias": BIAS})
    np.testing.assert_array_equal(Run(tmp_path).at(0)["params/wte"], wide[:, ::2])


def test_a_failing_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = SnapshotWriter(tmp_path, GOLDEN_MANIFEST)
    calls = {"os.write": 4, "os.fsync": 2}
    for name, failures in calls.items():
        module_function = name.split(".")[1]
        real = getattr(os, module_function)
        for failing in range(failures):
            state = {"left": failing}

            def fail(*arguments: Any, real: Any = real, state: dict[str, int] = state) -> Any:
                state["left"] -= 1
                if state["left"] < 0:
                    raise OSError(28, "No space left on device")
                return real(*arguments)

            with monkeypatch.context() as patch:
                patch.setattr(os, module_function, fail)
                with pytest.raises(OSError, match="No space"):
                    writer.write(failing, {"params/wte": WTE, "params/bias": BIAS}, attempt=7)
            final = [name for name in os.listdir(tmp_path) if name != "manifest.json"]
            assert not [name for name in final if name.endswith(".tmp")]
            for name in final:  # only the folder's own fsync comes after the rename
                Run(tmp_path).open(tmp_path / name).verify()
                (tmp_path / name).unlink()


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, bytes(data)[:1]))
    SnapshotWriter(tmp_path, GOLDEN_MANIFEST).write(0, {"params/wte": WTE, "params/bias": BIAS})
    Run(tmp_path).at(0).verify()


@pytest.mark.parametrize("change", [-1, -3, -4, -150, 1, 64])
def test_wrong_size_is_seen_before_any_read(golden: Path, change: int) -> None:
    data = golden.read_bytes()
    golden.write_bytes(data[:change] if change < 0 else data + bytes(change))
    with pytest.raises(SnapshotError, match="truncated or extended|cut off"):
        Run(golden.parent).open(golden)


def test_empty_file(golden: Path) -> None:
    golden.write_bytes(b"")
    with pytest.raises(SnapshotError, match="cut off after 0 of 64"):
        Run(golden.parent).open(golden)


def test_renamed_file_is_refused(golden: Path) -> None:
    moved = golden.rename(golden.with_name("step_000043.bin"))
    with pytest.raises(SnapshotError, match="unlike its name"):
        Run(golden.parent).open(moved)


def test_changed_manifest_makes_snapshots_unreadable(golden: Path) -> None:
    path = golden.parent / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b'"Golden"', b'"Molten"'))
    with pytest.raises(SnapshotError, match="under another manifest"):
        Run(golden.parent).open(golden)


@pytest.mark.parametrize("kind", ["symlink", "fifo", "folder", "device"])
def test_only_regular_files_are_opened(golden: Path, kind: str) -> None:
    path = golden.parent / "step_000001.bin"
    if kind == "symlink":
        path.symlink_to(golden)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path = Path("/dev/zero")
    with pytest.raises(SnapshotError, match="symbolic link|not a regular file"):
        Run(golden.parent).open(path)


def test_steps_sort_as_numbers_beyond_six_digits(tmp_path: Path) -> None:
    writer = SnapshotWriter(tmp_path, GOLDEN_MANIFEST, fsync=False)
    steps = [999_998, 999_999, 1_000_000, 1_000_001, 10_000_000]
    for step in reversed(steps):
        writer.write(step, {"params/wte": WTE, "params/bias": BIAS})
    assert Run(tmp_path).steps() == steps


@pytest.mark.parametrize(
    "name",
    [
        "step_1.bin",
        "step_0000001.bin",
        "step_000001.0.bin",
        "step_000001.01.bin",
        "step_000001.bin.tmp",
        "step_abc.bin",
        ".step_000001.bin.12.tmp",
        "step_99999999999999999999.bin",
        "step_٠٠٠٠٠١.bin",
    ],
)
def test_names_that_are_no_snapshot(name: str) -> None:
    assert parse_file_name(name) is None


@given(st.integers(0, 2**53), st.integers(0, 2**31 - 1))
def test_file_names_round_trip(step: int, attempt: int) -> None:
    assert parse_file_name(file_name(step, attempt)) == (step, attempt)


def test_opening_reads_one_row_of_a_large_file_without_reading_the_rest(tmp_path: Path) -> None:
    """A sparse 1 GiB snapshot: only the header's page and the row's pages become resident."""
    document = manifest([tensor("params/big", [262_144, 1024], "float32")])
    manifest_hash = write_manifest(tmp_path, document)
    path = tmp_path / "step_000000.bin"
    size = document["snapshot"]["bytes"]
    with path.open("wb") as file:
        file.write(header.Header(0, size - 64, 0, 0.0, manifest_hash, 0).pack())
        file.truncate(size)

    def resident_kb() -> int:
        status = Path("/proc/self/status").read_text()
        return sum(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))

    run = Run(tmp_path)
    before = resident_kb()
    row = run.open(path).read("params/big", 200_000)
    assert row.sum() == 0
    assert resident_kb() - before < 4096


def test_nearest_earlier(tmp_path: Path) -> None:
    writer = SnapshotWriter(tmp_path, GOLDEN_MANIFEST, fsync=False)
    for step in (0, 100, 250):
        writer.write(step, {"params/wte": WTE + step, "params/bias": BIAS})
    run = Run(tmp_path)
    assert run.at(249, nearest=True).step == 100
    with pytest.raises(SnapshotError, match="no snapshot at step 249; of 3 the nearest are 0, 100, 250"):
        run.at(249)


def test_later_attempts_cut_earlier_ones(tmp_path: Path) -> None:
    writer = SnapshotWriter(tmp_path, GOLDEN_MANIFEST, fsync=False)
    arrays = {"params/wte": WTE, "params/bias": BIAS}
    for attempt, steps in enumerate([(0, 100, 200, 300), (100, 200), (150,)]):
        for step in steps:
            writer.write(step, arrays, attempt=attempt)
    starts = [{"attempt": a, "step": s, "time": 1.0} for a, s in enumerate((0, 100, 120))]
    (tmp_path / "attempts.jsonl").write_text("".join(json.dumps(start) + "\n" for start in starts))
    current = Run(tmp_path).current()
    assert {step: path.name for step, path in current.items()} == {
        0: "step_000000.bin",
        100: "step_000100.1.bin",
        150: "step_000150.2.bin",
    }


def test_gaps_must_be_zero(golden: Path) -> None:
    data = bytearray(golden.read_bytes())
    data[64 + 60] = 1  # the gap after params/wte
    fields = header._HEADER.unpack(data[:64])
    sound = header.Header(fields[1], fields[2], zlib.crc32(data[64:]), fields[5], fields[6], fields[7])
    golden.write_bytes(sound.pack() + data[64:])
    snapshot = Run(golden.parent).open(golden)
    with pytest.raises(SnapshotError, match="lie between tensors"):
        snapshot.verify()


def test_manifest_round_trip(golden: Path) -> None:
    manifest_read = read(golden.parent)
    assert manifest_read.raw == GOLDEN_MANIFEST
    assert parse(fmt.manifest_bytes(GOLDEN_MANIFEST), "x").hash == manifest_read.hash
    assert isinstance(Snapshot(golden, manifest_read.raw, manifest_read.hash), Snapshot)


def test_reading_and_writing_need_numpy_alone(tmp_path: Path) -> None:
    """A training machine has nothing else: every other package is kept out, and a snapshot goes there and back."""
    code = f"""
import sys
for name in ("pydantic", "pyarrow", "duckdb", "numba", "ml_dtypes", "pandas", "strobe"):
    sys.modules[name] = None
import numpy as np
from etl.run.snapshot import Snapshot
from etl.run.layout import place
from etl.run.writer import SnapshotWriter, write_manifest
entry = {{"name": "params/w", "section": "params", "dims": ["one"], "shape": [1], "dtype": "float32"}}
tensors, size = place([entry])
manifest = {{"snapshot": {{"bytes": size, "tensors": tensors}}}}
writer = SnapshotWriter({str(tmp_path)!r}, manifest)
path = writer.write(7, {{"params/w": np.ones(1, np.float32)}})
assert Snapshot(path, manifest, writer.manifest_hash)["params/w"][0] == 1
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
