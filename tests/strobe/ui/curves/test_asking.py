"""What a browser asks of the board: whatever it sends, something that means something comes of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strobe.ui.curves.asking import MOST_CHARTS, Ask, Look, known, parsed

WISH: dict[str, Any] = {
    "n": 7, "subject": "abc", "framed": True, "seen": [["loss", True], ["lr", False]], "lacks": [["lr", False]],
    "window": [1000, 2000], "read": ["loss", 1500.5], "files": "lr", "chosen": "run-2",
    "look": {"columns": "2", "size": "large", "filter": "^eval", "zoom": [1000, 2000], "at": 1500, "clip": True,
             "pin": ["lr"], "hide": ["run|test"], "log": ["lr"], "linear": ["loss"], "y": {"loss": [0, 1]}},
}  # fmt: skip

NAMES = [*WISH, *WISH["look"]]


def test_what_is_asked_is_understood() -> None:
    ask, look = parsed(json.dumps(WISH))
    assert ask == Ask(
        n=7, subject="abc", framed=True, seen=(("loss", True), ("lr", False)), lacks=(("lr", False),),
        window=(1000.0, 2000.0), read=("loss", 1500.5), files="lr", chosen="run-2",
    )  # fmt: skip
    assert look == Look(
        "2", "large", "^eval", (1000.0, 2000.0), 1500.0, True, ("lr",), ("run|test",), ("lr",), ("loss",),
        {"loss": (0.0, 1.0)},
    )  # fmt: skip


@pytest.mark.parametrize(
    "sent", [None, 3, "", "{", "[]", "null", "9" * 200_000, "[" * 5000, json.dumps({"look": []})]
)
def test_what_is_none_is_nothing(sent: Any) -> None:
    assert parsed(sent) == (Ask(), Look())


@pytest.mark.parametrize(
    "window", [[2, 1], [1, 1], [1], "12", [None, 2], [1, "2"], [True, 2], [1e308, 2e308], [-(10**400), 1]]
)
def test_a_range_has_two_ends(window: Any) -> None:
    ask, look = parsed(json.dumps(WISH | {"window": window, "look": {"zoom": window}}))
    assert (ask.window, look.zoom) == (None, None)


def test_no_request_is_for_more_charts_than_a_screen_shows() -> None:
    ask, _ = parsed(json.dumps({"lacks": [[f"m{k}", False] for k in range(1000)]}))
    assert len(ask.lacks) == MOST_CHARTS


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=20,
)  # fmt: skip


@given(json_like)
def test_anything_can_be_sent(sent: Any) -> None:
    ask, look = parsed(json.dumps(sent))
    again = parsed(json.dumps({"look": json.loads(json.dumps(look.plain()))}))[1]
    assert again == look
    assert ask.n >= 0


def test_charts_that_are_not_there_are_forgotten() -> None:
    look = Look(pin=("a", "b"), log=("b",), linear=("c",), y={"b": (0.0, 1.0), "a": (0.0, 2.0)}, hide=("x|",))
    assert known(look, {"a"}) == Look(pin=("a",), y={"a": (0.0, 2.0)}, hide=("x|",))
    assert known(Look(), {"a"}).pin is None
