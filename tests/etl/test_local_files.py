"""Files that come and go while they are looked at."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from etl.local_files import NotAFileError, read_regular


def test_a_file_that_comes_between_two_looks_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where two ingests make a store at the same moment."""
    path, look = tmp_path / "store.json", os.path.lexists

    def looked(at: str) -> bool:
        path.write_bytes(b"whole")
        return look(at)

    monkeypatch.setattr(os.path, "lexists", looked)
    assert read_regular(path) == b"whole"


def test_what_is_not_there_and_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "nothing")
    with pytest.raises(NotAFileError):
        read_regular(tmp_path)
