"""The step cursor as a link chooses it: which step it rests at, what is said of it, and the address that is left."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

PAGE = """
import streamlit as st
from strobe.ui.shell import address, cursor
from strobe.views.run_view import RunView

steps = st.session_state["steps"]
view = RunView(None, "r", tuple(steps), st.session_state["shift"])
st.session_state["chosen"] = cursor.choose(steps)
st.session_state["notes"] = address.take_notes()
st.session_state["asked"] = (
    cursor.step(), cursor.settled(view), cursor.settled_index(view, steps), cursor.resting().get("step")
)
"""


def page(*links: str, steps: tuple[int, ...] = (100, 200, 400), shift: int = 0) -> AppTest:
    """The page, come to by each of these links in turn."""
    at = AppTest.from_string(PAGE)
    at.session_state["steps"], at.session_state["shift"] = steps, shift
    for link in links:
        at.query_params["step"] = link
        at.run()
    if not links:
        at.run()
    assert not at.exception
    return at


def said(at: AppTest) -> Any:
    return at.session_state["chosen"], at.query_params.get("step"), at.session_state["notes"]


def test_without_a_link_it_is_at_the_middle_snapshot() -> None:
    assert said(page()) == (200, "200", [])


@pytest.mark.parametrize(
    ("link", "step", "note"),
    [
        ("200", 200, []),
        ("0200", 200, []),
        ("300", 200, ["There is no snapshot at step 300: showing step 200."]),
        ("9000", 400, ["There is no snapshot at step 9,000: showing step 400."]),
        ("7", 100, ["There is no snapshot before step 7: showing step 100."]),
        ("soon", 200, ["The link asks for step 'soon', which is not a step."]),
        ("-1", 200, ["The link asks for step '-1', which is not a step."]),
        ("1e2", 200, ["The link asks for step '1e2', which is not a step."]),
        ("NaN", 200, ["The link asks for step 'NaN', which is not a step."]),
        ("\u0662", 200, ["The link asks for step '\u0662', which is not a step."]),
        (str(2**63), 200, [f"The link asks for step '{2**63}', which is not a step."]),
    ],
)
def test_a_link_is_followed_or_answered_and_mended(link: str, step: int, note: list[str]) -> None:
    assert said(page(link)) == (step, str(step), note)


def test_what_the_page_wrote_itself_is_no_link() -> None:
    at = page("300")
    at.run()
    assert said(at) == (200, "200", []), "said once"


def test_a_later_link_wins_over_where_the_cursor_rests() -> None:
    assert said(page("200", "100")) == (100, "100", [])


def test_a_bad_link_does_not_keep_what_was_there() -> None:
    assert said(page("200", "soon"))[:2] == (200, "200")


@pytest.mark.parametrize("links", [(), ("200",), ("soon",)])
def test_without_snapshots_there_is_no_step_in_the_address(links: tuple[str, ...]) -> None:
    at = page(*links, steps=())
    assert at.session_state["chosen"] is None
    assert "step" not in at.query_params
    assert at.session_state["asked"] == (0, 0, 0, None)


def test_panels_are_told_the_same_step() -> None:
    assert page("200").session_state["asked"] == (200, 200, 1, 200)


def test_a_shifted_run_shows_its_own_snapshot() -> None:
    assert page("200", shift=200).session_state["asked"] == (200, 400, 2, 200)
    assert page("200", shift=-150).session_state["asked"] == (200, 100, 0, 200)


def test_another_run_keeps_the_step_at_or_before() -> None:
    at = page("400")
    at.session_state["steps"] = (0, 300, 500)
    at.run()
    assert said(at) == (300, "300", []), "nobody asked for a step, so nothing is said"
