"""Who speaks where the address and the session differ: a link, the way back, or a browser that is late."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from strobe.ui.shell import address

PAGE = """
import streamlit as st
from strobe.ui.shell import address

address.begin(st.session_state.get("page", "curves"))
st.session_state["arrived"] = address.arrived("step")
for name, value in st.session_state["writes"].items():
    address.write(name, value)
"""


def app(**params: str) -> AppTest:
    at = AppTest.from_string(PAGE)
    for name, value in params.items():
        at.query_params[name] = value
    return at


def ran(at: AppTest, **writes: str | None) -> dict[str, Any]:
    """The address that a run leaves after these were written."""
    at.session_state["writes"] = writes
    at.run()
    assert not at.exception
    return {name: values[0] if isinstance(values, list) else values for name, values in at.query_params.items()}


def test_a_late_browser_brings_back_no_step_that_was_left() -> None:
    at = app(step="800")
    assert ran(at, step="0") == {"step": "0"}
    at.query_params["step"] = "800"
    assert ran(at, step="0") == {"step": "0"}
    assert at.session_state["arrived"] is None


def test_what_is_written_beside_it_does_not_undo_it() -> None:
    at = app(step="800")
    ran(at, step="0")
    at.query_params["step"] = "800"
    assert ran(at, size="medium") == {"step": "0", "size": "medium"}


def test_a_link_that_was_not_read_yet_stands() -> None:
    assert ran(app(step="800", x="tokens"), run="r") == {"step": "800", "x": "tokens", "run": "r"}


def test_a_step_that_was_never_written_arrives() -> None:
    at = app(step="800")
    ran(at, step="0")
    at.query_params["step"] = "300"
    ran(at)
    assert at.session_state["arrived"] == ["300"]


def test_the_way_back_arrives_though_it_was_written_before(monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(step="800")
    ran(at, step="0")
    monkeypatch.setattr(address, "_went_back", lambda: True)
    at.query_params["step"] = "800"
    assert ran(at, run="r") == {"step": "800", "run": "r"}
    assert at.session_state["arrived"] == ["800"]


def test_another_page_does_not_keep_what_it_does_not_write() -> None:
    at = app()
    ran(at, x="tokens", step="0")
    at.session_state["page"] = "runs"
    at.query_params.clear()
    assert ran(at, step="0") == {"step": "0"}
