"""Opening a page inside the model without a browser, and its words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest
from streamlit.testing.v1 import AppTest

from strobe.ui.shell.writing import PARAMETER, TOKEN
from tests.support.places import ROOT

NO_STORE: Final = ROOT / "no-store"
"""A folder that is never there: the example alone is shown, and what a page has read of it serves the next test."""


def opened(
    page: str, monkeypatch: pytest.MonkeyPatch, store: Path, writing: bool = False, **query: str | list[str]
) -> AppTest:
    """The page of a store, with the example beside it; neurons are run at two snapshots, to be quick."""
    monkeypatch.setattr("strobe.views.neurons.MOST_FRAMES", 2)
    monkeypatch.setenv("STROBE_STORE", str(store))
    monkeypatch.setenv("STROBE_READ_ONLY", "0" if writing else "1")
    at = AppTest.from_file(str(ROOT / "pages" / f"{page}.py"), default_timeout=60)
    if writing:
        at.query_params[PARAMETER] = TOKEN
    for name, value in query.items():
        at.query_params[name] = value
    at.run()
    assert not at.exception, at.exception[0].stack_trace
    return at


def text_of(at: AppTest) -> str:
    shown = [
        element.value for kind in ("markdown", "caption", "warning", "info", "error") for element in getattr(at, kind)
    ]
    # Commands are set as code; tests name them as a sentence has them.
    html = [re.sub("</?code>", "`", element.proto.body) for element in at.get("html")]
    return "\n".join([*map(str, shown), *html])
