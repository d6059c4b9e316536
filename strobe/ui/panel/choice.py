"""A choice among a few or many: offered by a link, made by a widget, kept in the address."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from strobe.ui.shell import address

Words = Callable[[str], str] | Mapping[str, str]


def segmented(
    name: str, label: str, options: Sequence[str], default: str | None = None, *,
    words: Words | None = None, labelled: bool = False, **widget: Any,
) -> str:  # fmt: skip
    """One of a few options, as buttons. `name` is the parameter of the address and the key of the widget; `default`
    (the first option) is what the address need not say; `words` names options for people."""
    return _choice(st.segmented_control, name, label, options, default, words, labelled, {"required": True} | widget)


def select(
    name: str, label: str, options: Sequence[str], default: str | None = None, *,
    words: Words | None = None, labelled: bool = False, **widget: Any,
) -> str:  # fmt: skip
    """One of many options, from a list."""
    return _choice(st.selectbox, name, label, options, default, words, labelled, widget)


def slider(
    name: str, label: str, options: Sequence[str], default: str | None = None, *, words: Words | None = None,
    labelled: bool = False, **widget: Any,
) -> str:  # fmt: skip
    """One of options that have an order."""
    return _choice(st.select_slider, name, label, options, default, words, labelled, widget)


def _choice(
    draw: Callable[..., Any], name: str, label: str, options: Sequence[str], default: str | None,
    words: Words | None, labelled: bool, widget: dict[str, Any],
) -> str:  # fmt: skip
    default = options[0] if default is None else default
    address.offer(name, options, default)
    draw(
        label, options, key=name, persist_state="session", **widget, **_named(words),
        label_visibility="visible" if labelled else "collapsed",
    )  # fmt: skip
    return address.remember(name, st.session_state[name], default)


def _named(words: Words | None) -> dict[str, Any]:
    if words is None:
        return {}
    return {"format_func": words if callable(words) else words.__getitem__}


def text(name: str, label: str, *, placeholder: str, width: int = 240) -> str:
    """What was typed into a box: from a link, else as it was left. `name` is the parameter of the address and the key
    of the widget."""
    asked = address.arrived(name)
    if asked is not None:
        st.session_state[name] = asked[0][: address.MOST_CHARACTERS]
    typed = st.text_input(
        label, key=name, placeholder=placeholder, persist_state="session", label_visibility="collapsed", width=width,
        max_chars=address.MOST_CHARACTERS,
    )  # fmt: skip
    address.write(name, typed or None)
    return typed or ""
