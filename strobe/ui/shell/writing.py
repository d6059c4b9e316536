"""Who may write in an app where writing is on: the sessions that showed the token of this process.

The address that is printed and opened as the server starts has it. A browser sends a cookie of 127.0.0.1 to every
port of it, so to whatever else listens there; what it keeps in the storage of a page it gives to that port alone.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Final

import streamlit as st

from etl.errors import StrobeError
from strobe.settings import read_only
from strobe.ui.shell import components
from strobe.ui.shell.words import inert

TOKEN: Final = secrets.token_urlsafe(32)
PARAMETER: Final = "token"
_SHOWN: Final = "_token_shown"
_KEEPER: Final = "keeper"


def on() -> bool:
    """Whether this session may write. Asked where something is written, and where it is offered."""
    shown = st.session_state.get(_SHOWN)
    return not read_only() and isinstance(shown, str) and secrets.compare_digest(shown.encode(), TOKEN.encode())


def done(write: Callable[[], object]) -> bool:
    """Whether something was written; what was wrong is said."""
    if not on():
        st.error("Writing is off in this session: open the address that the server printed, token and all.")
        return False
    try:
        write()
    except (StrobeError, OSError) as error:
        st.error(inert(str(error)))
        return False
    return True


def take() -> None:
    """At the beginning of a page: from the address into the session, so that links to it do not carry the token."""
    given = st.query_params.get(PARAMETER)
    if given is not None:
        del st.query_params[PARAMETER]
        _show(given)


def keep() -> None:
    """Lets the browser keep the token for the next load of a page, and show it again there."""
    if not read_only():
        components.keeper()(key=_KEEPER, data={"token": TOKEN if on() else ""}, on_token_change=_shown_again)


def _shown_again() -> None:
    _show(st.session_state[_KEEPER].get("token"))


def _show(given: object) -> None:
    # Of what is no token nothing is kept: a session that may write goes on.
    if isinstance(given, str) and secrets.compare_digest(given.encode(errors="replace"), TOKEN.encode()):
        st.session_state[_SHOWN] = given
