"""Following runs that are being recorded: a badge, and of a page only what their news concerns."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Final, Protocol

import streamlit as st

from etl.errors import StrobeError
from strobe.ui.shell import parts
from strobe.ui.shell.cache import shared
from strobe.ui.shell.moments import milestones_of
from strobe.ui.shell.reader import Reader, RunTables
from strobe.ui.shell.words import markup
from strobe.views import curve_sql
from strobe.views.milestones import Milestones
from strobe.views.run_view import RunView, snapshot_steps
from strobe.views.words import count

_CHANGES: Final = frozenset({"steps", "ended_at"})
"""Of a run's row, what a longer log changes."""


class Page(Protocol):
    """What of a page (`strobe.ui.shell.page.Page`) is followed."""

    name: str
    reader: Reader
    rows: dict[str, dict[str, Any]]
    runs: list[str]
    view: RunView
    milestones: Milestones

    @property
    def run(self) -> str: ...

    def of(self, *runs: str) -> RunTables: ...

    def title_of(self, run: str) -> str: ...


def follow(page: Page) -> None:
    """Before the parts of a page are made: those that grow are then made again by themselves."""
    st.session_state[parts.LIVE] = lambda: renew(page)


def follow_nothing() -> None:
    """The runs of a page are as they will be."""
    st.session_state[parts.LIVE] = None


@st.fragment(run_every=parts.WATCH_SECONDS, key="live")
def watch(page: Page) -> None:
    """The badge, and the look at the store where no part of the page has one."""
    renew(page)
    _badge(page)


def renew(page: Page) -> None:
    """Brings a page to the newest version of its runs. Where more than their logs changed the whole page is made
    again, and this does not return."""
    try:
        newest = Reader.newest()
        if _version(page, newest) == _version(page, page.reader):
            return
        rows = {row["run"]: row for row in newest.every_run().to_pylist()}
        alone = page.name != "runs" and _only_logs_grew(page, newest, rows)
    except (StrobeError, OSError):
        # Between two states of the store; the next look will tell.
        return
    _forget(page, newest)
    if not alone:
        st.rerun()
    page.rows.update({run: rows[run] for run in page.runs})
    page.reader, page.view = newest, _view(page, newest)
    page.milestones = milestones_of(page.view)


def _forget(page: Page, newest: Reader) -> None:
    """What was read of the versions before is asked for by nobody any more, and would stay until there is no room."""
    old = _versions(page.reader, page.runs) - _versions(newest, page.runs)
    shared().clear(lambda key: _tells(key, old))


def _versions(reader: Reader, runs: list[str]) -> set[str]:
    some = [reader.of(run) for run in runs]
    return {reader.version, *(tables.key[1] for tables in (*some, reader.of(*runs)))}


def _tells(key: Hashable, versions: set[str]) -> bool:
    """Whether a key of the cache has one of these versions in it."""
    if isinstance(key, tuple):
        return any(_tells(part, versions) for part in key)
    return isinstance(key, str) and key in versions


def _version(page: Page, reader: Reader) -> str:
    """Of what the page shows: its runs, or the list of all."""
    return reader.version if page.name == "runs" else reader.catalogue.version_of(*page.runs)


def _view(page: Page, reader: Reader) -> RunView:
    return RunView(reader.of(page.run), page.run, page.view.steps, title=page.view.title)


def _only_logs_grew(page: Page, newest: Reader, rows: dict[str, dict[str, Any]]) -> bool:
    """Whether the cursor, its marks, the runs and their metrics are as they were: then curves alone changed."""
    if not page.view.steps or any(_facts(page.rows[run]) != _facts(rows.get(run)) for run in page.runs):
        return False
    for run in page.runs:
        before, now = page.of(run), newest.of(run)
        if snapshot_steps(now, run) != snapshot_steps(before, run):
            return False
        if _names(now.rows(curve_sql.catalogue([run]))) != _names(before.rows(curve_sql.catalogue([run]))):
            return False
    return page.milestones.ticks() == milestones_of(_view(page, newest)).ticks()


def _facts(row: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if row is None else {name: value for name, value in row.items() if name not in _CHANGES}


def _names(rows: list[dict[str, Any]]) -> list[Any]:
    return sorted((row.get("run"), row["name"]) for row in rows)


def _badge(page: Page) -> None:
    training = [run for run in page.runs if page.rows[run].get("status") == "running"]
    steps = ", ".join(f"{page.title_of(run)} at step {count(page.rows[run].get('steps'))}" for run in training[:3])
    more = f" and {len(training) - 3:,} more" if len(training) > 3 else ""
    markup('<p class="st-live"><i></i>Live: {steps}{more}</p>', steps=steps, more=more)
