"""What is kept of what was read or computed: one cache for all pages and visitors, bounded in bytes.

It is this module's and in no cache of Streamlit's, which any visitor may clear.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, cast

import pyarrow as pa
import streamlit as st

from strobe.settings import cache_bytes
from strobe.ui.shell.shared_cache import Filling, SharedCache
from strobe.views.run_view import Answer, RunView, Tables

F = TypeVar("F", bound=Callable[..., Any])


@functools.cache
def shared() -> SharedCache:
    """The cache of this process."""
    # Arrow keeps what was freed for itself: of 420 MB that were let go 150 came back only when it was asked.
    return SharedCache(cache_bytes(), pa.default_memory_pool().release_unused)


def cached_by_run(function: F) -> F:
    """`f(view, ...)` or `f(answer, ...)`, kept by the store, the version of the run, the run or the SQL, and the
    other arguments. Where the cursor is and how far a run is shifted do not count, so `f` must not look at them.

    Results are shared between visitors and must not be changed.
    """
    return _cached(function, None)


def slowly_cached_by_run(spinner: str) -> Callable[[F], F]:
    """The same for what takes a while: those who wait see the `spinner`."""
    return lambda function: _cached(function, spinner)


def filled(what: str, view: RunView, *key: Any) -> Filling:
    """The dictionary of `what` is known of a run, which pages fill as they are asked: kept by the store, the version
    of the run, the run and `key`. It stays with whoever asked for it, also where it becomes too large to be kept."""
    whole = (what, key_of(view), key_of(key))
    made: Filling = shared().get(whole, lambda: Filling(functools.partial(shared().grew, whole)), "filled")
    return made


def _cached(function: F, spinner: str | None) -> F:
    @functools.wraps(function)
    def cached(*arguments: Any, **named: Any) -> Any:
        key = _key_of_call(function, arguments, named)
        make = functools.partial(function, *arguments, **named)
        if spinner is None or key in shared():
            return shared().get(key, make, key[0])
        with st.spinner(spinner):
            return shared().get(key, make, key[0])

    return cast("F", cached)


def holds(cached: Callable[..., Any], *arguments: Any) -> bool:
    """Whether the result of a cached function for these arguments is kept."""
    return _key_of_call(cached.__wrapped__, arguments, {}) in shared()  # type: ignore[attr-defined]


def learn(cached: Callable[..., Any], value: Any, *arguments: Any) -> None:
    """Keeps a result of a cached function that was made elsewhere, as together with others."""
    shared().put(_key_of_call(cached.__wrapped__, arguments, {}), value)  # type: ignore[attr-defined]


def _name(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{function.__qualname__}"


def _key_of_call(function: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
    return _name(function), *map(key_of, arguments), *((name, key_of(named[name])) for name in sorted(named))


def key_of(value: Any) -> Hashable:
    """What tells an argument from others that lead to another result."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Answer):
        return value.key, value.sql
    # To ask of a value whether it follows the protocol takes as long as all else here.
    if isinstance(value, RunView) or (hasattr(value, "ask") and isinstance(value, Tables)):
        return value.key
    if is_dataclass(value) and not isinstance(value, type):
        return type(value).__qualname__, *(key_of(getattr(value, field.name)) for field in fields(value))
    if isinstance(value, dict):
        value = list(value.items())
    if isinstance(value, list | tuple):
        return tuple(key_of(item) for item in value)
    return cast("Hashable", value)
