"""What a visitor is told where a page fails, and what the log has."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from etl.errors import StoreError
from strobe.ui.server.failing import words
from strobe.ui.server.start import parts

PAGE = """
import streamlit as st
from strobe.ui.server.failing import told
told(ValueError("/secret/place and <b>markup</b>"))
"""


def test_the_page_says_what_to_do_and_the_log_has_the_rest_under_the_same_id(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR, "strobe.app"):
        at = AppTest.from_string(PAGE).run()
    (shown,) = at.error
    (known,) = re.findall(r"id ([0-9a-f]{8})", shown.value)
    assert "Reload the page" in shown.value
    assert "secret" not in shown.value
    assert known in caplog.text
    assert "/secret/place" in caplog.text


def test_an_error_of_ours_is_said_in_its_own_words() -> None:
    assert words(StoreError("no run 'a'"), "12345678").startswith("no run 'a'. Reload the page")


def test_the_server_hands_every_failure_to_it() -> None:
    assert parts()["on_script_error"].__module__ == "strobe.ui.server.failing"


REMOVED = """
import shutil, streamlit as st
from strobe.ui.shell.page import frame
from strobe.ui.shell.parts import part
page = frame("runs")

@part("one")
def one():
    st.button("again", key="again")
    if st.session_state.get("again"):
        page.of("gone").run("gone")

one()
st.text("whole")
"""


def test_a_part_whose_run_was_removed_makes_the_whole_page_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from etl.ingest.load import ingest
    from tests.support.make_run import make_run

    monkeypatch.setattr("strobe.settings.example_path", lambda: None)
    monkeypatch.setenv("STROBE_STORE", str(tmp_path / "store"))
    ingest([make_run(tmp_path / "runs" / "one", steps=(0,))], tmp_path / "store")
    at = AppTest.from_string(REMOVED, default_timeout=30).run()
    assert at.text[0].value == "whole"
