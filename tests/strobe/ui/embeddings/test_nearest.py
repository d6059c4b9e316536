"""The nearest neighbours of a token, as the page Embeddings shows them."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from etl.ingest.load import ingest
from tests.support.inside import text_of
from tests.support.make_run import make_run

PAGE = """
from strobe.ui.embeddings import nearest
from strobe.ui.shell.page import frame
from strobe.ui.shell.parts import part
from strobe.views.embedding import embeddings

page = frame("embeddings")

@part("nearest")
def shown():
    nearest.draw(page.view, embeddings(page.view)[0])

shown()
"""


def test_a_token_that_is_searched_for_has_its_neighbours_at_the_cursor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("strobe.settings.example_path", lambda: None)
    ingest([make_run(tmp_path / "runs" / "one", steps=(0, 100, 200), layers=1)], tmp_path / "store")
    monkeypatch.setenv("STROBE_STORE", str(tmp_path / "store"))
    at = AppTest.from_string(PAGE, default_timeout=60)
    at.query_params["step"], at.query_params["near"] = "100", "5"
    at.run()
    assert not at.exception, at.exception[0].stack_trace
    text = text_of(at)
    for words in ("place at 100", "cosine at 0", "among the rows that are shown"):
        assert words in text, words
    assert at.selectbox(key="near").value == "5"
