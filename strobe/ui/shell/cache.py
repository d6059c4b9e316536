"""The one cache of what is read or computed of a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from strobe.views.run_view import Answer, RunView


def cached_by_run(max_entries: int, spinner: str | bool = False) -> Callable[[Any], Any]:
    """Decorates `f(view, ...)`: kept by the store, its version, the run, and the other arguments (an Answer counts by
    its SQL). Where the cursor is and how far a run is shifted do not count, so `f` must not look at them.

    Results are shared between visitors and must not be changed, unless they are meant to be filled.
    """
    return st.cache_resource(
        max_entries=max_entries, show_spinner=spinner,
        hash_funcs={RunView: lambda view: view.key, Answer: lambda answer: answer.sql},
    )  # fmt: skip
