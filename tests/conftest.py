"""What all tests share."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a store of its own, for tests of commands."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STROBE_STORE", str(tmp_path / "store"))
    return tmp_path


def pytest_sessionfinish() -> None:
    """Removes the folder that Streamlit's test harness makes on import and leaves to the garbage collector, which
    warns of it."""
    harness = sys.modules.get("streamlit.testing.v1.app_test")
    if harness is not None:
        harness.TMP_DIR.cleanup()
