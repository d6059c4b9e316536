"""Which runs a link selects: a few by their ids, many by hashes, and what it says of those that are not there."""

from __future__ import annotations

from typing import Any

from streamlit.testing.v1 import AppTest

from strobe.ui.shell.selection import EACH, MOST_RUNS, hashed

PAGE = """
import streamlit as st
from strobe.ui.shell import address, selection

st.session_state["chosen"] = selection.choose(st.session_state["known"], st.session_state["known"][0])
st.session_state["notes"] = address.take_notes()
"""
KNOWN = [f"sweep-{k:03d}" for k in range(150)]


def opened(link: dict[str, Any], known: list[str] = KNOWN) -> AppTest:
    at = AppTest.from_string(PAGE)
    at.session_state["known"] = known
    for name, value in link.items():
        at.query_params[name] = value
    at.run()
    assert not at.exception
    return at


def link_of(at: AppTest) -> dict[str, list[str]]:
    params = {name: at.query_params[name] for name in ("run", "runs") if name in at.query_params}
    return {name: value if isinstance(value, list) else [value] for name, value in params.items()}


def test_a_few_runs_stand_by_their_names() -> None:
    at = opened({"run": KNOWN[3:11]})
    assert at.session_state["chosen"] == KNOWN[3:11]
    assert link_of(at) == {"run": KNOWN[3:11]}


def test_a_link_of_many_runs_restores_them_in_order_and_is_short() -> None:
    wanted = KNOWN[140:40:-1]
    link = link_of(opened({"run": wanted}))
    assert link["run"] == wanted[:1]
    assert sum(map(len, link["runs"])) < 1_000
    at = opened(link)
    assert at.session_state["chosen"] == wanted
    assert at.session_state["notes"] == []
    assert link_of(at) == link


def test_the_runs_of_a_link_that_are_gone_are_counted() -> None:
    link = link_of(opened({"run": KNOWN[:12]}))
    at = opened(link, [run for run in KNOWN if run not in KNOWN[4:7]])
    assert at.session_state["chosen"] == [*KNOWN[:4], *KNOWN[7:12]]
    assert at.session_state["notes"] == ["The link tells of 3 more runs that are not in this store."]


def test_what_is_no_hash_is_said_and_nothing_else_changes() -> None:
    at = opened({"run": KNOWN[5], "runs": f"<b>.{hashed(KNOWN[6])}..{'x' * 500}"})
    assert at.session_state["chosen"] == [KNOWN[5], KNOWN[6]]
    assert at.session_state["notes"] == ["The link tells of 2 more runs that are not in this store."]


def test_no_more_than_a_hundred_are_drawn() -> None:
    at = opened({"run": KNOWN})
    assert at.session_state["chosen"] == KNOWN[:MOST_RUNS]
    assert "the first 100 of 150 are" in at.session_state["notes"][0]
    assert len(link_of(at)["runs"]) == -(-(MOST_RUNS - 1) // EACH)


def test_a_hash_is_of_the_id_alone() -> None:
    assert hashed("grok-a") == hashed("grok-a") != hashed("grok-b")
    assert len({hashed(f"run-{k}") for k in range(2_000)}) == 2_000
