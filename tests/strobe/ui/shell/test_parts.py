"""Parts of a page: which are made again when the cursor comes to rest."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from strobe.ui.shell.parts import follow_server


def script() -> None:
    import streamlit as st

    from strobe.ui.shell.parts import follow_server, none_follow, part, remake_followers

    def made(name: str) -> None:
        st.session_state.setdefault("made", []).append(name)

    def asked(flag: str) -> bool:
        return flag in st.session_state.get("asked", ())

    made("page")
    none_follow()

    @part("follower")
    def follower() -> None:
        made("follower")
        st.button("rest", on_click=remake_followers)
        if not asked("no follower"):
            follow_server()

    @part("still")
    def still() -> None:
        made("still")

    @part("outer")
    def outer() -> None:
        made("outer")

        @part("inner")
        def inner() -> None:
            made("inner")
            follow_server()

        if asked("inner"):
            inner()
        if asked("outer follows"):
            follow_server()

    follower()
    still()
    outer()


def page(*asked: str) -> AppTest:
    at = AppTest.from_function(script)
    at.session_state["asked"] = list(asked)
    return at.run()


def rest(at: AppTest) -> list[str]:
    """What the resting cursor had made again."""
    at.session_state["made"] = []
    at.button[0].click().run()
    assert not at.exception
    return list(at.session_state["made"])


def test_only_the_parts_that_follow_are_made_again() -> None:
    at = page()
    assert at.session_state["made"] == ["page", "follower", "still", "outer"]
    assert rest(at) == ["follower"]
    assert rest(at) == ["follower"]


def test_a_part_that_follows_no_longer_is_left_alone() -> None:
    at = page("inner")
    assert rest(at) == ["follower", "inner"]
    at.session_state["asked"] = ["inner", "no follower"]
    assert rest(at) == ["follower", "inner"]
    assert at.session_state["_followers"] == {"outer/inner"}


def test_a_part_inside_one_that_follows_is_made_once() -> None:
    at = page("inner", "outer follows")
    assert rest(at) == ["follower", "outer", "inner"]


def test_a_part_that_is_not_drawn_any_more_is_forgotten() -> None:
    at = page("inner", "outer follows")
    at.session_state["asked"] = ["outer follows"]
    assert rest(at) == ["follower", "outer"]
    assert at.session_state["_followers"] == {"follower", "outer"}


def test_an_unknown_part_costs_the_whole_page_and_nothing_else() -> None:
    at = page()
    at.session_state["_followers"] = {"follower", "never there"}
    assert rest(at) == ["page", "follower", "still", "outer"]


def test_outside_of_a_part_nothing_can_follow() -> None:
    with pytest.raises(LookupError, match="part"):
        follow_server()
