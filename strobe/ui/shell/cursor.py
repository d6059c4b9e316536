"""The step cursor, and the one owner of where it rests: chosen by a link, moved in the browser, and told to the
server when it rests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import streamlit as st

from strobe.ui.shell import address, components, parts
from strobe.views.run_view import RunView, index_at_or_before

_ARRIVALS: Final = "_step_arrivals"
_RESTING: Final = "_resting"


def choose(steps: Sequence[int]) -> int | None:
    """The step of the cursor among the snapshots that exist (ascending); the nearest earlier one where a link asks
    for another; the last where nothing was asked. None where there are no snapshots."""
    asked = address.arrived("step")
    step: Any = st.session_state.get("step")
    if asked is not None:
        st.session_state[_ARRIVALS] = _arrivals() + 1
        step = address.whole_number(asked[0])
        if step is None:
            address.note(f"The link asks for step {address.short(asked[0])!r}, which is not a step.")
    if not steps:
        address.write("step", None)
        return None
    chosen = steps[-1] if step is None else steps[index_at_or_before(steps, step)]
    if asked is not None and step is not None and chosen != step:
        side = "at" if step > steps[0] else "before"
        address.note(f"There is no snapshot {side} step {step:,}: showing step {chosen:,}.")
    _rest(chosen)
    return chosen


def resting() -> dict[str, int]:
    """Where the cursor of this session rests, under "step": one dictionary for the session's life, which also what
    runs outside of a rerun, such as a download, may read."""
    kept: dict[str, int] = st.session_state.setdefault(_RESTING, {})
    return kept


def step() -> int:
    """Where the cursor came to rest, whether a run has a snapshot there or not; 0 before there is a cursor. Asked of
    the session, since a fragment's own page is as old as the last whole rerun."""
    at = st.session_state.get("step")
    return int(at) if at is not None else 0


def settled(view: RunView) -> int:
    """The step that a panel made now shows."""
    return view.at_or_before(step())


def settled_index(view: RunView, steps: Sequence[int]) -> int:
    """Which of a panel's frames, at `steps`, the settled step shows."""
    return index_at_or_before(steps, settled(view))


@st.fragment
def draw(view: RunView, ticks: Sequence[dict[str, Any]]) -> None:
    """The cursor over the snapshots of a run, with `ticks` (step, label, kind, rule) at its moments."""

    def came_to_rest() -> None:
        told = str(st.session_state["step_cursor"].get("at")).rpartition("@")[0]
        run, _, at = told.rpartition("@")
        if run == view.run and at.isdigit() and int(at) in view.steps:
            _rest(int(at))
            parts.remake_followers()

    components.cursor()(
        key="step_cursor",
        data={
            "run": view.run, "steps": list(view.steps), "step": st.session_state.get("step") if view.steps else 0,
            "arrived": _arrivals(), "ticks": list(ticks), "empty": "no snapshots: curves only",
        },
        on_at_change=came_to_rest,
    )  # fmt: skip


def _rest(at: int) -> None:
    st.session_state["step"] = at
    resting()["step"] = at
    address.write("step", str(at))


def _arrivals() -> int:
    """How often a step came with the address, by a link or the way back: it then wins over where the cursor is."""
    return int(st.session_state.get(_ARRIVALS, 0))
