"""Parts of a page that are made again alone: by their own widgets, and some whenever the cursor comes to rest."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from typing import Final

import streamlit as st
from streamlit.errors import StreamlitAPIException
from streamlit.runtime.scriptrunner import get_script_run_ctx

from etl.errors import StrobeError

_FOLLOWERS: Final = "_followers"
LIVE: Final = "_live"
"""What brings the page of a session up to date with the runs that it follows; None where it follows none."""
WATCH_SECONDS: Final = 5.0
"""Between two looks at the store while a shown run is training."""
_inside: ContextVar[str] = ContextVar("part", default="")


def part(name: str, *, grows: bool = False) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """A fragment that `follow_server` can be called in. `name` is unlike that of any other part of the page; parts
    may stand inside each other. One that `grows` shows what is logged: on the page of a run that is being recorded it
    is made again by itself, of the run as it is by then."""
    path = f"{_inside.get()}/{name}" if _inside.get() else name

    def decorated(body: Callable[[], None]) -> Callable[[], None]:
        bring_up_to_date = st.session_state.get(LIVE) if grows else None

        @st.fragment(key=path, run_every=WATCH_SECONDS if bring_up_to_date else None)
        @functools.wraps(body)
        def run() -> None:
            _forget(path)
            outer = _inside.set(path)
            try:
                if bring_up_to_date and _alone():
                    bring_up_to_date()
                body()
            except (StrobeError, OSError):
                # What it shows has changed since the page was made, as where a run was removed: the whole page is
                # made again, of the store as it is now, and says so. In a whole page the error stands.
                if not _alone():
                    raise
                st.rerun()
            finally:
                _inside.reset(outer)

        return run

    return decorated


def _alone() -> bool:
    """Whether a part is made again by itself, and not with its page."""
    context = get_script_run_ctx(suppress_warning=True)
    return context is not None and bool(context.fragment_ids_this_run)


def follow_server() -> None:
    """Makes the part that this is called in again whenever the cursor comes to rest: for panels that lack some
    steps. Raises LookupError outside of a part."""
    if not _inside.get():
        raise LookupError("only a part of a page can follow the cursor: decorate the caller with `part`")
    _followers().add(_inside.get())


def none_follow() -> None:
    """At the beginning of a page."""
    st.session_state[_FOLLOWERS] = set()


def remake_followers() -> None:
    """In the callback of the cursor: nothing of the page is made again but the parts that follow it."""
    _remake(_followers())


def _remake(wanted: set[str]) -> None:
    # A part is made again by the one round it.
    outermost = [path for path in sorted(wanted) if not any(path.startswith(f"{other}/") for other in wanted)]
    if not outermost:
        return
    try:
        st.rerun(outermost)
    except StreamlitAPIException:
        # A part is gone that was there when the page was made.
        st.rerun()


def _followers() -> set[str]:
    found: set[str] = st.session_state.setdefault(_FOLLOWERS, set())
    return found


def _forget(path: str) -> None:
    """A part that is made anew tells anew whether it and those in it follow the cursor."""
    followers = _followers()
    followers -= {other for other in followers if other == path or other.startswith(f"{path}/")}
