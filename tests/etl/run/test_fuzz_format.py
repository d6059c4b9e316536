"""Mutated manifests and snapshots: refused in words or read, never a traceback, a hang or much memory."""

from __future__ import annotations

import copy
import json
import random
import resource
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from etl.errors import StrobeError
from etl.ingest.load import ingest
from etl.run.folder import Run
from etl.run.snapshot import fnv1a64
from etl.run.verify import verify_run
from tests.support.effort import tries
from tests.support.make_run import make_run

MAX_S = 1.0
MAX_GROWTH_KB = 256 * 1024
HOSTILE: list[Any] = [
    *(-1, 0, 1, 63, 65, 2**31, 2**32 - 4, 2**53, 2**63 - 64, 2**63, 2**64 - 4, 10**400, -(2**63), 3.0, 1e308, 0.5),
    *(
        "",
        "12",
        "../../etc/passwd",
        "params/../x",
        "a\0b",
        "\x1b[31m",
        "\u202e",
        "x" * 20_000,
        "float33",
        "complex64",
    ),
    *(None, True, False, [], {}, [[]], [None], {"": {}}, [-1, 4], [2**32, 2**32], [1] * 33, [0, 5], ["layer"] * 3),
]


def paths(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in a JSON document, containers included."""
    found = [here] if here else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found += paths(item, (*here, key))
    return found


def mutated_document(document: dict[str, Any], choice: random.Random) -> bytes:
    changed = copy.deepcopy(document)
    for _ in range(choice.randint(1, 3)):
        path = choice.choice(paths(changed))
        parent = changed
        for key in path[:-1]:
            parent = parent[key]
        if choice.random() < 0.15:
            del parent[path[-1]]
        else:
            parent[path[-1]] = copy.deepcopy(choice.choice(HOSTILE))
    return json.dumps(changed).encode()


def raw_tricks(data: bytes) -> list[bytes]:
    """Files that are hostile as JSON, whatever they say."""
    return [
        *(b"", b" ", b"null", b"[]", b"\xef\xbb\xbf" + data, data + b"x", data[: len(data) // 2], b"\0" * 1000),
        *(b"[" * 1_000_000, b'{"a":' * 200_000, b'{"format":' + b"9" * 1_000_000 + b"}", b'{"version":1e400}'),
        *(b'{"version":NaN}', b'{"run":"\\ud800"}', data.replace(b'"version":1', b'"version":1,"version":1')),
        *(data.replace(b'"version":1', b'"version":2'), data.decode().encode("utf-16"), b"\xff\xfe" + data),
        data.replace(b'"name":"', b'"name":"\\ud800'),
    ]


def mutated_bytes(data: bytes, choice: random.Random) -> bytes:
    kind, place = choice.randrange(5), choice.randrange(len(data))
    if kind == 0:
        return data[:place]
    if kind == 1:
        return data + choice.randbytes(choice.randint(1, 200))
    if kind == 2:
        return data[:place] + choice.randbytes(choice.randint(1, 16)) + data[place:]
    length = choice.randint(1, 16 if kind == 3 else 400)
    return data[:place] + choice.randbytes(len(data[place : place + length])) + data[place + length :]


def read_everything(folder: Path) -> None:
    """What a person may do with a run; only an error in words may come out."""
    try:
        run = Run(folder)
    except StrobeError:
        return
    for _, _, path in run.files():
        try:
            snapshot = run.open(path)
            for name in snapshot.names[:50]:
                snapshot[name].reshape(-1)[:1].tobytes()
        except StrobeError:
            continue
    list(verify_run(folder))


def resign(folder: Path) -> None:
    """Give every snapshot the manifest's hash, so that a mutated manifest is really used to read them."""
    import struct
    import zlib

    manifest_hash = fnv1a64((folder / "manifest.json").read_bytes())
    for path in folder.glob("step_*.bin"):
        data = bytearray(path.read_bytes())
        data[40:48] = struct.pack("<Q", manifest_hash)
        data[60:64] = struct.pack("<I", zlib.crc32(bytes(data[:60])))
        path.write_bytes(bytes(data))


def one_mutation(base: Path, folder: Path, choice: random.Random, tricks: list[bytes]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(base, folder)
    manifest = folder / "manifest.json"
    what = choice.random()
    if what < 0.55:
        manifest.write_bytes(mutated_document(json.loads(manifest.read_bytes()), choice))
    elif what < 0.6:
        manifest.write_bytes(choice.choice(tricks))
    elif what < 0.7:
        manifest.write_bytes(mutated_bytes(manifest.read_bytes(), choice))
    else:
        path = choice.choice([*folder.glob("step_*.bin"), folder / "metrics.jsonl", folder / "attempts.jsonl"])
        path.write_bytes(mutated_bytes(path.read_bytes(), choice))
    if choice.random() < 0.7:
        resign_quietly(folder)


def resign_quietly(folder: Path) -> None:
    if all(path.stat().st_size >= 64 for path in folder.glob("step_*.bin")):
        resign(folder)


def storm(tmp_path: Path, count: int, seed: int, work: Callable[[Path], None]) -> tuple[float, int]:
    """(longest seconds, growth of peak resident memory in kB) over `count` mutations."""
    base = make_run(
        tmp_path / "base", steps=(0, 10), layers=1, heads=1, width=4, vocab=5, probe=(1, 2), metrics_every=5
    )
    choice, longest = random.Random(seed), 0.0
    tricks = raw_tricks((base / "manifest.json").read_bytes())
    work(base)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(count):
        one_mutation(base, tmp_path / "mutant", choice, tricks)
        start = time.thread_time()
        try:
            work(tmp_path / "mutant")
        except Exception as error:
            raise AssertionError(f"mutation {number} of seed {seed} escaped") from error
        longest = max(longest, time.thread_time() - start)
    return longest, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before


def check(figures: tuple[float, int]) -> None:
    longest, growth = figures
    print(f"longest {longest:.3f} s, growth {growth / 1024:.0f} MB")
    assert longest < MAX_S
    assert growth < MAX_GROWTH_KB


def test_mutations(tmp_path: Path) -> None:
    check(storm(tmp_path, tries(200, 600), 1, read_everything))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_twenty_thousand_mutations(tmp_path: Path) -> None:
    check(storm(tmp_path, 20_000, 2, read_everything))


def ingest_into(store: Path) -> Callable[[Path], None]:
    def work(folder: Path) -> None:
        shutil.rmtree(store, ignore_errors=True)
        try:
            ingest([folder], store, jobs=1)
        except StrobeError:
            return

    return work


def test_mutations_through_ingest(tmp_path: Path) -> None:
    check(storm(tmp_path, tries(20, 60), 3, ingest_into(tmp_path / "store")))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_thousand_mutations_through_ingest(tmp_path: Path) -> None:
    check(storm(tmp_path, 2_000, 4, ingest_into(tmp_path / "store")))


def test_every_trick(tmp_path: Path) -> None:
    base = make_run(tmp_path / "base", steps=(0,), layers=1, heads=1, width=4, vocab=5, probe=(1, 2), metrics_every=5)
    manifest = base / "manifest.json"
    for trick in raw_tricks(manifest.read_bytes()):
        manifest.write_bytes(trick)
        start = time.thread_time()
        with pytest.raises(StrobeError) as refused:
            Run(base)
        assert time.thread_time() - start < MAX_S
        assert "\n" not in str(refused.value)
        assert len(str(refused.value)) < 1000
