"""Another account cannot prepare the folder that maps are written to."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest

from strobe.ui.embeddings import private


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    private._unforeseen.cache_clear()
    return tmp_path / f"maps-{os.getuid()}"


def closed(path: Path) -> bool:
    return stat.S_IMODE(path.lstat().st_mode) == 0o700


def test_the_folder_is_made_closed_and_found_again(temporary: Path) -> None:
    assert private.private_folder("maps") == temporary
    assert closed(temporary)
    assert private.private_folder("maps") == temporary


def test_a_link_is_not_followed(temporary: Path, tmp_path: Path) -> None:
    (tmp_path / "victim").mkdir(mode=0o700)
    temporary.symlink_to(tmp_path / "victim")
    path = private.private_folder("maps")
    assert path not in (temporary, tmp_path / "victim")
    assert closed(path)
    assert private.private_folder("maps") == path


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701])
def test_a_folder_that_others_may_enter_is_not_ours(temporary: Path, mode: int) -> None:
    temporary.mkdir()
    temporary.chmod(mode)
    assert private.private_folder("maps") != temporary


def test_a_file_is_no_folder(temporary: Path) -> None:
    temporary.write_text("")
    assert private.private_folder("maps").is_dir()


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives a folder to another account")
def test_a_folder_of_another_account_is_not_ours(temporary: Path) -> None:
    temporary.mkdir(mode=0o700)
    os.chown(temporary, 12345, 12345)
    assert private.private_folder("maps") != temporary
