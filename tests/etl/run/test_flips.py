"""One changed bit or byte anywhere in a run is noticed by verification, and costs no other snapshot."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from etl.run.layout import HEADER_BYTES
from etl.run.manifest import ManifestError
from etl.run.verify import verify_run
from tests.support.effort import UNLESS_IN_CI, tries
from tests.support.make_run import make_run

STEPS = (0, 10)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(
        tmp_path / "alpha", steps=STEPS, layers=1, heads=1, width=4, vocab=5, probe=(1, 2), metrics_every=10
    )


def bad(run: Path) -> list[str]:
    """The names of the files that verification calls bad; the manifest's own when nothing can be read."""
    try:
        return [finding.name for finding in verify_run(run) if finding.status == "bad"]
    except ManifestError:
        return ["manifest.json"]


def flip(path: Path, bit: int) -> None:
    with path.open("r+b") as file:
        file.seek(bit // 8)
        byte = file.read(1)[0]
        file.seek(bit // 8)
        file.write(bytes([byte ^ (1 << bit % 8)]))


def test_nothing_is_bad_at_first(run: Path) -> None:
    assert bad(run) == []


def test_every_bit_of_the_header(run: Path) -> None:
    path = run / "step_000010.bin"
    for bit in range(8 * HEADER_BYTES):
        flip(path, bit)
        assert bad(run) == [path.name], f"bit {bit}"
        flip(path, bit)


@pytest.mark.parametrize("change", [1, 0xFF, *(pytest.param(change, marks=UNLESS_IN_CI) for change in (0x20, 0x80))])
def test_every_byte_of_the_manifest(run: Path, change: int) -> None:
    """Either the manifest is refused, or its hash no longer fits and every snapshot is: never another reading."""
    path = run / "manifest.json"
    data = path.read_bytes()
    step = 1 if os.environ.get("STROBE_TEST_FULL") else 7
    for place in range(change % step, len(data), step):
        path.write_bytes(data[:place] + bytes([data[place] ^ change]) + data[place + 1 :])
        assert bad(run) in (["manifest.json"], ["step_000000.bin", "step_000010.bin"]), f"byte {place}"
    path.write_bytes(data)
    assert bad(run) == []


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("change", [1, 0x20, 0x80, 0xFF])
def test_every_single_byte_of_the_manifest(run: Path, change: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STROBE_TEST_FULL", "1")
    test_every_byte_of_the_manifest(run, change)


def test_random_bits_of_the_payload(run: Path) -> None:
    path, random = run / "step_000010.bin", np.random.default_rng(0)
    for bit in random.integers(8 * HEADER_BYTES, 8 * path.stat().st_size, tries(200, 1000)).tolist():
        flip(path, bit)
        assert bad(run) == [path.name], f"bit {bit}"
        flip(path, bit)


@pytest.mark.parametrize("cut", [1, 3, 4, 64, 500])
def test_truncation_and_extension(run: Path, cut: int) -> None:
    path = run / "step_000010.bin"
    data = path.read_bytes()
    for changed in (data[:-cut], data + bytes(cut)):
        path.write_bytes(changed)
        assert bad(run) == [path.name]
