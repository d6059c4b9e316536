"""Manifests that were parsed lately are not parsed again, and no changed one is taken for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from etl.run.manifest import ManifestError, read
from etl.run.parsed import ParsedLately
from tests.support.make_run import make_run


def test_the_same_bytes_are_parsed_once() -> None:
    asked: list[bytes] = []
    lately = ParsedLately[int](most_bytes=100)

    def parse(data: bytes) -> int:
        asked.append(data)
        return len(data)

    assert [lately.get(data, parse) for data in (b"a", b"bb", b"a")] == [1, 2, 1]
    assert asked == [b"a", b"bb"]


def test_the_one_asked_for_longest_ago_goes_and_a_large_one_is_not_kept() -> None:
    asked: list[bytes] = []
    lately = ParsedLately[None](most_bytes=4)
    for data in (b"aa", b"bb", b"aa", b"cc", b"aa", b"bb", b"ddddd", b"ddddd"):
        lately.get(data, asked.append)
    assert asked == [b"aa", b"bb", b"cc", b"bb", b"ddddd", b"ddddd"]


def test_what_fails_is_asked_again() -> None:
    lately = ParsedLately[float]()
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            lately.get(b"", lambda data: 1 / len(data))


def test_a_manifest_is_the_same_until_it_changes(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    assert read(folder) is read(folder)
    path = folder / "manifest.json"
    before, text = path.stat(), path.read_text()
    path.write_text(text.replace('"tests"', '"other"'))
    assert path.stat().st_size == before.st_size
    assert read(folder).run.writer == "other"
    path.write_text("{}")
    with pytest.raises(ManifestError, match="manifest.json"):
        read(folder)
