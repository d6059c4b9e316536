"""The frame that all pages share: title, run picker, step cursor, notes, footer.

A page is a thin script that begins with it:

    from strobe.ui.shell.page import frame

    page = frame("sql", cursor=False)     # stops the script where there is nothing to show yet
    answer = page.view.tables.ask("SELECT ...")  # kept while the run does not change; answer.table is an Arrow table
    ...
    page.footer()

`frame` is safe to call twice in one script run: the second call returns the first one's frame. A page that is opened
cold (a deep link to a fresh server, where Streamlit runs the page's file without the router) is sent through the
router once.
"""

from __future__ import annotations

import atexit
import gc
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import streamlit as st
from streamlit.errors import StreamlitDuplicateElementKey

from strobe.charts.theme import ACCENT, DARK, LIGHT, Look, run_looks
from strobe.ui.shell import address, appearance, components, left_out, live, parts, registry, selection, writing
from strobe.ui.shell import cursor as step_cursor
from strobe.ui.shell.moments import found, milestones_of
from strobe.ui.shell.reader import Reader, RunTables
from strobe.ui.shell.start import read_only_line, read_store, store_name
from strobe.ui.shell.words import dot_style, escaped, inert, markup
from strobe.views.milestones import Milestones
from strobe.views.run_view import RunView, logged_steps, snapshot_steps
from strobe.views.words import count, listed, size

_CHIPS: Final = 8
"""Runs that the header names."""
_STUDIES: Final = "memorization"
"""The page, and the task, of memorization studies."""
_ROUTED = "_routed"
_PAGE = "_page"
_STYLE = f"<style>{(components.STATIC / 'frame.css').read_text(encoding='utf-8')}</style>"


@dataclass
class Page:
    """What a page is made from in this rerun: one version of the store, the runs that are selected in it, and the
    first of them as `view`, which the panels that follow the cursor are given. Its header and footer are drawn by it.
    """

    name: str
    reader: Reader
    rows: dict[str, dict[str, Any]]
    """Run id -> its row of table `runs`, for every run there is."""
    runs: list[str]
    looks: dict[str, Look]
    view: RunView
    """The first selected run; without steps on a page that has no cursor."""
    milestones: Milestones = field(default_factory=Milestones)
    stops: tuple[int, ...] = ()
    """Where the cursor can rest: the snapshots of the first run, or the steps that it logged where there are none."""
    started: float = field(default_factory=time.perf_counter)
    notes: Any = None
    told: list[str] = field(default_factory=list)
    """What it has said that is damaged."""

    def view_of(self, run: str) -> RunView:
        """Another run of the store, as the same panels look at it; where the first run's view is, `view` has it."""
        tables = self.of(run)
        return RunView(tables, run, snapshot_steps(tables, run), title=self.title_of(run))

    def milestones_of(self, run: str) -> Milestones:
        """Of any run of the store."""
        made: Milestones = found(self.of(run), run)
        return made

    def of(self, *runs: str) -> RunTables:
        """The tables of some runs."""
        return self.reader.of(*runs)

    def say(self) -> None:
        """Shows the notes that were queued so far, below the header, and what is known by now to be damaged."""
        asked = st.query_params.get_all("run")
        damaged = left_out.sentences(self.reader, self.name, {*self.runs, *asked})
        left_out.warn(self.notes, [text for text in damaged if text not in self.told])
        self.told = damaged
        text = " ".join(address.take_notes())
        if text:
            self.notes.warning(inert(text), icon=":material/info:")

    @property
    def run(self) -> str:
        """The first selected run: the one the cursor moves through."""
        return self.view.run

    def title_of(self, run: str) -> str:
        """The display name of a run, as data (escape it before use)."""
        return appearance.names().get(run) or str(self.rows[run].get("name") or run)

    def footer(self) -> None:
        """One small line: what was read and how long the page took. The notes of the body are shown too."""
        self.say()
        answers = self.reader.read
        rows = sum(answer.rows for answer in answers)
        read = size(sum(answer.bytes for answer in answers))
        took = (time.perf_counter() - self.started) * 1e3
        queries = f"{len(answers)} quer{'y' if len(answers) == 1 else 'ies'}"
        markup(
            '<p class="st-foot">Read {rows} rows ({read}) in {queries}; page made in {took} ms. Store {version}</p>',
            rows=count(rows), read=read, queries=queries, took=f"{took:,.0f}", version=self.reader.version[:8],
        )  # fmt: skip
        _leave_imports_to_themselves()


@cache
def _leave_imports_to_themselves() -> None:
    """Streamlit collects garbage after every rerun, and the next waits for it: 80 ms of looking at what was imported.
    Once a page stands, what there is by then is not looked at any more."""
    gc.collect()
    gc.freeze()
    # DuckDB's binding calls whatever is still frozen at the end of the process a leak.
    atexit.register(gc.unfreeze)


def route() -> None:
    """For streamlit_app.py: marks the session as routed and runs the page that was asked for."""
    st.session_state[_ROUTED] = True
    registry.navigation(st.Page).run()


def through_the_router() -> None:
    """Where a page was opened cold: once more, by the router."""
    if not st.session_state.get(_ROUTED):
        st.session_state[_ROUTED] = True
        registry.navigation(st.Page)
        st.rerun()


def frame(name: str, *, cursor: bool = True) -> Page:
    """Draws the frame of page `name`; with `cursor` the step cursor of the first selected run.

    Stops the script, after saying why and what to do next, where the store cannot be read or holds no run.
    """
    writing.take()
    through_the_router()
    try:
        # A key can be used once in a run of the script, so this tells the second call from the first.
        st.container(key="frame")
    except StreamlitDuplicateElementKey:
        made: Page = st.session_state[_PAGE]
        return made
    st.session_state[_PAGE] = _draw(name, cursor)
    return st.session_state[_PAGE]  # type: ignore[no-any-return]


