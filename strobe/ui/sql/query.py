"""Running a visitor's statement: the sandbox of a store version, the limits, and what the session remembers."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, cast

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from etl.sql.reply import Limits, QueryError, Reply
from etl.sql.sandbox import Sandbox
from etl.sql.turns import Asker
from strobe import settings
from strobe.ui.shell import writing
from strobe.ui.shell.cache import shared

if TYPE_CHECKING:
    from strobe.ui.shell.reader import Reader

HIDDEN: Final = {"runs": ("snapshots_path",), "imports": ("path",)}
"""Columns that name places on this machine: not for strangers."""

_MOST_REMEMBERED: Final = 30
_WAIT_S: Final = 45.0
_HISTORY = "sql_history"


@dataclass(frozen=True)
class Outcome:
    """What came of one statement: a reply or an error, never both."""

    sql: str
    version: str
    reply: Reply | None
    error: QueryError | None
    seconds: float


def limits() -> Limits:
    """10 s, or 3 s in read-only mode, unless the environment says otherwise; 1,000 rows."""
    return Limits(timeout_s=settings.query_timeout_s(), memory=settings.memory_limit(), wait_s=_WAIT_S)


def hidden_columns() -> dict[str, tuple[str, ...]]:
    return {} if writing.on() else dict(HIDDEN)


def sandbox(reader: Reader) -> Sandbox:
    """The sandbox of the store version that this rerun reads, with a child kept ready. One is kept, of the version
    that was asked last."""
    key = ("sandbox", reader.store, writing.on())

    def make() -> tuple[str, Sandbox]:
        return reader.version, Sandbox(reader.all_runs().catalogue, hidden=hidden_columns())

    version, made = shared().get(key, make, "sandbox")
    if version != reader.version:
        version, made = make()
        shared().put(key, (version, made))
    return cast("Sandbox", made)


def asker() -> Asker | None:
    """This session, for as long as its visitor is there; None without a server."""
    context = get_script_run_ctx()
    if context is None or not runtime.exists():
        return None
    here = partial(runtime.get_instance().is_active_session, context.session_id)
    return Asker(context.session_id, here, st.context.ip_address or "")


def run(reader: Reader, sql: str) -> Outcome:
    """Run the statement, telling the visitor when it has to wait, and remember it in the session."""
    within = limits()
    place = st.empty()

    def waiting(before: int) -> None:
        others = f", and {before} wait as well" if before > 0 else ""
        place.info(f"Waiting for a place: other queries are running{others}.", icon=":material/hourglass_top:")

    started = time.perf_counter()
    reply, error = None, None
    with st.spinner(f"Running, at most {within.timeout_s:g} s"):
        try:
            reply = sandbox(reader).run(sql, within, waiting, asker())
        except QueryError as caught:
            error = caught
    place.empty()
    outcome = Outcome(sql, reader.version, reply, error, time.perf_counter() - started)
    _remember(outcome)
    return outcome


@dataclass(frozen=True)
class Past:
    """One line of the session's history."""

    sql: str
    result: str


def _remember(outcome: Outcome) -> None:
    result = outcome.error.kind if outcome.reply is None and outcome.error else ""
    if outcome.reply is not None:
        result = f"{outcome.reply.table.num_rows:,} rows"
    history: list[Past] = st.session_state.setdefault(_HISTORY, [])
    history[:] = [past for past in history if past.sql != outcome.sql]
    history.insert(0, Past(outcome.sql, f"{result}, {outcome.seconds:.2g} s"))
    del history[_MOST_REMEMBERED:]


def history() -> list[Past]:
    """This session's statements, newest first, each once."""
    return list(st.session_state.get(_HISTORY, []))
