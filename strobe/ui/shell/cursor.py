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
_AT_END: Final = "_step_at_end"


def choose(steps: Sequence[int], onset: int | None = None, what: str = "snapshot") -> int | None:
    """The step of the cursor among those where it can rest (ascending), which are steps with a `what`; the nearest
    earlier one where a link asks for another. Where nothing was asked: the last one of a run that was opened by
    itself, else the one at the grokking `onset`, or the middle one. None where there are no steps."""
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
    if st.session_state.pop(_AT_END, False) and asked is None:
        st.session_state[_ARRIVALS], step = _arrivals() + 1, steps[-1]
    if step is None:
        step = onset if onset is not None else steps[len(steps) // 2]
    chosen = steps[index_at_or_before(steps, step)]
    if asked is not None and address.whole_number(asked[0]) is not None and chosen != step:
        side = "at" if step > steps[0] else "before"
        address.note(f"There is no {what} {side} step {step:,}: showing step {chosen:,}.")
    _rest(chosen)
    return chosen


def open_at_end() -> None:
    """The page that is made next has the cursor at its run's last step."""
    st.session_state[_AT_END] = True


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
def draw(
    view: RunView, ticks: Sequence[dict[str, Any]], steps: Sequence[int], what: str = "snapshot", *, running: bool
) -> None:
    """The cursor over the snapshots of a run, or the steps that it logged, with `ticks` (step, label, kind, rule) at
    its moments; of one that is `running` it can follow the newest step."""

    def came_to_rest() -> None:
        told = str(st.session_state["step_cursor"].get("at")).rpartition("@")[0]
        run, _, at = told.rpartition("@")
        if run == view.run and at.isdigit() and int(at) in steps:
            _rest(int(at))
            parts.remake_followers()

    components.cursor()(
        key="step_cursor",
        data={
            "run": view.run, "steps": list(steps), "step": st.session_state.get("step") if steps else 0,
            "arrived": _arrivals(), "ticks": list(ticks), "what": what, "empty": "no steps: nothing was logged",
            "running": running,
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