def _draw(name: str, cursor: bool) -> Page:
    started = time.perf_counter()
    address.begin(name)
    spec = registry.specs()[name]
    st.set_page_config(
        page_title=f"{spec.title} · Strobe", page_icon=str(components.STATIC / "icon.svg"), layout="wide"
    )
    dress()
    reader, rows = read_store(spec)
    chosen = selection.choose(list(rows), _default_run(rows, name))
    appearance.choose(chosen)
    tables = reader.of(chosen[0])
    steps = snapshot_steps(tables, chosen[0]) if cursor else ()
    title = appearance.names().get(chosen[0]) or str(rows[chosen[0]].get("name") or chosen[0])
    view = RunView(tables, chosen[0], steps, title=title)
    page = Page(name, reader, rows, chosen, _looks(reader, chosen), view, started=started)
    _sidebar(page)
    _header(page, spec)
    parts.none_follow()
    if cursor:
        page.milestones = milestones_of(view)
        what = "snapshot" if view.steps else "logged step"
        page.stops = view.steps or logged_steps(tables, view.run)
        step_cursor.choose(page.stops, page.milestones.onset.step if page.milestones.onset else None, what)
        running = rows[chosen[0]].get("status") == "running"
        step_cursor.draw(view, page.milestones.ticks(), page.stops, what, running=running)
    page.notes = st.container()
    page.say()
    if spec.one_run and len(page.runs) > 1:
        _which(page)
    if any(page.rows[run].get("status") == "running" for run in page.runs):
        live.follow(page)
        live.watch(page)
    else:
        live.follow_nothing()
    return page


def dress() -> None:
    """Logo and style."""
    st.logo(str(components.STATIC / "logo.svg"), size="medium")
    st.html(_STYLE + _on_accent())


def _on_accent() -> str:
    """The colour of what stands on the accent: Streamlit has white there, which is 2.6:1 in the dark; and a ring
    round what has the focus of the keyboard."""
    mode = DARK if st.context.theme.type == "dark" else LIGHT
    ring = ":is(a, button, summary, input, textarea, [tabindex]):focus-visible"
    return (
        f"<style>:is([data-testid^=stBaseButton-primary]:not(:disabled), [data-tag]) * "
        f"{{ color: {mode.background} !important; }} "
        f"{ring} {{ outline: 2px solid {mode.primary}; outline-offset: 1px; }}</style>"
    )


def _which(page: Page) -> None:
    """Of several runs, which one is drawn."""
    others = listed([page.title_of(run) for run in page.runs[1:]])
    markup(
        '<p class="st-caption">Drawn: {run}, the first of {n} selected runs; not {others}. '
        "Explorer sets a second run beside the first.</p>",
        run=page.title_of(page.run), n=len(page.runs), others=others,
    )  # fmt: skip


def _looks(reader: Reader, chosen: list[str]) -> dict[str, Look]:
    # Alone on a page a run takes the accent, since colour then means the split.
    alone = len(chosen) == 1
    return appearance.dressed({chosen[0]: Look(ACCENT)} if alone else run_looks(chosen, colours(reader, chosen)))


def colours(reader: Reader, runs: Sequence[str]) -> dict[str, str]:
    """The colours that the store keeps of runs."""
    said = reader.catalogue.annotations()
    return {run: said[run].colour for run in runs if run in said}


def _default_run(rows: dict[str, dict[str, Any]], page: str) -> str:
    """The newest run of those that the page is about: studies on the page of that name, and elsewhere the others;
    the newest of all where there is none."""
    own = [run for run, row in rows.items() if (row.get("task") == _STUDIES) == (page == _STUDIES)]
    return max(own or rows, key=lambda run: (rows[run].get("created_at") or 0, run))


def _sidebar(page: Page) -> None:
    def selected() -> None:
        # A component's value is read in its callback, before the script runs: the whole page then agrees.
        wanted = st.session_state["run_picker"].get("selected") or []
        st.session_state["runs"] = [run for run in wanted if isinstance(run, str)][: selection.MOST_RUNS]

    listed = sorted(page.rows.values(), key=lambda row: -(row.get("created_at") or 0))
    items = [
        [row["run"], page.title_of(row["run"]), row.get("status") or "unknown", *page.looks.get(row["run"], ("", 0))]
        for row in listed
    ]
    words = {
        "what": "Runs", "none": "No run has this in its name.",
        "full": f"{selection.MOST_RUNS} runs are drawn: untick one to add another.",
    }  # fmt: skip
    with st.sidebar:
        components.picker()(
            key="run_picker",
            data={
                "items": items,
                "selected": page.runs,
                "most": selection.MOST_RUNS,
                "words": words,
                "optional": False,
            },
            on_selected_change=selected,
        )
        markup('<p class="st-caption">Store: {name}</p>', name=store_name())
        read_only_line()
        components.menu()(key="menu")


def _header(page: Page, spec: registry.PageSpec) -> None:
    chips = "".join(
        f'<span class="st-chip"><i style="{dot_style(page.looks[run])}"></i>{escaped(page.title_of(run))}</span>'
        for run in page.runs[:_CHIPS]
    )
    if len(page.runs) > _CHIPS:
        chips += f'<span class="st-chip">and {len(page.runs) - _CHIPS} more</span>'
    st.html(
        f'<div class="st-head"><h1>{spec.title}</h1><p>{spec.answers}</p><span style="flex:1"></span>{chips}</div>'
    )
