"""The editor of a schedule: its ranges, more of them, and denser ones where a transition is expected."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from etl.errors import StrobeError
from strobe.launch.schedules import densified, parts, with_range, without_part
from strobe.ui.shell.words import inert, markup

Change = Callable[[str, str, str, str], str]
"""A schedule and three texts -> the schedule."""
_SHOWN = 12


def editor(key: str, schedule: str) -> None:
    """Changes the text in the field `key`, which stays what counts."""
    with st.expander("Edit the schedule", key=f"{key}_editor"):
        there = parts(schedule)
        with st.container(horizontal=True, gap="small"):
            for place, part in enumerate(there[:_SHOWN]):
                st.button(
                    inert(part, 40), key=f"{key}_part_{place}", icon=":material/close:", type="tertiary",
                    help="Take this range out.", on_click=_put, args=(key, without_part(schedule, part)),
                )  # fmt: skip
            if "auto" not in there:
                st.button(
                    "auto", key=f"{key}_auto", icon=":material/add:", type="tertiary",
                    help="A snapshot also where the validation loss fell by 5% or the weights' norm moved by 2%.",
                    on_click=_put, args=(key, ",".join([*there, "auto"])),
                )  # fmt: skip
        _row(key, "range", ("From", "To", "Every"), ("0", "1000", "50"), "Add range", with_range)
        _row(
            key, "dense", ("Around step", "Steps on both sides", "Every"), ("1000", "200", "10"), "Densify", densified
        )
        if said := st.session_state.pop(f"{key}_fault", None):
            markup('<p class="st-fault">{said}</p>', said=said)


def _row(
    key: str, kind: str, labels: tuple[str, ...], defaults: tuple[str, ...], button: str, change: Change
) -> None:
    names = [f"{key}_{kind}_{place}" for place in range(len(labels))]
    for column, label, default, name in zip(st.columns(len(labels)), labels, defaults, names, strict=True):
        st.session_state.setdefault(name, default)
        column.text_input(label, key=name, max_chars=16, persist_state="session")
    st.button(button, key=f"{key}_{kind}_add", on_click=_change, args=(key, change, names))


def _change(key: str, change: Change, names: list[str]) -> None:
    given = [str(st.session_state.get(name, "")) for name in names]
    try:
        _put(key, change(str(st.session_state.get(key) or ""), *given))
    except StrobeError as error:
        st.session_state[f"{key}_fault"] = str(error)


def _put(key: str, schedule: str) -> None:
    st.session_state[key] = schedule
