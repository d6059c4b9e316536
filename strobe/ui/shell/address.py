"""What the address bar knows. A link restores what its sender saw; a value that means nothing is replaced by a
default, said so on the page, and mended in the URL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from strobe.views.words import visible

MOST_NAMES: Final = 8
MOST_CHARACTERS: Final = 200
KEPT_BEFORE: Final = 16
"""Values of a parameter that are known again where a browser is late."""
_WRITTEN, _BEFORE, _SHOWN, _PAGE = "_url_written", "_url_before", "_url_shown", "_url_page"
_NOTES = "_url_notes"


def note(text: str) -> None:
    """Queues a sentence for the top of the page."""
    st.session_state.setdefault(_NOTES, [])
    if text not in st.session_state[_NOTES]:
        st.session_state[_NOTES].append(text)


def take_notes() -> list[str]:
    """The sentences queued so far, once."""
    notes: list[str] = st.session_state.pop(_NOTES, [])
    return notes


def short(value: str) -> str:
    """What a link asked for, cut to fit a sentence."""
    return visible(value, 40)


def begin(page: str) -> None:
    """At the beginning of a page: what another page had in the URL is not kept up in this one's."""
    if st.session_state.get(_PAGE) != page:
        st.session_state[_PAGE] = page
        st.session_state[_SHOWN] = set()


def arrived(name: str) -> list[str] | None:
    """The values of a parameter that came with a link or the way back, or None where the URL says what this session
    wrote. A browser tells its URL with each click, and may do so before it has what was written last: a value that
    this session wrote before is then no wish, unless the visitor went back to it."""
    values = st.query_params.get_all(name)
    if not values or values == st.session_state.get(_WRITTEN, {}).get(name):
        return None
    if values in st.session_state.get(_BEFORE, {}).get(name, ()) and not _went_back():
        return None
    return asked(name)


def asked(name: str) -> list[str]:
    """All values of a parameter in the URL, each cut to what one can be long."""
    return [value[: MOST_CHARACTERS + 1] for value in st.query_params.get_all(name)]


def write(name: str, values: str | Sequence[str] | None) -> None:
    """Puts values into the URL; None removes the parameter. Nothing is sent where nothing changed. What this page
    wrote of other parameters goes with it, since the URL that the browser told of may be older than that."""
    wanted = [] if values is None else [values] if isinstance(values, str) else list(values)
    written: dict[str, list[str]] = st.session_state.setdefault(_WRITTEN, {})
    told = {key: st.query_params.get_all(key) for key in st.query_params}
    _leave(name, wanted, written.get(name, []), told.get(name, []))
    written[name] = wanted
    shown: set[str] = st.session_state.setdefault(_SHOWN, set())
    shown.add(name)
    ours = {key: written[key] for key in shown if key == name or arrived(key) is None}
    whole = {key: values for key, values in (told | ours).items() if values}
    if whole != told:
        st.query_params.from_dict(whole)


def _leave(name: str, wanted: list[str], *values: list[str]) -> None:
    """What a parameter was before it was `wanted`."""
    before: list[list[str]] = st.session_state.setdefault(_BEFORE, {}).setdefault(name, [])
    left = [value for value in values if value and value != wanted]
    before[:] = [*(old for old in before if old not in left), *left][-KEPT_BEFORE:]


def _went_back() -> bool:
    context = get_script_run_ctx(suppress_warning=True)
    return context is not None and context.is_history_navigation


def whole_number(text: str) -> int | None:
    """0 <= number < 2^63, or None."""
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        return None
    value = int(text)
    return value if value < 2**63 else None


def offer(name: str, options: Sequence[str], default: str) -> None:
    """Before a widget with key `name` is made: takes the value of a link, or says that it means nothing."""
    asked = arrived(name)
    if asked is not None and asked[0] in options:
        st.session_state[name] = asked[0]
    elif asked is not None:
        note(f"The link asks for {name} {short(asked[0])!r}; it can be {', '.join(map(visible, options))}.")
    if st.session_state.get(name) not in options:
        st.session_state[name] = default


def offer_several(name: str, options: Collection[str], default: Sequence[str], most: int = MOST_NAMES) -> list[str]:
    """The chosen names among `options`, at most so many: of a link, else of before, else `default`; written back to
    the URL."""
    asked = arrived(name)
    before: list[str] = st.session_state.get(name, list(default))
    if asked is not None:
        for bad in [value for value in asked if value not in options][:1]:
            note(f"The link asks for {name} {short(bad)!r}, which this run does not have.")
        if len(asked) > most:
            note(f"The link asks for {len(asked)} of {name}; {most} fit.")
    chosen = [value for value in dict.fromkeys(before if asked is None else asked) if value in options]
    if before and not chosen and asked is None:
        # They were another run's.
        chosen = [value for value in default if value in options]
    st.session_state[name] = chosen[:most]
    write(name, st.session_state[name] or None)
    return list(st.session_state[name])


def remember(name: str, value: str, default: str) -> str:
    """After the widget: its value goes into the URL unless it is the default."""
    write(name, None if value == default else value)
    return value
