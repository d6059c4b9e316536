"""A choice: taken from a link, refused with a note where it means nothing, and written into the address."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

PAGE = """
import streamlit as st
from strobe.ui.panel import choice
from strobe.ui.shell import address

pick = getattr(choice, st.session_state["kind"])
st.session_state["chosen"] = pick("scale", "Scale", st.session_state["options"], st.session_state["default"],
                                  words=st.session_state["words"])
st.session_state["notes"] = address.take_notes()
"""
KINDS = pytest.mark.parametrize("kind", ["segmented", "select"])


def page(
    kind: str, link: str | None = None, default: str | None = None, words: dict[str, str] | None = None
) -> AppTest:
    at = AppTest.from_string(PAGE)
    for name, value in {"kind": kind, "options": ["linear", "log"], "default": default, "words": words}.items():
        at.session_state[name] = value
    if link is not None:
        at.query_params["scale"] = link
    at.run()
    assert not at.exception
    return at


def said(at: AppTest) -> tuple[str, str | None, list[str]]:
    """The choice, the address, the notes."""
    return at.session_state["chosen"], at.query_params.get("scale"), at.session_state["notes"]


@KINDS
def test_the_default_is_not_in_the_address(kind: str) -> None:
    assert said(page(kind)) == ("linear", None, []), "the first option, where no default is named"
    assert said(page(kind, default="log")) == ("log", None, [])


@KINDS
def test_a_link_is_taken(kind: str) -> None:
    assert said(page(kind, "log")) == ("log", "log", [])
    assert said(page(kind, "linear", default="log")) == ("linear", "linear", [])
    assert said(page(kind, "linear")) == ("linear", None, []), "the default needs no saying"


@KINDS
@pytest.mark.parametrize("bad", ["cubic", "LOG", "", "<b>\u202elog", "x" * 300])
def test_a_bad_link_is_refused_with_a_note_and_mended(kind: str, bad: str) -> None:
    chosen, address, notes = said(page(kind, bad))
    assert (chosen, address) == ("linear", None)
    (note,) = notes
    assert note.startswith("The link asks for scale ")
    assert note.endswith("; it can be linear, log.")
    assert len(note) < 120
    assert "\u202e" not in note


@KINDS
def test_what_is_picked_is_written_and_stays(kind: str) -> None:
    at = page(kind)
    _widget(at, kind).set_value("log").run()
    assert said(at) == ("log", "log", [])
    at.run()
    assert said(at) == ("log", "log", [])
    _widget(at, kind).set_value("linear").run()
    assert said(at) == ("linear", None, [])


@KINDS
def test_an_option_that_went_away_gives_way_to_the_default(kind: str) -> None:
    at = page(kind, "log")
    at.session_state["options"] = ["linear", "symmetric"]
    at.run()
    assert said(at) == ("linear", None, [])


@KINDS
def test_words_are_for_people_and_names_for_the_address(kind: str) -> None:
    at = page(kind, "log", words={"linear": "Straight", "log": "Powers of ten"})
    assert said(at) == ("log", "log", [])
    assert list(_widget(at, kind).options) == ["Straight", "Powers of ten"]


def _widget(at: AppTest, kind: str):
    return at.selectbox(key="scale") if kind == "select" else at.segmented_control(key="scale")
