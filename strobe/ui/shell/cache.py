"""The one cache of what is read or computed of a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import streamlit as st

from strobe.views.run_view import Answer, RunView

F = TypeVar("F", bound=Callable[..., Any])


def cached_by_run(max_entries: int, spinner: str | bool = False) -> Callable[[F], F]:
    """Decorates `f(view, ...)` or `f(answer, ...)`: kept by the store, its version, the run or the SQL, and the other
    arguments. Where the cursor is and how far a run is shifted do not count, so `f` must not look at them.

    Results are shared between visitors and must not be changed, unless they are meant to be filled.
    """
    cached = st.cache_resource(
        max_entries=max_entries, show_spinner=spinner,
        hash_funcs={RunView: lambda view: view.key, Answer: lambda answer: (answer.key, answer.sql)},
    )  # fmt: skip
    return cast("Callable[[F], F]", cached)
