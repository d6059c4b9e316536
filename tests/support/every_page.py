"""Every page of the app, opened on one run of a store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from tests.support.app_store import EVERY_PAGE
from tests.support.places import ROOT


def open_every_page(monkeypatch: pytest.MonkeyPatch, store: Path, run: str) -> None:
    """Fails on the first page that ends in an exception."""
    monkeypatch.setenv("STROBE_STORE", str(store))
    for page in EVERY_PAGE:
        at: Any = AppTest.from_file(str(ROOT / "pages" / f"{page}.py"), default_timeout=120)
        at.query_params["run"] = run
        at.run()
        assert not at.exception, (page, at.exception[0].stack_trace)
